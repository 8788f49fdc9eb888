"""The DFS surface: paths as ADLS Gen2's own REST API has them.

Source: REST reference, Azure Data Lake Storage Gen2, Path and Filesystem operations.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable

from aiohttp import web

from localcloud.http import at_most
from localcloud.lake import acl as acls
from localcloud.lake import answers, leases, paths, permissions, routes_blob, routes_filesystem, writing
from localcloud.lake import call as forms
from localcloud.lake.call import Call
from localcloud.lake.conditions import NONE, Conditions
from localcloud.lake.content import Written
from localcloud.lake.errors import StorageError, unsupported
from localcloud.lake.target import parse_source
from localcloud.lake.volume import Act, Making

Handler = Callable[[Call], Awaitable[web.StreamResponse]]
#: Paths whose rights one call of a paginated delete checks; the service's own number is assumed.
_CHECKED = 5000


def route(call: Call) -> tuple[str, Handler]:  # noqa: C901, PLR0911, PLR0912 - a table of the protocol, one line a call
    """Return the operation's name and what does it."""
    method, resource, action = call.target.method, call.query.get("resource"), call.query.get("action")
    if not call.target.filesystem:
        if method == "GET" and resource == "account":
            return "ListFilesystems", routes_filesystem.list_filesystems
        forms.verb_not_allowed(call)
    if resource == "filesystem" and not call.target.path:
        return routes_filesystem.route(call)
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


async def create_path(call: Call) -> web.Response:
    """Path - Create."""
    call.require_empty()
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


async def rename_path(call: Call) -> web.Response:
    """Path - Create with ``x-ms-rename-source``."""
    source = parse_source(
        call.headers["x-ms-rename-source"], call.authentication.account, code="InvalidSourceUri", url=False
    )
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
    return answers.length_of(node, headers)


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
        limit=at_most(call.request, min(call.number("maxrecords", least=1, default=most), most)),
        after=answers.continuation(call),
    )
    document = {
        "directoriesSuccessful": progress.directories,
        "failedEntries": progress.failed,
        "failureCount": len(progress.failed),
        "filesSuccessful": progress.files,
    }
    return answers.document(document, progress.continuation, {"x-ms-namespace-enabled": "true"})


async def delete_path(call: Call) -> web.Response:
    """Path - Delete. A whole directory goes at once; with ``paginated`` only the check of its lists takes several."""
    following = paths.delete(
        call.volume,
        call.act,
        call.place,
        recursive=call.flag("recursive"),
        api=("DeleteFile", "DeleteDirectory"),
        limit=_CHECKED if call.flag("paginated") else None,
        after=answers.continuation(call),
    )
    if following is not None:
        return call.answer(202, None, {"x-ms-continuation": answers.token(following)})
    call.lake.sweep_soon()
    return call.answer(200)


async def lease_path(call: Call) -> web.Response:
    """Path - Lease."""
    return answers.lease(call, call.place)
