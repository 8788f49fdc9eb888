"""What people wait for in an estate of 200 models with two years of history: each page and list, through a running app.

    make bench-pages                            about five minutes, most of them to lay the records down
    python -m bench.estate --days 90            a younger estate, in one: the board shows the newest periods alone

The records are such as runs leave; nothing is read from memory that a fresh process would not have.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import random
import shutil
import statistics
import tempfile
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import aiohttp
from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from rich.progress import Progress

from localcloud.config import ACCOUNT, ACCOUNT_KEY
from localcloud.tls import Tls
from slipway import catalog, incident, paths, period_record, retention, rollup
from slipway.definition import Definition
from slipway.destinations import Routing
from slipway.incident import Incident
from slipway.period import Cadence, Period, last_ended
from slipway.period_record import End
from slipway.run import RunId
from slipway.subject import Subject
from slipway.usage import Usage
from tests.running import PROJECT, LocalCloud

MODELS, DAYS, VERSION = 200, 731, "0123456789ab"
OWNERS = ("pricing", "airline-operations", "supply", "risk-and-fraud")
#: A model of which one run copied 200,000 files: so many batches, each with a receipt.
WIDE, BATCHES = "model-007", 1000
#: How often each address is asked for.
TIMES = 9
WRITERS = 24
AGES = retention.Ages()

Written = Iterator[tuple[str, dict[str, Any], dict[str, str]]]


class Estate:
    """The records of all models, as they are laid down. The same seed gives the same estate.

    With `live`, it is an estate to go on with: the models from that number on have ended, nothing is under way, what
    failed long ago was waived, and retention has looked at all of it but what it would look at today.
    """

    def __init__(self, now: datetime, days: int, live: int | None = None) -> None:
        self.now, self.days, self.live = now, days, live
        self._chance = random.Random(0)  # noqa: S311 (not for secrets)
        self.last = last_ended(Cadence.DAILY, now, definition(0, "2020-01-01").zone)
        self.first = self.last.shift(1 - days)
        self._board: dict[int, dict[str, dict[str, rollup.Facts]]] = defaultdict(lambda: defaultdict(dict))
        self._hours: dict[Period, dict[str, Any]] = defaultdict(dict)
        self.wide = ""  #: the run of many files

    def records(self) -> Written:
        """Every record: path, content, metadata."""
        released = {}
        for number in range(MODELS):
            ended = self.live is not None and number >= self.live
            one = definition(number, str(self.first), str(self.last) if ended else None)
            yield paths.catalog_definition(one.name, VERSION), catalog.definition_record(one, one.job, self.now), {}
            released[one.name] = VERSION
            yield from self._periods(one)
        pointer = catalog.released(None, released, 0, self.now - timedelta(days=self.days))
        assert pointer is not None
        yield paths.catalog_pointer(), pointer, {}
        for shard, models in self._board.items():
            yield paths.board(shard), {"schema": 1, "models": models}, {}
        for hour, attempts in self._hours.items():
            yield paths.attempts(hour), {"schema": 1, "attempts": attempts}, {}
        beat = {"schema": 1, "at": self.now.isoformat(), "started_at": self.now.isoformat(), "installation": "bench"}
        yield paths.heartbeat(), {**beat, "asked": 0, "left": 0, "failed": 0, "unannounced": 0, "places": 0}, {}
        if self.live is not None:
            yield paths.retention(), self._yesterday(), {}

    def _yesterday(self) -> dict[str, Any]:
        """What retention left of its last pass."""
        at = self.now - timedelta(days=1)
        purged = (at - timedelta(days=30)).replace(hour=0, minute=0, second=0, microsecond=0)
        counts = {"looked": 600, "left": 0, "failed": 0, "purged": 200, "removed": {}}
        times = {"at": at.isoformat(), "started_at": at.isoformat(), "purged_until": purged.isoformat()}
        return {"schema": 1, **counts, **times, "cursor": "", "ages": AGES.model_dump(mode="json")}

    def _looked(self, record: period_record.Record, ended: datetime) -> period_record.Record:
        """A record as retention left it: it looks again when the next class of what a run leaves is old enough."""
        dues = (ended + age for age in (AGES.inputs, AGES.outputs) if age)
        again = min((due for due in dues if due > self.now - timedelta(days=1)), default=None)
        return retention.looked(record, retention.Plan((), again), AGES, self.now - timedelta(days=1))

    def _periods(self, one: Definition) -> Written:
        period = self.first
        while period <= self.last:
            record, failed = self._record(one, period)
            if self.live is not None and record["last"]:
                record = self._looked(record, datetime.fromisoformat(record["last"]["at"]))
            facts = rollup.facts(record)
            yield paths.period_record(one.name, period), record, period_record.index(record) | facts
            if failed:
                shown = rollup.incident_facts(failed)
                facts = facts | shown
                yield paths.incident(Subject.of_period(one.name, period)), failed, incident.index(failed) | shown
            if period > self.last.shift(-rollup.KEPT):
                self._board[rollup.shard(one.name)][one.name][str(period)] = facts
            if self.live is None and one.name == WIDE and period == self.last.shift(-1):
                yield from self._wide(record["last"])
            period = period.shift(1)

    def _wide(self, last: dict[str, Any]) -> Written:
        """What a run of many files leaves beside its period's record."""
        run = RunId.parse(last["run"])
        self.wide = run.text
        known = {name: last[name] for name in ("run", "cause", "version", "fingerprint")}
        yield paths.run_file(run), {**known, "since": last["at"]}, {}
        end = {name: last[name] for name in ("attempt", "state", "job")}
        yield paths.attempt_record(run, 1), {**end, "ended_at": last["at"], "failure": None, "step": None}, {}
        done = {"attempt": 1, "started_at": last["at"], "ended_at": last["at"], "result": {}}
        for batch in range(BATCHES):
            yield paths.receipt(run, "copy_batch", 1, batch), {**done, "step": "copy_batch", "batch": batch}, {}

    def _record(self, one: Definition, period: Period) -> tuple[period_record.Record, Incident | None]:
        """A period's record: most are published, a few failed, the newest run."""
        began = period.interval(one.zone).end + timedelta(minutes=self._chance.randrange(5, 400))
        ended = began + timedelta(seconds=self._chance.randrange(300, 5000))
        run = RunId(one.name, period, f"{self._chance.getrandbits(32):08x}")
        base = period_record.new_record(one.name, period) | {"numbers": {run.key8: 1}, "generation": 1}
        cause = {"kind": "data", "by": "slipway", "reason": "its inputs are complete", "request": None}
        held = {"run": run.text, "attempt": 1, "job": f"{run}-a1", "fingerprint": "f" * 64, "version": VERSION}
        holder = {**held, "cause": cause, "installation": "bench", "since": began.isoformat()}
        last = {**{key: value for key, value in holder.items() if key != "since"}, "at": ended.isoformat()}
        failed = self._chance.random() < 0.01
        self._list(holder, ended, failed)
        if failed:
            old = period < self.last.shift(-7)
            waived = {"by": "slipway", "reason": "nobody needs it", "at": ended.isoformat()}
            decided = {"waived": waived if old and self.live is not None else None}
            return base | {"last": last | {"state": End.FAILED}} | decided, None if old else failure(one, run, ended)
        if period == self.last and self._chance.random() < 0.2 and self.live is None:
            deadline = (self.now + timedelta(hours=1)).isoformat()
            active = {
                **holder,
                "stage": "running",
                "ending": None,
                "token": "bench",
                "automatic": 1,
                "deadline": deadline,
            }
            return base | {"claim": active}, None
        took = (ended - began).total_seconds()
        usage = Usage(took, took * 0.8, 1, "cpu-cluster", 10**9, 10**7)
        folder = paths.outputs_folder(run, 1)
        published = {key: held[key] for key in ("run", "attempt", "fingerprint", "version")}
        published |= {"generation": 1, "folder": folder, "at": ended.isoformat(), "used": usage.text}
        return base | {"last": last | {"state": End.SUCCEEDED}, "published": published}, None

    def _list(self, holder: dict[str, Any], ended: datetime, failed: bool) -> None:
        failure_code = {"code": "job-failed"} if failed else None
        end = {"state": "failed" if failed else "succeeded", "ended_at": ended.isoformat(), "failure": failure_code}
        row = rollup.attempt_row(holder, end)
        self._hours[rollup.hour_of(holder["since"])][f"{holder['run']}-a1"] = row


