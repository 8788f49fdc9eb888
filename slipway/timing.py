"""Whether a period's outputs will be there when they are due: on time, at risk or late. Pure.

The forecast is the median of what the model's newest published runs took from their claim to their publication. It
rests on what lists show (see `slipway.rollup` and `slipway.usage`), so asking it costs no further reading.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median

from slipway.definition import Definition
from slipway.due import due_at, late
from slipway.period import Period
from slipway.period_record import Stage
from slipway.rollup import Facts
from slipway.usage import Usage

#: How many of a model's newest published runs the usual duration rests on, and with how few there is none.
NEWEST, FEWEST = 20, 3


class Timing(StrEnum):
    """How a period stands to its due time, while its outputs are not published."""

    ON_TIME = "on-time"  #: not due yet, and nothing says that it will not be met
    AT_RISK = "at-risk"  #: not due yet, but as long as it usually takes, the outputs come after that
    LATE = "late"  #: due, and not published


def usual(rows: Collection[Facts]) -> timedelta | None:
    """How long the model usually takes from a run's claim to its publication; None where too few runs tell.

    `rows` are what lists show of its periods, the oldest first.
    """
    known = [used.seconds for row in rows if (used := Usage.parse(row.get("used")))][-NEWEST:]
    return timedelta(seconds=median(known)) if len(known) >= FEWEST else None


def expected(row: Facts, ends: datetime, now: datetime, takes: timedelta | None) -> datetime | None:
    """When the outputs are to be expected, at the earliest: an active run takes as long as usual since it began, one
    that has not begun as long as usual from now on, or from the period's end.

    None where nothing is to be expected (they are published, or the period is waived), or nothing tells.
    """
    if takes is None or row.get("published") or row.get("state") == "waived":
        return None
    begins = datetime.fromisoformat(row["at"]) if is_active(row) else max(now, ends)
    return max(now, begins + takes)


def timing(
    definition: Definition,
    period: Period,
    row: Facts,
    now: datetime,
    released_at: datetime | None,
    expected_at: datetime | None,
) -> Timing | None:
    """How the period stands; None where it has no due time, was backlog at the release, is published or waived.

    `released_at` is when the model was first released here, `expected_at` as `expected` tells.
    """
    due = due_at(definition, period)
    if due is None or row.get("published") or row.get("state") == "waived":
        return None
    if now >= due:
        return Timing.LATE if late(definition, period, now, released_at) else None
    return Timing.AT_RISK if expected_at is not None and expected_at > due else Timing.ON_TIME


def is_active(row: Facts) -> bool:
    """Whether lists show a run under way."""
    return row.get("state") in tuple(Stage)
