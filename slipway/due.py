"""When a period's outputs are due, when they are late, and which periods are a model's to care for. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta

from slipway.business_days import business_day
from slipway.definition import Definition, Due
from slipway.period import Period, PeriodError, instant, last_ended, utc


def due_at(definition: Definition, period: Period) -> datetime | None:
    """The moment (UTC) at which the period's outputs are expected; None if the model names none.

    `{day: n, at: "HH:MM"}` is that time on the n-th local day after the period's end, and `{business_day: n, at: ...,
    calendar: ...}` on the n-th of these days that is a business day, whatever the clock changes in between: a skipped
    time means the moment of the skip, one that comes twice its first. `{after: 45m}` counts from the period's end.
    """
    if definition.due is None:
        return None
    if definition.due.after is not None:
        return period.interval(definition.zone).end + definition.due.after
    assert definition.due.at is not None
    hours, minutes = definition.due.at.split(":")
    time_of_day = timedelta(hours=int(hours), minutes=int(minutes))
    return instant(_due_day(definition.due, period) + time_of_day, definition.zone)


def _due_day(due: Due, period: Period) -> datetime:
    """The midnight, on the wall clock, of the day on which the outputs are due."""
    after = period.shift(1).first
    if due.business_day is None:
        assert due.day is not None
        return after + timedelta(days=due.day - 1)
    assert due.calendar is not None
    return datetime.combine(business_day(due.calendar, after.date(), due.business_day), time())


def late(definition: Definition, period: Period, now: datetime, released_at: datetime | None) -> bool:
    """Whether the period's outputs are overdue at `now`.

    What was due before the model was first released in this environment (`released_at`, None: not known) is backlog:
    nobody waited for it, so it is never late.
    """
    due = due_at(definition, period)
    return due is not None and released_at is not None and released_at <= due <= now


def last_expected(definition: Definition, now: datetime) -> Period | None:
    """The last of the model's own periods that has ended at `now`; None if none has."""
    try:
        ended = last_ended(definition.cadence, utc(now), definition.zone)
    except PeriodError:
        return None
    if definition.last is not None:
        ended = min(ended, definition.last)
    return ended if ended >= definition.first else None


def expected_periods(definition: Definition, now: datetime) -> Iterator[Period]:
    """The model's own periods that have ended at `now`, latest first."""
    period = last_expected(definition, now)
    while period is not None and period >= definition.first:
        yield period
        period = period.shift(-1)