def definition(number: int, first: str, last: str | None = None) -> Definition:
    """A daily model with a due time; one that has ended, with its last period, takes corrections for a week."""
    name = f"model-{number:03}"
    rows = {"path": f"landing/{name}/{{period:%Y-%m-%d}}/", "complete": {"marker": "_SUCCESS"}}
    return Definition.from_document(
        {
            "name": name,
            "version": VERSION,
            "description": "Says what tomorrow brings, & why it is <i>not</i> otherwise.",
            "owner": OWNERS[number % len(OWNERS)],
            "cadence": "daily",
            "timezone": "UTC",
            "first_period": first,
            **({"last_period": last, "corrections": 7} if last else {}),
            "due": {"day": 1, "at": "09:00"},
            "readers": [],
            "inputs": {"rows": rows},
            "outputs": {"scores": {}},
            "job": {"command": "true", "compute": "azureml:cpu-cluster", "limits": {"timeout": 3600}},
        }
    )


def failure(one: Definition, run: RunId, at: datetime) -> Incident:
    """An open incident of a failed run, which its sink has taken."""
    told = {"kind": "model", "code": "job-failed", "message": "ValueError: <script>nan</script>", "transient": False}
    about = Subject.of_period(one.name, run.period).to_document()
    facts = {**about, **told, "owner": one.owner, "run": run.text, "attempt": 1, "step": "await_job", "waiting": []}
    one_incident = incident.routed(incident.opened(None, facts, at), Routing(destinations=("desk",))) or {}
    return incident.sent(one_incident, "desk", one_incident["revision"], "open") or one_incident


