"""Deleting what is older than its class is kept: each effect finds what an earlier one left, and goes on there."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slipway import paths
from slipway.azure.lake import lake
from slipway.backfill import ENDED
from slipway.listing import Entry
from slipway.names import InvalidName
from slipway.paths import PathError
from slipway.period import Period, PeriodError
from slipway.period_record import Record
from slipway.retention import Ages, Going, Plan, SeenRun, looked, mark, plan
from slipway.rollup import UTC_ZONE
from slipway.run import RunId

#: How each class that is no run's is told old from its listing: its folder, and when an entry began to age.
Aged = Callable[[Entry], datetime | None]


@dataclass(frozen=True)
class Look:
    """A period as retention sees it: its record, the folders that its pointer names, its runs."""

    record: Record | None
    pointed: Collection[str]
    runs: tuple[SeenRun, ...]
    now: datetime  #: the lake's own
    entries: Mapping[RunId, list[Entry]]  #: what is recorded of each run

    def plan(self, ages: Ages) -> Plan:
        """What may go of it."""
        return plan(self.record, self.pointed, self.runs, ages, self.now)


def look(model: str, period: Period) -> Look:
    """Look at a period in a few requests and one for each of its runs; at one that is active, at its record alone."""
    record, now = lake().period_at(model, period)
    if record is None or record["claim"] is not None:
        return Look(record, (), (), now, {})
    pointer = lake().models.read(paths.pointer(model, period))
    pointed = {pointer.data["folder"]} if pointer and pointer.data.get("folder") else set()
    entries: dict[RunId, list[Entry]] = defaultdict(list)
    top = f"runs/{model}/{period}/"
    for entry in lake().control.list(top):
        if run := _run(entry.name.removeprefix(top).partition("/")[0], model, period):
            entries[run].append(entry)
    folders = {
        run: child
        for child in lake().models.children(paths.period_folder(model, period))
        if (run := _run(child.name, model, period))
    }
    runs = []
    for run in sorted({*entries, *folders}, key=lambda run: run.text):
        inside = lake().models.children(paths.run_folder(run)) if run in folders else []
        told = [entry.modified for entry in entries.get(run, ()) if not _is_late(run, entry)]
        own = [folders[run].modified] if run in folders else [now]
        touched = max(told or [child.modified for child in inside] or own)
        runs.append(SeenRun(run, tuple(child.name for child in inside), touched))
    return Look(record, pointed, tuple(runs), now, entries)


def _is_late(run: RunId, entry: Entry) -> bool:
    """Whether an entry tells nothing of when the run ended: its folders, and the engine's history, kept by anyone."""
    return entry.is_directory or entry.name.startswith(f"{paths.control_folder(run)}/history-")


def _run(text: str, model: str, period: Period) -> RunId | None:
    try:
        run = RunId.parse(text)
    except (InvalidName, PeriodError):
        return None
    return run if (run.model, run.period) == (model, period) else None


def expire(model: str, period: Period, ages: Ages) -> Counter[str]:
    """Delete what may go of a period's runs; returns how many folders of each class went.

    First the period's record says what is gone, if it allows that still; a kill after it leaves folders that the next
    look finds again. Last it says that all was done, so that listings show when to look again.
    """
    seen, going, went = look(model, period), list[Going](), Counter[str]()
    if seen.record is None or seen.record["claim"] is not None:
        return went

    def marked(record: Record | None, now: datetime) -> Record | None:
        planned = plan(record, seen.pointed, seen.runs, ages, now)
        going[:] = planned.going
        return mark(record, planned, seen.pointed, now) if record and going else record

    if seen.plan(ages).going:
        lake().change_period(model, period, marked)
    for item in going:
        store = lake().models if item.filesystem == "models" else lake().control
        went[item.kind] += store.remove_folder(item.path)
    lake().change_period(model, period, lambda record, now: _done(record, seen, ages, now))
    return went


def _done(record: Record | None, seen: Look, ages: Ages, now: datetime) -> Record | None:
    """The record that says when to look again; none is written for a period that became active meanwhile."""
    if record is None or record["claim"] is not None:
        return record
    return looked(record, plan(record, seen.pointed, seen.runs, ages, seen.now), ages, now)


# What is no run's


def _resolved(entry: Entry) -> datetime | None:
    is_over = entry.metadata.get("status") == "resolved" and entry.metadata.get("unsent") == "no"
    return entry.modified if is_over else None


def _ended(entry: Entry) -> datetime | None:
    return entry.modified if entry.metadata.get("state") in ENDED else None


def _hour(entry: Entry) -> datetime | None:
    try:
        place = paths.parse("control", entry.name)
    except PathError:
        return None
    return place.period.interval(UTC_ZONE).end if place.period else None


CLASSES: dict[str, tuple[str, Aged]] = {
    "incidents": ("incidents/", _resolved),
    "backfills": ("backfills/", _ended),
    "requests": ("requests/", lambda entry: entry.modified),
    "attempts": ("rollups/attempts/", _hour),
}


def old(kind: str, ages: Ages) -> Iterator[Entry]:
    """The entries of a class that are older than it is kept, as its listing shows them."""
    folder, aged = CLASSES[kind]
    age: Any = getattr(ages, kind)
    if age is None:
        return
    read_at, entries = lake().control.listing(folder)
    for entry in entries:
        since = None if entry.is_directory or not entry.name.endswith(".json") else aged(entry)
        if since is not None and since + age <= read_at():
            yield entry


def expire_class(kind: str, ages: Ages, most: int) -> int:
    """Delete up to so many old entries of a class, each unless it was changed since it was listed; how many went."""
    went = 0
    for entry in old(kind, ages):
        if went >= most:
            break
        went += lake().control.remove(entry.name, entry.etag)
    return went
