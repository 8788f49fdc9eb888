"""The DFS surface: paths as ADLS Gen2's own REST API has them.

Source: REST reference, Azure Data Lake Storage Gen2, Path and Filesystem operations.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from localcloud.lake import acl as acls
from localcloud.lake import call as forms
from localcloud.lake import leases, listing, paths, permissions, routes_blob, writing
from localcloud.lake.call import Call
from localcloud.lake.conditions import NONE, Conditions, etag_text
from localcloud.lake.content import Written
from localcloud.lake.errors import StorageError, unsupported
from localcloud.lake.rules import ROOT_ACL
from localcloud.lake.store import Node
from localcloud.lake.target import Place, check_filesystem_name, parse_source
from localcloud.lake.volume import Act, Making

Handler = Callable[[Call], Awaitable[web.StreamResponse]]
_PAGE = 5000
_FILETIME_AT_1970 = 116444736000000000


def route(call: Call) -> tuple[str, Handler]:  # noqa: C901, PLR0911, PLR0912 - a table of the protocol, one line a call
    """Return the operation's name and what does it."""
    method, resource, action = call.target.method, call.query.get("resource"), call.query.get("action")
    if not call.target.filesystem:
        if method == "GET" and resource == "account":
            return "ListFilesystems", list_filesystems
        forms.verb_not_allowed(call)
    if resource == "filesystem" and not call.target.path:
        return _filesystem_route(call)
    match method, action or resource:
        case "PUT", "file" | "directory" as kind if "x-ms-rename-source" not in call.headers:
            return ("CreateFile" if kind == "file" else "CreateDirectory"), create_path
        case "PUT", _ if "x-ms-rename-source" in call.headers:
            return "RenamePath", rename_path
        case "PATCH", "append":
            return "AppendFile", append
        case "PATCH", "flush":
            return "FlushFile", flush
        case "PATCH", "setProperties":
            return "SetPathProperties", set_properties
        case "PATCH", "setAccessControl":
            return "SetAccessControl", set_access_control
        case "PATCH", "setAccessControlRecursive":
            return "SetAccessControlRecursive", set_access_control_recursive
        case "HEAD", "getAccessControl":
            return "GetAccessControl", get_access_control
        case "HEAD", None | "getProperties" | "getStatus":
            return "GetPathProperties", get_properties
        case "GET", None if call.target.path:
            return "ReadFile", routes_blob.get_blob
        case "DELETE", None:
            return "DeletePath", delete_path
        case "POST", None:
            return "LeasePath", lease_path
    if action:
        raise unsupported(f"the path action '{action}' with {method}")
    return forms.verb_not_allowed(call)


def _filesystem_route(call: Call) -> tuple[str, Handler]:
    match call.target.method:
        case "GET":
            return "ListPaths", list_paths
        case "PUT":
            return "CreateFilesystem", create_filesystem
        case "HEAD":
            return "GetFilesystemProperties", filesystem_properties
        case "PATCH":
            return "SetFilesystemProperties", set_filesystem_properties
        case "DELETE":
            return "DeleteFilesystem", delete_filesystem
    return forms.verb_not_allowed(call)


async def create_path(call: Call) -> web.Response:
    """Path - Create."""
    call.require_empty()
    _refuse_expiry(call)
    directory = call.query["resource"] == "directory"
    making, lease = _making(call), None
    if call.headers.get("x-ms-proposed-lease-id"):
        duration = call.header_number("x-ms-lease-duration")
        proposed = call.headers["x-ms-proposed-lease-id"]
        lease = leases.acquire(
            None, leases.INFINITE if duration is None else duration, proposed, call.volume.clock.time()
        )
    node = paths.create(call.volume, call.act, call.place, making, directory=directory, lease=lease)
    return call.answer(201, node, forms.ENCRYPTED)


def _making(call: Call) -> Making:
    headers = call.headers
    if headers.get("x-ms-acl") and headers.get("x-ms-permissions"):
        raise StorageError("InvalidHeaderValue", "x-ms-permissions and x-ms-acl exclude each other; send one of them.")
    owner, group = headers.get("x-ms-owner"), headers.get("x-ms-group")
    if (owner or group) and not call.volume.access.superuser(call.rights, call.target.filesystem):
        raise StorageError(
            "AuthorizationPermissionMismatch", "Only a superuser makes a path for another owner or group."
        )
    return Making(
        permissions=acls.parse_permissions(headers["x-ms-permissions"]) if headers.get("x-ms-permissions") else None,
        umask=acls.parse_umask(headers["x-ms-umask"]) if headers.get("x-ms-umask") else None,
        acl=acls.parse(headers["x-ms-acl"]) if headers.get("x-ms-acl") else None,
        owner=owner,
        group=group,
        metadata=forms.dfs_metadata(headers.get("x-ms-properties")),
        headers=forms.stored_headers(headers, "x-ms-"),
    )


def _refuse_expiry(call: Call) -> None:
    if call.headers.get("x-ms-expiry-option") or call.headers.get("x-ms-expiry-time"):
        raise unsupported("files that expire (x-ms-expiry-option)")


