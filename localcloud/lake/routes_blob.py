"""The Blob surface: blobs, blocks, copies and leases.

Source: REST reference, Blob service REST API, operations on blobs.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from aiohttp import web

from localcloud import http
from localcloud.lake import answers, blobs, paths, routes_container, routes_copy
from localcloud.lake import call as forms
from localcloud.lake.call import Call
from localcloud.lake.content import Written
from localcloud.lake.errors import StorageError, unsupported

Handler = Callable[[Call], Awaitable[web.StreamResponse]]
_WHOLE = 1 << 20
#: The longest range whose MD5 can be asked for. Source: REST reference, Get Blob.
_CHECKED = 4 << 20
_REFUSED = {
    "append": "append blobs", "appendblock": "append blobs", "page": "page blobs", "snapshot": "snapshots",
    "tier": "access tiers", "tags": "blob index tags", "expiry": "files that expire", "undelete": "soft delete",
    "query": "quick query", "immutabilitypolicies": "immutability policies", "legalhold": "legal holds",
    "pagelist": "page blobs", "incrementalcopy": "page blobs",
}  # fmt: skip


def route(call: Call) -> tuple[str, Handler]:  # noqa: C901, PLR0911, PLR0912 - a table of the protocol, one line a call
    """Return the operation's name and what does it."""
    comp = call.query.get("comp")
    if call.query.get("restype") == "account" and comp == "properties":
        return "GetAccountInformation", routes_container.account_information
    if not call.target.path or call.query.get("restype"):
        return routes_container.route(call)
    if comp in _REFUSED:
        raise unsupported(_REFUSED[comp])
    if call.query.get("snapshot") or call.query.get("versionid"):
        raise unsupported("snapshots and versions")
    source = "x-ms-copy-source" in call.headers
    match call.target.method, comp:
        case "GET", None:
            return "GetBlob", get_blob
        case "HEAD", None:
            return "GetBlobProperties", blob_properties
        case "DELETE", None:
            return "DeleteBlob", delete_blob
        case "PUT", None if source and "x-ms-blob-type" in call.headers:
            return "PutBlobFromURL", routes_copy.put_blob_from_url
        case "PUT", None if source:
            return "CopyBlob", routes_copy.copy_blob
        case "PUT", None:
            return "PutBlob", put_blob
        case "PUT", "block":
            return ("PutBlockFromURL", routes_copy.put_block_from_url) if source else ("PutBlock", put_block)
        case "PUT", "blocklist":
            return "PutBlockList", put_block_list
        case "GET", "blocklist":
            return "GetBlockList", get_block_list
        case "PUT", "metadata":
            return "SetBlobMetadata", set_metadata
        case "GET" | "HEAD", "metadata":
            return "GetBlobMetadata", blob_properties
        case "PUT", "properties":
            return "SetBlobProperties", set_headers
        case "PUT", "lease":
            return "LeaseBlob", lease_blob
        case "PUT", "copy":
            return "AbortCopyBlob", routes_copy.abort_copy
    if comp:
        raise unsupported(f"comp={comp} of a blob with {call.target.method}")
    return forms.verb_not_allowed(call)


async def get_blob(call: Call) -> web.StreamResponse:
    """Get Blob: the whole or a range; what is sent is one version, also when the path is overwritten meanwhile."""
    node = paths.readable(call.volume, call.act, call.place)
    span = forms.byte_range(call.headers)
    first, last = span or (0, None)
    if span and first >= node.length:
        raise StorageError(
            "InvalidRange", "The range specified is invalid for the current size of the resource.",
            headers={"Content-Range": f"bytes */{node.length}"},
        )  # fmt: skip
    end = node.length if last is None else min(last + 1, node.length)
    headers = {**forms.properties(node, call.volume.clock.time()), **forms.meta_headers(node), **forms.overridden(call)}
    headers["Content-Length"] = str(end - first)
    if span:
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{node.length}"
        if node.md5:
            headers["x-ms-blob-content-md5"] = node.md5
    elif node.md5:
        headers["Content-MD5"] = node.md5
    if call.headers.get("x-ms-range-get-content-md5", "").lower() == "true":
        if not span or end - first > _CHECKED:
            raise StorageError("InvalidHeaderValue", f"The MD5 can be had of a range of at most {_CHECKED} bytes.")
        headers["Content-MD5"] = call.volume.contents.md5(node.content, first, end)
    chunks = call.volume.contents.read(node.content, first, end)
    status = 206 if span else 200
    if end - first <= _WHOLE:
        body = b"".join(chunks)
        return web.Response(status=status, headers=headers, body=body)
    response = web.StreamResponse(status=status, headers=headers)
    chunk = next(chunks)  # from here on the version's bytes are held, whatever happens to the path
    try:
        await response.prepare(call.request)
        await http.write(call.request, response, chunk)
        for chunk in chunks:
            await http.write(call.request, response, chunk)
    finally:
        chunks.close()
    await response.write_eof()
    return response


async def blob_properties(call: Call) -> web.Response:
    """Get Blob Properties."""
    node = paths.properties(call.volume, call.act, call.place)
    headers = {**forms.properties(node, call.volume.clock.time()), **forms.meta_headers(node), **forms.overridden(call)}
    return answers.length_of(node, headers)


