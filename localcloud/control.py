"""The control endpoint: health, clock, faults, event switches and a view of the lake, on plain loopback http.

Calls that change something need the header ``X-Localcloud: 1``, which no page of another origin can send unasked, and
every call has to name the loopback as its host, so that no foreign name can be pointed here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, BinaryIO, Protocol

from aiohttp import web

from localcloud import page
from localcloud.clock import Clock, parse_duration
from localcloud.eventgrid.rules import Events
from localcloud.eventgrid.switches import SwitchError
from localcloud.faults.rules import FaultError, Rule
from localcloud.faults.switchboard import Faults
from localcloud.http import Handler, Surroundings, announce, application, error
from localcloud.serving import HOST
from localcloud.view import LakeView

_CHUNK = 1024 * 1024


class Overview(Protocol):
    """What can be said of the whole cloud."""

    async def health(self) -> list[dict[str, Any]]:
        """Return ``name``, ``address``, ``healthy`` and ``problem`` of each service."""

    async def state(self) -> dict[str, Any]:
        """Return what the state page shows."""

    def faults_on(self) -> dict[str, Any]:
        """Return what is known of the faults that are on, and struck."""

    async def instances(self) -> list[dict[str, Any]]:
        """Return the orchestration instances, as the management API lists them; the newest first."""

    async def instance(self, instance_id: str) -> dict[str, Any] | None:
        """Return one instance with its history, as the management API answers it, or None."""


def make(surroundings: Surroundings, events: Events, files: LakeView, overview: Overview) -> web.Application:
    """Return the control application."""
    app = application("control", surroundings)
    app.middlewares.append(_guarded)
    control = _Control(surroundings.clock, surroundings.faults, events, files, overview)
    app.router.add_get("/", control.home)
    app.router.add_get("/state", control.state)
    app.router.add_get("/instances", control.instances)
    app.router.add_get("/instances/{id}", control.instance)
    app.router.add_get("/health", control.health)
    app.router.add_get("/clock", control.clock)
    app.router.add_post("/clock", control.move_clock)
    app.router.add_get("/faults", control.faults)
    app.router.add_post("/faults", control.add_fault)
    app.router.add_delete("/faults", control.clear_faults)
    app.router.add_get("/events", control.events)
    app.router.add_post("/events", control.switch_events)
    app.router.add_post("/events/forged", control.forge_event)
    app.router.add_post("/copies", control.hold_copies)
    app.router.add_get("/files/{path:.*}", control.files)
    return app


@web.middleware
async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.url.host not in {HOST, "localhost"}:
        return error(request, 403, "Forbidden", f"The control endpoint answers to {HOST} and localhost only.")
    if request.method != "GET" and request.headers.get("X-Localcloud") != "1":
        return error(request, 403, "Forbidden", "A call that changes something needs the header X-Localcloud: 1.")
    if request.path != "/faults":  # nothing may stand between people and the switch
        await announce(request, request.method.title(), request.path)
    try:
        return await handler(request)
    except (FaultError, SwitchError, ValueError, TypeError) as problem:
        return error(request, 400, "BadRequest", str(problem))


class _Control:
    def __init__(
        self,
        clock: Clock,
        faults: Faults,
        events: Events,
        files: LakeView,
        overview: Overview,
    ) -> None:
        self._clock = clock
        self._faults = faults
        self._events = events
        self._files = files
        self._overview = overview

    async def home(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Show the state page."""
        return web.Response(text=page.home(await self._overview.state()), content_type="text/html")

    async def state(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Answer what the state page shows, as JSON."""
        return web.json_response(await self._overview.state())

    async def instances(self, request: web.Request) -> web.Response:
        """Show the orchestration instances."""
        found = await self._overview.instances()
        return _shown(request, {"instances": found}, lambda: page.instances(found))

    async def instance(self, request: web.Request) -> web.Response:
        """Show one instance and its history."""
        found = await self._overview.instance(request.match_info["id"])
        if found is None:
            return error(request, 404, "InstanceNotFound", f"There is no instance {request.match_info['id']}.")
        return _shown(request, found, lambda: page.instance(found))

    async def health(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Answer 200 when every service answers, else 503."""
        services = await self._overview.health()
        healthy = all(service["healthy"] for service in services)
        return web.json_response({"healthy": healthy, "services": services}, status=200 if healthy else 503)

    async def clock(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Answer the cloud's time."""
        return web.json_response({"now": self._clock.now().isoformat(), "offset": self._clock.offset})

    async def move_clock(self, request: web.Request) -> web.Response:
        """Move the clock: ``{"advance": "6h"}`` or ``{"set": "2013-02-01T00:00:00Z"}``."""
        document = await request.json()
        match document:
            case {"advance": str() | int() | float() as duration, **rest} if not rest:
                self._clock.advance(parse_duration(str(duration)))
            case {"set": str() as moment, **rest} if not rest:
                self._clock.set(datetime.fromisoformat(moment))
            case _:
                raise ValueError('move the clock with {"advance": "6h"} or {"set": "2013-02-01T00:00:00Z"}')
        return await self.clock(request)

    async def faults(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Answer the rules that are on, how often each matched and fired, and how to have the same again."""
        return web.json_response(self._overview.faults_on())

    async def add_fault(self, request: web.Request) -> web.Response:
        """Switch one rule on; it holds in all processes when this is answered."""
        self._faults.add(Rule.parse(await request.json()))
        await self._faults.taken()
        return await self.faults(request)

    async def clear_faults(self, request: web.Request) -> web.Response:
        """Switch all rules off, in all processes."""
        self._faults.clear()
        await self._faults.taken()
        return await self.faults(request)

    async def events(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """Answer the event switches and the counters of each subscription."""
        return web.json_response(
            {"switches": self._events.switches.document(), "subscriptions": self._events.store.counters()}
        )

    async def switch_events(self, request: web.Request) -> web.Response:
        """Change the switches that are named."""
        self._events.switch(await request.json())
        return await self.events(request)

    async def forge_event(self, request: web.Request) -> web.Response:
        """Take in an event for something that did not happen: ``{"source": "storage", "event": {...}}``."""
        match await request.json():
            case {"source": str() as source, "event": event, **rest} if not rest:
                return web.json_response(self._events.forge(source, event))
        raise ValueError('an event is forged with {"source": "storage", "event": {"subject": ..., "eventType": ...}}')

    async def hold_copies(self, request: web.Request) -> web.Response:
        """Leave asynchronous copies pending, or complete them: ``{"held": true}`` or false."""
        match await request.json():
            case {"held": bool() as held, **rest} if not rest:
                self._files.hold_copies(held=held)
                return web.json_response({"held": held})
        raise ValueError('copies are held back or let go with {"held": true} or {"held": false}')

    async def files(self, request: web.Request) -> web.StreamResponse:
        """Show a folder of the lake (JSON for who accepts only that) or give a file's bytes."""
        path = request.match_info["path"].strip("/")
        try:
            file = self._files.open(path)
            if file is not None:
                return await _download(request, *file)
            folder = self._files.folder(path)
        except LookupError:
            return error(request, 404, "PathNotFound", f"There is nothing at {path or '/'}.")
        document = {"path": path, "entries": folder.entries, "more": folder.more}
        return _shown(request, document, lambda: page.folder(path, folder.entries, more=folder.more))


def _shown(request: web.Request, document: dict[str, Any], html: Callable[[], str]) -> web.Response:
    """A page for a browser, JSON for everybody else."""
    if "text/html" in request.headers.get("Accept", ""):
        return web.Response(text=html(), content_type="text/html")
    return web.json_response(document)


async def _download(request: web.Request, length: int, content: BinaryIO) -> web.StreamResponse:
    """Give a file to be saved, never to be shown as a page of this origin: files come from anywhere."""
    headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
    response = web.StreamResponse(headers=headers)
    response.content_type, response.content_length = "application/octet-stream", length
    await response.prepare(request)
    with content:
        while chunk := content.read(_CHUNK):
            await response.write(chunk)
    return response
