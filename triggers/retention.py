"""Retention: once a day, what is older than its class is kept goes, within a budget; the next pass goes on from there.

Holds no rule of its own: `slipway.retention` says what may go, `activities.expire` lets it go.
"""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from activities import engine_history
from activities.expire import CLASSES, Look, expire, expire_class, look, old
from slipway import clock, paths
from slipway.azure.failures import failure_from
from slipway.azure.lake import lake
from slipway.invocation import Threads
from slipway.period import Period, PeriodError
from slipway.retention import Ages, Going, must_look
from slipway.rollup import UTC_ZONE
from slipway.run import parse_job_name
from slipway.settings import settings
from triggers.api import Problem, answer, endpoint, reader
from triggers.shapes.upkeep import ClassOfRetention, LastRetention, Retention

bp = df.Blueprint()
log = logging.getLogger("slipway")

Pair = tuple[str, Period]

#: How long a pass may take, in seconds, and how much of that the engine's history may take.
PASS_SECONDS, HISTORY_SECONDS = 480.0, 240.0
#: How many entries of a class that is no run's go in one pass.
MOST_ENTRIES = 5000
#: How many periods are dealt with at a time.
WORKERS = 8
#: How many periods one dry run looks at, and how long it may take, in seconds.
MOST_LOOKS, LOOK_SECONDS = 400, 20.0
#: How many examples of each class a dry run names.
EXAMPLES = 5


@bp.function_name("retention")
@bp.timer_trigger(arg_name="timer", schedule="%SLIPWAY_RETENTION_SCHEDULE%", run_on_startup=False, use_monitor=True)
@bp.durable_client_input(client_name="client")
async def retention(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Make one pass. Cut short or killed anywhere, it leaves nothing that the next one does not finish."""
    del timer
    ages, began = settings().retention, clock.now()
    last = await asyncio.to_thread(_last)
    done = Done(cursor=last.get("cursor", ""), purged_until=last.get("purged_until"))
    try:
        for kind in CLASSES:
            done.removed[kind] += await asyncio.to_thread(done.tried, expire_class, kind, ages, MOST_ENTRIES)
        await _purge(client, ages, done, began + timedelta(seconds=HISTORY_SECONDS))
        await asyncio.to_thread(_expire_periods, ages, done, began + timedelta(seconds=PASS_SECONDS))
    finally:
        await asyncio.to_thread(_keep, ages, done, began)


@dataclass
class Done:
    """What a pass has come to."""

    cursor: str
    purged_until: str | None
    removed: Counter[str] = field(default_factory=Counter)  #: by class, how many files or folders
    purged: int = 0  #: the engine's instances
    looked: int = 0
    left: int = 0  #: periods for the next pass
    failed: int = 0

    def tried(self, effect: Any, *given: Any) -> Any:
        """What the effect returns; 0 where it failed, which costs the others nothing."""
        try:
            return effect(*given)
        except Exception as error:
            self.failed += 1
            what = " ".join(str(one) for one in given[:2])
            log.warning("retention of %s: %s", what, failure_from(error), extra={"action": "retention_failed"})
            return 0


def _last() -> dict[str, Any]:
    record = lake().control.read(paths.retention())
    return record.data if record else {}


def _keep(ages: Ages, done: Done, began: datetime) -> None:
    facts = {"at": clock.now().isoformat(), "started_at": began.isoformat(), "removed": dict(+done.removed)}
    counts = {"looked": done.looked, "left": done.left, "failed": done.failed, "purged": done.purged}
    places = {"cursor": done.cursor, "purged_until": done.purged_until}
    told = {"schema": 1, **facts, **counts, **places, "ages": ages.model_dump(mode="json")}
    lake().control.update(paths.retention(), lambda *_: told)


# Runs


def _calling(ages: Ages) -> list[Pair]:
    """The periods that retention must look at, by model and period: one listing of all records."""
    read_at, entries = lake().control.listing("periods/")
    found = []
    for entry in entries:
        if entry.name.endswith(".json") and must_look(entry.metadata, ages, read_at()):
            model, _, text = entry.name.removeprefix("periods/").removesuffix(".json").partition("/")
            try:
                found.append((model, Period.parse(text)))
            except PeriodError:  # no record of ours is called so
                continue
    return sorted(found, key=_name)


def _name(pair: Pair) -> str:
    return f"{pair[0]}/{pair[1]}"


def _from(pairs: list[Pair], cursor: str) -> list[Pair]:
    """The pairs in turn, from where the last pass ended: what fails for ever blocks nothing."""
    begin = bisect_right([_name(pair) for pair in pairs], cursor)
    return pairs[begin:] + pairs[:begin]


def _expire_periods(ages: Ages, done: Done, until: datetime) -> None:
    """Deal with the periods that call for it, some at a time, until the time is up or the lake fails them all."""
    pairs = _from(_calling(ages), done.cursor)
    with Threads(WORKERS) as pool:
        while pairs and clock.now() < until:
            some, pairs = pairs[:WORKERS], pairs[WORKERS:]
            failed = done.failed
            for went in pool.map(lambda pair: done.tried(expire, *pair, ages), some):
                done.removed.update(went or {})
            done.looked += len(some)
            done.cursor = _name(some[-1])
            if done.failed - failed == WORKERS:
                break
    done.left = len(pairs)


# The engine's history


async def _purge(client: df.DurableOrchestrationClient, ages: Ages, done: Done, until: datetime) -> None:
    """Purge from the engine what is older than its age, a day after the other; each run's is in the lake first."""
    if ages.history is None:
        return
    limit = (clock.now() - ages.history).replace(minute=0, second=0, microsecond=0)
    try:
        for day, hours in await asyncio.to_thread(_days, done.purged_until, limit):
            for hour in hours:
                record = await asyncio.to_thread(lake().control.read, paths.attempts(hour))
                for name in record.data["attempts"] if record else ():
                    await engine_history.keep_ended(client, *parse_job_name(name))
            done.purged += await engine_history.purge(client, day)
            done.purged_until = day.isoformat()
            if clock.now() > until:
                return
    except Exception as error:
        done.failed += 1
        log.warning("the engine's history was not purged: %r", error, extra={"action": "purge_failed"})


def _days(since: str | None, limit: datetime) -> list[tuple[datetime, list[Period]]]:
    """Each day to purge up to, the last one at `limit`, with the hours before it whose attempts must be kept first."""
    days: dict[datetime, list[Period]] = defaultdict(list)
    for entry in lake().control.list("rollups/attempts/"):
        hour = paths.parse("control", entry.name).period if entry.name.endswith(".json") else None
        end = hour.interval(UTC_ZONE).end if hour else limit
        if hour and end <= limit and (since is None or end > datetime.fromisoformat(since)):
            days[min(limit, end.replace(hour=0) + timedelta(days=1))].append(hour)
    days.setdefault(limit, [])
    return sorted(days.items())


# Over HTTP


@bp.function_name("get_retention")
@bp.route("api/retention", methods=["GET"], trigger_arg_name="request")
@endpoint("dry_run")
async def get_retention(request: func.HttpRequest) -> func.HttpResponse:
    """How long each class is kept and what the last pass did; with `dry_run=yes` what the next one would delete."""
    reader(request)
    dry_run = request.params.get("dry_run", "no")
    if dry_run not in ("yes", "no"):
        raise Problem(400, "Malformed query", "dry_run is yes or no.")
    return answer(await asyncio.to_thread(_shown, dry_run == "yes"))


def _shown(dry_run: bool) -> dict[str, Any]:
    ages, last = settings().retention, _last()
    kept = ages.model_dump(mode="json")
    names = ("at", "started_at", "removed", "looked", "left", "failed", "purged", "purged_until")
    told = LastRetention(**{name: last[name] for name in names}) if last else None
    if not dry_run:
        classes = [ClassOfRetention(name=name, kept=age) for name, age in kept.items()]
        return Retention(classes=classes, last=told, waiting=None, looked=None).model_dump(mode="json")
    found, waiting, looked = _would_go(ages)
    classes = [
        ClassOfRetention(name=name, kept=age, **found.get(name, Found()).facts if name != "history" else {})
        for name, age in kept.items()
    ]
    return Retention(classes=classes, last=told, waiting=waiting, looked=looked).model_dump(mode="json")


@dataclass
class Found:
    """What of a class would go. Bytes are those that records tell; `uncounted` things have none that do."""

    count: int = 0
    runs: set[str] = field(default_factory=set)
    files: int = 0
    bytes: int = 0
    uncounted: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, path: str, counted: tuple[int, int] | None, run: str | None = None) -> None:
        """One file or folder more, with its files and bytes if they are known."""
        self.count += 1
        self.runs |= {run} if run else set()
        self.files += counted[0] if counted else 0
        self.bytes += counted[1] if counted else 0
        self.uncounted += counted is None
        if len(self.examples) < EXAMPLES:
            self.examples.append(path)

    @property
    def facts(self) -> dict[str, Any]:
        """As the API shows it."""
        told = {"files": self.files, "bytes": self.bytes, "uncounted": self.uncounted, "examples": self.examples}
        return {"count": self.count, "runs": len(self.runs), **told}


