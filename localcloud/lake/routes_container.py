"""The Blob surface's containers and account: their properties, leases and listings.

Source: REST reference, Blob service REST API, operations on containers and on the account.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from aiohttp import web

from localcloud.lake import acl as acls
from localcloud.lake import answers, leases, listing, paths
from localcloud.lake import call as forms
from localcloud.lake.call import Call
from localcloud.lake.conditions import etag_text
from localcloud.lake.errors import unsupported
from localcloud.lake.rules import ROOT_ACL
from localcloud.lake.sas import Kind
from localcloud.lake.store import Node
from localcloud.lake.target import Place, check_filesystem_name

Handler = Callable[[Call], Awaitable[web.StreamResponse]]
_PAGE = 5000
_INCLUDED = {"", "metadata", "copy", "permissions"}
_REFUSED = {
    ("PUT", "acl"): "stored access policies and public access",
    ("PUT", "undelete"): "soft delete",
    ("PUT", "rename"): "renaming containers",
    ("GET", "blobs"): "finding blobs by their tags",
    ("PUT", "properties"): "changing service properties",
    ("GET", "stats"): "service statistics",
    ("POST", "userdelegationkey"): "user delegation keys",
}
_REFUSED_IN_LISTINGS = {
    "deleted": "soft delete",
    "deletedwithversions": "soft delete",
    "immutabilitypolicy": "immutability policies",
    "legalhold": "legal holds",
    "snapshots": "snapshots",
    "tags": "blob index tags",
    "uncommittedblobs": "uncommitted blobs in a listing",
    "versions": "snapshots and versions",
}
_UNTOLD = {
    "x-ms-has-immutability-policy": "false",
    "x-ms-has-legal-hold": "false",
    "x-ms-immutable-storage-with-versioning-enabled": "false",
}


def route(call: Call) -> tuple[str, Handler]:  # noqa: C901, PLR0911 - a table of the protocol, one line a call
    """Return the operation's name and what does it."""
    method, comp, restype = call.target.method, call.query.get("comp"), call.query.get("restype")
    if (method, comp) in _REFUSED:
        raise unsupported(_REFUSED[method, comp or ""])
    if not call.target.filesystem:
        if method == "GET" and comp == "list":
            return "ListContainers", list_containers
        if method == "GET" and (restype, comp) == ("service", "properties"):
            return "GetBlobServiceProperties", answers.service_properties
        raise unsupported(f"the account operation {method} restype={restype} comp={comp}")
    if restype != "container" or call.target.path:
        raise unsupported(f"{method} restype={restype} comp={comp}, the root container among them")
    match method, comp:
        case "PUT", None:
            return "CreateContainer", create
        case "GET" | "HEAD", None | "metadata":
            return "GetContainerProperties", properties
        case "DELETE", None:
            return "DeleteContainer", delete
        case "PUT", "metadata":
            return "SetContainerMetadata", set_metadata
        case "GET" | "HEAD", "acl":
            return "GetContainerAcl", get_policies
        case "PUT", "lease":
            return "LeaseContainer", lease
        case "GET", "list":
            return "ListBlobs", list_blobs
    raise unsupported(f"the container operation {method} comp={comp}")


async def account_information(call: Call) -> web.Response:
    """Get Account Information."""
    return call.answer(
        200, None,
        {"x-ms-sku-name": "Standard_LRS", "x-ms-account-kind": "StorageV2", "x-ms-is-hns-enabled": "true"},
    )  # fmt: skip


async def create(call: Call) -> web.Response:
    """Create Container."""
    call.volume.access.require(call.rights, "write", call.target.filesystem, ["c", "w"])
    if call.headers.get("x-ms-blob-public-access"):
        raise unsupported("public access to containers")
    check_filesystem_name(call.target.filesystem)
    metadata = forms.blob_metadata(call.headers)
    node = paths.new_filesystem(call.volume, call.act, call.target.filesystem, metadata, acls.parse(ROOT_ACL))
    return call.answer(201, node)


async def properties(call: Call) -> web.Response:
    """Get Container Properties."""
    node = answers.filesystem(call, "read", "r")
    lease_headers = leases.headers(node.lease, call.volume.clock.time())
    return call.answer(200, node, {**lease_headers, **_UNTOLD, **forms.meta_headers(node)})


