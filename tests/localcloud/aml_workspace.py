"""A workspace served for tests: the service with its lake, events and identity, over TLS, in a thread of its own.

Run as a program (``python aml_workspace.py STATE``) it serves until it is killed, for tests that kill it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from azure.core.credentials import AccessToken

from localcloud.aml.service import AzureML
from localcloud.clock import Clock
from localcloud.config import Ports, Resources
from localcloud.database import Database
from localcloud.endpoints import Endpoints
from localcloud.eventgrid.rules import Events
from localcloud.faults.switchboard import Faults
from localcloud.http import RequestLog, Surroundings
from localcloud.identity.rules import SUPERUSER, Identity
from localcloud.lake import routes
from localcloud.lake.rules import Lake
from localcloud.secrets import Secrets
from localcloud.serving import serve
from localcloud.tls import Tls
from tests.ports import free_ports

Result = TypeVar("Result")
WORKSPACE = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/local"
    "/providers/Microsoft.MachineLearningServices/workspaces/local"
)
RESOURCES = Resources.model_validate(
    {
        "groups": [],
        "principals": {"app": {}, "job": {}, "developer": {}, "stranger": {}},
        "storage": {
            "filesystems": {"models": {"acl": "user::rwx,group::r-x,other::--x"}, "locked": {}},
            "queues": ["events"],
            "roles": [{"principal": "job", "role": "Storage Blob Data Contributor", "scope": "models"}],
        },
        "aml": {
            "datastores": {"models": "models", "locked": "locked"},
            "job_identity": "job",
            "nodes": 2,
            "output_mib": 8,
            "log_mib": 1,
        },
        "eventgrid": {"subscriptions": [{"name": "jobs", "source": "aml", "queue": "events"}]},
    }
)


class Credential:
    """Gives the tokens of one principal, as a managed identity would."""

    def __init__(self, identity: Identity, principal: str) -> None:
        self._identity = identity
        self._principal = principal

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """Return a token for the resource of the scope."""
        return AccessToken(
            self._identity.token(self._principal, scopes[0].removesuffix("/.default")), int(time.time()) + 3600
        )


class Served:
    """A running workspace. What touches its database is done in its own thread, by :meth:`do`."""

    def __init__(self, state: Path, resources: Resources = RESOURCES) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.state = state
        self.resources = resources
        self.tls = Tls.load(state)
        self.clock = Clock(state / "clock")
        self.secrets = Secrets.load(state)
        self.identity = Identity(resources, self.secrets, self.clock)
        aml, storage = free_ports(2)
        self.endpoints = Endpoints.of(Ports(aml=aml, storage=storage))
        self.faults = Faults()
        self._loop = asyncio.new_event_loop()
        self._ended = threading.Event()

    def start(self) -> None:
        """Serve; returns once requests are answered."""
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(150)

    def stop(self) -> None:
        """Stop as a graceful end of the local cloud does."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(150)
        self._loop.call_soon_threadsafe(self._loop.stop)

    def do(self, action: Callable[[], Result]) -> Result:
        """Return what ``action`` returns in the service's thread."""

        async def done() -> Result:
            return action()

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(150)

    def put(self, filesystem: str, path: str, content: bytes) -> None:
        """Write a file into the lake, with all rights."""
        source = self.state / "upload"
        source.write_bytes(content)
        self.do(lambda: self.lake.put_file(SUPERUSER, filesystem, path, source))

    def read(self, filesystem: str, path: str) -> bytes:
        """Read a file of the lake, with all rights."""

        def content() -> bytes:
            with self.lake.read_file(SUPERUSER, filesystem, path).open() as file:
                return file.read()

        return self.do(content)

    def files(self, filesystem: str, directory: str) -> list[str]:
        """Return the paths of the files below a directory of the lake."""
        return self.do(
            lambda: [one.path for one in self.lake.walk(SUPERUSER, filesystem, directory) if not one.is_directory]
        )

    def events(self, job: str) -> list[dict[str, Any]]:
        """Return the events of a job that were stored for delivery, in the order they were told."""
        rows = self.do(lambda: self._database.all("SELECT event FROM event_deliveries ORDER BY id"))
        return [event for row in rows if (event := json.loads(row["event"]))["data"]["runId"] == job]

    def advance(self, seconds: float) -> None:
        """Move the cloud's clock."""
        self.do(lambda: self.clock.advance(seconds))

    def credential(self, principal: str = "app") -> Credential:
        """Return the credential of a principal."""
        return Credential(self.identity, principal)

    async def _start(self) -> None:
        self._database = Database(self.state / "cloud.db")
        events = Events(self.resources, self._database, self.clock)
        surroundings = Surroundings(self.clock, self.faults, RequestLog())
        self.lake = Lake(self._database, self.state, self.clock, events, self.resources, self.endpoints.storage)
        for name, filesystem in self.resources.storage.filesystems.items():
            self.lake.ensure_filesystem(name, filesystem.acl)
        self.aml = AzureML(
            resources=self.resources,
            state=self.state,
            endpoints=self.endpoints,
            database=self._database,
            identity=self.identity,
            lake=self.lake,
            events=events,
            secrets=self.secrets,
            surroundings=surroundings,
        )
        storage = routes.make(self.lake, self.identity, surroundings)
        self._servers = [
            await serve(storage, _port(self.endpoints.storage)),
            await serve(self.aml.app, _port(self.endpoints.aml), self.tls.server_context()),
        ]
        self.aml.start()

    async def _stop(self) -> None:
        await self.aml.stop()
        for server in self._servers:
            await server.stop()
        self._database.close()


@contextmanager
def served(state: Path) -> Iterator[Served]:
    """Serve a workspace on ``state`` for the length of a block."""
    workspace = Served(state)
    workspace.start()
    try:
        yield workspace
    finally:
        workspace.stop()


def _port(address: str) -> int:
    return int(address.split("/")[2].rsplit(":", 1)[1])


if __name__ == "__main__":
    server = Served(Path(sys.argv[1]))
    server.start()
    print(server.endpoints.aml, flush=True)
    threading.Event().wait()
