"""One request as the surfaces' handlers see it, and the HTTP forms they have in common.

What a client sends becomes values here (metadata, stored headers, ranges, leases), and a path's properties become
headers. Source: REST reference, the common request and response headers of Blob and Path operations.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import NoReturn

from aiohttp import web

from localcloud.lake import blobs, copies, leases
from localcloud.lake.access import Rights
from localcloud.lake.authentication import Authentication
from localcloud.lake.conditions import etag_text
from localcloud.lake.content import Written
from localcloud.lake.errors import StorageError, unsupported
from localcloud.lake.rules import Lake
from localcloud.lake.sas import OVERRIDES
from localcloud.lake.store import Node
from localcloud.lake.target import Place, Target
from localcloud.lake.volume import Act, Making, Volume

STORED = ("content-type", "content-encoding", "content-language", "content-disposition", "cache-control")
_METADATA_LIMIT = 8 * 1024
_METADATA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: The metadata key that marks a directory for clients of flat accounts; it is shown, never stored.
FOLDER = "hdi_isfolder"


@dataclass(frozen=True)
class Call:
    """A request that was authenticated: its address, who sends it, and the lake it is for.

    One that came in the body of another (see :mod:`localcloud.lake.routes_batch`) has that one's ``request``, with
    target, headers and rights of its own. ``within`` makes such a call of method, address as sent, and headers.
    """

    request: web.Request
    target: Target
    headers: Mapping[str, str]  #: names without case
    rights: Rights
    act: Act
    lake: Lake
    authentication: Authentication
    within: Callable[[str, str, Mapping[str, str]], Call]

    @property
    def volume(self) -> Volume:
        """The tree."""
        return self.lake.volume

    @property
    def place(self) -> Place:
        """The filesystem and path of the request."""
        return self.target.place

    @property
    def query(self) -> Mapping[str, str]:
        """The request's query, names in lower case, values decoded."""
        return self.target.query

    def flag(self, name: str) -> bool:
        """Return a boolean of the query; absent is false."""
        return self.query.get(name, "").lower() == "true"

    def number(self, name: str, *, least: int = 0, most: int | None = None, default: int | None = None) -> int:
        """Return a whole number of the query; raises when it is missing without default, malformed or out of range."""
        text = self.query.get(name)
        if text is None:
            if default is None:
                raise StorageError("MissingRequiredQueryParameter", f"The query parameter {name} is required.")
            return default
        if not re.fullmatch(r"-?\d{1,18}", text):
            raise StorageError("InvalidQueryParameterValue", f"The query parameter {name} is a number, not '{text}'.")
        if int(text) < least or (most is not None and int(text) > most):
            raise StorageError(
                "OutOfRangeQueryParameterValue", f"The query parameter {name} is {least} to {most}, not {text}."
            )
        return int(text)

    def header_number(self, name: str) -> int | None:
        """Return a whole number of a header, None when it is absent or empty."""
        text = self.headers.get(name)
        if not text:
            return None
        if not re.fullmatch(r"-?\d{1,18}", text):
            raise StorageError("InvalidHeaderValue", f"The header {name} is a whole number, not '{text}'.")
        return int(text)

    async def receive(self) -> Written:
        """Write the body as a new part, and check its MD5 if the request names one."""
        expected = self.request.content_length
        written = await self.volume.contents.receive(self.request.content.iter_any())
        try:
            if expected is not None and written.length != expected:
                raise StorageError(
                    "InvalidInput", f"The body has {written.length} bytes, Content-Length says {expected}."
                )
            check_md5(self.headers.get("Content-MD5"), written)
        except StorageError:
            self.volume.contents.discard(written)
            raise
        return written

    def require_empty(self) -> None:
        """Refuse a body where there may be none."""
        if self.request.content_length:
            raise StorageError("ContentLengthMustBeZero", "The Content-Length request header must be zero.")

    def answer(self, status: int, node: Node | None = None, headers: Mapping[str, str] | None = None) -> web.Response:
        """Return an answer without body; ``node`` is the version its ETag and Last-Modified tell."""
        return web.Response(status=status, headers={**(version(node) if node else {}), **(headers or {})})


