"""A scene for faults: a yard whose app may die, whose clock is moved, and whose lake is looked at from outside."""

from __future__ import annotations

import http.client
import json
import sqlite3
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.filedatalake import FileSystemClient

from localcloud.functions.durable.events import moment_of
from localcloud.secrets import Secrets
from tests.flows.sink import Sink
from tests.flows.yard import Yard, read
from tests.running import LocalCloud, eventually

#: Two outputs, so that a grant can stop between them; the text alone counts, so that periods are twins of each other.
MODEL = """
description: Puts its rows together.
owner: yard
readers: [airline-analysts]
cadence: daily
first_period: "2024-01-01"
last_period: "2024-01-31"
inputs:
  rows: {path: "landing/NAME/{period:%Y-%m-%d}/", complete: {marker: _SUCCESS}}
outputs:
  all: {must_have: ["*.txt"]}
  parts: {must_have: ["*/*.txt"]}
"""
JOB_YAML = """
type: command
code: src
command: python main.py ${{inputs.rows}} ${{outputs.all}} ${{outputs.parts}}
environment: {image: "python:3.11-slim"}
compute: azureml:cpu-cluster
limits: {timeout: TIMEOUT}
inputs:
  rows: {type: uri_folder}
outputs:
  all: {type: uri_folder}
  parts: {type: uri_folder}
"""
JOB = """
import pathlib, sys, time

rows, all_, parts = map(pathlib.Path, sys.argv[1:4])
texts = [path.read_text() for path in sorted(p for p in rows.rglob("*.txt"))]
if texts[0].startswith("fail"):
    sys.exit("ValueError: could not connect: AccountKey=c2VjcmV0IG9mIHRoZSBqb2IgdGhhdCBub2JvZHkgbWF5IHNlZQ==")
if texts[0].startswith("hang"):
    time.sleep(3600)
if texts[0].startswith("nothing"):
    sys.exit(0)
(all_ / "all.txt").write_text("".join(texts))
for number, text in enumerate(texts):
    (parts / str(number)).mkdir()
    (parts / str(number) / "part.txt").write_text(text)
"""
#: What every period of these tests lands unless it says otherwise, and so what its twins publish.
ROWS = {"a.txt": "one\n", "b.txt": "two\n"}
WORKSPACE = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/local"
    "/providers/Microsoft.MachineLearningServices/workspaces/local"
)
FILES = ("all/all.txt", "parts/0/part.txt", "parts/1/part.txt")


