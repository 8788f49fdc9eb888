"""The durable HTTP API: one handler for the SDK's loopback endpoint (no key) and the public management webhook.

Source: azure-functions-durable-extension, ``HttpApiHandler.cs``.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from localcloud.functions.durable.binding import Addresses
from localcloud.functions.durable.client import Client
from localcloud.functions.durable.errors import (
    BadRequestError,
    DurableError,
    GoneError,
    InvalidJsonError,
    NotFoundError,
)
from localcloud.functions.durable.events import STATUS_BY_TITLE, Status, dump, moment_of, stamp
from localcloud.functions.durable.store import Filter, Instance
from localcloud.functions.durable.view import history_payload, status_payload
from localcloud.http import announce, at_most, refuse

_TOKEN = "x-ms-continuation-token"  # noqa: S105 (a header's name)
_PAGE = 100
_CONTROLS = ("terminate", "suspend", "resume", "rewind")


#: What each request is called as a fault point, by its method and the segments or the word behind ``instances``.
_OPERATIONS = {
    ("GET", 0): "ListInstances",
    ("GET", 1): "GetInstance",
    ("DELETE", 0): "PurgeInstances",
    ("DELETE", 1): "PurgeInstance",
    ("POST", "raiseevent"): "RaiseEvent",
    ("POST", "restart"): "RestartInstance",
    **{("POST", word): f"{word.title()}Instance" for word in _CONTROLS},
}


class Api:
    """Answers requests whose path below the endpoint is given in segments."""

    def __init__(self, client: Client, addresses: Addresses, origin: Callable[[], str]) -> None:
        self._client = client
        self._addresses = addresses
        self._origin = origin

    async def answer(self, request: web.Request, tail: str) -> web.Response:
        """Answer one request; ``tail`` is what follows the endpoint's own path, already decoded."""
        hub = _query(request).get("taskhub", "")
        if hub.strip() and hub.casefold() != self._addresses.hub_name.casefold():
            return refuse(request, f"task hubs other than the app's own: {hub} is not {self._addresses.hub_name}")
        try:
            return await self._route(request, [part for part in tail.split("/") if part])
        except (NotFoundError, GoneError) as problem:
            return web.Response(status=problem.status)
        except DurableError as problem:
            return _error(problem)

    async def _route(self, request: web.Request, path: list[str]) -> web.Response:
        kind = path[0].lower() if path else ""
        if kind == "orchestrators" and request.method == "POST" and len(path) in (2, 3):
            await announce(request, "StartOrchestration", path[2] if len(path) == 3 else "", path[1])
            return await self._start(request, path[1], path[2] if len(path) == 3 else None)
        if kind == "instances":
            return await self._route_instances(request, path[1:])
        if kind == "entities":
            return refuse(request, "durable entities")
        return web.Response(status=404)

    async def _route_instances(self, request: web.Request, path: list[str]) -> web.Response:
        """Answer for all instances (no segment), for one (its id), or for what is done to one (id and word)."""
        word = path[1].lower() if path[1:] else ""
        operation = _OPERATIONS.get((request.method, len(path) if len(path) < 2 else word))
        if operation is not None:
            await announce(request, operation, *path[:1])
        match request.method, [*path[:1], *(word.lower() for word in path[1:2]), *path[2:]]:
            case "GET", []:
                answer = self._list(request)
            case "GET", [instance_id]:
                answer = self._status(request, instance_id)
            case "DELETE", []:
                answer = self._purge_where(request)
            case "DELETE", [instance_id]:
                answer = _deleted(self._client.purge(instance_id))
            case "POST", [instance_id, "raiseevent", event_name]:
                answer = await self._raise_event(request, instance_id, event_name)
            case "POST", [instance_id, "restart"]:
                answer = await self._restart(request, instance_id)
            case "POST", [instance_id, word] if word in _CONTROLS:
                answer = self._control(request, instance_id, word)
            case _:
                answer = web.Response(status=404)
        return answer

    async def _start(self, request: web.Request, name: str, instance_id: str | None) -> web.Response:
        input_text = await _json_body(request)
        instance_id = self._client.start(name, instance_id, input_text, _query(request).get("version"))
        return await self._started(request, instance_id)

    async def _started(self, request: web.Request, instance_id: str) -> web.Response:
        """Answer a start or restart: with its end, if the caller waits for that and it comes, else where to look."""
        query = _query(request)
        timeout, interval = _seconds(query, "timeout"), _seconds(query, "pollinginterval")
        if timeout is not None and interval is not None:
            if interval > timeout:
                raise BadRequestError(f"Total timeout {timeout:g} should be bigger than retry timeout {interval:g}")
            finished = await self._client.engine.wait_until_finished(instance_id, timeout)
            if finished is not None and finished.status.finished:
                return _waited(finished)
        payload = self._addresses.check_status(self._origin_for(request), instance_id)
        headers = {"Location": payload["statusQueryGetUri"], "Retry-After": "10"}
        return web.json_response(payload, status=202, headers=headers)

    def _origin_for(self, request: web.Request) -> str:
        """Return where the caller reaches the webhooks: its own origin, unless it came to the loopback endpoint."""
        return f"{request.scheme}://{request.host}" if request.path.startswith("/runtime/") else self._origin()

    def _status(self, request: web.Request, instance_id: str) -> web.Response:
        query = _query(request)
        instance = self._client.existing(instance_id)
        show_input = _flag(query, "showinput", default=True)
        payload = status_payload(instance, show_input=show_input)
        if _flag(query, "showhistory") and instance.status is not Status.PENDING:
            payload["historyEvents"] = history_payload(
                self._client.history(instance_id), show_output=_flag(query, "showhistoryoutput"), show_input=show_input
            )
        if not instance.status.finished:
            headers = {"Location": str(request.url), "Retry-After": "5"}
            return web.json_response(payload, status=202, headers=headers)
        failed = instance.status is Status.FAILED and _flag(query, "returninternalservererroronfailure")
        return web.json_response(payload, status=500 if failed else 200)

    def _list(self, request: web.Request) -> web.Response:
        query = _query(request)
        after = _decode_token(request.headers.get(_TOKEN))
        top = int(query.get("top", "0")) if query.get("top", "0").isdigit() else 0
        page, token = self._client.query(_filter(query), after, top or _PAGE)
        show_input = _flag(query, "showinput", default=True)
        headers = {_TOKEN: _encode_token(token)} if token else {}
        return web.json_response([status_payload(i, show_input=show_input) for i in page], headers=headers)

    def _purge_where(self, request: web.Request) -> web.Response:
        query = _query(request)
        if not query.get("createdtimefrom"):
            return web.json_response("Please provide value for 'createdTimeFrom' parameter.", status=400)
        return _deleted(self._client.purge_where(_filter(query), lambda count: at_most(request, count)))

    async def _raise_event(self, request: web.Request, instance_id: str, name: str) -> web.Response:
        self._client.unfinished(instance_id)
        if request.content_type != "application/json":
            return web.json_response({"Message": "Only application/json request content is supported"}, status=400)
        if not (await request.read()).strip():
            raise InvalidJsonError("Error reading JToken from JsonReader. Path '', line 0, position 0.")
        self._client.raise_event(instance_id, name, await _json_body(request))
        return web.Response(status=202)

    def _control(self, request: web.Request, instance_id: str, word: str) -> web.Response:
        getattr(self._client, word)(instance_id, _query(request).get("reason", ""))
        return web.Response(status=202)

    async def _restart(self, request: web.Request, instance_id: str) -> web.Response:
        new_id = _flag(_query(request), "restartwithnewinstanceid", default=True)
        return await self._started(request, self._client.restart(instance_id, new_id=new_id))