async def lay_down(address: str, written: Written, total: int) -> None:
    """Put all records, some at a time, with a signature for the filesystem."""
    expiry = datetime.now(UTC) + timedelta(hours=2)
    rights = ContainerSasPermissions(write=True, create=True)
    sas = generate_container_sas(ACCOUNT, "control", ACCOUNT_KEY, permission=rights, expiry=expiry)
    headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-12-02", "Content-Type": "application/json"}
    with Progress() as progress:
        task = progress.add_task("laying the records down", total=total)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=WRITERS)) as session:

            async def writer() -> None:
                for path, data, metadata in written:
                    body = json.dumps(data, default=str).encode()
                    meta = {f"x-ms-meta-{name}": value for name, value in metadata.items()}
                    url = f"{address}/control/{path}?{sas}"
                    async with session.put(url, data=body, headers=headers | meta) as answer:
                        assert answer.status == 201, await answer.text()
                    progress.advance(task)

            await asyncio.gather(*(writer() for _ in range(WRITERS)))


def measure(address: str, estate: Estate) -> bool:
    """Ask for each address some times; print how long it took and how large it is. Whether all bars are met."""
    day, model, run = str(estate.last), WIDE, f"dashboard/runs/{estate.wide}"
    pages = ("dashboard", "dashboard/now", f"dashboard/models/{model}", f"dashboard/models/{model}/periods/{day}")
    lists = (
        "api/board",
        "api/models?limit=200",
        f"api/models/{model}/periods",
        "api/runs?state=failed",
        "api/incidents",
    )
    whole = (
        run,
        f"{run}?live=yes",
        "dashboard/runs",
        "dashboard/incidents",
        "api/overview",
        f"api/runs?model={model}",
        "api/board?periods=60",
    )
    print(f"{'address':<45} {'median ms':>10} {'slowest ms':>10} {'KB':>8} {'KB gzip':>8}")
    slow = False
    for path in (*pages, *lists, *whole):
        took, size, packed = [], 0, 0
        for _ in range(TIMES):
            request = urllib.request.Request(f"{address}/{path}", headers={"Accept-Encoding": "gzip"})  # noqa: S310
            began = perf_counter()
            with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
                body = answer.read()
            took.append((perf_counter() - began) * 1000)
            packed = len(body)
            size = len(gzip.decompress(body)) if body[:2] == b"\x1f\x8b" else packed
        row = (
            f"{path:<45} {statistics.median(took):>10.0f} {max(took):>10.0f} {size / 1000:>8.1f} {packed / 1000:>8.1f}"
        )
        print(row, flush=True)
        slow = slow or (path == "dashboard" and statistics.median(took) > 300)
        slow = slow or (path.startswith("dashboard") and size > 200_000)
    return not slow


def main() -> int:
    """Lay an estate down and look at it. 0 when the grid takes below 300 ms and every page is below 200 KB."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--days", type=int, default=DAYS, help="how many periods each model has")
    days = options.parse_args().days
    root = Path(tempfile.mkdtemp(prefix="estate-"))
    tls = Tls.load(root / "tls")
    os.environ.update(REQUESTS_CA_BUNDLE=str(tls.bundle), SSL_CERT_FILE=str(tls.bundle))
    never = {"SLIPWAY_RECONCILE_SCHEDULE": "0 0 0 1 1 *"}
    cloud = LocalCloud(PROJECT, root / "state", tls.folder, variables=never).start()
    try:
        estate = Estate(datetime.now(UTC), days)
        began = perf_counter()
        asyncio.run(lay_down(cloud.endpoints.storage, estate.records(), MODELS * days + BATCHES))
        print(f"{MODELS} models, {days} days each, laid down in {perf_counter() - began:.0f} s\n")
        return 0 if measure(cloud.endpoints.functions, estate) else 1
    finally:
        cloud.stop()
        os.environ.get("KEEP") or shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main())