async def rename_path(call: Call) -> web.Response:
    """Path - Create with ``x-ms-rename-source``."""
    source = parse_source(call.headers["x-ms-rename-source"], account(call), code="InvalidSourceUri", url=False)
    rights = call.authentication.of_rename_source(source, call.rights)
    source_act = Act(rights, Conditions.of(call.headers, source=True), call.headers.get("x-ms-source-lease-id") or None)
    node = paths.rename(
        call.volume,
        call.act,
        source_act,
        source.place,
        call.place,
        into=call.query.get("mode") != "legacy",
        headers=forms.stored_headers(call.headers, "x-ms-"),
    )
    return call.answer(201, node)


def account(call: Call) -> str:
    """Return the account's name as the request's path has it, or would have it."""
    return call.authentication.account


async def append(call: Call) -> web.Response:
    """Path - Update, append; with ``flush=true`` a flush without close follows."""
    position = call.number("position")
    writing.check_append(call.volume, call.act, call.place)
    written = await call.receive()
    try:
        return _append(call, position, written)
    except StorageError:
        if not call.volume.contents.names_part(written):
            call.volume.contents.discard(written)
        raise


def _append(call: Call, position: int, written: Written) -> web.Response:
    if not written.length:
        raise StorageError("InvalidHeaderValue", "The Content-Length of an append is at least 1.")
    change = _lease_change(call)
    if not call.flag("flush"):
        node = writing.append(call.volume, call.act, call.place, position, written, change)
        return call.answer(202, None, {**forms.ENCRYPTED, "Content-MD5": base64.b64encode(written.md5).decode()})
    with call.volume.store.database.transaction():
        node = writing.append(call.volume, call.act, call.place, position, written, change)
        releases = change is not None and change.action in ("release", "acquire-release")
        act = Act(call.rights, NONE, node.lease.id if node.lease else None)
        node = writing.flush(
            call.volume, act, call.place, position + written.length, close=False, retain=True,
            change=leases.Change("release") if releases else None,
        )  # fmt: skip
    return call.answer(202, node, forms.ENCRYPTED)


def _lease_change(call: Call) -> leases.Change | None:
    action = call.headers.get("x-ms-lease-action")
    if not action:
        return None
    duration = call.header_number("x-ms-lease-duration")
    proposed = call.headers.get("x-ms-proposed-lease-id")
    return leases.Change(action, proposed, leases.INFINITE if duration is None else duration)


async def flush(call: Call) -> web.Response:
    """Path - Update, flush."""
    call.require_empty()
    node = writing.flush(
        call.volume,
        call.act,
        call.place,
        call.number("position"),
        close=call.flag("close"),
        retain=call.flag("retainuncommitteddata"),
        headers=forms.stored_headers(call.headers, "x-ms-"),
        md5=call.headers.get("x-ms-content-md5"),
        change=_lease_change(call),
    )
    return call.answer(200, node, {**forms.ENCRYPTED, "Content-Length": "0"})


async def set_properties(call: Call) -> web.Response:
    """Path - Update, setProperties: metadata are replaced whole, headers one by one."""
    text = call.headers.get("x-ms-properties")
    headers = forms.stored_headers(call.headers, "x-ms-")
    if call.headers.get("x-ms-content-md5"):
        headers["content-md5"] = call.headers["x-ms-content-md5"]
    metadata = None if text is None else forms.dfs_metadata(text)
    node = paths.set_properties(call.volume, call.act, call.place, metadata=metadata, headers=headers, keep=True)
    return call.answer(200, node)


async def get_properties(call: Call) -> web.Response:
    """Path - Get Properties; ``getStatus`` leaves the user's metadata out."""
    node = paths.properties(call.volume, call.act, call.place)
    headers = forms.properties(node, call.volume.clock.time())
    if call.query.get("action") is None:
        headers |= forms.meta_headers(node)
    if call.query.get("action") != "getStatus":
        headers["x-ms-properties"] = forms.dfs_properties(node.metadata)
    return routes_blob.length_of(node, headers)


async def get_access_control(call: Call) -> web.Response:
    """Path - Get Properties, getAccessControl."""
    node = paths.properties(call.volume, call.act, call.place)
    return call.answer(200, node, forms.rights_headers(node))


async def set_access_control(call: Call) -> web.Response:
    """Path - Update, setAccessControl."""
    headers = call.headers
    wish = permissions.Wish(
        headers.get("x-ms-owner"), headers.get("x-ms-group"), headers.get("x-ms-permissions"), headers.get("x-ms-acl")
    )
    node = permissions.set_access_control(call.volume, call.act, call.place, wish)
    return call.answer(200, node, {"x-ms-namespace-enabled": "true"})


