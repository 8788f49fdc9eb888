"""The HTTP door: finds the function of a request, checks who calls, and turns requests and results into each other."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from aiohttp import web
from azure.functions import meta

from localcloud.functions.app import App, Function
from localcloud.functions.easy_auth import PREFIX, EasyAuth, UnauthenticatedError, without_principal
from localcloud.functions.host_json import AppError
from localcloud.functions.http_answer import http_answer
from localcloud.functions.invoke import InvocationError, Invoker
from localcloud.functions.keys import Keys
from localcloud.functions.routes import Route, parse_route
from localcloud.http import announce, refuse

log = logging.getLogger(__name__)

_NO_HOME_PAGE = "AzureWebJobsDisableHomepage"

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
        """Run the function the path and method belong to; without one ``/`` is the home page, all else 404."""
        found = self._find(request)
        if found is None:
            return _home_page() if request.path == "/" else web.Response(status=404)
        function, parameters = found
        if function.refused:
            return refuse(request, f"{function.refused} of the function {function.name}")
        if self._keys and not self._keys.opens_function(request, function.trigger.get("authLevel", "FUNCTION")):
            return web.Response(status=401)
        try:
            headers = self._headers(request)
        except UnauthenticatedError as problem:
            return web.Response(status=401, text=str(problem), headers={"WWW-Authenticate": "Bearer"})
        await announce(request, "Invoke", function.name, headers.get(f"{PREFIX}-name", ""))
        data = _request_datum(request, headers, parameters, await request.read())
        try:
            result = await self._invoker.invoke(function, {function.trigger["name"]: data, **self._inputs(function)})
            return http_answer(result)
        except (InvocationError, ValueError) as problem:
            log.error("%s %s: %s", request.method, request.path, problem)
            return web.Response(status=500)

    def _find(self, request: web.Request) -> tuple[Function, dict[str, str]] | None:
        path = request.rel_url.raw_path.strip("/")
        for route, function in self._routes:
            methods = function.trigger.get("methods")
            if (not methods or request.method in methods) and (parameters := route.match(path)) is not None:
                return function, parameters
        return None

    def _headers(self, request: web.Request) -> dict[str, str]:
        headers = without_principal({name.lower(): ",".join(request.headers.getall(name)) for name in request.headers})
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
    """Return the request as a function of Python receives it: repeated names are one, empty ones of the query none.

    Source: azure-functions-host, ``GrpcMessageConversionExtensions.cs``; issue 894 of azure-functions-python-worker.
    """
    query = {name: ",".join(request.query.getall(name)) for name in request.query}
    return meta.Datum(
        type="http",
        value={
            "method": _text(request.method),
            "url": _text(str(request.url)),
            "headers": {name: _text(value) for name, value in headers.items()},
            "query": {name: _text(value) for name, value in query.items() if value},
            "params": {name: _text(value) for name, value in parameters.items()},
            "body": meta.Datum(type="bytes", value=body),
        },
    )


def _home_page() -> web.Response:
    """Answer for ``/``: by it clients find out that the host is up. Source: the host's ``HomepageMiddleware.cs``."""
    if os.environ.get(_NO_HOME_PAGE, "").lower() == "true":
        return web.Response(status=204)
    text = "<!DOCTYPE html>\n<title>localcloud</title>\n<p>Your Functions app is up and running</p>\n"
    return web.Response(text=text, content_type="text/html")


def _text(value: str) -> meta.Datum:
    return meta.Datum(type="string", value=value)
