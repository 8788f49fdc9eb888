"""The Blob surface's copies: from another path of the account, by its address.

Source: REST reference, Put Blob From URL, Put Block From URL, Copy Blob, Abort Copy Blob.
"""

from __future__ import annotations

from aiohttp import web

from localcloud.lake import call as forms
from localcloud.lake import copies
from localcloud.lake.access import Rights
from localcloud.lake.call import Call
from localcloud.lake.conditions import Conditions
from localcloud.lake.copies import Origin
from localcloud.lake.errors import StorageError
from localcloud.lake.target import Source, parse_source
from localcloud.lake.volume import Act


def _origin(call: Call, *, own: bool) -> Origin:
    """Read a copy's source and check its credentials; ``own``: without any, the request's own count."""
    url = call.headers["x-ms-copy-source"]
    source = parse_source(url, call.authentication.account, code="InvalidInput", url=True)
    try:
        rights = _source_rights(call, source, own=own)
    except StorageError as refusal:
        raise copies.passed_on(refusal) from refusal
    place = source.place
    return Origin(place, Act(rights), Conditions.of(call.headers, source=True), url.partition("?")[0])


def _source_rights(call: Call, source: Source, *, own: bool) -> Rights:
    rights = call.authentication.of_copy_source(source, call.headers.get("x-ms-copy-source-authorization"))
    if rights is not None:
        return rights
    if own:
        return call.rights
    raise StorageError(
        "NoAuthenticationInformation",
        "The copy's source is private: send x-ms-copy-source-authorization, or a SAS in x-ms-copy-source.",
    )


async def put_blob_from_url(call: Call) -> web.Response:
    """Put Blob From URL."""
    forms.check_blob_type(call)
    wish = forms.making(call)
    node = copies.put_blob_from(
        call.volume,
        call.act,
        call.place,
        wish,
        _origin(call, own=False),
        properties=call.headers.get("x-ms-copy-source-blob-properties", "true").lower() == "true",
        own_metadata=bool(wish.metadata),
        md5=call.headers.get("x-ms-source-content-md5"),
    )
    return call.answer(201, node, {**forms.ENCRYPTED, **({"Content-MD5": node.md5} if node.md5 else {})})


async def put_block_from_url(call: Call) -> web.Response:
    """Put Block From URL."""
    block = forms.block_id(call)
    span = forms.byte_range(call.headers, source=True)
    md5 = call.headers.get("x-ms-source-content-md5")
    copies.put_block_from(call.volume, call.act, call.place, block, _origin(call, own=False), span, md5)
    return call.answer(201, None, {**forms.ENCRYPTED, **({"Content-MD5": md5} if md5 else {})})


async def copy_blob(call: Call) -> web.Response:
    """Copy Blob; the service reads a source of the same account with the request's own credentials.

    Not so if it is to be done at once. Source: REST reference, Copy Blob From URL, x-ms-copy-source.
    """
    synchronous = call.headers.get("x-ms-requires-sync", "").lower() == "true"
    origin = _origin(call, own=not synchronous)
    node = call.lake.copies.start(call.act, call.place, forms.making(call), origin, synchronous=synchronous)
    assert node.copy is not None
    status = {"x-ms-copy-id": node.copy["id"], "x-ms-copy-status": node.copy["status"]}
    return call.answer(202, node, {**forms.ENCRYPTED, **status})


async def abort_copy(call: Call) -> web.Response:
    """Abort Copy Blob."""
    call.lake.copies.abort(call.act, call.place, call.query.get("copyid", ""))
    return call.answer(204)
