"""Runs the Functions host as its own process, as ``localcloud up`` does, and speaks to it with the real durable SDK."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import azure.durable_functions as df
import requests

from localcloud.clock import Clock
from localcloud.functions.durable.binding import Addresses
from localcloud.secrets import Secrets
from tests.running import PATIENCE

Result = TypeVar("Result")

ROOT = Path(__file__).parents[2]
APPS = Path(__file__).parent / "functions_apps"
#: The SDK keeps one HTTP session for ever, so every call has to come from the same loop.
_LOOP = asyncio.new_event_loop()
_ENDED = {"Completed", "Failed", "Terminated", "Canceled"}


def call(work: Coroutine[Any, Any, Result]) -> Result:
    """Run one SDK call."""
    return _LOOP.run_until_complete(work)


class RunningHost:
    """A Functions host with ``app`` on ``state``; ``about`` is what ``functions.json`` says."""

    def __init__(self, app: Path, state: Path, about: dict[str, Any] | None = None, **environment: str) -> None:
        self.app, self.state = app, state
        self.environment = environment
        self.notes, self.gate = state / "notes", state / "gate"
        state.mkdir(parents=True, exist_ok=True)
        (state / "functions.json").write_text(json.dumps(about or {}))
        self.clock = Clock(state / "clock")
        self.keys = Secrets.load(state).function_keys

    def start(self, *options: str) -> RunningHost:
        """Start the process and return when it is ready."""
        ready = self.state / "functions.ready.json"
        ready.unlink(missing_ok=True)
        self._spawn(options)
        while not ready.exists():
            if self.process.poll() is not None:
                raise AssertionError((self.state / "log").read_text())
            time.sleep(0.02)
        self.about = json.loads(ready.read_text())
        self.url = f"http://127.0.0.1:{self.about['port']}"
        binding = Addresses("TestHub", self.keys["durabletask_extension"]).binding(self.url, self.about["rpc_port"])
        self.client = df.DurableOrchestrationClient(binding)
        return self

    def run_to_failure(self) -> tuple[int, str]:
        """Start a host that cannot start; returns its exit code and what it said."""
        self._spawn(())
        return self.process.wait(PATIENCE), (self.state / "log").read_text()

    def _spawn(self, options: tuple[str, ...]) -> None:
        command = [sys.executable, "-m", "localcloud.functions", "--app", str(self.app), "--state", str(self.state)]
        paths = {"NOTES": str(self.notes), "GATE": str(self.gate), "HUB": "TestHub", "PYTHONPATH": str(ROOT)}
        with (self.state / "log").open("a") as log:
            self.process = subprocess.Popen(
                [*command, "--port", "0", *options],
                env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **paths, **self.environment},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.state,
            )

    def stop(self) -> int:
        """Ask the process to end and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._reap()

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.process.kill()
        self._reap()

    def _reap(self) -> int:
        code = self.process.wait(PATIENCE)
        assert self.process.stdin is not None
        self.process.stdin.close()
        return code

    def tell(self, command: str) -> None:
        """Write a command line to the host's standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()

    def fault(self, action: dict[str, Any], **where: Any) -> None:
        """Let this be the only fault rule that is on in the host, as the parent would."""
        rule = {"service": "functions", **where, "action": action}
        self.tell("faults " + json.dumps({"version": 1, "rules": [{"number": 1, "rule": rule}]}))

    def advance(self, seconds: float) -> None:
        """Move the clock and tell the host, as the parent does."""
        self.clock.advance(seconds)
        self.tell("clock")

    # through the real SDK's client

    def begin(self, name: str, value: Any = None, instance_id: str | None = None, version: str | None = None) -> str:
        """Start an orchestration and return its id."""
        return call(self.client.start_new(name, instance_id, value, version))

    def status(self, instance_id: str, **shown: bool) -> Any:
        """Return an instance's status as the SDK gives it."""
        return call(self.client.get_status(instance_id, **shown))

    def ended(self, instance_id: str) -> Any:
        """Return the status of an instance once it has ended."""
        return self.until(instance_id, lambda status: status.runtime_status.name in _ENDED)

    def run(self, name: str, value: Any = None) -> Any:
        """Start an orchestration and return its status once it has ended."""
        return self.ended(self.begin(name, value))

    def until(self, instance_id: str, holds: Any) -> Any:
        """Return an instance's status once ``holds(status)`` is true."""
        limit = time.monotonic() + PATIENCE
        while True:
            status = self.status(instance_id)
            if status.runtime_status is not None and holds(status):
                return status
            assert time.monotonic() < limit, f"{instance_id} is {status.runtime_status}, {status.custom_status}"
            time.sleep(0.01)

    def raise_event(self, instance_id: str, name: str, value: Any = None) -> None:
        """Raise an event through the SDK's client."""
        call(self.client.raise_event(instance_id, name, value))

    def history(self, instance_id: str) -> list[dict[str, Any]]:
        """Return the history as the management API shows it, with inputs and outputs."""
        answer = self.manage("GET", f"instances/{instance_id}?showHistory=true&showHistoryOutput=true&showInput=true")
        return answer.json()["historyEvents"]

    def stored_history(self, instance_id: str) -> list[tuple[int, int]]:
        """Return (event type, event id or the id it answers) of the history that orchestrators are given."""
        rows = self.stored("SELECT event FROM history WHERE instance_id = ? ORDER BY position", instance_id)
        events = [json.loads(text) for (text,) in rows]
        return [(e["EventType"], e.get("TaskScheduledId", e.get("TimerId", e["EventId"]))) for e in events]

    def stored(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return what a query finds in the host's database."""
        with closing(sqlite3.connect(self.state / "functions.db", timeout=60)) as database:
            return database.execute(query, values).fetchall()

    def manage(self, method: str, path: str, **options: Any) -> requests.Response:
        """Call the public management API with its system key."""
        headers = {"x-functions-key": self.keys["durabletask_extension"], **options.pop("headers", {})}
        url = f"{self.url}/runtime/webhooks/durabletask/{path}"
        return requests.request(method, url, headers=headers, timeout=60, **options)

    def wait_for_note(self, line: str, times: int = 1) -> None:
        """Return once an activity has noted ``line``."""
        limit = time.monotonic() + PATIENCE
        while self.noted().count(line) < times:
            assert time.monotonic() < limit, f"{line!r} was not noted; noted: {self.noted()}"
            time.sleep(0.01)

    def noted(self) -> list[str]:
        """Return the lines that activities have noted."""
        return self.notes.read_text().splitlines() if self.notes.exists() else []
