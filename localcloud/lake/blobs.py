"""Writing through Blob: whole blobs, and blocks that a block list makes into one.

Source: REST reference, Put Blob, Put Block, Put Block List, Get Block List.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Literal

from localcloud.lake import leases
from localcloud.lake.content import Extent, Written
from localcloud.lake.errors import StorageError
from localcloud.lake.store import Found, Node
from localcloud.lake.target import Place
from localcloud.lake.volume import Act, Making, Volume

MAXIMUM_BLOCKS = 50_000
MAXIMUM_UNCOMMITTED = 100_000


def check_put(volume: Volume, act: Act, place: Place, *, api: Literal["blob", "block"] = "blob") -> Found:
    """Refuse a Put Blob or Put Block that may not be, before its bytes are received."""
    found = volume.find(place)
    volume.access.create(act.rights, found)
    if not place.path:
        raise StorageError("InvalidUri", "A blob has a name.")
    if found.node is not None and found.node.is_directory:
        raise StorageError("ResourceTypeMismatch", f"'{place}' is a directory, not a blob.")
    if api == "block":
        volume.guard(act, found.node)
    else:
        _guard_put(volume, act, found.node, place)
    if found.node is not None and found.node.copy and found.node.copy["status"] == "pending":
        raise StorageError("PendingCopyOperation", f"A copy to '{place}' is still under way.")
    return found


def _guard_put(volume: Volume, act: Act, node: Node | None, place: Place) -> None:
    """Check a request that makes or replaces a blob.

    The holder of its lease may replace it, though ``If-None-Match: *`` insists on making one: observed in the
    recordings of azure-storage-blob's ``test_create_blob_with_lease_id``.
    """
    if node is not None and act.conditions.create_only and act.lease_id and node.lease is not None:
        leases.check_write(node.lease, act.lease_id, volume.clock.time())
    else:
        volume.guard_new(act, node, place)


def put_blob(volume: Volume, act: Act, place: Place, making: Making, written: Written) -> Node:
    """Make or replace a blob by received bytes; their MD5 becomes its property."""
    with volume.store.database.transaction():
        md5 = base64.b64encode(written.md5).decode()
        content = volume.contents.of_part(written)
        node = put_content(volume, act, place, making, content=content, length=written.length, md5=md5)
        volume.blob_created(act, "PutBlob", place, node)
        return node


def put_content(
    volume: Volume, act: Act, place: Place, making: Making, *, content: int, length: int, md5: str | None,
    copy: dict[str, Any] | None = None,
) -> Node:  # fmt: skip
    """Make or replace a blob by a content, within the open transaction; emits nothing."""
    found = check_put(volume, act, place)
    columns: dict[str, Any] = {"content": content, "length": length, "md5": md5, "surface": "blob", "copy": copy}
    if found.node is not None:
        node = volume.replace_content(found.node, metadata=making.metadata, headers=making.headers, **columns)
    else:
        parent = volume.make_parents(act, found, place)
        node = volume.make_child(act, parent, found.missing[-1], place, directory=False, making=making, **columns)
    volume.drop_blocks(found.chain[0].id, place.path)
    return node


def put_directory(volume: Volume, act: Act, place: Place, making: Making) -> Node:
    """Make a directory in the way clients of flat accounts do: an empty blob with ``hdi_isfolder``."""
    with volume.store.database.transaction():
        found = volume.find(place)
        volume.access.create(act.rights, found)
        volume.guard_new(act, found.node, place)
        if found.node is not None:
            if not found.node.is_directory:
                raise StorageError("ResourceTypeMismatch", f"'{place}' exists and is not a directory.")
            return volume.change(found.node, metadata=making.metadata)
        parent = volume.make_parents(act, found, place)
        return volume.make_child(act, parent, found.missing[-1], place, directory=True, making=making)


def put_block(volume: Volume, act: Act, place: Place, block: str, content: int, length: int) -> None:
    """Stage a content as an uncommitted block, within the open transaction."""
    found = check_put(volume, act, place, api="block")
    root, database = found.chain[0].id, volume.store.database
    volume.abandon("lake_block", root=root, path=place.path)
    rows = database.one(
        "SELECT count(*) AS blocks, coalesce(max(ordinal), 0) AS last, max(id) AS id FROM lake_block"
        " WHERE root = ? AND path = ?", root, place.path,
    )  # fmt: skip
    assert rows is not None
    if rows["blocks"] >= MAXIMUM_UNCOMMITTED:
        raise StorageError("RequestBodyTooLarge", f"A blob has at most {MAXIMUM_UNCOMMITTED} uncommitted blocks.")
    if rows["id"] and len(rows["id"]) != len(block):
        raise StorageError("InvalidBlobOrBlock", "All block ids of one blob have the same length.")
    before = database.one(
        "SELECT content FROM lake_block WHERE root = ? AND path = ? AND id = ?", root, place.path, block
    )
    database.run(
        "INSERT OR REPLACE INTO lake_block VALUES (?, ?, ?, ?, ?, ?, ?)",
        root, place.path, block, rows["last"] + 1, content, length, volume.clock.time(),
    )  # fmt: skip
    if before is not None:
        volume.release(before["content"])


def put_received_block(volume: Volume, act: Act, place: Place, block: str, written: Written) -> None:
    """Stage received bytes as an uncommitted block."""
    with volume.store.database.transaction():
        put_block(volume, act, place, block, volume.contents.of_part(written), written.length)


def check_block_id(block: str) -> None:
    """Refuse what is no block id: base64 of at most 64 bytes."""
    try:
        length = len(base64.b64decode(block, validate=True))
    except (binascii.Error, ValueError):
        length = 0
    if not 1 <= length <= 64:
        raise StorageError("InvalidQueryParameterValue", f"A blockid is base64 of 1 to 64 bytes, not '{block}'.")


@dataclass(frozen=True)
class Blocks:
    """The blocks of a blob as (id, length): the committed ones in order, the others as they came."""

    committed: list[tuple[str, int]]
    uncommitted: list[tuple[str, int]]
    node: Node | None


def block_list(volume: Volume, act: Act, place: Place) -> Blocks:
    """Return the blocks of a blob; one that has only uncommitted blocks counts, though the blob does not exist."""
    found = volume.find(place)
    volume.access.read(act.rights, found)
    rows = _uncommitted(volume, found, place)
    if found.node is None and not rows:
        volume.existing(found, place)
    uncommitted = [(row["id"], row["length"]) for row in rows.values()]
    return Blocks(volume.contents.blocks(found.node.content) if found.node else [], uncommitted, found.node)


def put_block_list(
    volume: Volume, act: Act, place: Place, making: Making, names: list[tuple[str, str]], md5: str | None
) -> Node:
    """Make or replace a blob by blocks; ``names`` are (Committed | Uncommitted | Latest, id) in order."""
    if len(names) > MAXIMUM_BLOCKS:
        raise StorageError("InvalidBlockList", f"A blob has at most {MAXIMUM_BLOCKS} committed blocks.")
    with volume.store.database.transaction():
        found = check_put(volume, act, place)
        committed = _committed(volume, found.node)
        uncommitted = _uncommitted(volume, found, place)
        extents: list[Extent] = []
        blocks: list[tuple[str, int]] = []
        for kind, block in names:
            piece: list[Extent] | None = None
            if kind != "Committed" and block in uncommitted:
                row = uncommitted[block]
                piece = volume.contents.slice(row["content"], 0, row["length"])
            elif kind != "Uncommitted" and block in committed:
                start, length = committed[block]
                assert found.node is not None
                piece = volume.contents.slice(found.node.content, start, start + length)
            if piece is None:
                raise StorageError(
                    "InvalidBlockList", f"The specified block list is invalid: no {kind} block '{block}'."
                )
            extents += piece
            blocks.append((block, sum(extent.length for extent in piece)))
        content = volume.contents.join(extents)
        volume.contents.set_blocks(content, blocks)
        length = sum(length for _, length in blocks)
        node = put_content(volume, act, place, making, content=content, length=length, md5=md5)
        volume.blob_created(act, "PutBlockList", place, node)
        return node


def _committed(volume: Volume, node: Node | None) -> dict[str, tuple[int, int]]:
    blocks, position = {}, 0
    for block, length in volume.contents.blocks(node.content) if node else []:
        blocks[block] = (position, length)
        position += length
    return blocks


def _uncommitted(volume: Volume, found: Found, place: Place) -> dict[str, Any]:
    volume.abandon("lake_block", root=found.chain[0].id, path=place.path)
    rows = volume.store.database.all(
        "SELECT id, content, length FROM lake_block WHERE root = ? AND path = ? ORDER BY ordinal",
        found.chain[0].id, place.path,
    )  # fmt: skip
    return {row["id"]: row for row in rows}
