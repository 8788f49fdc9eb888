"""What faults do to paths of the lake behind everybody's back: another version, damaged bytes."""

from __future__ import annotations

import logging
from typing import Any

from localcloud.lake.content import Extent
from localcloud.lake.store import Node
from localcloud.lake.target import Place
from localcloud.lake.volume import Volume

log = logging.getLogger(__name__)


def touch(volume: Volume, name: str) -> None:
    """Make a new version of the path ``filesystem/path`` with the same content, as another writer would."""
    node = _node(volume, name)
    if node is not None:
        with volume.store.database.transaction():
            volume.change(node)


def corrupt(volume: Volume, name: str, how: Any) -> None:
    """Damage the bytes of the file ``filesystem/path``: its ETag, time and MD5 stay as they are.

    ``how`` is ``{"flip": 7}``, one wrong bit in that byte, or ``{"truncate": 7}``, an end after so many; true means the
    first byte. Another path that shares the content, as a copy does, keeps it whole. A file that is shorter stays so.
    """
    node = _node(volume, name)
    kind, position = next(iter(how.items())) if isinstance(how, dict) else ("flip", 0)
    if node is None or node.is_directory or node.length <= position:
        log.warning("nothing is corrupted: %s has no byte %d", name, position)
        return
    with volume.store.database.transaction():
        content, length = _damaged(volume, node, kind, position)
        volume.store.update(node, content=content, length=length)
        volume.release(node.content)


def _damaged(volume: Volume, node: Node, kind: str, position: int) -> tuple[int, int]:
    """Return a content with the damage, and its length."""
    contents = volume.contents
    before = contents.slice(node.content, 0, position)
    if kind == "truncate":
        return contents.join(before), position
    byte = b"".join(contents.read(node.content, position, position + 1))
    wrong = contents.keep([bytes([byte[0] ^ 1])])
    after = contents.slice(node.content, position + 1, node.length)
    return contents.join([*before, Extent(position, wrong.part, 0, 1), *after]), node.length


def _node(volume: Volume, name: str) -> Node | None:
    filesystem, _, path = name.partition("/")
    found = volume.store.find(Place(filesystem, path))
    return found.node if found else None
