"""One filesystem of the lake: records, listings, server-side copies, folders and their rights, by the official SDKs.

Records are written by a single conditional Put Blob, never by create-append-flush, whose condition guards only the
truncating create. The SDK's retries are off for every conditional write: a repeated one meets its own first effect and
reports a conflict that is none.
"""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import uniform
from typing import Any

from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.storage.blob import BlobBlock, BlobServiceClient, ContentSettings
from azure.storage.filedatalake import DataLakeServiceClient

from slipway import clock
from slipway.azure.blob_pages import STORAGE_SCOPE, BlobPages
from slipway.azure.failures import source_changed
from slipway.failure import Failed, Failure, Kind
from slipway.listing import Entry

log = logging.getLogger("slipway")

#: How often an update is tried again when others change the record meanwhile. Writers of one record are few.
UPDATE_TRIES = 40
#: How often it is tried again at once. Then each waits up to so many seconds, by chance: of many, one gets through.
AT_ONCE, SPREAD = 2, 0.25
#: How long the answer to one synchronous copy may take, of a file of up to 5,000 MiB or a block of one, in seconds.
COPY_TIMEOUT = 600
#: A pure change of a record: from what it is and the lake's own time to what it becomes, None to leave it.
Change = Callable[[dict[str, Any] | None, datetime], dict[str, Any] | None]


@dataclass(frozen=True)
class Record:
    """A JSON record and the ETag it had when it was read."""

    data: dict[str, Any]
    etag: str
    modified: datetime


@dataclass(frozen=True)
class Child:
    """What lies in a folder: its own name, when it was last modified, whether it is a folder."""

    name: str
    modified: datetime
    is_directory: bool


class SourceChanged(Exception):
    """The source of a copy is not what it was when it was listed."""


