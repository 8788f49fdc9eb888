"""Copies within the account: whole blobs and blocks made from another path, without moving bytes.

The source's rights are checked with its own authorisation, as the service does. Source: REST reference, Put Blob From
URL, Put Block From URL, Copy Blob, Abort Copy Blob.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any, Literal

from localcloud.lake import blobs, leases, paths
from localcloud.lake.conditions import Conditions
from localcloud.lake.errors import StorageError
from localcloud.lake.store import Node
from localcloud.lake.target import Place
from localcloud.lake.volume import Act, Making, Volume


@dataclass(frozen=True)
class Origin:
    """Where a copy comes from: the path, who reads it, its conditions, and its address as the client gave it."""

    place: Place
    act: Act
    conditions: Conditions
    url: str


def _source(volume: Volume, origin: Origin, *, fetched: Literal["blob", "block"] | None = None) -> Node:
    """Return the source for reading; its refusals are passed on, marked as the source's.

    Put Blob From URL and Put Block From URL tell of a source that was ``fetched`` and refused itself.
    """
    try:
        node = paths.readable(volume, origin.act, origin.place, Conditions())
        if node.is_directory or (node.copy and node.copy["status"] == "pending"):
            raise StorageError("CannotVerifyCopySource", f"The source '{origin.place}' is not a readable blob.")
        if fetched is None:
            origin.conditions.check_write(node.etag, node.modified)
    except StorageError as refusal:
        raise passed_on(refusal) from refusal
    if fetched is not None:
        _check_fetched(origin.conditions, node, fetched)
    return node


def _check_fetched(conditions: Conditions, node: Node, by: Literal["blob", "block"]) -> None:
    """Refuse a source that is not the expected one as its own answer to a read is told.

    Observed in recordings of azure-storage-blob: 304 and 412 as CannotVerifyCopySource, of Put Blob From URL with dates
    (test_upload_blob_from_url_if_match_condition) and of Append Block From URL with an ETag; as SourceConditionNotMet
    of Put Blob From URL with an ETag, in azure-sdk-for-go's live tests. The code beside it is assumed.
    """
    try:
        conditions.check_read(node.etag, node.modified)
    except StorageError as refusal:
        named = by == "blob" and refusal.status == 412 and bool(conditions.if_match)
        headers = {
            "x-ms-copy-source-error-code": "ConditionNotMet",
            "x-ms-copy-source-status-code": str(refusal.status),
        }
        code = refusal.code if named else "CannotVerifyCopySource"
        raise StorageError(code, refusal.message, status=refusal.status, headers=headers) from refusal


def passed_on(refusal: StorageError) -> StorageError:
    """Return a source's refusal in the form the copy answers it."""
    code = "CannotVerifyCopySource" if refusal.status == 404 else refusal.code
    headers = {"x-ms-copy-source-error-code": refusal.code, "x-ms-copy-source-status-code": str(refusal.status)}
    return StorageError(code, refusal.message, status=refusal.status, headers=headers)


def put_blob_from(
    volume: Volume, act: Act, place: Place, making: Making, origin: Origin, *, properties: bool, own_metadata: bool,
    md5: str | None,
) -> Node:  # fmt: skip
    """Make or replace a blob by a source's bytes, at once.

    ``properties``: stored headers come from the source; metadata too unless the request brings ``own_metadata``.
    ``md5`` (base64) is what the source's bytes have to have.
    """
    with volume.store.database.transaction():
        source = _source(volume, origin, fetched="blob")
        blobs.check_put(volume, act, place)
        if md5 is not None and md5 != _md5(volume, source):
            raise StorageError("Md5Mismatch", "The MD5 of the source differs from x-ms-source-content-md5.")
        making = _taken_over(making, source, properties=properties, metadata=properties and not own_metadata)
        node = _share(volume, act, place, making, source, source.length, None)
        volume.blob_created(act, "PutBlob", place, node)
        return node


