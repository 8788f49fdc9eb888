"""The events a change to the lake emits, in the Event Grid schema.

Which operation emits what, and how the payloads differ, is from "Azure Blob Storage as an Event Grid source". They are
handed over within the transaction of the change: no change without its event, no event without its change.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote

from localcloud.lake.conditions import etag_text
from localcloud.lake.store import Node, Store
from localcloud.lake.target import Place


class Events(Protocol):
    """Where events go: the event grid of the same process."""

    def emit(self, source: str, event: dict[str, Any]) -> None:
        """Take an event of ``source`` within the open transaction."""


class Notices:
    """Makes the storage account's events and hands them over.

    ``topic`` is the account's resource id, ``base`` the address of the account as consumers know it.
    """

    def __init__(self, events: Events, store: Store, topic: str, base: str) -> None:
        self._events = events
        self._store = store
        self._topic = topic
        self.base = base

    def blob_created(
        self, api: str, place: Place, node: Node, request_id: str, client_request_id: str | None, when: datetime
    ) -> None:
        """Tell of a file that was made, replaced or completed by ``api`` (CreateFile, FlushWithClose, PutBlob ...)."""
        data = {
            "api": api,
            "eTag": etag_text(node.etag),
            "contentType": node.headers.get("content-type", "application/octet-stream"),
            "contentLength": node.length,
            "blobType": "BlockBlob",
            "url": self._url(place),
        }
        through_dfs = api in ("CreateFile", "FlushWithClose")
        if through_dfs:
            data["contentOffset"] = 0 if api == "CreateFile" else node.length
        version = "2" if through_dfs else ""
        self._emit("BlobCreated", place, data, version, request_id, client_request_id, when)

    def directory_created(self, place: Place, request_id: str, client_request_id: str | None, when: datetime) -> None:
        """Tell of a directory that was made by name; parents made on the way are not told of."""
        data = {"api": "CreateDirectory", "url": self._url(place)}
        self._emit("DirectoryCreated", place, data, "1", request_id, client_request_id, when)

    def deleted(
        self, api: str, place: Place, node: Node, request_id: str, client_request_id: str | None, when: datetime
    ) -> None:
        """Tell of a file or directory that was deleted by ``api``; a directory's event stands for all in it."""
        data: dict[str, Any] = {"api": api, "url": self._url(place)}
        if node.is_directory:
            data["recursive"] = "true"
            self._emit("DirectoryDeleted", place, data, "1", request_id, client_request_id, when)
            return
        data |= {"contentType": node.headers.get("content-type", "application/octet-stream"), "blobType": "BlockBlob"}
        version = "2" if api == "DeleteFile" else ""
        self._emit("BlobDeleted", place, data, version, request_id, client_request_id, when)

    def renamed(
        self, source: Place, place: Place, node: Node, request_id: str, client_request_id: str | None, when: datetime
    ) -> None:
        """Tell of a rename; the subject is the destination, and nothing inside a directory is told of."""
        kind = "Directory" if node.is_directory else "Blob"
        data = {
            "api": "RenameDirectory" if node.is_directory else "RenameFile",
            "sourceUrl": self._url(source),
            "destinationUrl": self._url(place),
        }
        self._emit(f"{kind}Renamed", place, data, "1", request_id, client_request_id, when)

    def _emit(
        self,
        kind: str,
        place: Place,
        data: dict[str, Any],
        version: str,
        request_id: str,
        client_request_id: str | None,
        when: datetime,
    ) -> None:
        identity = f"{request_id[:-12]}{uuid.uuid4().hex[:12]}"
        event = {
            "topic": self._topic,
            "subject": f"/blobServices/default/containers/{place.filesystem}/blobs/{place.path}",
            "eventType": f"Microsoft.Storage.{kind}",
            "id": identity,
            "eventTime": f"{when:%Y-%m-%dT%H:%M:%S.%f}0Z",
            "data": {
                **data,
                "requestId": request_id,
                "clientRequestId": client_request_id or "",
                "sequencer": f"{self._store.next_sequence():048x}",
                "storageDiagnostics": {"batchId": str(uuid.uuid4())},
            },
            "dataVersion": version,
            "metadataVersion": "1",
        }
        self._events.emit("storage", event)

    def _url(self, place: Place) -> str:
        return f"{self.base}/{place.filesystem}/{quote(place.path)}"
