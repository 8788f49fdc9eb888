"""What every service has in common over HTTP.

A service makes its application with :func:`application`, adds its routes, and is served by
:func:`localcloud.serving.serve`. Each handler calls :func:`announce` once it knows what is asked, before it acts: that
names the request in the log and is the service's fault point.
"""

from __future__ import annotations

import errno
import logging
import socket
import sqlite3
import struct
import time
import warnings
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from aiohttp import web

from localcloud.altered import Altered, OlderAnswers
from localcloud.clock import Clock
from localcloud.faults.points import ALTERS, Point
from localcloud.faults.switchboard import Faults

log = logging.getLogger(__name__)

#: Makes a service's own error answer from status, code and message.
ErrorShape = Callable[[web.Request, int, str, str], web.Response]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Served:
    """One request that was answered; ``when`` by the cloud's clock, ``milliseconds`` in real time."""

    when: str
    service: str
    method: str
    path: str
    status: int
    milliseconds: float
    operation: str
    caller: str


class RequestLog:
    """The last requests of all services of a process."""

    def __init__(self, length: int = 500) -> None:
        self.entries: deque[Served] = deque(maxlen=length)

    def newest(self, count: int) -> list[Served]:
        """Return up to ``count`` requests, the newest first."""
        return list(self.entries)[: -count - 1 : -1]


@dataclass(frozen=True)
class Surroundings:
    """What the servers of one process share."""

    clock: Clock
    faults: Faults
    log: RequestLog


SERVICE = web.AppKey("service", str)
SURROUNDINGS = web.AppKey("surroundings", Surroundings)
ERROR_SHAPE = web.AppKey("error_shape", object)
_OLDER = web.AppKey("older_answers", OlderAnswers)
_POINT = web.RequestKey("point", Point)
_REPLAYED = web.RequestKey("replayed", bytes)
_PARTIAL = web.RequestKey("partial", int)
_ALTERED = web.RequestKey("altered", Altered)
#: The header of a question that is the cloud's own, and so no news in its log.
PROBE = "X-Localcloud-Probe"


def plain_error(request: web.Request, status: int, code: str, message: str) -> web.Response:  # noqa: ARG001
    """Answer an error as most of Azure does: ``{"error": {"code", "message"}}``."""
    return web.json_response({"error": {"code": code, "message": message}}, status=status)


def application(service: str, surroundings: Surroundings, error: ErrorShape = plain_error) -> web.Application:
    """Make an empty application whose requests are logged, dated by the clock and subject to faults.

    ``error`` gives faults and refusals the service's own shape. Bodies of any size are let through: a service
    that has a limit states it itself.
    """
    app = web.Application(middlewares=[_logged, _faulty, _troubled], client_max_size=0)
    app[SERVICE] = service
    app[SURROUNDINGS] = surroundings
    app[ERROR_SHAPE] = error
    app[_OLDER] = OlderAnswers(surroundings.clock.time)
    app.on_response_prepare.append(_prepare)
    return app


async def announce(request: web.Request, operation: str, name: str = "", caller: str = "") -> None:
    """Say what ``request`` is about to do, e.g. ``PutBlob``, ``landing/a.csv``, ``app``; faults may end it here.

    The cloud's own questions are no news and no points.
    """
    if PROBE in request.headers:
        return
    again = _POINT in request
    request[_POINT] = Point(request.app[SERVICE], operation, name, caller)
    if again:
        return
    action = await request.app[SURROUNDINGS].faults.before(request[_POINT])
    if action is None:
        return
    if "duplicate" in action:
        request[_REPLAYED] = await request.read()
        _rewind(request)
    elif "partial" in action:
        request[_PARTIAL] = int(action["partial"])
    elif any(kind in action for kind in ALTERS):
        request[_ALTERED] = Altered(action)
    else:
        raise _FaultError(action)


def at_most(request: web.Request, entries: int) -> int:
    """How many entries an operation on many may do: ``entries``, or less while a fault leaves it half done."""
    return min(entries, request.get(_PARTIAL, entries))


def refuse(request: web.Request, feature: str) -> web.Response:
    """Answer 501 in the service's own shape, naming what is not supported."""
    message = f"localcloud does not support {feature}; docs/reference/localcloud.md lists what it does."
    return error(request, 501, "NotImplemented", message)