class Store:
    """One filesystem of the lake, reached through its Blob and DFS endpoints with one credential."""

    def __init__(
        self,
        name: str,
        blobs: BlobServiceClient,
        paths: DataLakeServiceClient,
        pages: BlobPages,
        token: TokenCredential,
    ) -> None:
        self.name = name
        self._pages = pages
        self._blobs = blobs.get_container_client(name)
        self._paths = paths.get_file_system_client(name)
        self._token = token

    # Records

    def read(self, path: str) -> Record | None:
        """The JSON record at `path`, or None where there is none. A damaged body is a failure, never 'empty'."""
        return self.read_at(path)[0]

    def read_at(self, path: str) -> tuple[Record | None, datetime]:
        """As `read`, with the lake's own time (its Date header): the clock that a claim's deadlines are judged by."""
        read_at: list[datetime] = []
        try:
            stream = self._blobs.download_blob(path, raw_response_hook=lambda answer: read_at.append(_date(answer)))
            body = stream.readall()
        except ResourceNotFoundError:
            return None, read_at[-1]
        try:
            data = json.loads(body)
        except ValueError as error:
            raise Failed(
                Failure(Kind.PLATFORM, "damaged-answer", f"{self.name}/{path} is not JSON: {error}", transient=True)
            ) from error
        record = Record(data, stream.properties.etag, stream.properties.last_modified.astimezone(UTC))
        return record, read_at[-1]

    def create(self, path: str, data: dict[str, Any]) -> bool:
        """Write the record once. False when a record was there before this call; its content then stands."""
        record = {**data, "writer": uuid.uuid4().hex}
        try:
            self._put(path, record, None, {})
        except (ResourceExistsError, ResourceModifiedError):
            return self._is_mine(path, record)
        except (ServiceRequestError, ServiceResponseError):
            if self._is_mine(path, record):
                return True
            raise
        return True

    def update(
        self,
        path: str,
        change: Change,
        index: Callable[[dict[str, Any]], dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Change the record by compare-and-swap: the only way a record that can change is written.

        `change` is pure: it takes the record as it is (None where there is none) and the lake's own time, and returns
        the new record, or None to leave it; it may be called several times, and what it raises ends the update.
        `index` gives the few facts that listings show as metadata. Returns the record's data as they stand after the
        call, empty where there is none.
        """
        writer = uuid.uuid4().hex
        for number in range(UPDATE_TRIES):
            if number > AT_ONCE:
                clock.sleep(uniform(0, SPREAD))  # noqa: S311
            seen, now = self.read_at(path)
            if seen is not None and seen.data.get("writer") == writer:
                return seen.data  # the answer to our own write was lost
            wanted = change(None if seen is None else seen.data, now)
            if wanted is None or (seen is not None and wanted == seen.data):
                return seen.data if seen else {}
            record = {**wanted, "writer": writer}
            try:
                self._put(path, record, seen.etag if seen else None, index(record) if index else {})
            except (ResourceExistsError, ResourceModifiedError):
                continue
            except (ServiceRequestError, ServiceResponseError):
                if not self._is_mine(path, record):
                    raise
                continue
            return record
        raise Failed(
            Failure(
                Kind.PLATFORM, "contended", f"{self.name}/{path} changed under every one of {UPDATE_TRIES} tries", True
            )
        )

    def _put(self, path: str, record: dict[str, Any], etag: str | None, metadata: dict[str, str]) -> None:
        body = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
        condition: dict[str, Any] = (
            {"overwrite": True, "etag": etag, "match_condition": MatchConditions.IfNotModified}
            if etag
            else {"overwrite": False}
        )
        self._blobs.get_blob_client(path).upload_blob(
            body,
            metadata=metadata,
            content_settings=ContentSettings(content_type="application/json"),
            retry_total=0,
            **condition,
        )

    def _is_mine(self, path: str, record: dict[str, Any]) -> bool:
        seen = self.read(path)
        return seen is not None and seen.data.get("writer") == record["writer"]

    # Listings

    def list(self, prefix: str) -> Iterator[Entry]:
        """All paths whose name begins with `prefix`, by name, with metadata and copy status; a page at a time."""
        yield from self.listing(prefix)[1]

    def listing(self, prefix: str) -> tuple[Callable[[], datetime], Iterator[Entry]]:
        """As `list`, with a function that tells the lake's own time (its Date header) of the last page read."""
        read_at: list[datetime] = []

        def entries() -> Iterator[Entry]:
            for now, page in self._pages.of(self.name, prefix):
                read_at.append(now)
                yield from page

        return lambda: read_at[-1], entries()

    def folders(self, prefix: str) -> Iterator[str]:
        """The paths of what lies directly below a folder, whose name ends with a slash: folders without theirs."""
        for found in self._blobs.walk_blobs(name_starts_with=prefix, delimiter="/"):
            yield found.name.rstrip("/")

    def children(self, path: str) -> Sequence[Child]:
        """What lies directly in a folder, by name; nothing where there is none."""
        try:
            return [
                Child(found.name.rpartition("/")[2], found.last_modified.astimezone(UTC), bool(found.is_directory))
                for found in self._paths.get_paths(path=path, recursive=False)
            ]
        except ResourceNotFoundError:
            return []

    def root_acl(self) -> str:
        """The access control list of the root. Only an account with hierarchical namespace has one."""
        return str(self._paths.get_directory_client("/").get_access_control()["acl"])

    def may_write(self) -> bool:
        """Whether this identity could write here; measured by a write whose condition cannot hold: nothing is written.

        Rights are judged before conditions (assumed of the service: its order is not documented).
        """
        try:
            self._blobs.get_blob_client("_doctor").upload_blob(
                b"", overwrite=True, etag='"0x0"', match_condition=MatchConditions.IfNotModified, retry_total=0
            )
        except (ResourceModifiedError, ResourceNotFoundError):
            return True
        except HttpResponseError as error:
            if error.status_code == 403:
                return False
            raise
        return True

    def exists(self, path: str) -> bool:
        """Whether a file or folder is there."""
        return bool(self._blobs.get_blob_client(path).exists())

    # Files

    def write(self, path: str, body: bytes) -> None:
        """Put a small file, over whatever is there."""
        self._blobs.get_blob_client(path).upload_blob(body, overwrite=True)

    def remove(self, path: str, etag: str) -> bool:
        """Delete a file that still has this ETag. False when it has another, or is gone."""
        try:
            self._blobs.get_blob_client(path).delete_blob(
                etag=_quoted(etag), match_condition=MatchConditions.IfNotModified
            )
        except (ResourceNotFoundError, ResourceModifiedError):
            return False
        return True

    def remove_folder(self, path: str) -> bool:
        """Delete a folder with all in it, in one step. False when it was not there, or an earlier try did it.

        Source: REST reference, Path - Delete: `recursive`; with an identity that owns the filesystem it is one request.
        """
        try:
            self._paths.get_directory_client(path).delete_directory()
        except ResourceNotFoundError:
            return False
        return True

    def sha256(self, path: str, etag: str) -> tuple[int, str]:
        """Read the file with this ETag; returns bytes received and SHA-256 in hex. A changed file is an error."""
        stream = self._blobs.get_blob_client(path).download_blob(
            etag=_quoted(etag), match_condition=MatchConditions.IfNotModified, max_concurrency=1
        )
        digest, length = hashlib.sha256(), 0
        for chunk in stream.chunks():
            digest.update(chunk)
            length += len(chunk)
        return length, digest.hexdigest()

    def content(self, path: str, etag: str) -> bytes:
        """The bytes of a small file with this ETag. A changed file is an error."""
        stream = self._blobs.get_blob_client(path).download_blob(
            etag=_quoted(etag), match_condition=MatchConditions.IfNotModified, max_concurrency=1
        )
        return bytes(stream.readall())

    def url(self, path: str) -> str:
        """The Blob address of a path, as copies name their source; composed from the configured account alone."""
        return str(self._blobs.get_blob_client(path).url)

    @contextmanager
    def _from_unchanged(self, source: Store, path: str) -> Iterator[None]:
        """Raise SourceChanged for the service's answers that say: the source is gone, or has another ETag.

        What it says of the destination is a failure like any other.
        """
        try:
            yield
        except HttpResponseError as error:
            if source_changed(error):
                raise SourceChanged(f"{source.name}/{path} changed or vanished while it was being copied") from error
            raise

    def copy(self, source: Store, source_path: str, etag: str, md5: str | None, path: str) -> None:
        """Copy a file of up to 5,000 MiB inside the service, if it still has this ETag; twice is as good as once."""
        with self._from_unchanged(source, source_path):
            self._blobs.get_blob_client(path).upload_blob_from_url(
                source.url(source_path),
                overwrite=True,
                source_authorization=self._authorization(),
                source_etag=_quoted(etag),
                source_match_condition=MatchConditions.IfNotModified,
                source_content_md5=bytearray.fromhex(md5) if md5 else None,
                read_timeout=COPY_TIMEOUT,
            )

    def copy_block(
        self, source: Store, source_path: str, etag: str, path: str, block: int, offset: int, length: int
    ) -> None:
        """Stage one block of a large file inside the service, if the source still has this ETag.

        The SDK's call has no parameter for the source's condition; the header does it.
        Source: REST reference, Put Block From URL, x-ms-source-if-match.
        """
        with self._from_unchanged(source, source_path):
            self._blobs.get_blob_client(path).stage_block_from_url(
                block_name(block),
                source.url(source_path),
                source_offset=offset,
                source_length=length,
                source_authorization=self._authorization(),
                headers={"x-ms-source-if-match": _quoted(etag)},
                read_timeout=COPY_TIMEOUT,
            )

    def commit_blocks(self, path: str, blocks: int) -> None:
        """Make a large file of its staged blocks, 0 to `blocks` - 1."""
        self._blobs.get_blob_client(path).commit_block_list([BlobBlock(block_name(number)) for number in range(blocks)])

    def _authorization(self) -> str:
        return f"Bearer {self._token.get_token(STORAGE_SCOPE).token}"

    # Folders and rights

    def make_folder(self, path: str, acl: str) -> None:
        """Create a folder with exactly this access control list, in one step.

        One that exists keeps the list it has by now: a late repetition must not undo what was sealed or opened since.
        """
        folder = self._paths.get_directory_client(path)
        with suppress(ResourceExistsError, ResourceModifiedError):
            folder.create_directory(match_condition=MatchConditions.IfMissing, acl=acl)

    def set_acl(self, path: str, acl: str) -> None:
        """Replace the access control list of one folder or file."""
        self._paths.get_directory_client(path).set_access_control(acl=acl)

    def set_acl_if_there(self, path: str, acl: str) -> None:
        """As `set_acl`, for a folder that may have been moved before, or removed by hand."""
        with suppress(ResourceNotFoundError):
            self.set_acl(path, acl)

    def grant_below(self, path: str, acl: str) -> int:
        """Add entries to the list of a folder and of all below it; returns how many paths were changed.

        Raises Failed (transient) when any single path was refused: the counters are checked, since a call that
        succeeds may carry failures inside.
        """
        result = self._paths.get_directory_client(path).update_access_control_recursive(acl=acl)
        counters: Any = result.counters
        if counters.failure_count:
            raise Failed(
                Failure(
                    Kind.PLATFORM,
                    "grant-refused",
                    f"{counters.failure_count} paths below {path} kept their rights",
                    True,
                )
            )
        return int(counters.directories_successful + counters.files_successful)

    def rename_folder(self, path: str, to: str) -> bool:
        """Move a folder with all below it in one step. False when it was not there: moved before, or never made.

        Not repeated by the SDK: it would meet its own effect and report that there was nothing to move.
        """
        try:
            self._paths.get_directory_client(path).rename_directory(f"{self.name}/{to}", retry_total=0)
        except ResourceNotFoundError:
            return False
        except HttpResponseError as error:
            if getattr(error, "error_code", None) in ("SourcePathNotFound", "InvalidRenameSourcePath"):
                return False
            raise
        return True


def block_name(number: int) -> str:
    """The name of a block; all names of one file have the same length, as the service demands."""
    return f"{number:08d}"


def _quoted(etag: str) -> str:
    # Headers carry the quotes that listings leave out.
    return f'"{etag}"'


def _date(answer: Any) -> datetime:
    return parsedate_to_datetime(answer.http_response.headers["Date"]).astimezone(UTC)