def put_block_from(
    volume: Volume,
    act: Act,
    place: Place,
    block: str,
    origin: Origin,
    span: tuple[int, int | None] | None,
    md5: str | None,
) -> None:
    """Stage a range of a source, first to last byte, as an uncommitted block."""
    with volume.store.database.transaction():
        blobs.check_put(volume, act, place, api="block")
        source = _source(volume, origin, fetched="block")
        first, last = span or (0, None)
        end = source.length if last is None else min(last + 1, source.length)
        if first >= end and source.length:
            raise StorageError("InvalidRange", f"The range begins at {first}, the source has {source.length} bytes.")
        content = volume.contents.join(volume.contents.slice(source.content, first, end))
        if md5 is not None and md5 != volume.contents.md5(content, 0, end - first):
            raise StorageError("Md5Mismatch", "The MD5 of the source's range differs from x-ms-source-content-md5.")
        blobs.put_block(volume, act, place, block, content, end - first)


class Copies:
    """Copy Blob, which answers before it is done.

    Within one account a copy is done at once, unless :attr:`held`: then it stays pending until :meth:`release`, as a
    large one does on the service.
    """

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self.held = False

    def start(self, act: Act, place: Place, making: Making, origin: Origin, *, synchronous: bool) -> Node:
        """Begin a copy; the answer's path carries its id and status."""
        volume = self._volume
        with volume.store.database.transaction():
            source = _source(volume, origin)
            blobs.check_put(volume, act, place)
            making = _taken_over(making, source, properties=True, metadata=not making.metadata)
            pending = self.held and not synchronous
            status: dict[str, Any] = {
                "id": str(uuid.uuid4()), "source": origin.url, "status": "pending" if pending else "success",
                "total": source.length, "md5": source.md5, "completed": None if pending else self._date(),
            }  # fmt: skip
            length = 0 if pending else source.length
            node = _share(volume, act, place, making, source, length, status)
            volume.blob_created(act, "CopyBlob", place, node)
            return node

    def abort(self, act: Act, place: Place, copy_id: str) -> None:
        """End a pending copy; the destination stays, empty."""
        volume = self._volume
        with volume.store.database.transaction():
            found = volume.find(place)
            volume.access.write(act.rights, found)
            node = volume.existing(found, place)
            leases.check_write(node.lease, act.lease_id, volume.clock.time())
            if not node.copy or node.copy["status"] != "pending" or node.copy["id"] != copy_id:
                raise StorageError("NoPendingCopyOperation", "There is currently no pending copy operation.")
            status = {**node.copy, "status": "aborted", "completed": self._date()}
            volume.replace_content(node, None, length=0, md5=None, copy=status)

    def release(self) -> int:
        """Complete all pending copies and let new ones complete at once; returns how many there were."""
        self.held = False
        store = self._volume.store
        with store.database.transaction():
            nodes = store.pending_copies()
            for node in nodes:
                assert node.copy is not None
                status = {**node.copy, "status": "success", "completed": self._date()}
                self._volume.change(node, length=node.copy["total"], md5=node.copy["md5"], copy=status)
        return len(nodes)

    def _date(self) -> str:
        return formatdate(self._volume.clock.time(), usegmt=True)


def headers(copy: dict[str, Any] | None, length: int) -> dict[str, str]:
    """Return the ``x-ms-copy-*`` headers of a blob that was copied to."""
    if copy is None:
        return {}
    answer = {
        "x-ms-copy-id": copy["id"],
        "x-ms-copy-source": copy["source"],
        "x-ms-copy-status": copy["status"],
        "x-ms-copy-progress": f"{length}/{copy['total']}",
    }
    if copy["completed"]:
        answer["x-ms-copy-completion-time"] = copy["completed"]
    return answer


def _share(
    volume: Volume, act: Act, place: Place, making: Making, source: Node, length: int, copy: dict[str, Any] | None
) -> Node:
    content = source.content if source.content is not None else volume.contents.join([])
    md5 = source.md5 if length == source.length else None
    return blobs.put_content(volume, act, place, making, content=content, length=length, md5=md5, copy=copy)


def _taken_over(making: Making, source: Node, *, properties: bool, metadata: bool) -> Making:
    if properties:
        making = replace(making, headers={**source.headers, **making.headers})
    if metadata:
        making = replace(making, metadata=source.metadata)
    return making


def _md5(volume: Volume, source: Node) -> str:
    return source.md5 or volume.contents.md5(source.content, 0, source.length)