async def delete_blob(call: Call) -> web.Response:
    """Delete Blob."""
    if call.headers.get("x-ms-delete-snapshots") == "only":
        raise unsupported("snapshots")
    paths.delete(call.volume, call.act, call.place, recursive=False, api=("DeleteBlob", "DeleteDirectory"))
    return call.answer(202, None, {"x-ms-delete-type-permanent": "true"})


async def put_blob(call: Call) -> web.Response:
    """Put Blob; an empty one that says it is a folder makes a directory."""
    if "x-ms-blob-type" not in call.headers:
        raise StorageError("MissingRequiredHeader", "x-ms-blob-type is required.")
    forms.check_blob_type(call)
    wish = forms.making(call, content_type=call.headers.get("Content-Type"))
    if _is_folder(call):
        node = blobs.put_directory(call.volume, call.act, call.place, wish)
        return call.answer(201, node, forms.ENCRYPTED)
    blobs.check_put(call.volume, call.act, call.place)
    written = await call.receive()
    try:
        forms.check_md5(call.headers.get("x-ms-blob-content-md5"), written)
        node = blobs.put_blob(call.volume, call.act, call.place, wish, written)
    except StorageError:
        call.volume.contents.discard(written)
        raise
    return call.answer(201, node, {**forms.ENCRYPTED, "Content-MD5": node.md5 or ""})


def _is_folder(call: Call) -> bool:
    marks = (call.headers.get(f"x-ms-meta-{name}", "").lower() for name in (forms.FOLDER, "is_directory"))
    return call.request.content_length == 0 and "true" in marks


async def put_block(call: Call) -> web.Response:
    """Put Block."""
    block = forms.block_id(call)
    blobs.check_put(call.volume, call.act, call.place, api="block")
    written = await call.receive()
    try:
        blobs.put_received_block(call.volume, call.act, call.place, block, written)
    except StorageError:
        call.volume.contents.discard(written)
        raise
    return call.answer(201, None, {**forms.ENCRYPTED, "Content-MD5": _base64(written)})


def _base64(written: Written) -> str:
    return base64.b64encode(written.md5).decode()


async def put_block_list(call: Call) -> web.Response:
    """Put Block List."""
    body = await call.request.read()
    forms.check_md5(call.headers.get("Content-MD5"), Written("", len(body), _digest(body)))
    names = _parse_block_list(body)
    md5 = call.headers.get("x-ms-blob-content-md5")
    node = blobs.put_block_list(call.volume, call.act, call.place, forms.making(call), names, md5)
    return call.answer(201, node, forms.ENCRYPTED)


def _digest(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).digest()


def _parse_block_list(body: bytes) -> list[tuple[str, str]]:
    try:
        root = ET.fromstring(body)  # noqa: S314 - expat expands no external entities, and the port is local
    except ET.ParseError as problem:
        raise StorageError("InvalidXmlDocument", f"The block list is not XML: {problem}.") from problem
    names = [(element.tag, (element.text or "").strip()) for element in root]
    if root.tag != "BlockList" or any(tag not in ("Committed", "Uncommitted", "Latest") for tag, _ in names):
        raise StorageError("InvalidXmlDocument", "A block list holds Committed, Uncommitted and Latest elements.")
    return names


async def get_block_list(call: Call) -> web.Response:
    """Get Block List."""
    kind = call.query.get("blocklisttype", "committed").lower()
    if kind not in ("committed", "uncommitted", "all"):
        raise StorageError(
            "InvalidQueryParameterValue", f"blocklisttype is committed, uncommitted or all, not '{kind}'."
        )
    found = blobs.block_list(call.volume, call.act, call.place)
    text = '<?xml version="1.0" encoding="utf-8"?><BlockList>'
    for name, blocks in (("committed", found.committed), ("uncommitted", found.uncommitted)):
        if kind in (name, "all"):
            inner = "".join(f"<Block><Name>{escape(id_)}</Name><Size>{size}</Size></Block>" for id_, size in blocks)
            text += f"<{name.title()}Blocks>{inner}</{name.title()}Blocks>"
    headers = {"Content-Type": "application/xml", **(forms.version(found.node) if found.node else {})}
    headers["x-ms-blob-content-length"] = str(found.node.length if found.node else 0)
    return web.Response(headers=headers, body=f"{text}</BlockList>".encode())


async def set_metadata(call: Call) -> web.Response:
    """Set Blob Metadata: replaces all of it."""
    call.require_empty()
    node = paths.set_properties(call.volume, call.act, call.place, metadata=forms.blob_metadata(call.headers))
    return call.answer(200, node, forms.ENCRYPTED)


async def set_headers(call: Call) -> web.Response:
    """Set Blob Properties: stored headers that are left out are cleared."""
    headers = forms.stored_headers(call.headers, "x-ms-blob-")
    if call.headers.get("x-ms-blob-content-md5"):
        headers["content-md5"] = call.headers["x-ms-blob-content-md5"]
    node = paths.set_properties(call.volume, call.act, call.place, headers=headers)
    return call.answer(200, node)


async def lease_blob(call: Call) -> web.Response:
    """Lease Blob."""
    return answers.lease(call, call.place)
