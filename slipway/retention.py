"""Retention: what may go, and when. Pure; the ages of all classes stand here, in one place.

Of a period's runs nothing goes while one of them is active or a job without a run may still write, and never what a
pointer, the publication or a grace time names. All else goes by class and age. Before any bytes go, the period's record
says so (`mark`, by compare-and-swap): who would read them again is refused by that record, whatever it saw before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, model_validator

from slipway import paths
from slipway.duration import duration, duration_text
from slipway.paths import Filesystem, PathError
from slipway.period_record import End, Record
from slipway.problems import BrokenRules
from slipway.run import RunId

#: Nothing goes sooner, whatever is set: an age is counted in days.
SHORTEST = timedelta(days=1)
#: What is kept for ever.
NEVER = "never"


def _age(text: Any) -> timedelta | None:
    if text is None or text == NEVER:
        return None
    try:
        age = duration(text)
    except BrokenRules as error:
        raise ValueError(f"must be a number and a unit, such as 30d, or {NEVER}") from error
    if age < SHORTEST:
        raise ValueError(f"must be at least {duration_text(SHORTEST)}, or {NEVER}")
    return age


def _age_text(age: timedelta | None) -> str:
    return NEVER if age is None else duration_text(age)


Age = Annotated[timedelta | None, BeforeValidator(_age), PlainSerializer(_age_text, return_type=str)]


class Ages(BaseModel):
    """How long each class is kept; None is for ever. A run's age counts from its end, a set's from its replacement."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    work: Age = timedelta(days=14)  #: what jobs wrote that was never sealed, of runs that ended
    inputs: Age = timedelta(days=30)  #: staged inputs of runs that ended
    resumable: Age = timedelta(days=90)  #: all folders of a period's last run, while it failed or was canceled
    outputs: Age = timedelta(days=90)  #: output sets that were superseded, retracted, or never published
    records: Age = timedelta(days=730)  #: records of a run that is neither published nor the last of its period
    incidents: Age = timedelta(days=730)  #: resolved incidents, of which everybody was told
    backfills: Age = timedelta(days=730)  #: backfills that finished or were canceled
    requests: Age = timedelta(days=30)  #: what an Idempotency-Key belongs to
    attempts: Age = timedelta(days=730)  #: the lists of attempts, by the hour
    history: Age = timedelta(days=30)  #: the engine's own history, kept beside the run by then

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.attempts is not None and self.history is not None and self.attempts < self.history:
            raise ValueError("attempts must not be kept shorter than history, which is kept beside the runs they list")
        return self

    @property
    def first(self) -> timedelta | None:
        """The least age at which anything of a period may go."""
        ages = (self.work, self.inputs, self.resumable, self.outputs, self.records)
        return min((age for age in ages if age), default=None)

    @property
    def digest(self) -> str:
        """A short text that changes with any age: what was decided by other ages is decided anew."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:8]


@dataclass(frozen=True)
class SeenRun:
    """A run as listings show it: what its folder in `models` holds by name, and when last anything was done in it."""

    run: RunId
    folders: tuple[str, ...]
    touched: datetime


@dataclass(frozen=True)
class Going:
    """A folder that may go with all in it. `kind` is its class."""

    kind: str
    run: RunId
    filesystem: Filesystem
    path: str

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Plan:
    """What may go now, and when something more may; None for never, unless something happens to the period."""

    going: tuple[Going, ...]
    again: datetime | None


def plan(record: Record | None, pointed: Collection[str], runs: Iterable[SeenRun], ages: Ages, now: datetime) -> Plan:
    """What of a period's runs may go at `now`.

    `pointed`: the folders that pointers name. Without a record nothing is known, and nothing goes.
    """
    if record is None:
        return Plan((), None)
    if record["claim"] is not None or record["orphans"]:
        return Plan((), now)
    dues = [found for seen in runs for found in _dues(record, pointed, seen, ages)]
    going = tuple(item for item, due in dues if due <= now)
    return Plan(going, min((due for _, due in dues if due > now), default=None))


def _dues(record: Record, pointed: Collection[str], seen: SeenRun, ages: Ages) -> Iterator[tuple[Going, datetime]]:
    """Each folder of a run that may go some time, and when."""
    run = seen.run
    if run.r > record["numbers"].get(run.key8, 0):
        return  # it may be given to somebody at this moment: its snapshot is laid down first
    last, kept = record["last"], _kept(record, pointed)
    is_last = last is not None and last["run"] == run.text
    ended = max(seen.touched, datetime.fromisoformat(last["at"])) if is_last else seen.touched
    replaced = [datetime.fromisoformat(one["at"]) for one in (record["published"], record.get("retracted")) if one]
    found: list[datetime | None] = []
    for folder in sorted(seen.folders):
        path = f"{paths.run_folder(run)}/{folder}"
        kind = _kind(path, run)
        if kind is not None and is_last and last["state"] in (End.FAILED, End.CANCELED):
            kind = "resumable"
        age: timedelta | None = getattr(ages, kind) if kind else None
        since = max([ended, *replaced]) if is_set(folder) else ended
        due = None if kind is None or age is None or path in kept else since + age
        if kind is not None and due is not None:
            yield Going(kind, run, "models", path), due
        found.append(due)
    named = {one["run"] for one in (record["published"], last, *record["retired"]) if one}
    folders = [due for due in found if due is not None]
    if ages.records is None or run.text in named or len(folders) < len(found) or run.text in _runs_of(pointed):
        return
    due = max([ended + ages.records, *folders])
    yield Going("records", run, "models", paths.run_folder(run)), due
    yield Going("records", run, "control", paths.control_folder(run)), due


def _kind(path: str, run: RunId) -> str | None:
    """The class of a folder of a run; None for what Slipway did not put there, which is left alone."""
    try:
        place = paths.parse("models", path)
    except PathError:
        return None
    known = {"inputs_folder": "inputs", "work_folder": "work", "outputs_folder": "outputs", "closed_folder": "outputs"}
    return known.get(place.what) if place.run == run else None


def is_set(folder: str) -> bool:
    """Whether a folder of a run, by its name, holds sealed outputs."""
    return folder.startswith(("outputs-", "closed-"))


def _kept(record: Record, pointed: Collection[str]) -> set[str]:
    """The output sets that stay whatever their age: published, pointed to, or in their grace."""
    kept = {*pointed}
    if record["published"]:
        kept.add(record["published"]["folder"])
    for retired in record["retired"]:
        run = RunId.parse(retired["run"])
        kept |= {place(run, retired["attempt"]) for place in (paths.outputs_folder, paths.closed_folder)}
    return kept


def _runs_of(folders: Collection[str]) -> set[str]:
    return {part for folder in folders for part in folder.split("/") if "--" in part}


def mark(record: Record, planned: Plan, pointed: Collection[str], now: datetime) -> Record:
    """The record that says what is gone, before it goes: from here on nobody is promised it (see `period_record.lost`).

    A run with a set that stays has outputs still, whatever else of it goes.
    """
    staying = _runs_of(_kept(record, pointed))
    gone: dict[str, dict[str, str]] = {run: dict(what) for run, what in record.get("gone", {}).items()}
    for item in planned.going:
        what = "inputs" if item.name == "inputs" else "outputs" if is_set(item.name) else None
        if what == "inputs" or (what == "outputs" and item.run.text not in staying):
            gone.setdefault(item.run.text, {}).setdefault(what, now.isoformat())
    return record if gone == record.get("gone", {}) else {**record, "gone": gone}


def looked(record: Record, planned: Plan, ages: Ages, now: datetime) -> Record:
    """The record that says when retention was done with it, and when it must look again: listings show both."""
    again = planned.again.isoformat() if planned.again else None
    return {**record, "retention": {"at": now.isoformat(), "again": again, "ages": ages.digest}}


def must_look(shown: Mapping[str, str], ages: Ages, now: datetime) -> bool:
    """Whether something of a period may go, as what a listing shows of its record says (`period_record.index`).

    Where a run has ended, or a set was retracted, since retention looked, it counts from there.
    """
    if shown.get("open") == "claim" or "at" not in shown or ages.first is None:
        return False
    if datetime.fromisoformat(shown["at"]) + ages.first > now:
        return False
    if "kept" not in shown:
        return True
    looked_at, again, digest = shown["kept"].split(" ")
    if digest != ages.digest or datetime.fromisoformat(shown["at"]) > datetime.fromisoformat(looked_at):
        return True
    return again != "-" and datetime.fromisoformat(again) <= now
