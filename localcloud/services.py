"""The services of the parent process, wired together: lake, Azure ML, Event Grid, identity, control."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from aiohttp import web
from yarl import URL

from localcloud import control, repetition
from localcloud.aml.service import AzureML
from localcloud.clock import Clock
from localcloud.config import Ports, Resources
from localcloud.database import Database
from localcloud.endpoints import Endpoints
from localcloud.eventgrid import routes as eventgrid_routes
from localcloud.eventgrid.delivery import Delivery, Destinations
from localcloud.eventgrid.rules import Events
from localcloud.faults.disk import Disk
from localcloud.faults.ledger import Ledger
from localcloud.faults.switchboard import Faults
from localcloud.http import PROBE, RequestLog, Surroundings
from localcloud.identity import routes as identity_routes
from localcloud.identity.rules import SUPERUSER, Identity
from localcloud.lake import damage
from localcloud.lake import routes as lake_routes
from localcloud.lake.rules import Lake
from localcloud.secrets import Secrets
from localcloud.serving import Runner, serve
from localcloud.tls import Tls
from localcloud.view import LakeView

#: Seconds a service has for an answer to a health question.
PROBE_WITHIN = 5.0
#: Orchestration instances, requests, deliveries and faults that the pages look at.
_INSTANCES, _REQUESTS, _DELIVERIES, _FAULTS = 1000, 50, 50, 20


@dataclass(frozen=True)
class Site:
    """What a cloud is made from."""

    app: Path
    state: Path
    resources: Resources
    ports: Ports
    endpoints: Endpoints
    secrets: Secrets
    tls: Tls
    only: Collection[str]
    slot: str | None = None
    started: tuple[str, ...] = ()


class Services:
    """All that runs in this process. Everything that has state shares one database, so that it commits together."""

    def __init__(self, site: Site, seed: int) -> None:
        self._site = site
        self._commit = repetition.commit(site.app)
        self.clock = Clock(site.state / "clock")
        self.faults = Faults(seed, self.clock, Ledger(site.state))
        self.faults.on_database("cloud", site.state / "cloud.db")
        self.faults.on_database("engine", site.state / "functions.db")
        self._surroundings = Surroundings(self.clock, self.faults, RequestLog())
        self._database = Database(site.state / "cloud.db", Disk("cloud", self.faults))
        self._identity = Identity(site.resources, site.secrets, self.clock)
        self._events = Events(site.resources, self._database, self.clock, seed)
        self._lake = Lake(
            self._database,
            site.state,
            self.clock,
            self._events,
            site.resources,
            site.endpoints.storage_tls,
            Disk("lake", self.faults),
        )
        self.faults.on("storage", "touch", lambda name, _: damage.touch(self._lake.volume, name))
        self.faults.on("storage", "corrupt", lambda name, how: damage.corrupt(self._lake.volume, name, how))
        self._view = LakeView(self._lake)
        self._aml = AzureML(
            resources=site.resources,
            state=site.state,
            endpoints=site.endpoints,
            database=self._database,
            identity=self._identity,
            lake=self._lake,
            events=self._events,
            secrets=site.secrets,
            surroundings=self._surroundings,
        )
        self._runners: list[Runner] = []
        self._session: aiohttp.ClientSession | None = None

    async def start(self, switches: Mapping[str, Any]) -> None:
        """Make the declared resources and serve what is wanted; ``switches`` are event switches to set."""
        site, server = self._site, self._site.tls.server_context()
        connector = aiohttp.TCPConnector(ssl=site.tls.client_context(), limit=0)
        self._session = aiohttp.ClientSession(connector=connector, trust_env=False)
        self._make_resources()
        if switches:
            self._events.switch(dict(switches))
        if "identity" in site.only:
            await self._serve(identity_routes.make(self._identity, self._surroundings), site.ports.identity, server)
        if "eventgrid" in site.only:
            app = eventgrid_routes.make(self._events, self._identity, self._database, self._surroundings)
            await self._serve(app, site.ports.eventgrid, server)
        if "storage" in site.only:
            app = lake_routes.make(self._lake, self._identity, self._surroundings)
            runner = await self._serve(app, site.ports.storage)
            await runner.listen(site.ports.storage_tls, server)
        if "aml" in site.only:
            runner = await self._serve(self._aml.app, site.ports.aml, server)
            if site.ports.aml_http is not None:
                await runner.listen(site.ports.aml_http)
            self._aml.start()
        await self._serve(control.make(self._surroundings, self._events, self._view, self), site.ports.control)

    async def work(self) -> None:
        """Deliver events until cancelled; begun when the functions host is there to take them."""
        assert self._session is not None
        destinations = Destinations(
            function=self._function_address,
            put_message=self._put_message,
            put_dead_letter=self._put_dead_letter,
            validation_url=lambda name, code: f"{self._site.endpoints.eventgrid}/validate/{name}/{code}",
        )
        if "eventgrid" in self._site.only:
            delivery = Delivery(self._events, destinations, self._database, self.clock, self.faults, self._session)
            await delivery.run()
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Take no more requests, end what runs, close the database."""
        await self._aml.stop()
        for runner in self._runners:
            await runner.stop()
        if self._session is not None:
            await self._session.close()
        self._database.close()

    async def health(self) -> list[dict[str, Any]]:
        """Return ``name``, ``address``, ``healthy`` and ``problem`` of each service and address."""
        where = self._site.endpoints
        addresses = {
            "functions": ("functions", f"{where.functions}/admin/host/status"),
            **(
                {f"functions ({self._site.slot})": ("functions", f"{where.slot}/admin/host/status")}
                if where.slot
                else {}
            ),
            "storage": ("storage", where.storage),
            "storage (TLS)": ("storage", where.storage_tls),
            "aml": ("aml", where.aml),
            "eventgrid": ("eventgrid", where.eventgrid),
            "identity": ("identity", where.identity),
        }
        if where.slot:
            addresses[f"functions ({self._site.slot})"] = ("functions", f"{where.slot}/admin/host/status")
        wanted = {name: address for name, (service, address) in addresses.items() if service in self._site.only}
        return list(await asyncio.gather(*(self._probe(name, address) for name, address in wanted.items())))

    async def state(self) -> dict[str, Any]:
        """Return what the state page shows."""
        services, instances = await asyncio.gather(self.health(), self._counted())
        log = self._surroundings.log.newest(_REQUESTS)
        return {
            "app": str(self._site.app),
            "state": str(self._site.state),
            "now": self.clock.now().isoformat(timespec="seconds"),
            "offset": self.clock.offset,
            "files": self._view.count(),
            "services": services,
            "instances": instances,
            "events": {"switches": self._events.switches.document(), "subscriptions": self._events.store.counters()},
            "deliveries": {
                "newest": [asdict(one) for one in self._events.newest(_DELIVERIES)],
                "waiting": self._events.waiting(_DELIVERIES),
            },
            "faults": self.faults_on(),
            "requests": [asdict(one) for one in log],
        }

    def faults_on(self) -> dict[str, Any]:
        """Return seed and commit, the rules that are on, what struck last, and how to have the same again."""
        return {
            "seed": self.faults.seed,
            "commit": self._commit,
            "repeat": repetition.command(self._site.started, self._events.switches, self.faults.rules.values()),
            "rules": self.faults.documents(),
            "newest": self.faults.ledger.newest(_FAULTS),
        }

    def _make_resources(self) -> None:
        storage = self._site.resources.storage
        for name, filesystem in storage.filesystems.items():
            self._lake.ensure_filesystem(name, filesystem.acl)
        for queue in storage.queues:
            self._lake.ensure_queue(queue)

    async def _serve(self, app: web.Application, port: int, server: ssl.SSLContext | None = None) -> Runner:
        runner = await serve(app, port, server)
        self._runners.append(runner)
        return runner

    def _function_address(self, name: str) -> str:
        query = urlencode({"functionName": name, "code": self._site.secrets.function_keys["eventgrid_extension"]})
        return f"{self._site.endpoints.functions}/runtime/webhooks/EventGrid?{query}"

    def _put_message(self, queue: str, text: str) -> None:
        self._lake.queue.put(queue, text)

    def _put_dead_letter(self, filesystem: str, path: str, content: bytes) -> None:
        with TemporaryDirectory(dir=self._site.state) as folder:
            letter = Path(folder) / "letter.json"
            letter.write_bytes(content)
            self._lake.put_file(SUPERUSER, filesystem, path, letter)

    async def _probe(self, name: str, address: str) -> dict[str, Any]:
        """Ask a service for anything: an answer, be it a refusal, is health; the functions host must say 200."""
        assert self._session is not None
        problem = ""
        try:
            async with asyncio.timeout(PROBE_WITHIN), self._session.get(address, headers={PROBE: "1"}) as answer:
                if name.startswith("functions") and answer.status != 200:
                    problem = f"answers {answer.status}"
        except TimeoutError:
            problem = f"no answer within {PROBE_WITHIN:.0f} s"
        except aiohttp.ClientError as refused:
            problem = str(refused)
        return {"name": name, "address": address, "healthy": not problem, "problem": problem}

    async def instances(self) -> list[dict[str, Any]]:
        """Return the orchestration instances of the functions host, the newest first; at most :data:`_INSTANCES`."""
        listed = await self._ask_host("instances", top=str(_INSTANCES), showInput="false")
        return sorted(listed or [], key=lambda one: str(one["createdTime"]), reverse=True)

    async def instance(self, instance_id: str) -> dict[str, Any] | None:
        """Return one instance with its history; None where there is none, or the host does not answer."""
        wanted = {"showHistory": "true", "showHistoryOutput": "true"}
        found: dict[str, Any] | None = await self._ask_host(f"instances/{quote(instance_id, safe='')}", **wanted)
        return found

    async def _counted(self) -> list[tuple[str, str, int]]:
        counts = Counter((one["name"], one["runtimeStatus"]) for one in await self.instances())
        return [(name, status, count) for (name, status), count in sorted(counts.items())]

    async def _ask_host(self, path: str, **query: str) -> Any:
        """Ask the public management API of Durable Functions; None where it does not answer so."""
        if "functions" not in self._site.only or self._session is None:
            return None
        query["code"] = self._site.secrets.function_keys["durabletask_extension"]
        address = f"{self._site.endpoints.functions}/runtime/webhooks/durabletask/{path}"
        try:
            async with (
                asyncio.timeout(PROBE_WITHIN),
                self._session.get(URL(address, encoded=True), params=query, headers={PROBE: "1"}) as answer,
            ):
                return await answer.json() if answer.status in (200, 202) else None
        except (TimeoutError, aiohttp.ClientError, ValueError):
            return None
