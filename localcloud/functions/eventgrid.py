"""The Event Grid webhook: validation handshakes, and one invocation for each event of a delivery.

Source: azure-functions-eventgrid-extension, ``EventGridExtensionConfigProvider.cs``; CloudEvents 1.0 HTTP webhooks.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from aiohttp import web
from azure.functions import meta

from localcloud.functions.app import App, Function
from localcloud.functions.http_trigger import OtherInputs
from localcloud.functions.invoke import InvocationError, Invoker
from localcloud.functions.keys import Keys
from localcloud.http import announce, at_most

log = logging.getLogger(__name__)

SYSTEM_KEY = "eventgrid_extension"


class EventGridDoor:
    """Answers ``/runtime/webhooks/EventGrid?functionName=NAME&code=KEY``."""

    def __init__(self, app: App, invoker: Invoker, inputs: OtherInputs, keys: Keys) -> None:
        self._functions = {f.name.casefold(): f for f in app.of_kind("eventGridTrigger")}
        self._invoker = invoker
        self._inputs = inputs
        self._keys = keys

    async def answer(self, request: web.Request) -> web.Response:
        """Answer a handshake, a delivery or the end of a subscription."""
        if not self._keys.opens_webhook(request, SYSTEM_KEY):
            return web.Response(status=401)
        name = request.query.get("functionName", "")
        function = self._functions.get(name.casefold())
        if function is None:
            return web.Response(status=404, text=f"cannot find function: '{name}'")
        if request.method == "OPTIONS":
            return _cloud_events_handshake(request)
        return await self._answer_post(request, function)

    async def _answer_post(self, request: web.Request, function: Function) -> web.Response:
        match request.headers.get("aeg-event-type", "").lower():
            case "subscriptionvalidation":
                return _validation(await _body(request))
            case "notification":
                await announce(request, "DeliverEvents", function.name)
                return await self._deliver(request, function, await _body(request))
            case "unsubscribe":
                return web.Response(status=202)
        return web.Response(status=400)

    async def _deliver(self, request: web.Request, function: Function, body: Any) -> web.Response:
        """Run the function on every event, side by side; one failure fails the delivery, which is then sent again."""
        events = body if isinstance(body, list) else [body]
        if not all(isinstance(event, dict) for event in events):
            return web.Response(status=400)
        events = events[: at_most(request, len(events))]
        results = await asyncio.gather(*(self._run(function, event) for event in events))
        return web.Response(status=202 if all(results) else 500)

    async def _run(self, function: Function, event: dict[str, Any]) -> bool:
        datum = meta.Datum(type="json", value=json.dumps(event))
        try:
            await self._invoker.invoke(function, {function.trigger["name"]: datum, **self._inputs(function)})
        except InvocationError as problem:
            log.error("event %s for function %s: %s", event.get("id"), function.name, problem)
            return False
        return True


async def _body(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except ValueError as problem:
        raise web.HTTPBadRequest(text=f"The body is no JSON: {problem}") from problem


def _validation(body: Any) -> web.Response:
    try:
        code = body[0]["data"]["validationCode"]
    except (LookupError, TypeError):
        return web.Response(status=400)
    return web.json_response({"validationResponse": code})


def _cloud_events_handshake(request: web.Request) -> web.Response:
    origin = request.headers.get("WebHook-Request-Origin", "*")
    return web.Response(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})
