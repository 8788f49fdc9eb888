"""One local cloud from start to stop: the state folder's lock, the services, the functions host, and what ends them."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from localcloud import environment
from localcloud.child import FunctionsHost, HostDiedError
from localcloud.config import Ports, Resources
from localcloud.endpoints import Endpoints, PortTakenError, Running, settle
from localcloud.secrets import Secrets
from localcloud.services import Services, Site
from localcloud.tls import Tls

log = logging.getLogger(__name__)

#: Seconds all services have to answer after they were started.
HEALTHY_WITHIN = 30.0
#: Seconds the ports of a cloud that was killed may take to become free.
PORTS_FREE_WITHIN = 5.0


class StateInUseError(Exception):
    """Another cloud owns the state folder."""


class UnhealthyError(Exception):
    """A service does not answer after its start."""


@dataclass(frozen=True)
class Options:
    """What ``up`` was asked for. ``principal`` replaces the development principal: a name, or ``none``."""

    app: Path
    state: Path
    ports: Ports
    only: tuple[str, ...]
    enforce_keys: bool = False
    principal: str | None = None
    verbose: bool = False
    seed: int = 0


async def run(options: Options, started: Callable[[Running], None]) -> None:
    """Start a cloud, call ``started`` once it is healthy, and keep it until SIGINT or SIGTERM.

    Raises StateInUseError, PortTakenError, ConfigError, UnhealthyError or HostDiedError, with a text for people.
    """
    with _owned(options.state):
        cloud = Cloud(options, await _settled(options))
        stop = _stop_signal()
        try:
            running = await _first(cloud.start(), stop)
            if running is not None:
                started(running)
                await _first(cloud.watch(), stop)
        finally:
            await cloud.stop()


class Cloud:
    """The services of this process and the functions host beside them."""

    def __init__(self, options: Options, ports: Ports) -> None:
        self._options = options
        resources = Resources.load(options.app)
        self._site = Site(
            app=options.app,
            state=options.state,
            resources=resources,
            ports=ports,
            endpoints=Endpoints.of(ports),
            secrets=Secrets.load(options.state),
            tls=Tls.load(options.state),
            only=options.only,
        )
        self._services = Services(self._site, options.seed)
        self._running = Running(self._site.endpoints, options.only, os.getpid(), str(options.app), str(options.state))
        self._running.remove()
        self._host: FunctionsHost | None = None

    async def start(self) -> Running:
        """Start everything; return where it answers once all of it does."""
        await self._services.start()
        if "functions" in self._options.only:
            self._host = self._make_host()
            self._services.clock.on_change(lambda: self._tell("clock"))
            self._services.faults.on_change(self._tell_faults)
            self._services.faults.on_process("functions", lambda: self._host and self._host.pid)
            await self._host.start()
        await self._until_healthy()
        self._running.save()
        return self._running

    async def watch(self) -> None:
        """Deliver events and watch the functions host; raises when one of them ends by itself."""
        tasks = [asyncio.create_task(self._services.work())]
        if self._host is not None:
            tasks.append(asyncio.create_task(self._watch_host(self._host)))
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self) -> None:
        """End the functions host, then the services; what was under way goes on at the next start."""
        self._running.remove()
        if self._host is not None:
            await self._host.stop()
        await self._services.stop()

    def _make_host(self) -> FunctionsHost:
        site, options = self._site, self._options
        app = site.resources.functions
        who = app.development_principal if options.principal is None else options.principal
        document = {"principal": app.principal, "development_principal": None if who == "none" else who}
        (site.state / "functions.json").write_text(json.dumps(document))
        variables = environment.of_app(
            site.app, site.resources, site.endpoints, site.secrets, site.tls, dict(os.environ)
        )
        flags = ["--seed", str(options.seed), *(["--enforce-keys"] if options.enforce_keys else [])]
        return FunctionsHost(site.app, site.state, site.ports.functions, variables, *flags, verbose=options.verbose)

    async def _watch_host(self, host: FunctionsHost) -> None:
        """Start the host again when a fault rule crashed it; any other end of it ends the cloud."""
        while True:
            code = await host.wait()
            if not self._services.faults.take_crash("functions"):
                raise HostDiedError(f"the functions host ended by itself with code {code}\n{host.last_lines()}")
            log.warning("the functions host was crashed by a fault rule and is started again")
            await host.start()
            self._tell_faults()

    async def _until_healthy(self) -> None:
        services: list[dict[str, Any]] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(HEALTHY_WITHIN):
                while not services or not all(service["healthy"] for service in services):
                    services = await self._services.health()
                return
        sick = "; ".join(f"{one['name']} ({one['address']}): {one['problem']}" for one in services if one["problem"])
        raise UnhealthyError(f"not healthy within {HEALTHY_WITHIN:.0f} s: {sick}")

    def _tell(self, command: str) -> None:
        if self._host is not None:
            self._host.tell(command)

    def _tell_faults(self) -> None:
        self._tell(f"faults {json.dumps(self._services.faults.documents())}")


class _owned:  # noqa: N801 (reads as a statement)
    """Holds ``<state>/lock``; the lock dies with the process however it ends."""

    def __init__(self, state: Path) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self._path = state / "lock"
        self._file: IO[str] | None = None

    def __enter__(self) -> None:
        self._file = self._path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            owner = self._file.read().strip() or "unknown"
            self._file.close()
            raise StateInUseError(
                f"the state folder {self._path.parent} belongs to a running cloud (process {owner}).\n"
                "Stop that one, or choose another folder with --state."
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def __exit__(self, *_: object) -> None:
        assert self._file is not None
        self._file.close()


async def _settled(options: Options) -> Ports:
    """Choose the ports. Those of a cloud that was killed a moment ago are waited for: its child is still ending."""
    patience = PORTS_FREE_WITHIN if (options.state / "endpoints.json").exists() else 0.0
    while True:
        try:
            return settle(options.ports)
        except PortTakenError:
            if patience <= 0:
                raise
            patience -= 0.1
            await asyncio.sleep(0.1)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _first(work: Coroutine[Any, Any, Running | None], stop: asyncio.Event) -> Running | None:
    """Return the result of ``work``, or None if the signal to stop came first."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        return await working if working.done() else None
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
