"""The Functions host: an app's functions behind their doors, served on one port, the durable client's on another."""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from azure.functions import meta

from localcloud.clock import Clock
from localcloud.config import ConfigError, Resources
from localcloud.database import Database
from localcloud.faults.disk import Disk
from localcloud.faults.switchboard import Faults
from localcloud.functions.app import App, Function, load_app
from localcloud.functions.durable.binding import RPC_PATH, WEBHOOK_PATH, Addresses
from localcloud.functions.durable.client import Client
from localcloud.functions.durable.engine import Engine
from localcloud.functions.durable.routes import Api
from localcloud.functions.durable.store import Store
from localcloud.functions.durable_functions import durable_functions
from localcloud.functions.easy_auth import EasyAuth
from localcloud.functions.eventgrid import EventGridDoor
from localcloud.functions.host_json import AppError, HostSettings, read_host_json
from localcloud.functions.http_trigger import HttpDoor
from localcloud.functions.invoke import Invoker
from localcloud.functions.keys import Keys
from localcloud.functions.queue_trigger import Queues
from localcloud.functions.timer import Timers
from localcloud.http import RequestLog, Surroundings, application, refuse
from localcloud.identity.rules import Identity
from localcloud.secrets import Secrets
from localcloud.serving import Runner, serve

log = logging.getLogger(__name__)

_DURABLE_KEY = "durabletask_extension"
_EVENT_GRID_PATH = "/runtime/webhooks/eventgrid"
_STORAGE = "https://storage.azure.com/"


@dataclass(frozen=True)
class Options:
    """How the host was started; see :mod:`localcloud.functions.__main__`."""

    app: Path
    state: Path
    port: int
    rpc_port: int
    enforce_keys: bool
    seed: int = 0  #: drives what faults leave to chance
    slot: str | None = None  #: the deployment slot whose host this is

    @property
    def home(self) -> Path:
        """The folder of what this host keeps for itself."""
        return self.state / "slots" / self.slot if self.slot else self.state


