"""Which periods a backfill is for: the range or list that a person names, and what is to be done about each. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any

from slipway.definition import Definition
from slipway.period import Period, count, span
from slipway.period_record import End
from slipway.run import RunId

#: How many periods one backfill may be for: its record stays below 200 KB, and its plan below a minute.
MOST = 1000


class Only(StrEnum):
    """Which of the named periods need a run."""

    MISSING = "missing"  #: nothing is published
    FAILED = "failed"  #: the last run failed, whatever was published before
    OUTDATED = "outdated"  #: what is published, or the last run where nothing is, is of another version
    ALL = "all"  #: every one


class Verdict(StrEnum):
    """What is to be done about a period."""

    GOOD = "good"  #: nothing, by what the backfill is for
    SKIPPED = "skipped"  #: nothing, by a person's decision
    ACTIVE = "active"  #: a run is active: it is awaited
    WANTED = "wanted"  #: a run, if its inputs are complete


class SelectionError(ValueError):
    """Periods that no backfill can be for: the title says which rule, the message what, and what to do."""

    def __init__(self, title: str, why: str) -> None:
        super().__init__(why)
        self.title = title


class NotEnded(SelectionError):
    """A period that has not ended at this moment."""


@dataclass(frozen=True)
class Standing:
    """How a period stands, as far as a selection asks."""

    active: str | None = None  #: the active run
    published: bool = False
    failed: bool = False  #: whether the attempt that ended last failed
    version: str | None = None  #: of what is published, else of the last run; None if there is neither
    waived: bool = False

    @classmethod
    def of_record(cls, record: Mapping[str, Any] | None) -> Standing:
        """As the period's record has it (None: nobody has run it)."""
        if record is None:
            return cls()
        claim, last = record["claim"], record["last"]
        shown = record["published"] or last
        return cls(
            active=claim["run"] if claim else None,
            published=record["published"] is not None,
            failed=bool(last) and last["state"] == End.FAILED,
            version=shown["version"] if shown else None,
            waived=record["waived"] is not None,
        )

    @property
    def index(self) -> dict[str, str]:
        """What a listing shows of it beside `period_record.index` and `rollup.facts`."""
        return {"version": self.version} if self.version else {}

    @classmethod
    def of_listing(cls, state: Mapping[str, str], model: str, period: Period) -> Standing:
        """As the metadata of its record have it (see `index`, `period_record.index` and `rollup.facts`)."""
        active = RunId.parse(f"{model}--{period}--{state['run']}").text if state.get("open") == "claim" else None
        return cls(
            active=active,
            published="published" in state,
            failed="failed" in state,
            version=state.get("version"),
            waived=state.get("state") == "waived",
        )


def verdict(only: Only, standing: Standing, version: str) -> tuple[Verdict, str | None]:
    """What is to be done about a period that stands so, and why nothing if that is it. `version`: the released one."""
    if standing.active:
        return Verdict.ACTIVE, None
    if standing.waived:
        return Verdict.SKIPPED, "waived"
    if only is Only.MISSING and standing.published:
        return Verdict.GOOD, "published"
    if only is Only.FAILED and not standing.failed:
        return Verdict.GOOD, "did not fail" if standing.version else "never run"
    if only is Only.OUTDATED and standing.version in (None, version):
        return Verdict.GOOD, "of the released version" if standing.version else "never run"
    return Verdict.WANTED, None


def between(definition: Definition, first: str, last: str, now: datetime) -> list[Period]:
    """The periods from `first` to `last`, both included. Raises SelectionError, PeriodError for what is no period."""
    begin, end = definition.period(first), definition.period(last)
    if end < begin:
        raise SelectionError("The range ends before it begins", f"{end} lies before {begin}: exchange the two.")
    for period in (begin, end):
        check(definition, period, now)
    if (number := count(begin, end)) > MOST:
        raise SelectionError(
            "Too many periods",
            f"{begin} to {end} are {number} periods, and a backfill is for {MOST} at most: "
            f"plan several, the first from {begin} to {begin.shift(MOST - 1)}.",
        )
    return list(span(begin, end))


def listed(definition: Definition, texts: Sequence[str], now: datetime) -> list[Period]:
    """The periods that are named one by one, earliest first. Raises SelectionError, PeriodError."""
    if len(texts) > MOST:
        raise SelectionError(
            "Too many periods",
            f"{len(texts)} periods are named, and a backfill is for {MOST} at most: plan several.",
        )
    periods = sorted(definition.period(text) for text in texts)
    for period, next_ in pairwise(periods):
        if period == next_:
            raise SelectionError("A period stands twice", f"{period} is named twice: name it once.")
    for period in periods:
        check(definition, period, now)
    return periods


def check(definition: Definition, period: Period, now: datetime) -> None:
    """Raise SelectionError for a period that is not the model's own, NotEnded for one that has not ended at `now`."""
    name = definition.name
    if period < definition.first:
        why = f"{period} lies before {definition.first}, the first period of {name}: begin there, or release {name} "
        raise SelectionError("Before the first period", why + "with an earlier first_period.")
    if definition.last is not None and period > definition.last:
        why = f"{period} lies after {definition.last}, the last period of {name}: end there, or release {name} "
        raise SelectionError("After the last period", why + "with a later last_period.")
    end = period.interval(definition.zone).end
    if end > now:
        raise NotEnded(
            "The period has not ended", f"{period} of {name} ends at {end:%Y-%m-%d %H:%M}Z; no run starts before."
        )


def spans(periods: Sequence[Period]) -> list[tuple[Period, Period]]:
    """The first and the last of each unbroken row of periods, which are given earliest first."""
    rows: list[tuple[Period, Period]] = []
    for period in periods:
        if rows and rows[-1][1].shift(1) == period:
            rows[-1] = (rows[-1][0], period)
        else:
            rows.append((period, period))
    return rows
