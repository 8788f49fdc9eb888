"""NCRONTAB schedules: six fields ``second minute hour day month day-of-week`` (five: without the seconds).

Source: Azure Functions documentation, "Timer trigger", NCRONTAB expressions; atifaziz/NCrontab.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from localcloud.functions.host_json import AppError, duration

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_BOUNDS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_LONGEST_SEARCH_DAYS = 366 * 8 + 2  # from one 29 February to the next, across a century without one


@dataclass(frozen=True)
class Schedule:
    """A parsed schedule; fields hold the values that match. ``interval`` (seconds) is set for a plain ``hh:mm:ss``."""

    text: str
    fields: tuple[frozenset[int], ...]
    zone: tzinfo
    interval: float | None = None

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first occurrence later than ``moment`` (aware), in UTC offsets of the zone, or None."""
        if self.interval is not None:
            return moment + timedelta(seconds=self.interval)
        local = moment.astimezone(self.zone).replace(microsecond=0, tzinfo=None)
        for day in range(_LONGEST_SEARCH_DAYS):
            date = local.date() + timedelta(days=day)
            if not self._matches_day(date.day, date.month, date.isoweekday() % 7):
                continue
            midnight = datetime(date.year, date.month, date.day)  # noqa: DTZ001 (given its zone below)
            for naive in self._times(midnight, first_hour=local.hour if day == 0 else 0):
                found = naive.replace(tzinfo=self.zone)
                if naive > local and found > moment:
                    return found
        return None

    def fires_within_a_minute(self, moment: datetime) -> bool:
        """Say whether two occurrences can be less than a minute apart, for which no past occurrence is made up."""
        if self.interval is not None:
            return self.interval < 60
        first = self.next_after(moment)
        second = self.next_after(first) if first else None
        return first is not None and second is not None and second - first < timedelta(minutes=1)

    def _matches_day(self, day: int, month: int, weekday: int) -> bool:
        return day in self.fields[3] and month in self.fields[4] and weekday in self.fields[5]

    def _times(self, midnight: datetime, first_hour: int) -> Iterator[datetime]:
        for hour in sorted(hour for hour in self.fields[2] if hour >= first_hour):
            for minute in sorted(self.fields[1]):
                for second in sorted(self.fields[0]):
                    yield midnight.replace(hour=hour, minute=minute, second=second)


def parse_schedule(text: str, zone: tzinfo) -> Schedule:
    """Parse a schedule whose local times are those of ``zone``; raises :class:`AppError`."""
    parts = text.split()
    if len(parts) == 1 and re.fullmatch(r"(\d+\.)?\d+:\d+:\d+", text.strip()):
        return Schedule(text, (), zone, interval=duration(text.strip()))
    if len(parts) == 5:
        parts = ["0", *parts]
    if len(parts) != 6:
        raise AppError(
            f"the schedule '{text}' has {len(parts)} fields; NCRONTAB has six: second minute hour day month day-of-week"
        )
    try:
        fields = tuple(_field(part.lower(), *bounds) for part, bounds in zip(parts, _BOUNDS, strict=True))
    except ValueError as problem:
        raise AppError(f"the schedule '{text}' cannot be read: {problem}") from problem
    return Schedule(text, fields, zone)


def _field(text: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, last = _span(span, low, high, has_step=bool(step))
        if not low <= first <= last <= high:
            raise ValueError(f"'{part}' is not within {low} to {high}")
        found.update(range(first, last + 1, int(step or 1)))
    return frozenset(found)


def _span(text: str, low: int, high: int, *, has_step: bool) -> tuple[int, int]:
    if text == "*":
        return low, high
    first, dash, last = text.partition("-")
    if dash:
        return _value(first, high), _value(last, high)
    return _value(first, high), high if has_step else _value(first, high)


def _value(text: str, high: int) -> int:
    """Read a number or a name of a month or weekday."""
    names = _DAYS if high == 6 else _MONTHS if high == 12 else ()
    for position, name in enumerate(names):
        if len(text) >= 3 and not text.isdigit() and text[:3] == name:
            return position + (1 if high == 12 else 0)
    if high == 6 and text == "7":
        return 0
    return int(text)
