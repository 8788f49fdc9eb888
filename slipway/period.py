"""Periods: the data interval a run is for, and exact arithmetic on it.

A period is a name for a stretch of calendar (`2013-01`, `2013-W05`, `2013-01-31T06Z`); only together with a time zone
does it become an interval. Hours are always UTC. Days, ISO weeks, months and quarters follow the calendar of the
zone, so a day may have 23 or 25 hours and begin at 01:00 where midnight was skipped.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

#: Years outside these are taken for typing errors.
FIRST_YEAR, LAST_YEAR = 1900, 2199

_HOUR, _DAY, _WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)


class PeriodError(ValueError):
    """A text that is no period, or a period outside the years 1900 to 2199."""


class Cadence(StrEnum):
    """How often a model runs or a dataset arrives."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"


#: How each cadence's periods are written.
SHAPES = {
    Cadence.HOURLY: "2013-01-31T06Z",
    Cadence.DAILY: "2013-01-31",
    Cadence.WEEKLY: "2013-W05",
    Cadence.MONTHLY: "2013-01",
    Cadence.QUARTERLY: "2013-Q1",
}
_PATTERNS = {
    Cadence.HOURLY: re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d)Z", re.ASCII),
    Cadence.DAILY: re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII),
    Cadence.WEEKLY: re.compile(r"(\d{4})-W(\d\d)", re.ASCII),
    Cadence.MONTHLY: re.compile(r"(\d{4})-(\d\d)", re.ASCII),
    Cadence.QUARTERLY: re.compile(r"(\d{4})-Q([1-4])", re.ASCII),
}


@dataclass(frozen=True)
class Interval:
    """A stretch of time: `start` is included, `end` is not; both aware, UTC."""

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


@functools.total_ordering
@dataclass(frozen=True)
class Period:
    """One period of a cadence. `first` is where it begins on the wall clock (naive; for hours, UTC's wall clock).

    Periods of one cadence are ordered; those of two cannot be compared, but by their `ends`. Made by `parse` and
    `containing`; a `first` that begins no period of the cadence raises PeriodError.
    """

    cadence: Cadence
    first: datetime

    def __post_init__(self) -> None:
        if not FIRST_YEAR <= _year(self.cadence, self.first) <= LAST_YEAR:
            raise PeriodError(f"periods lie in the years {FIRST_YEAR} to {LAST_YEAR}, not in {self.first.year}")
        if self.first != _floor(self.cadence, self.first):
            raise PeriodError(f"no {self.cadence} period begins at {self.first}")

    @classmethod
    def parse(cls, text: str, cadence: Cadence | None = None) -> Period:
        """Read a period as `text` writes it; the shape tells the cadence, which must be `cadence` if that is given.

        Raises PeriodError for anything else: another shape, a month 13, a 30th of February, a week 53 that is none.
        """
        for shape in [cadence] if cadence else Cadence:
            if match := _PATTERNS[shape].fullmatch(text):
                return cls(shape, _first(shape, [int(number) for number in match.groups()], text))
        expected = (
            f"a {cadence} period such as {SHAPES[cadence]}" if cadence else "a period such as 2013-01 or 2013-W05"
        )
        raise PeriodError(f"{text[:40]!a} is not {expected}")

    @property
    def text(self) -> str:
        """The period as people and paths write it."""
        match self.cadence:
            case Cadence.HOURLY:
                return self.first.strftime("%Y-%m-%dT%HZ")
            case Cadence.DAILY:
                return self.first.strftime("%Y-%m-%d")
            case Cadence.WEEKLY:
                return self.first.strftime("%G-W%V")
            case Cadence.MONTHLY:
                return self.first.strftime("%Y-%m")
            case Cadence.QUARTERLY:
                return f"{self.first.year}-Q{self.quarter}"

    @property
    def quarter(self) -> int:
        """The quarter of the year in which the period begins, 1 to 4."""
        return (self.first.month + 2) // 3

    @property
    def ends(self) -> datetime:
        """Where it ends on the wall clock (naive): orders the periods of a model whose cadence was changed, too."""
        return _shifted(self.cadence, self.first, 1)

    def __str__(self) -> str:
        return self.text

    def __lt__(self, other: Period) -> bool:
        if self.cadence is not other.cadence:
            raise TypeError(f"{self} and {other} are periods of different cadences and have no order")
        return self.first < other.first

    def shift(self, number: int) -> Period:
        """The period `number` places later (earlier if negative). Raises PeriodError outside the years 1900 to 2199."""
        try:
            return Period(self.cadence, _shifted(self.cadence, self.first, number))
        except (OverflowError, ValueError) as error:
            raise PeriodError(f"{self} shifted by {number} lies outside {FIRST_YEAR} to {LAST_YEAR}") from error

    def interval(self, zone: ZoneInfo) -> Interval:
        """When the period begins and ends in this zone. Neighbours meet exactly; hours ignore the zone.

        A day that the zone skipped altogether (Apia, 2011-12-30) is empty: it ends when it begins.
        """
        if self.cadence is Cadence.HOURLY:
            return Interval(self.first.replace(tzinfo=UTC), self.ends.replace(tzinfo=UTC))
        return Interval(instant(self.first, zone), instant(self.ends, zone))