class Scene(Yard):
    """One running app and its cloud, for tests that disturb both. `sink` takes its incidents."""

    def __init__(self, cloud: LocalCloud, models: Path, sink: Sink) -> None:
        super().__init__(cloud, models)
        self.sink = sink
        self._clients: dict[tuple[str, str], FileSystemClient] = {}

    def stage(self, name: str, timeout: int = 60, tags: str = "", more: str = "", job: str = JOB) -> str:
        """Release one of these models; `more` is added to model.yaml, `tags` to job.yaml. Returns its name."""
        folder = self.models / name
        (folder / "src").mkdir(parents=True, exist_ok=True)
        (folder / "model.yaml").write_text(MODEL.replace("NAME", name) + more)
        (folder / "job.yaml").write_text(JOB_YAML.replace("TIMEOUT", str(timeout)) + tags)
        (folder / "src" / "main.py").write_text(job)
        self.release(name)
        return name

    def lake(self, principal: str, filesystem: str) -> FileSystemClient:
        """A filesystem as a principal sees it; the client is kept until the clock is moved and its token outdated."""
        key = (principal, filesystem)
        if key not in self._clients:
            self._clients[key] = super().lake(principal, filesystem)
        return self._clients[key]

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Ask as a patient client does: while the host is away, again."""

        def asked() -> tuple[int, dict[str, Any]] | None:
            try:
                return super(Scene, self).call(method, path, body, headers)
            except (urllib.error.URLError, http.client.HTTPException, ConnectionError, json.JSONDecodeError):
                return None

        answer: tuple[int, dict[str, Any]] = eventually(asked)
        return answer

    # What lies in the lake, as its owner sees it

    def document(self, path: str) -> dict[str, Any] | None:
        """A JSON file of the control filesystem, or None."""
        return self._json("control", path)

    def record(self, model: str, period: str) -> dict[str, Any]:
        """The record of a period; empty where there is none."""
        return self.document(f"periods/{model}/{period}.json") or {}

    def cancel_job(self, job: str, principal: str) -> None:
        """Cancel a job past Slipway, as a person may in Azure ML."""
        url = f"{self.cloud.endpoints.aml}{WORKSPACE}/jobs/{job}/cancel?api-version=2024-01-01-preview"
        headers = {"Authorization": f"Bearer {self.cloud.token(principal, 'https://management.azure.com')}"}
        request = urllib.request.Request(url, data=b"", headers=headers, method="POST")
        urllib.request.urlopen(request, timeout=60, context=self.cloud.trust).close()

    def ends(self, run: str) -> dict[int, dict[str, Any]]:
        """The records of a run's attempts."""
        model, period, _ = run.split("--")
        folder = f"runs/{model}/{period}/{run}"
        found = {n: self.document(f"{folder}/record-{n}.json") for n in range(1, 6)}
        return {attempt: record for attempt, record in found.items() if record}

    def _json(self, filesystem: str, path: str) -> dict[str, Any] | None:
        try:
            document: dict[str, Any] = json.loads(read(self.lake("app", filesystem), path))
        except ResourceNotFoundError:
            return None
        return document

    # Waiting

    def until(self, model: str, period: str, stage: str, attempt: int = 1) -> dict[str, Any]:
        """Wait until the period's active run is in a stage; returns the claim."""

        def there() -> dict[str, Any] | None:
            claim: dict[str, Any] | None = self.record(model, period).get("claim")
            at = claim and (claim["stage"], claim["attempt"]) == (stage, attempt) and claim["token"]
            return claim if at else None

        claim: dict[str, Any] = eventually(there)
        return claim

    def fired(self, count: int) -> None:
        """Wait until so many of the faults that are on have acted."""
        eventually(lambda: len(self._rules()) - len(self.idle()) >= count)

    def disturb(self, model: str, day: str, where: Mapping[str, Any], action: Mapping[str, Any]) -> None:
        """A fault of one period, once. In the name, `M` and `P` stand for model and period, `W` and `O` for the first
        attempt's work and output folders."""
        name = where["name"].replace("W", "M/P/*/work-1").replace("O", "M/P/*/outputs-1")
        name = name.replace("M", model).replace("P", day)
        self.fault(action, **{"service": "storage", "times": 1, **where, "name": name})

    def idle(self) -> list[str]:
        """The faults that have not acted: a test of what never happened proves nothing."""
        return [
            f"{rule.get('operation', '*')} {rule.get('name', '*')} {rule.get('phase', 'before')}"
            for rule in self._rules()
            if not rule["fired"]
        ]

    def _rules(self) -> list[dict[str, Any]]:
        rules: list[dict[str, Any]] = self.cloud.control.get("/faults")["rules"]
        return rules

    # The clock

    def advance(self, seconds: float) -> None:
        """Move the clock; tokens of this process are forgotten, since it does not move along."""
        self.cloud.control.post("/clock", {"advance": seconds})
        self._clients.clear()

    def outlive(self, model: str, period: str) -> None:
        """Move the clock just past the deadline of the period's owner: whoever holds the claim counts as dead."""
        claim = self.record(model, period)["claim"]
        past = datetime.fromisoformat(claim["deadline"]) + timedelta(seconds=1)
        self.advance((past - self.now()).total_seconds())

    @contextmanager
    def no_waiting(self, instances: str) -> Iterator[None]:
        """Within the block, whenever instances whose ids begin so wait for a durable timer, the clock goes there."""
        done = threading.Event()

        def skip() -> None:
            while not done.wait(0.1):
                waits = self.timers(instances)
                seconds = (min(waits) - self.now()).total_seconds() if waits else 0
                if seconds > 0:
                    self.cloud.control.post("/clock", {"advance": seconds})

        pilot = threading.Thread(target=skip)
        pilot.start()
        try:
            yield
        finally:
            done.set()
            pilot.join()
            self._clients.clear()

    def timers(self, instances: str) -> list[datetime]:
        """When the durable timers fire that instances wait for whose ids begin so."""
        query = "SELECT fire_at FROM timers WHERE substr(instance_id, 1, ?) = ?"
        return [_moment(row[0]) for row in self._engine(query, len(instances), instances)]

    def history(self, instance: str) -> list[dict[str, Any]]:
        """The raw events of an instance's newest generation, as orchestrators are given them."""
        query = "SELECT event FROM history WHERE instance_id = ? ORDER BY position"
        return [json.loads(row[0]) for row in self._engine(query, instance)]

    def _engine(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.cloud.state / 'functions.db'}?mode=ro", uri=True, timeout=60)) as db:
            return db.execute(query, values).fetchall()

    # The engine, as an operator with the extension's key sees it

    def instance(self, instance: str, what: str = "") -> dict[str, Any]:
        """An instance's status; `what` is a query."""
        status, document = self.durable("GET", instance, query=f"&{what}" if what else "")
        return {"runtimeStatus": None} if status == 404 else document

    def durable(self, method: str, instance: str, action: str = "", query: str = "") -> tuple[int, Any]:
        """A request about an instance to the management API of Durable Functions: status and JSON, if there is any."""
        return self._manage(method, f"instances/{instance}{action}", query)

    def durable_start(self, orchestrator: str, instance: str, ask: Any) -> int:
        """Start an orchestrator over the management API; returns the status."""
        return self._manage("POST", f"orchestrators/{orchestrator}/{instance}", "", json.dumps(ask).encode())[0]

    def _manage(self, method: str, path: str, query: str, body: bytes = b"") -> tuple[int, Any]:
        key = Secrets.load(self.cloud.state).function_keys["durabletask_extension"]
        address = f"{self.cloud.endpoints.functions}/runtime/webhooks/durabletask/{path}?code={key}{query}"
        data = body if method == "POST" else None
        request = urllib.request.Request(address, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            return error.code, None


class Onlooker:
    """An analyst who tries without pause to list a run's outputs and to read the files in them.

    Used as a context. What was tried is kept in order; `verdict` holds it against all or nothing (I2) and frozen (I4).
    """

    def __init__(self, scene: Scene, model: str, period: str, attempts: int = 1) -> None:
        self._scene, self._model, self._period, self._attempts = scene, model, period, attempts
        self._lake = Yard.lake(scene, "analyst", "models")
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.seen: list[tuple[str, bool]] = []
        self.bytes: dict[str, set[bytes]] = {}
        self.error: Exception | None = None

    def __enter__(self) -> Onlooker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def verdict(self) -> None:
        """Raise unless nothing was seen before everything was, for good, and each file had one content only."""
        if self.error is not None:
            raise self.error
        gate = [number for number, (what, open_) in enumerate(self.seen) if open_]
        assert self.seen, "the onlooker came too late to see anything"
        first = gate[0] if gate else len(self.seen)
        assert first > 0, "the onlooker came too late to see anything"
        after = {"set": first, "pointer": next((n for n in gate if _is_pointer(self.seen[n][0])), len(self.seen))}
        assert after["set"] <= after["pointer"], "a pointer was read before what it points to"
        refused = {
            what
            for number, (what, open_) in enumerate(self.seen)
            if not open_ and number > after["pointer" if _is_pointer(what) else "set"]
        }
        assert not refused, f"after {self.seen[first][0]} was seen, these were not: {refused}"
        assert {path: len(contents) for path, contents in self.bytes.items() if len(contents) > 1} == {}

    def _watch(self) -> None:
        try:
            while not self._done.wait(0.02):
                claim = self._scene.record(self._model, self._period).get("claim")
                if claim:
                    self._try_out(claim["run"])
                    break
            while not self._done.wait(0.02):
                self._try_out(claim["run"])
        except Exception as error:
            self.error = error

    def _try_out(self, run: str) -> None:
        top = f"{self._model}/{self._period}/{run}/outputs-{self._attempts}"
        self._try(f"{self._model}/published/{self._period}.json")
        for name in (*FILES, "manifest.json", "_SUCCESS"):
            self._try(f"{top}/{name}")
        self._note(top, lambda: list(self._lake.get_paths(top)))

    def _try(self, path: str) -> None:
        content = self._note(path, lambda: read(self._lake, path))
        if content is not None:
            self.bytes.setdefault(path, set()).add(content)

    def _note(self, path: str, attempt: Any) -> Any:
        try:
            result = attempt()
        except HttpResponseError as error:
            if error.status_code not in (403, 404):
                raise
            self.seen.append((path, False))
            return None
        self.seen.append((path, True))
        return result


def _moment(text: str) -> datetime:
    return moment_of(text).astimezone(UTC)


def _is_pointer(path: str) -> bool:
    return "/published/" in path