async def set_access_control_recursive(call: Call) -> web.Response:
    """Path - Update, setAccessControlRecursive."""
    if not call.headers.get("x-ms-acl"):
        raise StorageError("MissingRequiredHeader", "x-ms-acl is required.")
    most = permissions.MAXIMUM_RECORDS
    progress = permissions.set_recursively(
        call.volume,
        call.act,
        call.place,
        mode=call.query.get("mode", ""),
        text=call.headers["x-ms-acl"],
        force=call.flag("forceflag"),
        limit=min(call.number("maxrecords", least=1, default=most), most),
        after=_continuation(call),
    )
    document = {
        "directoriesSuccessful": progress.directories,
        "failedEntries": progress.failed,
        "failureCount": len(progress.failed),
        "filesSuccessful": progress.files,
    }
    return _json(document, progress.continuation, {"x-ms-namespace-enabled": "true"})


async def delete_path(call: Call) -> web.Response:
    """Path - Delete. A whole directory goes at once, so a paginated delete has one page."""
    paths.delete(
        call.volume, call.act, call.place, recursive=call.flag("recursive"), api=("DeleteFile", "DeleteDirectory")
    )
    call.lake.sweep_soon()
    return call.answer(200)


async def lease_path(call: Call) -> web.Response:
    """Path - Lease."""
    return routes_blob.lease(call, call.place)


async def list_paths(call: Call) -> web.Response:
    """Path - List."""
    if "recursive" not in call.query:
        raise StorageError("MissingRequiredQueryParameter", "The query parameter recursive is required.")
    directory = Place(call.target.filesystem, call.query.get("directory", "").strip("/"))
    page = listing.list_paths(
        call.volume,
        call.act,
        directory,
        recursive=call.flag("recursive"),
        limit=min(call.number("maxresults", least=1, default=_PAGE), _PAGE),
        after=_continuation(call),
        begin=call.query.get("beginfrom"),
    )
    return _json({"paths": [_listed(path, node) for path, node in page.entries]}, page.following)


def _listed(path: str, node: Node) -> dict[str, str]:
    entry = {
        "contentLength": str(node.length),
        "creationTime": str(int(node.created * 10_000_000) + _FILETIME_AT_1970),
        "etag": etag_text(node.etag),
        "group": node.group,
    }
    if node.is_directory:
        entry["isDirectory"] = "true"
    entry |= {
        "lastModified": forms.http_date(node.modified),
        "name": path,
        "owner": node.owner,
        "permissions": node.permissions,
    }
    return entry


async def list_filesystems(call: Call) -> web.Response:
    """Filesystem - List."""
    call.volume.access.require(call.rights, "read", "")
    limit = min(call.number("maxresults", least=1, default=_PAGE), _PAGE)
    page = listing.list_filesystems(call.volume, call.query.get("prefix", ""), _continuation(call) or "", limit)
    entries = [
        {"etag": etag_text(node.etag), "lastModified": forms.http_date(node.modified), "name": name}
        for name, node in page.entries
    ]
    return _json({"filesystems": entries}, page.following)


async def create_filesystem(call: Call) -> web.Response:
    """Filesystem - Create."""
    call.require_empty()
    call.volume.access.require(call.rights, "write", call.target.filesystem)
    check_filesystem_name(call.target.filesystem)
    metadata = forms.dfs_metadata(call.headers.get("x-ms-properties"))
    node = paths.new_filesystem(call.volume, call.act, call.target.filesystem, metadata, acls.parse(ROOT_ACL))
    return call.answer(201, node, {"x-ms-namespace-enabled": "true"})


async def filesystem_properties(call: Call) -> web.Response:
    """Filesystem - Get Properties."""
    node = routes_blob.filesystem(call, "read")
    headers = {"x-ms-properties": forms.dfs_properties(node.metadata), "x-ms-namespace-enabled": "true"}
    return call.answer(200, node, headers)


async def set_filesystem_properties(call: Call) -> web.Response:
    """Filesystem - Set Properties."""
    node = routes_blob.filesystem(call, "write")
    call.volume.guard(call.act, node)
    metadata = forms.dfs_metadata(call.headers.get("x-ms-properties"))
    with call.volume.store.database.transaction():
        return call.answer(200, call.volume.change(node, metadata=metadata))


async def delete_filesystem(call: Call) -> web.Response:
    """Filesystem - Delete."""
    routes_blob.filesystem(call, "write")
    paths.delete_filesystem(call.volume, call.act, call.target.filesystem)
    call.lake.sweep_soon()
    return call.answer(202)


def token(text: str) -> str:
    """Return the continuation token for going on after ``text``."""
    return base64.urlsafe_b64encode(text.encode()).decode()


def untoken(text: str) -> str:
    """Return what a continuation token goes on after."""
    try:
        return base64.b64decode(text, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise StorageError("InvalidQueryParameterValue", "The continuation token is not one of this service.") from None


def _continuation(call: Call) -> str | None:
    text = call.query.get("continuation")
    return untoken(text) if text else None


def _json(document: dict[str, Any], following: str | None, headers: dict[str, str] | None = None) -> web.Response:
    answer = {"Content-Type": "application/json;charset=utf-8", **(headers or {})}
    if following is not None:
        answer["x-ms-continuation"] = token(following)
    return web.Response(headers=answer, body=json.dumps(document, separators=(",", ":")).encode() + b"\n")