def _would_go(ages: Ages) -> tuple[dict[str, Found], int, int]:
    """What would go by class, how many periods wait for a look, and how many of them were looked at here."""
    found: dict[str, Found] = defaultdict(Found)
    for kind in CLASSES:
        for entry in old(kind, ages):
            found[kind].add(f"{lake().control.name}/{entry.name}", (1, entry.length))
    pairs = _from(_calling(ages), _last().get("cursor", ""))
    looked, until = 0, clock.now() + timedelta(seconds=LOOK_SECONDS)
    with Threads(WORKERS) as pool:
        while looked < min(len(pairs), MOST_LOOKS) and clock.now() < until:
            some = pairs[looked : looked + WORKERS]
            looked += len(some)
            for items in pool.map(lambda pair: list(_items(look(*pair), ages)), some):
                for item, counted in items:
                    store = lake().models if item.filesystem == "models" else lake().control
                    found[item.kind].add(f"{store.name}/{item.path}", counted, item.run.text)
    return found, len(pairs), looked


def _items(seen: Look, ages: Ages) -> Iterator[tuple[Going, tuple[int, int] | None]]:
    for item in seen.plan(ages).going:
        yield item, _counted(seen, item)


def _counted(seen: Look, item: Going) -> tuple[int, int] | None:
    """Files and bytes of a folder, where the listing or one small record tells them."""
    entries = seen.entries.get(item.run, [])
    if item.filesystem == "control":
        files = [entry.length for entry in entries if not entry.is_directory]
        return len(files), sum(files)
    if item.name == "inputs":
        record = lake().control.read(paths.snapshot_index(item.run))
        return (record.data["files"], record.data["bytes"]) if record else None
    begins = paths.receipt(item.run, "write_manifest", 1).removesuffix("1.json")
    receipts = sorted((entry.modified, entry.name) for entry in entries if entry.name.startswith(begins))
    if item.name.startswith(("outputs-", "closed-")) and receipts:
        record = lake().control.read(receipts[-1][1])
        return (record.data["result"]["files"], record.data["result"]["bytes"]) if record else None
    return None
