"""The storage account's port: every request is read, authenticated, announced and handed to its surface."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import replace

from aiohttp import web

from localcloud.config import ACCOUNT, ACCOUNT_KEY
from localcloud.http import SURROUNDINGS, Surroundings, announce, application
from localcloud.identity.rules import Identity
from localcloud.lake import errors, routes_batch, routes_dfs, routes_queue, target
from localcloud.lake.authentication import Authentication
from localcloud.lake.call import Call
from localcloud.lake.conditions import Conditions
from localcloud.lake.errors import StorageError, Surface
from localcloud.lake.rules import Lake
from localcloud.lake.target import Target
from localcloud.lake.volume import Act

_REQUEST_ID = web.RequestKey("request_id", str)
_SURFACE = web.RequestKey("surface", Surface)
_DEFAULT_VERSION = "2026-06-06"
_DATE = r"\d{4}-\d\d-\d\d"
#: What a request asks for by a header alone; taken silently, it would only seem to have been done.
_REFUSED = {
    "x-ms-encryption-key": "customer-provided keys",
    "x-ms-encryption-scope": "encryption scopes",
    "x-ms-default-encryption-scope": "encryption scopes",
    "x-ms-encryption-context": "encryption contexts",
    "x-ms-structured-body": "structured message bodies",
    "x-ms-content-crc64": "CRC64 checksums",
    "x-ms-range-get-content-crc64": "CRC64 checksums",
    "x-ms-source-content-crc64": "CRC64 checksums",
    "x-ms-tags": "blob index tags",
    "x-ms-if-tags": "conditions on blob index tags",
    "x-ms-source-if-tags": "conditions on blob index tags",
    "x-ms-access-tier": "access tiers",
    "x-ms-immutability-policy-until-date": "immutability policies",
    "x-ms-legal-hold": "legal holds",
    "x-ms-expiry-option": "files that expire",
    "x-ms-expiry-time": "files that expire",
}
_ROUTES = {Surface.DFS: routes_dfs.route, Surface.BLOB: routes_batch.route, Surface.QUEUE: routes_queue.route}


def make(lake: Lake, identity: Identity, surroundings: Surroundings) -> web.Application:
    """Return the application that answers for the DFS, Blob and Queue endpoints of ``lake``, on any port."""
    app = application("storage", surroundings, _error)
    service = _Service(lake, Authentication(ACCOUNT, ACCOUNT_KEY, identity, surroundings.clock))
    app.router.add_route("*", r"/{anything:[\s\S]*}", service.handle, expect_handler=_go_on)
    app.on_response_prepare.append(_add_common_headers)

    async def begin(_: web.Application) -> None:
        lake.sweep_soon()

    async def end(_: web.Application) -> None:
        lake.rest()

    app.on_startup.append(begin)
    app.on_shutdown.append(end)
    return app


def _check_headers(headers: Mapping[str, str]) -> None:
    """Refuse headers that are no UTF-8: stored, they could not be told again, in listings least of all.

    And a version that is none; any date is one.
    """
    for name, value in headers.items():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise StorageError("InvalidHeaderValue", f"The value of the header {name} is not UTF-8.") from None
    if not re.fullmatch(_DATE, headers.get("x-ms-version", _DEFAULT_VERSION)):
        raise StorageError("InvalidHeaderValue", f"x-ms-version is a date, not '{headers['x-ms-version']}'.")


async def _go_on(request: web.Request) -> None:
    """Answer ``Expect: 100-continue``, but not where no body can go on.

    The C++ SDK expects it for empty bodies too, and misreads the answer that arrives in one piece with the 100.
    Source: RFC 9110, 10.1.1.
    """
    if request.body_exists:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


class _Service:
    """Answers every request of the account."""

    def __init__(self, lake: Lake, authentication: Authentication) -> None:
        self._lake = lake
        self._authentication = authentication

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, an error in the shape of its surface."""
        request[_REQUEST_ID] = str(uuid.uuid4())
        request[_SURFACE] = Surface.BLOB
        try:
            return await self._answer(request)
        except StorageError as refusal:
            now = self._lake.volume.clock.now()
            return errors.answer(refusal, request[_SURFACE], request.method, request[_REQUEST_ID], now)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        _check_headers(request.headers)
        address = target.parse(request.method, request.raw_path, request.headers, ACCOUNT)
        if self._is_queue(address, request):
            address = replace(address, surface=Surface.QUEUE)
        request[_SURFACE] = address.surface
        call = self._call(request, address, request.headers, request[_REQUEST_ID])
        operation, handler = _ROUTES[address.surface](call)
        await announce(request, operation, str(address.place), call.rights.caller.name)
        return await handler(call)

    def _call(self, request: web.Request, address: Target, headers: Mapping[str, str], request_id: str) -> Call:
        """Authenticate what is asked by ``headers`` of ``address``; refuse what they ask for and nobody here does."""
        rights = self._authentication.of_request(address, headers, headers.items(), secure=request.secure)
        client_id = headers.get("x-ms-client-request-id")
        act = Act(rights, Conditions.of(headers), headers.get("x-ms-lease-id") or None, client_id, request_id)
        for name, feature in _REFUSED.items():
            if headers.get(name):
                raise errors.unsupported(f"{feature} ({name})")

        def within(method: str, raw: str, headers: Mapping[str, str]) -> Call:
            _check_headers(headers)
            inner = target.parse_within(method, raw, headers, ACCOUNT)
            return self._call(request, inner, headers, str(uuid.uuid4()))

        return Call(request, address, headers, rights, act, self._lake, self._authentication, within)

    def _is_queue(self, address: Target, request: web.Request) -> bool:
        """Tell whether a request is for a queue; where its form does not say, the name that exists does."""
        told = target.speaks_queue(address, request.headers)
        if told is not None:
            return told
        name = address.filesystem
        return self._lake.queue.exists(name) and self._lake.volume.store.root(name) is None


def _error(request: web.Request, status: int, code: str, message: str) -> web.Response:
    """Answer an error that did not come from the lake's rules (a fault) in the shape of the request's surface."""
    refusal = StorageError(code, message, status=status)
    now = request.app[SURROUNDINGS].clock.now()
    return errors.answer(
        refusal, request.get(_SURFACE, Surface.BLOB), request.method, request.get(_REQUEST_ID, ""), now
    )


async def _add_common_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add what is on every answer; any version that has the form of a date is accepted and echoed."""
    version = request.headers.get("x-ms-version", "")
    response.headers["x-ms-version"] = version if re.fullmatch(_DATE, version) else _DEFAULT_VERSION
    response.headers["x-ms-request-id"] = request.get(_REQUEST_ID, "")
    if "x-ms-client-request-id" in request.headers:
        response.headers["x-ms-client-request-id"] = request.headers["x-ms-client-request-id"]
