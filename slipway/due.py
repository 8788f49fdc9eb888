"""When a period's outputs are due, when they are late, and which periods are a model's to care for. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from slipway.definition import Definition
from slipway.period import Period, PeriodError, instant, last_ended, utc


def due_at(definition: Definition, period: Period) -> datetime | None:
    """The moment (UTC) at which the period's outputs are expected; None if the model names none.

    `{day: n, at: "HH:MM"}` is that time on the n-th local day after the period's end, whatever the clock changes in
    between (a skipped time means the moment of the skip); `{after: 45m}` counts from the period's end.
    """
    if definition.due is None:
        return None
    if definition.due.after is not None:
        return period.interval(definition.zone).end + definition.due.after
    assert definition.due.day is not None
    assert definition.due.at is not None
    hours, minutes = definition.due.at.split(":")
    day = period.shift(1).first + timedelta(days=definition.due.day - 1)
    return instant(day + timedelta(hours=int(hours), minutes=int(minutes)), definition.zone)


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