def _query(request: web.Request) -> dict[str, str]:
    """Return the query with names in lower case; values of one name are joined by commas, as .NET does."""
    found: dict[str, str] = {}
    for name, value in request.query.items():
        found[name.lower()] = f"{found[name.lower()]},{value}" if name.lower() in found else value
    return found


def _flag(query: dict[str, str], name: str, *, default: bool = False) -> bool:
    return query[name].lower() == "true" if name in query else default


def _seconds(query: dict[str, str], name: str) -> float | None:
    try:
        return float(query[name])
    except (KeyError, ValueError):
        return None


def _filter(query: dict[str, str]) -> Filter:
    """Read a query's filter; unknown status names are skipped, and none left means every status."""
    names = [name.strip() for name in query.get("runtimestatus", "").split(",")]
    return Filter(
        created_from=_moment(query.get("createdtimefrom")),
        created_to=_moment(query.get("createdtimeto")),
        statuses=frozenset(STATUS_BY_TITLE[name] for name in names if name in STATUS_BY_TITLE),
        prefix=query.get("instanceidprefix", ""),
    )


def _moment(text: str | None) -> str | None:
    if not text:
        return None
    try:
        return stamp(moment_of(text.replace(" ", "+")))  # an unquoted + of a zone arrives as a blank
    except ValueError:
        raise BadRequestError(f"'{text}' is not a moment in ISO 8601, such as 2026-01-31T00:00:00Z.") from None


async def _json_body(request: web.Request) -> str:
    """Return the body as compact JSON text; an empty one is null."""
    body = await request.read()
    if not body.strip():
        return "null"
    try:
        return dump(json.loads(body))
    except ValueError as problem:
        raise InvalidJsonError(f"The body is no JSON: {problem}") from problem


def _waited(instance: Instance) -> web.Response:
    """Answer a start that waited for the end: the bare output of a completed instance, else its status."""
    if instance.status is Status.COMPLETED:
        return web.Response(text=instance.output or "null", content_type="application/json")
    return web.json_response(status_payload(instance, show_input=True))


def _deleted(count: int) -> web.Response:
    return web.json_response({"instancesDeleted": count}) if count else web.Response(status=404)


def _encode_token(instance_id: str) -> str:
    return base64.urlsafe_b64encode(instance_id.encode()).decode()


def _decode_token(token: str | None) -> str:
    if not token or token == "null":  # noqa: S105
        return ""
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise BadRequestError(f"'{token}' is not a continuation token of this API.") from None


def _error(problem: DurableError) -> web.Response:
    body: dict[str, Any] = {
        "Message": problem.message,
        "ExceptionMessage": str(problem),
        "ExceptionType": problem.kind,
        "StackTrace": "",
    }
    return web.json_response(body, status=problem.status)
