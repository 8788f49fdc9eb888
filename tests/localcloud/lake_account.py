"""A storage account served for tests: plain http for the key, TLS for tokens, in a thread of its own.

Run as a program (``python lake_account.py STATE``) it serves until it is killed, for tests that kill it.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from azure.core.credentials import AccessToken
from azure.storage.blob import BlobServiceClient
from azure.storage.filedatalake import DataLakeServiceClient, FileSystemClient
from azure.storage.queue import QueueServiceClient

from localcloud.clock import Clock
from localcloud.config import ACCOUNT, ACCOUNT_KEY, Resources
from localcloud.database import Database
from localcloud.eventgrid.rules import Events
from localcloud.faults.switchboard import Faults
from localcloud.http import RequestLog, Surroundings
from localcloud.identity.rules import Identity
from localcloud.lake import routes
from localcloud.lake.rules import Lake
from localcloud.secrets import Secrets
from localcloud.serving import serve
from localcloud.tls import Tls

Result = TypeVar("Result")
AUDIENCE = "https://storage.azure.com"
RESOURCES = Resources.model_validate(
    {
        "groups": ["analysts", "editors"],
        "principals": {
            "app": {},
            "developer": {},
            "owner": {},
            "contributor": {},
            "reader": {},
            "job": {},
            "analyst": {"groups": ["analysts"]},
            "editor": {"groups": ["analysts", "editors"]},
            "stranger": {},
        },
        "storage": {
            "filesystems": {"models": {"acl": "user::rwx,group::r-x,other::--x"}, "landing": {}},
            "queues": ["notices"],
            "roles": [
                {"principal": "owner", "role": "Storage Blob Data Owner"},
                {"principal": "contributor", "role": "Storage Blob Data Contributor", "scope": "models"},
                {"principal": "reader", "role": "Storage Blob Data Reader", "scope": "models"},
                {"principal": "app", "role": "Storage Queue Data Message Processor", "scope": "notices"},
            ],
        },
        "eventgrid": {"subscriptions": [{"name": "all", "source": "storage", "queue": "notices"}]},
    }
)


class Credential:
    """Gives the tokens of one principal, as a managed identity would."""

    def __init__(self, identity: Identity, principal: str) -> None:
        self._identity = identity
        self._principal = principal

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        """Return a token for storage."""
        return AccessToken(self._identity.token(self._principal, AUDIENCE), int(time.time()) + 3600)


class Account:
    """A running account. What touches its database is done in its own thread, by :meth:`do`."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.tls = Tls.load(state)
        self.clock = Clock(state / "clock")
        self.identity = Identity(RESOURCES, Secrets.load(state), self.clock)
        self.faults = Faults()
        self._loop = asyncio.new_event_loop()

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

    def start_task(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Begin ``work`` in the service's thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    @property
    def url(self) -> str:
        """The account's plain address."""
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def tls_url(self) -> str:
        """The account's address for tokens."""
        return f"https://127.0.0.1:{self.tls_port}/{ACCOUNT}"

    def dfs(self, principal: str | None = None) -> DataLakeServiceClient:
        """Return a DFS client with the account's key, or with a principal's tokens."""
        return DataLakeServiceClient(**self._connection(principal))

    def blob(self, principal: str | None = None) -> BlobServiceClient:
        """Return a Blob client with the account's key, or with a principal's tokens."""
        return BlobServiceClient(**self._connection(principal))

    def queues(self, principal: str | None = None) -> QueueServiceClient:
        """Return a Queue client with the account's key, or with a principal's tokens."""
        return QueueServiceClient(**self._connection(principal))

    def new(self, name: str) -> FileSystemClient:
        """Make a filesystem with the account's key."""
        return self.dfs().create_file_system(name)

    def bearer(self, principal: str) -> str:
        """Return what an Authorization header holds for a principal."""
        return f"Bearer {self.identity.token(principal, AUDIENCE)}"

    def send(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        *,
        principal: str = "owner",
        body: bytes = b"",
    ) -> http.client.HTTPResponse:
        """Send one raw request by a principal, its path as it stands; the answer's body has been read."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.tls_port, context=self.tls.client_context(), timeout=60
        )
        known = {"Authorization": self.bearer(principal)} if principal else {}
        connection.request(method, path, body=body or None, headers={**known, **(headers or {})})
        response = connection.getresponse()
        response.content = response.read()  # type: ignore[attr-defined]
        connection.close()
        return response

    def events(self, filesystem: str) -> list[dict[str, Any]]:
        """Return the events of a filesystem that were stored for delivery, in the order they were told."""
        rows = self.do(lambda: self._database.all("SELECT event FROM event_deliveries ORDER BY id"))
        events = [json.loads(row["event"]) for row in rows]
        return [event for event in events if f"/containers/{filesystem}/" in event["subject"]]

    def _connection(self, principal: str | None) -> dict[str, Any]:
        if principal is None:
            return {"account_url": self.url, "credential": ACCOUNT_KEY, "retry_total": 0}
        return {
            "account_url": self.tls_url,
            "credential": Credential(self.identity, principal),
            "retry_total": 0,
            "connection_verify": str(self.tls.bundle),
        }

    async def _start(self) -> None:
        self._database = Database(self.state / "cloud.db")
        events = Events(RESOURCES, self._database, self.clock)
        base = f"https://lake.test/{ACCOUNT}"
        self.lake = Lake(self._database, self.state, self.clock, events, RESOURCES, base)
        for name, filesystem in RESOURCES.storage.filesystems.items():
            self.lake.ensure_filesystem(name, filesystem.acl)
        for queue in RESOURCES.storage.queues:
            self.lake.ensure_queue(queue)
        app = routes.make(self.lake, self.identity, Surroundings(self.clock, self.faults, RequestLog()))
        self._runner = await serve(app, 0)
        self.port = self._runner.port
        self.tls_port = await self._runner.listen(0, self.tls.server_context())

    async def _stop(self) -> None:
        await self._runner.stop()
        self._database.close()


@contextmanager
def served(state: Path) -> Iterator[Account]:
    """Serve an account on ``state`` for the length of a block."""
    account = Account(state)
    account.start()
    try:
        yield account
    finally:
        account.stop()


if __name__ == "__main__":
    server = Account(Path(sys.argv[1]))
    server.start()
    print(server.port, flush=True)
    threading.Event().wait()
