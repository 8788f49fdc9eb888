"""The DFS surface's filesystems, and the listing of their paths.

Source: REST reference, Azure Data Lake Storage Gen2, Filesystem operations and Path - List.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from localcloud.lake import acl as acls
from localcloud.lake import answers, listing, paths
from localcloud.lake import call as forms
from localcloud.lake.call import Call
from localcloud.lake.conditions import etag_text
from localcloud.lake.errors import StorageError
from localcloud.lake.rules import ROOT_ACL
from localcloud.lake.sas import Kind
from localcloud.lake.store import Node
from localcloud.lake.target import Place, check_filesystem_name

Handler = Callable[[Call], Awaitable[web.StreamResponse]]
_PAGE = 5000
_FILETIME_AT_1970 = 116444736000000000


def route(call: Call) -> tuple[str, Handler]:
    """Return the operation's name and what does it."""
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
        after=answers.continuation(call),
        begin=call.query.get("beginfrom"),
    )
    return answers.document({"paths": [_listed(path, node) for path, node in page.entries]}, page.following)


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
    call.volume.access.require(call.rights, "read", "", ["l"], Kind.SERVICE)
    limit = min(call.number("maxresults", least=1, default=_PAGE), _PAGE)
    page = listing.list_filesystems(call.volume, call.query.get("prefix", ""), answers.continuation(call) or "", limit)
    entries = [
        {"etag": etag_text(node.etag), "lastModified": forms.http_date(node.modified), "name": name}
        for name, node in page.entries
    ]
    return answers.document({"filesystems": entries}, page.following)


async def create_filesystem(call: Call) -> web.Response:
    """Filesystem - Create."""
    call.require_empty()
    call.volume.access.require(call.rights, "write", call.target.filesystem, ["c", "w"])
    check_filesystem_name(call.target.filesystem)
    metadata = forms.dfs_metadata(call.headers.get("x-ms-properties"))
    node = paths.new_filesystem(call.volume, call.act, call.target.filesystem, metadata, acls.parse(ROOT_ACL))
    return call.answer(201, node, {"x-ms-namespace-enabled": "true"})


async def filesystem_properties(call: Call) -> web.Response:
    """Filesystem - Get Properties."""
    node = answers.filesystem(call, "read", "r")
    headers = {"x-ms-properties": forms.dfs_properties(node.metadata), "x-ms-namespace-enabled": "true"}
    return call.answer(200, node, headers)


async def set_filesystem_properties(call: Call) -> web.Response:
    """Filesystem - Set Properties."""
    node = answers.filesystem(call, "write", "w")
    call.volume.guard(call.act, node)
    metadata = forms.dfs_metadata(call.headers.get("x-ms-properties"))
    with call.volume.store.database.transaction():
        return call.answer(200, call.volume.change(node, metadata=metadata))


async def delete_filesystem(call: Call) -> web.Response:
    """Filesystem - Delete."""
    answers.filesystem(call, "write", "d")
    paths.delete_filesystem(call.volume, call.act, call.target.filesystem)
    call.lake.sweep_soon()
    return call.answer(202)
