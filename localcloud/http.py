"""HTTP servers on the loopback: what every service has in common.

A service makes its application with :func:`application`, adds its routes, and is served with :func:`serve`. Each
handler calls :func:`announce` once it knows what is asked, before it acts: that names the request in the log and is
the service's fault point.
"""

from __future__ import annotations

import socket
import ssl as tls
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
from localcloud.faults import ALTERS, Faults, Point

HOST = "127.0.0.1"
#: Seconds that requests under way are given when a server stops.
GRACE = 5.0
#: Makes a service's own error answer from status, code and message.
ErrorShape = Callable[[web.Request, int, str, str], web.Response]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PortInUseError(OSError):
    """A port is taken; ``port`` says which, the caller knows the option that chooses another."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} on {HOST} is in use")
        self.port = port


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
    app = web.Application(middlewares=[_logged, _faulty], client_max_size=0)
    app[SERVICE] = service
    app[SURROUNDINGS] = surroundings
    app[ERROR_SHAPE] = error
    app[_OLDER] = OlderAnswers(surroundings.clock.time)
    app.on_response_prepare.append(_prepare)
    return app


async def announce(request: web.Request, operation: str, name: str = "", caller: str = "") -> None:
    """Say what ``request`` is about to do, e.g. ``PutBlob``, ``landing/a.csv``, ``app``; faults may end it here."""
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


class Runner:
    """A running server; ``ports`` are those it really listens on."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner
        self.ports: list[int] = []

    @property
    def port(self) -> int:
        """The first port."""
        return self.ports[0]

    async def listen(self, port: int, ssl: tls.SSLContext | None = None) -> int:
        """Serve the same application on one more port (0: a free one) and return it."""
        listener = _bind(port)
        await web.SockSite(self._runner, listener, ssl_context=ssl, backlog=1024).start()
        self.ports.append(listener.getsockname()[1])
        return self.ports[-1]

    async def stop(self) -> None:
        """Take no new requests, give those under way :data:`GRACE` seconds, close."""
        await self._runner.cleanup()


async def serve(app: web.Application, port: int, ssl: tls.SSLContext | None = None) -> Runner:
    """Serve ``app`` on 127.0.0.1:``port`` (0: a free port); raises :class:`PortInUseError`."""
    # Compressed bodies stay as they came (a lake stores them so), and long SAS addresses come in headers.
    runner = web.AppRunner(
        app, access_log=None, auto_decompress=False, max_line_size=65536, max_field_size=65536, shutdown_timeout=GRACE
    )
    await runner.setup()
    server = Runner(runner)
    try:
        await server.listen(port, ssl)
    except OSError:
        await runner.cleanup()
        raise
    return server


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
        return _faulty_answer(request, fault.action)
    if _POINT in request and request.app[SURROUNDINGS].faults.is_on("stale", request[_POINT]):
        response = request.app[_OLDER].answer(request, response, request.get(_ALTERED))
    return await request[_ALTERED].send(request, response) if _ALTERED in request else response


def _faulty_answer(request: web.Request, action: dict[str, Any]) -> web.Response:
    if "reset" in action:
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


def _bind(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as problem:
        listener.close()
        raise PortInUseError(port) from problem
    listener.setblocking(False)
    return listener