async def delete(call: Call) -> web.Response:
    """Delete Container."""
    answers.filesystem(call, "write", "d")
    paths.delete_filesystem(call.volume, call.act, call.target.filesystem)
    call.lake.sweep_soon()
    return call.answer(202)


async def set_metadata(call: Call) -> web.Response:
    """Set Container Metadata: replaces all of it."""
    node = answers.filesystem(call, "write", "w")
    call.act.conditions.check_write(node.etag, node.modified)
    with call.volume.store.database.transaction():
        return call.answer(200, call.volume.change(node, metadata=forms.blob_metadata(call.headers)))


async def get_policies(call: Call) -> web.Response:
    """Get Container ACL: there are no stored access policies here, and no signature may ask for them."""
    node = answers.filesystem(call, "read", "?")
    return _xml("<SignedIdentifiers/>", forms.version(node))


async def lease(call: Call) -> web.Response:
    """Lease Container."""
    return answers.lease(call, Place(call.target.filesystem))


async def list_containers(call: Call) -> web.Response:
    """List Containers."""
    call.volume.access.require(call.rights, "read", "", ["l"], Kind.SERVICE)
    limit = min(call.number("maxresults", least=1, default=_PAGE), _PAGE)
    marker = call.query.get("marker", "")
    prefix = call.query.get("prefix", "")
    page = listing.list_filesystems(call.volume, prefix, answers.untoken(marker) if marker else "", limit)
    now = call.volume.clock.time()
    told = "metadata" in call.query.get("include", "").split(",")
    containers = "".join(_container(node, now, told=told) for _, node in page.entries)
    following = answers.token(page.following) if page.following else ""
    return _xml(
        f"<EnumerationResults ServiceEndpoint={quoteattr(_endpoint(call))}><Prefix>{escape(prefix)}</Prefix>"
        f"<MaxResults>{limit}</MaxResults><Containers>{containers}</Containers>"
        f"<NextMarker>{following}</NextMarker></EnumerationResults>"
    )


def _container(node: Node, now: float, *, told: bool) -> str:
    return (
        f"<Container><Name>{escape(node.name)}</Name><Properties>"
        f"<Last-Modified>{forms.http_date(node.modified)}</Last-Modified><Etag>&quot;{etag_text(node.etag)}&quot;</Etag>"
        f"{_lease(node, now)}"
        "<HasImmutabilityPolicy>false</HasImmutabilityPolicy><HasLegalHold>false</HasLegalHold>"
        "<ImmutableStorageWithVersioningEnabled>false</ImmutableStorageWithVersioningEnabled></Properties>"
        f"{_metadata(node) if told else ''}</Container>"
    )


async def list_blobs(call: Call) -> web.Response:
    """List Blobs, flat or by directory."""
    query = call.query
    included = set(query.get("include", "").lower().split(","))
    if refused := included - _INCLUDED:
        raise unsupported(_REFUSED_IN_LISTINGS.get(min(refused), f"include={min(refused)} in a listing of blobs"))
    delimiter = query.get("delimiter", "")
    if delimiter not in ("", "/"):
        raise unsupported(f"the delimiter '{delimiter}' (an account with directories has '/')")
    if "endbefore" in query:
        raise unsupported("endbefore in a listing of blobs")
    if query.get("showonly"):
        return _xml(_results(call, 0, "", ""))
    limit = min(call.number("maxresults", least=1, default=_PAGE), _PAGE)
    marker, begin = query.get("marker", ""), query.get("startfrom", "")
    page = listing.list_blobs(
        call.volume,
        call.act,
        call.target.filesystem,
        prefix=query.get("prefix", ""),
        hierarchical=delimiter == "/",
        limit=limit,
        after=answers.untoken(marker) if marker else listing.before(begin) if begin else "",
    )
    now = call.volume.clock.time()
    told = "".join(_listed(name, node, now, included) for name, node in page.entries)
    return _xml(_results(call, limit, told, answers.token(page.following) if page.following else ""))


