"""The HTTP door: finds the function of a request, checks who calls, and turns requests and results into each other."""

from __future__ import annotations

import logging
from collections.abc import Callable

from aiohttp import web
from azure.functions import meta

from localcloud.functions.app import App, Function
from localcloud.functions.easy_auth import EasyAuth, UnauthenticatedError, without_principal
from localcloud.functions.host_json import AppError
from localcloud.functions.invoke import InvocationError, Invoker
from localcloud.functions.keys import Keys
from localcloud.functions.routes import Route, parse_route
from localcloud.http import announce, refuse

log = logging.getLogger(__name__)

#: Adds what other bindings of a function need, e.g. the durable client's JSON.
OtherInputs = Callable[[Function], dict[str, meta.Datum]]


class HttpDoor:
    """Answers requests to the HTTP functions of ``app``; without ``easy_auth`` and ``keys`` nothing is checked."""

    def __init__(
        self,
        app: App,
        prefix: str,
        invoker: Invoker,
        inputs: OtherInputs,
        *,
        easy_auth: EasyAuth | None,
        keys: Keys | None,
    ) -> None:
        self._routes = _routes(app, prefix)
        self._invoker = invoker
        self._inputs = inputs
        self._easy_auth = easy_auth
        self._keys = keys

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Run the function the path and method belong to; 404 when there is none."""
        found = self._find(request)
        if found is None:
            return web.Response(status=404)
        function, parameters = found
        if function.refused:
            return refuse(request, f"{function.refused} of the function {function.name}")
        if self._keys and not self._keys.opens_function(request, function.trigger.get("authLevel", "FUNCTION")):
            return web.Response(status=401)
        try:
            headers = self._headers(request)
        except UnauthenticatedError as problem:
            return web.Response(status=401, text=str(problem), headers={"WWW-Authenticate": "Bearer"})
        await announce(request, "Invoke", function.name, headers.get("X-MS-CLIENT-PRINCIPAL-NAME", ""))
        data = _request_datum(request, headers, parameters, await request.read())
        try:
            result = await self._invoker.invoke(function, {function.trigger["name"]: data, **self._inputs(function)})
        except InvocationError as problem:
            log.error("%s %s: %s", request.method, request.path, problem)
            return web.Response(status=500)
        return _response(result)

    def _find(self, request: web.Request) -> tuple[Function, dict[str, str]] | None:
        path = request.rel_url.raw_path.strip("/")
        for route, function in self._routes:
            methods = function.trigger.get("methods")
            if (not methods or request.method in methods) and (parameters := route.match(path)) is not None:
                return function, parameters
        return None

    def _headers(self, request: web.Request) -> dict[str, str]:
        headers = without_principal(request.headers)
        return headers | (self._easy_auth.principal_headers(headers) if self._easy_auth else {})


def _routes(app: App, prefix: str) -> list[tuple[Route, Function]]:
    """Parse the routes of all HTTP functions, the most particular first."""
    found = []
    for function in app.functions.values():
        if function.kind != "httpTrigger" or function.disabled:
            continue
        route = function.trigger.get("route", function.name)
        try:
            found.append((parse_route(f"{prefix}/{route}"), function))
        except AppError as problem:
            raise AppError(f"function {function.name}: {problem}") from problem
    return sorted(found, key=lambda entry: entry[0].rank)


def _request_datum(
    request: web.Request, headers: dict[str, str], parameters: dict[str, str], body: bytes
) -> meta.Datum:
    return meta.Datum(
        type="http",
        value={
            "method": _text(request.method),
            "url": _text(str(request.url)),
            "headers": {name: _text(value) for name, value in headers.items()},
            "query": {name: _text(request.query[name]) for name in request.query},
            "params": {name: _text(value) for name, value in parameters.items()},
            "body": meta.Datum(type="bytes", value=body),
        },
    )


def _text(value: str) -> meta.Datum:
    return meta.Datum(type="string", value=value)


def _response(result: meta.Datum | None) -> web.Response:
    """Turn the encoded result of a function into an answer; nothing returned is 204."""
    if result is None:
        return web.Response(status=204)
    if result.type != "http":
        return web.Response(text=result.value)
    value = result.value
    response = web.Response(status=int(value["status_code"].value), body=value["body"].value)
    for name, header in value["headers"].items():
        response.headers[name] = header.value
    for cookie in value["cookies"] or ():
        for morsel in cookie.values():
            response.headers.add("Set-Cookie", morsel.OutputString())
    return response
