"""The lake as people look at it: the folders and files behind ``ls``, ``get`` and the state page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

from localcloud.identity.rules import SUPERUSER
from localcloud.lake import listing
from localcloud.lake.access import Rights
from localcloud.lake.errors import StorageError
from localcloud.lake.rules import Lake
from localcloud.lake.store import Node
from localcloud.lake.target import Place
from localcloud.lake.volume import Act

#: Entries shown of one folder.
MOST = 5000


@dataclass(frozen=True)
class Folder:
    """What lies in a folder; ``more`` says that it holds more than is shown."""

    entries: list[dict[str, Any]]
    more: bool


class LakeView:
    """Reads with the rights of the account's key; the first part of a path is the filesystem."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def count(self) -> int:
        """Return how many files the lake holds."""
        row = self._lake.volume.store.database.one("SELECT count(*) FROM lake_node WHERE NOT is_directory")
        return 0 if row is None else int(row[0])

    def hold_copies(self, *, held: bool) -> None:
        """Leave asynchronous copies (Copy Blob) pending from now on, or complete all that are and hold no more."""
        if held:
            self._lake.copies.held = True
        else:
            self._lake.copies.release()

    def open(self, path: str) -> tuple[int, BinaryIO] | None:
        """Return length and content of a file, None for a folder; raises LookupError when nothing is there."""
        filesystem, _, rest = path.partition("/")
        if not rest:
            return None
        try:
            file = self._lake.read_file(SUPERUSER, filesystem, rest)
        except StorageError as refusal:
            if refusal.code == "PathConflict":
                return None
            raise LookupError(refusal.message) from refusal
        return file.length, file.open()

    def folder(self, path: str) -> Folder:
        """Return the folder at ``path`` (empty: the filesystems); raises LookupError when there is none."""
        if not path:
            return Folder([_entry(node) for node in self._lake.volume.store.filesystems("", "")], more=False)
        filesystem, _, rest = path.partition("/")
        try:
            page = listing.list_paths(
                self._lake.volume,
                Act(Rights(SUPERUSER)),
                Place(filesystem, rest),
                recursive=False,
                limit=MOST,
                after=None,
            )
        except StorageError as refusal:
            raise LookupError(refusal.message) from refusal
        return Folder([_entry(node) for _, node in page.entries], more=page.following is not None)


def _entry(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "is_directory": node.is_directory,
        "length": node.length,
        "modified": datetime.fromtimestamp(node.modified, UTC).isoformat(timespec="seconds"),
        "owner": node.owner,
        "group": node.group,
        "permissions": node.permissions,
    }