def containing(cadence: Cadence, moment: datetime, zone: ZoneInfo) -> Period:
    """The period in whose interval `moment` (aware) lies."""
    local = utc(moment).astimezone(UTC if cadence is Cadence.HOURLY else zone).replace(tzinfo=None)
    found = Period(cadence, _floor(cadence, local))
    # Where the clock is set back across midnight, wall time returns to a day that has already ended.
    while found.interval(zone).end <= moment:
        found = found.shift(1)
    return found


def last_ended(cadence: Cadence, moment: datetime, zone: ZoneInfo) -> Period:
    """The last period that ends at or before `moment` (aware)."""
    return containing(cadence, moment, zone).shift(-1)


def first_ending(cadence: Cadence, moment: datetime, zone: ZoneInfo) -> Period:
    """The first period that ends at or after `moment` (aware)."""
    found = containing(cadence, moment, zone)
    while found.shift(-1).interval(zone).end >= moment:
        found = found.shift(-1)
    return found


def span(first: Period, last: Period) -> Iterator[Period]:
    """All periods from `first` to `last`, both included; none if `last` is earlier."""
    while first <= last:
        yield first
        first = first.shift(1)


def count(first: Period, last: Period) -> int:
    """How many periods there are from `first` to `last`, both included, told at once; 0 if `last` is earlier."""
    if last < first:
        return 0
    match first.cadence:
        case Cadence.MONTHLY | Cadence.QUARTERLY:
            months = (last.first.year - first.first.year) * 12 + last.first.month - first.first.month
            return months // (1 if first.cadence is Cadence.MONTHLY else 3) + 1
        case _:
            return (last.first - first.first) // (first.shift(1).first - first.first) + 1


def within(outer: Period, cadence: Cadence, zone: ZoneInfo) -> list[Period]:
    """All periods of `cadence` that end inside `outer`: after its start, at its end at the latest."""
    interval = outer.interval(zone)
    return list(span(containing(cadence, interval.start, zone), last_ended(cadence, interval.end, zone)))


def window(run_period: Period, cadence: Cadence, zone: ZoneInfo, from_: int, to: int) -> list[Period]:
    """The periods `from_` to `to` (both included), counted from period 0.

    Period 0 is the last of `cadence` that ends at or before the end of the run's period.
    """
    zero = last_ended(cadence, run_period.interval(zone).end, zone)
    return [zero.shift(number) for number in range(from_, to + 1)]


@functools.lru_cache(maxsize=8192)
def instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first moment (UTC) at which the zone's wall clock has reached `wall` (naive).

    A time that occurs twice means its first occurrence; a time that was skipped means the moment of the skip.
    """
    found = wall.replace(tzinfo=zone).astimezone(UTC)
    if _wall(found, zone) == wall:
        return found
    # Skipped. The skip lies between the readings with the offset after it and with the offset before it.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while found - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(found - before) // timedelta(seconds=2))
        if _wall(middle, zone) >= wall:
            found = middle
        else:
            before = middle
    return found


def utc(moment: datetime) -> datetime:
    """The same moment in UTC. Raises ValueError for a naive one, whose moment nobody knows."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone: give an aware datetime")
    return moment.astimezone(UTC)


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _first(cadence: Cadence, numbers: list[int], text: str) -> datetime:
    """Where the period with these numbers, as written, begins."""
    try:
        match cadence:
            case Cadence.WEEKLY:
                day = date.fromisocalendar(numbers[0], numbers[1], 1)
                return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - a wall clock has no zone
            case Cadence.MONTHLY:
                return datetime(numbers[0], numbers[1], 1)  # noqa: DTZ001
            case Cadence.QUARTERLY:
                return datetime(numbers[0], numbers[1] * 3 - 2, 1)  # noqa: DTZ001
            case _:
                return datetime(*numbers)  # type: ignore[arg-type] # noqa: DTZ001
    except ValueError as error:
        raise PeriodError(f"{text!a} does not exist in the calendar: {error}") from error


def _floor(cadence: Cadence, wall: datetime) -> datetime:
    """Where the period around a wall clock time begins on the wall clock."""
    wall = wall.replace(minute=0, second=0, microsecond=0, fold=0)
    match cadence:
        case Cadence.HOURLY:
            return wall
        case Cadence.DAILY:
            return wall.replace(hour=0)
        case Cadence.WEEKLY:
            return wall.replace(hour=0) - wall.weekday() * _DAY
        case Cadence.MONTHLY:
            return wall.replace(hour=0, day=1)
        case Cadence.QUARTERLY:
            return wall.replace(hour=0, day=1, month=(wall.month - 1) // 3 * 3 + 1)


def _shifted(cadence: Cadence, first: datetime, number: int) -> datetime:
    match cadence:
        case Cadence.HOURLY:
            return first + number * _HOUR
        case Cadence.DAILY:
            return first + number * _DAY
        case Cadence.WEEKLY:
            return first + number * _WEEK
        case Cadence.MONTHLY | Cadence.QUARTERLY:
            months = first.year * 12 + first.month - 1 + number * (1 if cadence is Cadence.MONTHLY else 3)
            return first.replace(year=months // 12, month=months % 12 + 1)


def _year(cadence: Cadence, first: datetime) -> int:
    return first.isocalendar().year if cadence is Cadence.WEEKLY else first.year
