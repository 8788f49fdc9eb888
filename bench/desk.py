"""The desk of whoever is on call in `bench.week`: command line, API and receiver, and a list of what was seen."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.flows.sink import Sink
from tests.flows.yard import Yard, read
from tests.running import eventually

#: How long the app may take for what a person waits for, in seconds: the machine may be busy.
PATIENCE = 300.0
#: The seconds after which a pass that has not been made is asked for again, by another five minutes of the clock.
A_PASS = 45.0


@dataclass
class Step:
    """One thing that was done: when in the week, what, what was checked about it, and how long it took."""

    day: str
    what: str
    checks: list[tuple[str, bool]] = field(default_factory=list)
    seconds: float = 0.0


class Desk:
    """All that a person on call has. `folder` is theirs, for an `environments.yaml` and the models."""

    def __init__(self, yard: Yard, sink: Sink, folder: Path) -> None:
        self.yard, self.sink, self.folder = yard, sink, folder
        self.steps: list[Step] = []
        self.day = ""

    # What was seen

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Do something, and note how long it took; an error in it is a check that did not hold."""
        step = Step(self.day, what)
        self.steps.append(step)
        began = perf_counter()
        try:
            yield
        except Exception as error:
            self.check(f"{type(error).__name__}: {error}"[:500], holds=False)
        step.seconds = perf_counter() - began
        print(f"{step.day} {step.seconds:6.1f} s  {step.what}", flush=True)
        for text, _ in (check for check in step.checks if not check[1]):
            print(f"              WRONG: {text}", flush=True)

    def check(self, what: str, holds: object) -> None:
        """Note whether something is as it has to be."""
        self.steps[-1].checks.append((what, bool(holds)))

    def awaited(self, what: str, condition: Callable[[], Any]) -> Any:
        """Wait until something is so, and note that it came to be; what it is."""
        found = None
        try:
            found = eventually(condition, PATIENCE)
        finally:
            self.check(what, found)
        return found

    def report(self) -> bool:
        """Print all steps as one table; whether every check held."""
        table = Table("day", "what was done", "checked", "seconds", title="a week on call")
        for step in self.steps:
            right = sum(holds for _, holds in step.checks)
            table.add_row(step.day, step.what, f"{right} of {len(step.checks)}", f"{step.seconds:.1f}")
        Console().print(table)
        wrong = [(step, text) for step in self.steps for text, holds in step.checks if not holds]
        for step, text in wrong:
            print(f"WRONG, {step.day}, {step.what}: {text}")
        checks = sum(len(step.checks) for step in self.steps)
        print(f"{checks - len(wrong)} of {checks} checks hold")
        return not wrong

    # The command line

    def slipway(self, *words: str, exit_code: int = 0) -> str:
        """Type a command; its output. Its exit code is checked."""
        where = self.folder / "environments.yaml"
        where.write_text(f"local: {{url: {self.yard.cloud.endpoints.functions}}}\n")
        command = [sys.executable, "-m", "slipway.cli", *words]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=PATIENCE)
        name = " ".join(words[:2])
        self.check(
            f"slipway {name} exits with {done.returncode}, {exit_code} expected: {done.stderr[-300:]}",
            done.returncode == exit_code,
        )
        return done.stdout or done.stderr

    def answered(self, *words: str, exit_code: int = 0) -> Any:
        """Type a command with --json; its document."""
        return json.loads(self.slipway(*words, "--json", exit_code=exit_code))

    def decide(self, *words: str, why: str) -> str:
        """Type a command that changes something, with its reason."""
        return self.slipway(*words, "--reason", why)

    # Time

    def until(self, moment: datetime) -> None:
        """Let the cloud's clock be this, and the reconciler make the pass that has come due by it."""
        self.yard.cloud.control.post("/clock", {"set": moment.isoformat()})
        self.a_pass()

    def a_pass(self) -> dict[str, Any]:
        """Let five minutes pass until the reconciler has made a whole pass that began after now; what that left."""
        begun, seen, asked = self.yard.now(), self._beat(), perf_counter()
        while datetime.fromisoformat(seen["started_at"]) <= begun:
            # One that is under way takes no notice, and its timer may miss the occurrence that this makes due.
            self.yard.cloud.advance("5m")
            before = seen["at"]
            with suppress(AssertionError):
                seen = eventually(lambda before=before: (self._beat()["at"] != before) and self._beat(), A_PASS)
            assert perf_counter() - asked < PATIENCE, "no pass was made"
        return seen

    def _beat(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(read(self.yard.lake("app", "control"), "heartbeat/reconcile.json"))
        return found

    def passes_until(self, what: str, condition: Callable[[], Any]) -> None:
        """Make passes until something is so, ten at most; note that it came to be."""
        for _ in range(10):
            if condition():
                break
            self.a_pass()
        self.awaited(what, condition)

    # What is there

    def incident(self, model: str, period: str) -> dict[str, Any]:
        """The period's last incident, as its card has it; empty if there never was one."""
        return self.yard.period(model, period)["incident"] or {}

    def land(self, model: str, period: str, text: str = "good") -> None:
        """Let the upstream system deliver a period."""
        self.yard.land(f"{model}/{period}", {"a.txt": text})

    def page(self, address: str) -> str:
        """A page of the dashboard, as a browser gets it."""
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:  # noqa: S310 (its own)
            return str(answer.read().decode())

    def told(self, name: str, period: str) -> list[str]:
        """What the receiver was told of a period, in the order of arrival."""
        return self.sink.told_of(f"{name}--{period}")
