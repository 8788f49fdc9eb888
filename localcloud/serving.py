"""HTTP servers, on the loopback only."""

from __future__ import annotations

import socket
import ssl as tls

from aiohttp import web

HOST = "127.0.0.1"
#: Seconds that requests under way are given when a server stops.
GRACE = 5.0


class PortInUseError(OSError):
    """A port is taken; ``port`` says which, the caller knows the option that chooses another."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} on {HOST} is in use")
        self.port = port


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
