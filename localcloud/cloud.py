"""One local cloud from start to stop: the state folder's lock, the services, the functions host, and what ends them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from localcloud import environment, repetition
from localcloud.child import FunctionsHost, HostDiedError
from localcloud.config import ConfigError, Ports, Resources
from localcloud.endpoints import SERVICES, Endpoints, PortTakenError, Running, settle
from localcloud.faults.points import Point
from localcloud.faults.rules import Rule
from localcloud.ownership import owned
from localcloud.secrets import Secrets
from localcloud.services import Services, Site
from localcloud.tls import Tls

log = logging.getLogger(__name__)

#: Seconds all services have to answer after they were started.
HEALTHY_WITHIN = 60.0
#: Seconds the ports of a cloud that was killed may take to become free.
PORTS_FREE_WITHIN = 15.0


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
    slot: str | None = None  #: a deployment slot whose host runs beside the app's own
    faults: tuple[Rule, ...] = ()  #: on from the first moment
    events: Mapping[str, Any] = field(default_factory=dict)  #: event switches, set at the start

    @property
    def started(self) -> tuple[str, ...]:
        """The options of ``up`` that start the same again, where ports and state may be others."""
        facts = {
            "app": self.app,
            "only": None if self.only == SERVICES else ",".join(self.only),
            "slot": self.slot,
            "enforce-keys": self.enforce_keys,
            "principal": self.principal,
            "seed": self.seed,
        }
        return tuple(repetition.facts(facts))


async def run(options: Options, started: Callable[[Running], None]) -> None:
    """Start a cloud, call ``started`` once it is healthy, and keep it until SIGINT or SIGTERM.

    Raises InUseError, PortTakenError, ConfigError, UnhealthyError or HostDiedError, with a text for people.
    """
    with owned(options.state):
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
        if options.slot and options.slot not in resources.functions.slots:
            known = ", ".join(resources.functions.slots) or "none"
            raise ConfigError(
                f"{options.app}/localcloud.yaml: functions.slots: no slot {options.slot!r}; declared: {known}"
            )
        self._site = Site(
            app=options.app,
            state=options.state,
            resources=resources,
            ports=ports,
            endpoints=Endpoints.of(ports),
            secrets=Secrets.load(options.state),
            tls=Tls.load(options.state),
            only=options.only,
            slot=options.slot,
            started=options.started,
        )
        self._services = Services(self._site, options.seed)
        self._running = Running(self._site.endpoints, options.only, os.getpid(), str(options.app), str(options.state))
        self._running.remove()
        self._hosts: dict[str, FunctionsHost] = {}  #: by the names that faults know them by

    async def start(self) -> Running:
        """Start everything; return where it answers once all of it does."""
        faults, app = self._services.faults, self._options.app
        log.info("localcloud starts: app %s, commit %s, seed %d", app, repetition.commit(app), self._options.seed)
        if "functions" in self._options.only:
            self._make_hosts()
        for name, host in self._hosts.items():
            faults.on_process(name, partial(_pids, host))
        for rule in self._options.faults:
            faults.add(rule)
        await self._services.start(self._options.events)
        self._services.clock.on_change(lambda: self._tell("clock"))
        faults.on_change(lambda: self._tell(self._rules()))
        await asyncio.gather(*(self._start(name, host) for name, host in self._hosts.items()))
        await self._until_healthy()
        self._running.save()
        return self._running

    async def watch(self) -> None:
        """Deliver events and watch the functions hosts; raises when one of them ends by itself."""
        tasks = [asyncio.create_task(self._services.work())]
        tasks += [asyncio.create_task(self._watch_host(name, host)) for name, host in self._hosts.items()]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self) -> None:
        """End the functions hosts, then the services; what was under way goes on at the next start."""
        self._running.remove()
        self._services.faults.clear()  # what stands still could not end
        await asyncio.gather(*(host.stop() for host in self._hosts.values()))
        await self._services.stop()

    def _make_hosts(self) -> None:
        site, options = self._site, self._options
        app = site.resources.functions
        who = app.development_principal if options.principal is None else options.principal
        document = {"principal": app.principal, "development_principal": None if who == "none" else who}
        (site.state / "functions.json").write_text(json.dumps(document))
        self._hosts["functions"] = self._make_host(site.ports.functions, None)
        if options.slot and site.ports.slot is not None:
            self._hosts["slot"] = self._make_host(site.ports.slot, options.slot)

    def _make_host(self, port: int, slot: str | None) -> FunctionsHost:
        site, options = self._site, self._options
        variables = environment.of_app(
            site.app, site.resources, site.endpoints, site.secrets, site.tls, dict(os.environ), slot
        )
        flags = ["--seed", str(options.seed), *(["--enforce-keys"] if options.enforce_keys else [])]
        return FunctionsHost(site.app, site.state, port, variables, *flags, slot=slot, verbose=options.verbose)

    async def _watch_host(self, name: str, host: FunctionsHost) -> None:
        """Start a host again when a fault ended it; any other end of it ends the cloud."""
        while True:
            code = await host.wait()
            if not self._services.faults.ledger.ended(name):
                raise HostDiedError(f"the functions host ended by itself with code {code}\n{host.last_lines()}")
            log.warning("the host called %s was ended by a fault and is started again", name)
            await self._start(name, host)

    async def _start(self, name: str, host: FunctionsHost) -> None:
        """Start a host, again and again if faults end it while it starts."""
        while True:
            try:
                await host.start(self._rules())
                return
            except HostDiedError:
                if not self._services.faults.ledger.ended(name):
                    raise
                log.warning("the host called %s was ended by a fault while it started", name)

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
        for host in self._hosts.values():
            host.tell(command)

    def _rules(self) -> str:
        return f"faults {json.dumps(self._services.faults.told())}"


def _pids(host: FunctionsHost, _: Point) -> list[int]:
    return [host.pid] if host.pid is not None else []


async def _settled(options: Options) -> Ports:
    """Choose the ports. Those of a cloud that was killed a moment ago are waited for: its child is still ending."""
    patience = PORTS_FREE_WITHIN if (options.state / "endpoints.json").exists() else 0.0
    while True:
        try:
            return settle(options.ports, options.only)
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
