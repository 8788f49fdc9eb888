"""Writing through DFS: appends stage bytes by position, a flush makes a new version of the file out of them.

Source: REST reference, Path - Update (append, flush). Positions are judged at the flush only.
"""

from __future__ import annotations

from typing import Any

from localcloud.lake import leases
from localcloud.lake.content import Extent, Written
from localcloud.lake.errors import StorageError
from localcloud.lake.leases import Lease
from localcloud.lake.store import Found, Node
from localcloud.lake.target import Place
from localcloud.lake.volume import Act, Volume


def check_append(volume: Volume, act: Act, place: Place) -> None:
    """Refuse an append before its bytes are received."""
    found = volume.find(place)
    volume.access.write(act.rights, found, append=True)
    _dfs_file(volume, found, place)


def append(
    volume: Volume, act: Act, place: Place, position: int, written: Written, change: leases.Change | None
) -> Node:
    """Stage received bytes at ``position``; what was staged there before is replaced."""
    with volume.store.database.transaction():
        found = volume.find(place)
        volume.access.write(act.rights, found, append=True)
        node = _changed_lease(volume, act, _dfs_file(volume, found, place), change)
        volume.abandon("lake_staged", node=node.id)
        content = volume.contents.of_part(written)
        database = volume.store.database
        before = database.one("SELECT content FROM lake_staged WHERE node = ? AND position = ?", node.id, position)
        database.run(
            "INSERT OR REPLACE INTO lake_staged VALUES (?, ?, ?, ?, ?)",
            node.id, position, content, written.length, volume.clock.time(),
        )  # fmt: skip
        if before is not None:
            volume.release(before["content"])
        return node


def flush(
    volume: Volume, act: Act, place: Place, position: int, *, close: bool, retain: bool = False,
    headers: dict[str, str] | None = None, md5: str | None = None, change: leases.Change | None = None,
) -> Node:  # fmt: skip
    """Make the file's committed and staged bytes up to ``position`` its new version.

    ``close`` says the file is complete, which is what sends the event; ``retain`` keeps staged bytes beyond.
    """
    with volume.store.database.transaction():
        found = volume.find(place)
        volume.access.write(act.rights, found, append=True)
        node = _dfs_file(volume, found, place)
        if act.conditions.create_only:
            raise StorageError("ConditionNotMet", f"The specified path '{place}' already exists.", status=304)
        act.conditions.check_write(node.etag, node.modified)
        node = _changed_lease(volume, act, node, change, flushing=True)
        node = _flushed(volume, node, position, headers or {}, md5)
        volume.drop_staged(node, None if not retain else node.length)
        if close:
            volume.blob_created(act, "FlushWithClose", place, node)
        return node


def _flushed(volume: Volume, node: Node, position: int, headers: dict[str, str], md5: str | None) -> Node:
    extents, end = _contiguous(volume, node, position)
    if end != position:
        raise StorageError(
            "InvalidFlushPosition",
            f"The uploaded data is not contiguous or the position query parameter value {position} is not equal to the "
            f"length of the file after appending the uploaded data: it would be {end}.",
        )
    columns: dict[str, Any] = {"length": end, "md5": md5}
    if headers:
        columns["headers"] = {**node.headers, **headers}
    if not extents:
        return volume.change(node, **(columns if md5 or headers else {}))
    before = node.content
    content = volume.contents.join(extents) if before is None else volume.contents.extend(before, node.length, extents)
    changed = volume.change(node, content=content, **columns)
    if before is not None and before != content:
        volume.release(before)
    return changed


def _contiguous(volume: Volume, node: Node, position: int) -> tuple[list[Extent], int]:
    """Return the staged extents that follow the committed bytes without a gap, and where they end."""
    volume.abandon("lake_staged", node=node.id)
    rows = volume.store.database.all(
        "SELECT position, content, length FROM lake_staged WHERE node = ? AND position >= ? ORDER BY position",
        node.id, node.length,
    )  # fmt: skip
    extents: list[Extent] = []
    end = node.length
    for row in rows:
        if row["position"] != end or end >= position:
            break
        extents += volume.contents.slice(row["content"], 0, row["length"])
        end += row["length"]
    return extents, end


def _dfs_file(volume: Volume, found: Found, place: Place) -> Node:
    node = volume.file(found, place)
    if node.surface != "dfs":
        raise StorageError(
            "InvalidFlushOperation", f"'{place}' was written through the Blob API and cannot be appended to or flushed."
        )
    return node


def _changed_lease(
    volume: Volume, act: Act, node: Node, change: leases.Change | None, *, flushing: bool = False
) -> Node:
    """Check the lease of the write, and do what ``x-ms-lease-action`` asks for with it."""
    now = volume.clock.time()
    if change is None:
        leases.check_write(node.lease, act.lease_id, now)
        return node
    lease: Lease | None = node.lease
    if change.action in ("acquire", "acquire-release"):
        lease = leases.acquire(lease, change.duration, change.proposed, now)
    else:
        leases.check_write(lease, act.lease_id, now)
        if change.action == "auto-renew":
            lease = leases.renew(lease, act.lease_id, now)
    if flushing and change.action in ("release", "acquire-release"):
        lease = None
    return volume.store.update(node, lease=lease)