class Host:
    """Everything that runs in this process, wired together; :meth:`start` and :meth:`stop` are called once."""

    def __init__(self, options: Options, clock: Clock, faults: Faults) -> None:
        about = _about(options.state)
        secrets = Secrets.load(options.state)
        identity = Identity(_resources(options.app), secrets, clock)
        self.options = options
        self.settings: HostSettings = read_host_json(options.app)
        self.app: App = load_app(options.app, self.settings.hub_name)
        self._surroundings = Surroundings(clock, faults, RequestLog())
        self._keys = Keys(secrets.function_keys)
        self._addresses = Addresses(self.settings.hub_name, secrets.function_keys[_DURABLE_KEY])
        self._database = Database(options.home / "functions.db", Disk("engine", faults))
        self._invoker = Invoker(self.settings.function_timeout)
        self._engine = Engine(
            Store(self._database),
            clock,
            durable_functions(self.app, self._invoker, self._other_inputs),
            faults,
            versions=self.settings.versions,
            orchestrators=self.settings.max_orchestrators,
            activities=self.settings.max_activities,
        )
        client = Client(self._engine, replace_any_state=self.settings.replace_any_state)
        self._durable = Api(client, self._addresses, lambda: self._origin)
        self._http = HttpDoor(
            self.app,
            self.settings.route_prefix,
            self._invoker,
            self._other_inputs,
            easy_auth=_easy_auth(about, identity),
            keys=self._keys if options.enforce_keys else None,
        )
        self._event_grid = EventGridDoor(self.app, self._invoker, self._other_inputs, self._keys)
        self._timers = Timers(self.app, self._database, clock, self._invoker, self._other_inputs)
        principal = about.get("principal", "app")
        self._queues = Queues(
            self.app,
            self.settings.queues,
            self._invoker,
            self._other_inputs,
            lambda: identity.token(principal, _STORAGE),
        )
        self._servers: list[Runner] = []
        self._started = time.monotonic()

    async def start(self) -> tuple[int, int]:
        """Listen, take up open work, begin the schedules; returns the two ports."""
        public = application("functions", self._surroundings)
        public.router.add_route("*", r"/{tail:[\s\S]*}", self._answer)
        loopback = application("durable", self._surroundings)
        loopback.router.add_route("*", RPC_PATH + r"/{tail:[\s\S]*}", self._answer_client)
        for app, port in ((public, self.options.port), (loopback, self.options.rpc_port)):
            self._servers.append(await serve(app, port))
        self._engine.start()
        self._timers.start()
        self._queues.start()
        self._say_what_is_refused()
        return self._servers[0].port, self._servers[1].port

    async def stop(self) -> None:
        """Stop schedules, let running functions end within their grace, close."""
        await self._timers.stop()
        await self._queues.stop()
        await self._engine.stop()
        for server in self._servers:
            await server.stop()
        self._invoker.close()
        self._database.close()

    @property
    def _origin(self) -> str:
        return f"http://127.0.0.1:{self._servers[0].port}"

    def _other_inputs(self, function: Function) -> dict[str, meta.Datum]:
        """Return the data of a function's durable client bindings."""
        names = [name for name, kind in function.inputs.items() if kind == "durableClient"]
        if not names:
            return {}
        client = meta.Datum(type="string", value=self._addresses.binding(self._origin, self._servers[1].port))
        return dict.fromkeys(names, client)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request on the functions port: webhooks and admin first, then the app's own routes."""
        path = request.path.lower().rstrip("/")
        if path == _EVENT_GRID_PATH:
            return await self._event_grid.answer(request)
        if (path + "/").startswith(WEBHOOK_PATH + "/"):
            if not self._keys.opens_webhook(request, _DURABLE_KEY):
                return web.Response(status=401)
            return await self._durable.answer(request, request.path[len(WEBHOOK_PATH) :])
        if path.startswith("/runtime/webhooks/"):
            return refuse(request, f"the webhook {request.path}")
        if path.startswith("/admin/"):
            return await self._answer_admin(request, path)
        return await self._http.answer(request)

    async def _answer_client(self, request: web.Request) -> web.Response:
        return await self._durable.answer(request, request.match_info["tail"])

    async def _answer_admin(self, request: web.Request, path: str) -> web.Response:
        if path == "/admin/host/status":
            uptime = int((time.monotonic() - self._started) * 1000)
            return web.json_response(
                {
                    "id": "localcloud",
                    "state": "Running",
                    "processUptime": uptime,
                    "functionAppContentEditingState": "NotAllowed",
                }
            )
        if path == "/admin/host/ping":
            return web.Response()
        if path.startswith("/admin/functions/") and request.method == "POST":
            return await self._run_by_hand(request)
        return refuse(request, f"the admin endpoint {request.path}")

    async def _run_by_hand(self, request: web.Request) -> web.Response:
        """Run a timer function now: ``POST /admin/functions/NAME``, with the master key where keys are enforced."""
        if self.options.enforce_keys and not self._keys.opens_function(request, "ADMIN"):
            return web.Response(status=401)
        name = request.path.rstrip("/").rpartition("/")[2]
        if name not in self.app.functions:
            return web.Response(status=404)
        if not await self._timers.run_now(name):
            return refuse(request, f"starting the {self.app.functions[name].kind} function {name} by hand")
        return web.Response(status=202)

    def _say_what_is_refused(self) -> None:
        for function in self.app.functions.values():
            if function.refused:
                log.warning("function %s does not run: localcloud does not support %s", function.name, function.refused)


def _about(state: Path) -> dict[str, Any]:
    path = state / "functions.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _resources(app: Path) -> Resources:
    try:
        return Resources.load(app)
    except ConfigError as problem:
        raise AppError(str(problem)) from problem


def _easy_auth(about: dict[str, Any], identity: Identity) -> EasyAuth | None:
    return EasyAuth(identity, about["development_principal"]) if "development_principal" in about else None


def ready_document(host: Host, port: int, rpc_port: int) -> str:
    """Return what the ready file says."""
    functions = [{"name": f.name, "trigger": f.kind} for f in host.app.functions.values()]
    return json.dumps({"pid": os.getpid(), "port": port, "rpc_port": rpc_port, "functions": functions})