def check_md5(stated: str | None, written: Written) -> None:
    """Refuse received bytes whose MD5 is not the one ``stated`` in base64."""
    if not stated:
        return
    try:
        digest = base64.b64decode(stated, validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != 16:
        raise StorageError("InvalidHeaderValue", f"A Content-MD5 is base64 of 16 bytes, not '{stated}'.")
    if digest != written.md5:
        raise StorageError(
            "Md5Mismatch",
            "The MD5 value specified in the request did not match with the MD5 value calculated by the server.",
        )


ENCRYPTED = {"x-ms-request-server-encrypted": "true"}


def http_date(seconds: float) -> str:
    """Return a time as HTTP writes it, whole seconds."""
    return formatdate(int(seconds), usegmt=True)


def version(node: Node) -> dict[str, str]:
    """Return the headers that tell a path's version."""
    return {"ETag": f'"{etag_text(node.etag)}"', "Last-Modified": http_date(node.modified)}


def rights_headers(node: Node) -> dict[str, str]:
    """Return owner, group, permissions and access list."""
    return {
        "x-ms-owner": node.owner,
        "x-ms-group": node.group,
        "x-ms-permissions": node.permissions,
        "x-ms-acl": node.acl_text,
    }


def properties(node: Node, now: float) -> dict[str, str]:
    """Return what HEAD and GET tell of a path, all but its length and MD5, which depend on the range."""
    headers = {
        **version(node),
        "Content-Type": "application/octet-stream",
        **{name.title(): value for name, value in node.headers.items()},
        "Accept-Ranges": "bytes",
        "x-ms-creation-time": http_date(node.created),
        "x-ms-blob-type": "BlockBlob",
        **leases.headers(node.lease, now),
        "x-ms-server-encrypted": "true",
        "x-ms-access-tier": "Hot",
        "x-ms-access-tier-inferred": "true",
        "x-ms-resource-type": "directory" if node.is_directory else "file",
        **rights_headers(node),
        **copies.headers(node.copy, node.length),
    }
    if node.is_directory:
        headers[f"x-ms-meta-{FOLDER}"] = "true"
    return headers


def overridden(call: Call) -> dict[str, str]:
    """Return the headers that a signature sets in the answers to its holder."""
    if call.rights.signature is None:
        return {}
    return {header: call.query[name] for name, header in OVERRIDES.items() if call.query.get(name)}


def meta_headers(node: Node) -> dict[str, str]:
    """Return the metadata as Blob sends it."""
    return {f"x-ms-meta-{name}": value for name, value in node.metadata.items()}


def blob_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """Read ``x-ms-meta-*``."""
    prefix = "x-ms-meta-"
    found = {name[len(prefix) :]: value for name, value in headers.items() if name.lower().startswith(prefix)}
    return _checked({name: value for name, value in found.items() if name.lower() != FOLDER})


def dfs_metadata(text: str | None) -> dict[str, str]:
    """Read ``x-ms-properties``: names with values in base64."""
    metadata = {}
    for part in filter(None, (text or "").split(",")):
        name, _, value = part.strip().partition("=")
        try:
            metadata[name] = base64.b64decode(value, validate=True).decode("latin-1")
        except binascii.Error:
            raise StorageError("InvalidHeaderValue", f"x-ms-properties: the value of '{name}' is not base64.") from None
    return _checked({name: value for name, value in metadata.items() if name.lower() != FOLDER})


def dfs_properties(metadata: Mapping[str, str]) -> str:
    """Write metadata as ``x-ms-properties``."""
    return ",".join(f"{n}={base64.b64encode(v.encode('latin-1', 'replace')).decode()}" for n, v in metadata.items())


def _checked(metadata: dict[str, str]) -> dict[str, str]:
    for name, value in metadata.items():
        if not _METADATA_NAME.fullmatch(name):
            raise StorageError("InvalidMetadata", f"A metadata name is a C# identifier, not '{name}'.")
        if not value.isprintable():
            raise StorageError("InvalidMetadata", f"The metadata value of '{name}' has control characters.")
    if sum(len(name) + len(value) for name, value in metadata.items()) > _METADATA_LIMIT:
        raise StorageError("MetadataTooLarge", f"Metadata have at most {_METADATA_LIMIT} bytes in all.")
    return metadata


def stored_headers(headers: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Read the headers to be stored; ``prefix`` is ``x-ms-`` on DFS and ``x-ms-blob-`` on Blob."""
    return {name: headers[prefix + name] for name in STORED if headers.get(prefix + name)}


def byte_range(headers: Mapping[str, str], *, source: bool = False) -> tuple[int, int | None] | None:
    """Return first and last byte (None = to the end) of the range that is asked for, or None for all."""
    text = headers.get("x-ms-source-range") if source else headers.get("x-ms-range") or headers.get("Range")
    if not text:
        return None
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", text.strip())
    if match is None or (match[2] and int(match[2]) < int(match[1])):
        raise StorageError("InvalidHeaderValue", f"A range is bytes=FIRST-LAST or bytes=FIRST-, not '{text}'.")
    return int(match[1]), int(match[2]) if match[2] else None


def making(call: Call, *, content_type: str | None = None) -> Making:
    """Read metadata and stored headers of a blob that is made; ``content_type`` is the body's own."""
    headers = stored_headers(call.headers, "x-ms-blob-")
    if content_type and "content-type" not in headers:
        headers["content-type"] = content_type
    return Making(metadata=blob_metadata(call.headers), headers=headers)


def block_id(call: Call) -> str:
    """Return the id of the block the request is about."""
    block = call.query.get("blockid")
    if not block:
        raise StorageError("MissingRequiredQueryParameter", "The query parameter blockid is required.")
    blobs.check_block_id(block)
    return block


def check_blob_type(call: Call) -> None:
    """Refuse ``x-ms-blob-type`` for anything but block blobs."""
    kind = call.headers["x-ms-blob-type"]
    if kind in ("AppendBlob", "PageBlob"):
        raise unsupported("append blobs" if kind == "AppendBlob" else "page blobs")
    if kind != "BlockBlob":
        raise StorageError("InvalidHeaderValue", f"x-ms-blob-type is BlockBlob, PageBlob or AppendBlob, not '{kind}'.")


def verb_not_allowed(call: Call) -> NoReturn:
    """Refuse a method that the resource does not have."""
    raise StorageError(
        "UnsupportedHttpVerb", f"The resource doesn't support the Http verb {call.target.method} with this query."
    )