def _results(call: Call, limit: int, entries: str, following: str) -> str:
    query = call.query
    container = quoteattr(call.target.filesystem)
    return (
        f"<EnumerationResults ServiceEndpoint={quoteattr(_endpoint(call))} ContainerName={container}>"
        f"<Prefix>{escape(query.get('prefix', ''))}</Prefix><Marker>{escape(query.get('marker', ''))}</Marker>"
        f"<MaxResults>{limit}</MaxResults><Delimiter>{escape(query.get('delimiter', ''))}</Delimiter>"
        f"<Blobs>{entries}</Blobs><NextMarker>{following}</NextMarker></EnumerationResults>"
    )


def _listed(name: str, node: Node, now: float, included: set[str]) -> str:
    if name.endswith("/"):
        return f"<BlobPrefix>{_name(name)}</BlobPrefix>"
    stored = node.headers
    kind = "directory" if node.is_directory else "file"
    rights = ""
    if "permissions" in included:
        rights = (
            f"<Owner>{escape(node.owner)}</Owner><Group>{escape(node.group)}</Group>"
            f"<Permissions>{node.permissions}</Permissions><Acl>{escape(node.acl_text)}</Acl>"
        )
    return (
        f"<Blob>{_name(name)}<Properties>"
        f"<Creation-Time>{forms.http_date(node.created)}</Creation-Time>"
        f"<Last-Modified>{forms.http_date(node.modified)}</Last-Modified><Etag>{etag_text(node.etag)}</Etag>"
        f"<ResourceType>{kind}</ResourceType>{rights}<Content-Length>{node.length}</Content-Length>"
        f"<Content-Type>{escape(stored.get('content-type', 'application/octet-stream'))}</Content-Type>"
        f"<Content-Encoding>{escape(stored.get('content-encoding', ''))}</Content-Encoding>"
        f"<Content-Language>{escape(stored.get('content-language', ''))}</Content-Language><Content-CRC64/>"
        f"<Content-MD5>{node.md5 or ''}</Content-MD5>"
        f"<Cache-Control>{escape(stored.get('cache-control', ''))}</Cache-Control>"
        f"<Content-Disposition>{escape(stored.get('content-disposition', ''))}</Content-Disposition>"
        "<BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>"
        f"{_lease(node, now)}{_copy(node) if 'copy' in included else ''}"
        "<ServerEncrypted>true</ServerEncrypted></Properties>"
        f"{_metadata(node) if 'metadata' in included else ''}</Blob>"
    )


def _name(name: str) -> str:
    """Return a name's element; what XML cannot carry is percent-encoded. Source: REST reference, List Blobs."""
    if "\ufffe" in name or "\uffff" in name:
        return f'<Name Encoded="true">{quote(name)}</Name>'
    return f"<Name>{escape(name)}</Name>"


def _lease(node: Node, now: float) -> str:
    told = leases.headers(node.lease, now)
    names = (
        ("LeaseStatus", "x-ms-lease-status"),
        ("LeaseState", "x-ms-lease-state"),
        ("LeaseDuration", "x-ms-lease-duration"),
    )
    return "".join(f"<{name}>{told[header]}</{name}>" for name, header in names if header in told)


def _copy(node: Node) -> str:
    if node.copy is None:
        return ""
    done = f"<CopyCompletionTime>{node.copy['completed']}</CopyCompletionTime>" if node.copy["completed"] else ""
    return (
        f"<CopyId>{node.copy['id']}</CopyId><CopyStatus>{node.copy['status']}</CopyStatus>"
        f"<CopySource>{escape(node.copy['source'])}</CopySource>"
        f"<CopyProgress>{node.length}/{node.copy['total']}</CopyProgress>{done}"
    )


def _metadata(node: Node) -> str:
    metadata = dict(node.metadata)
    if node.is_directory and node.parent:
        metadata[forms.FOLDER] = "true"
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in metadata.items())
    return f"<Metadata>{inner}</Metadata>"


def _endpoint(call: Call) -> str:
    return f"{call.request.scheme}://{call.request.host}/{call.authentication.account}"


def _xml(body: str, headers: dict[str, str] | None = None) -> web.Response:
    answer = {"Content-Type": "application/xml", **(headers or {})}
    return web.Response(headers=answer, body=f'<?xml version="1.0" encoding="utf-8"?>{body}'.encode())