def error(request: web.Request, status: int, code: str, message: str) -> web.Response:
    """Answer an error in the shape of the service that ``request`` came to."""
    shape: Any = request.app[ERROR_SHAPE]
    answer: web.Response = shape(request, status, code, message)
    return answer


class _FaultError(Exception):
    """Ends a request the way ``action`` says."""

    def __init__(self, action: dict[str, Any]) -> None:
        super().__init__(str(action))
        self.action = action


@web.middleware
async def _logged(request: web.Request, handler: Handler) -> web.StreamResponse:
    begun, status = time.perf_counter(), 500
    try:
        response = await handler(request)
        status = response.status
        return response
    except web.HTTPException as answer:
        status = answer.status
        raise
    finally:
        around, point = request.app[SURROUNDINGS], request.get(_POINT)
        if PROBE not in request.headers:
            around.log.entries.append(
                Served(
                    when=around.clock.now().isoformat(timespec="milliseconds"),
                    service=request.app[SERVICE],
                    method=request.method,
                    path=request.path,  # without the query: signatures and keys are in it
                    status=status,
                    milliseconds=round((time.perf_counter() - begun) * 1000, 1),
                    operation=point.operation if point else "",
                    caller=point.caller if point else "",
                )
            )


@web.middleware
async def _faulty(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Carry out the faults that handlers meet in :func:`announce`, and those after the effect."""
    response: web.StreamResponse | None = None
    try:
        response = await handler(request)
        if _REPLAYED in request and not response.prepared:
            _rewind(request)
            response = await handler(request)
        if _PARTIAL in request:
            raise _FaultError({"status": 500, "code": "OperationTimedOut"})
        if _POINT in request:
            action = await request.app[SURROUNDINGS].faults.after(request[_POINT])
            if action is not None:
                raise _FaultError(action)
    except _FaultError as fault:
        return _faulty_answer(request, fault.action, begun=response is not None and response.prepared)
    if _POINT in request and request.app[SURROUNDINGS].faults.is_on("stale", request[_POINT]):
        response = request.app[_OLDER].answer(request, response, request.get(_ALTERED))
    return await request[_ALTERED].send(request, response) if _ALTERED in request else response


@web.middleware
async def _troubled(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer in the service's own shape when a store is full or locked: nothing has happened, it may be tried again.

    Which codes these would be in Azure, where no disk is full, nobody says; SDKs try again after both.
    """
    try:
        return await handler(request)
    except sqlite3.OperationalError as problem:
        is_busy = getattr(problem, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        log.error("%s %s: %s", request.method, request.path, problem)
        status, code = (503, "ServerBusy") if is_busy else (500, "InternalError")
        return error(request, status, code, f"The service's own store did not take the change: {problem}. Try again.")
    except OSError as problem:
        if problem.errno != errno.ENOSPC:
            raise
        log.error("%s %s: %s", request.method, request.path, problem)
        return error(request, 500, "InternalError", f"The service's own disk is full: {problem.strerror}. Try again.")


def _faulty_answer(request: web.Request, action: dict[str, Any], *, begun: bool) -> web.Response:
    """Answer as a fault says; an answer that has begun already can only break off."""
    if begun or "status" not in action:
        _reset(request)
        return web.Response(status=500)
    code = str(action.get("code", "ServerBusy" if action["status"] == 503 else "InjectedFault"))
    if "body" in action:
        answer = web.Response(status=action["status"], text=action["body"])
    else:
        answer = error(request, action["status"], code, "A fault that was switched on in localcloud.")
    answer.headers.update(action.get("headers", {}))
    return answer


def _reset(request: web.Request) -> None:
    """End the connection with RST, as a network does, rather than with an orderly close."""
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _prepare(request: web.Request, response: web.StreamResponse) -> None:
    """Date the answer by the clock, and by what a fault adds to it."""
    skew = request[_ALTERED].skew if _ALTERED in request else 0
    response.headers["Date"] = formatdate(request.app[SURROUNDINGS].clock.time() + skew, usegmt=True)


async def write(request: web.Request, response: web.StreamResponse, chunk: bytes) -> None:
    """Write a chunk of a streamed answer; handlers that stream use it so that faults can spoil it."""
    if _ALTERED in request:
        await request[_ALTERED].write(request, response, chunk)
    else:
        await response.write(chunk)


def _rewind(request: web.Request) -> None:
    """Make the body readable once more, for handlers that stream it."""
    if request[_REPLAYED]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # there is no other public way to put bytes back
            request.content.unread_data(request[_REPLAYED])
