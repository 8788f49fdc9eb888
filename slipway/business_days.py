"""Business days: which days people work in a country, a part of one, or on a financial market. Pure and offline.

The holidays come with the `holidays` library, whose names these are: a country (`US`), a country's subdivision
(`US-NY`), or a financial market (`XNYS`, or the library's short names such as `NYSE` and `ECB`). A newer version of the
library may know of a holiday that an older one does not, and so move a due time.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holidays import HolidayBase

#: How a calendar is written; whether there is one of that name, `is_calendar` says.
CALENDAR_PATTERN = r"[A-Z]{2}(?:-[A-Z0-9]{1,3})?|[A-Z][A-Z0-9]{2,3}"

_DAY = timedelta(days=1)
_COUNTRY_LENGTH = 2


@cache
def is_calendar(name: str) -> bool:
    """Whether the library knows a country, subdivision or market of this name."""
    try:
        _load(name, ())
    except NotImplementedError:
        return False
    return True


def business_day(calendar: str, first: date, number: int) -> date:
    """The `number`-th business day (from 1) of the calendar, counted from `first`, which may be one itself."""
    day = first - _DAY
    while number:
        day += _DAY
        number -= day not in _days_off(calendar, day.year)
    return day


@lru_cache(maxsize=4096)
def _days_off(calendar: str, year: int) -> frozenset[date]:
    """The year's days on which nobody works: weekends of that calendar, and holidays that nobody works in place of."""
    known = _load(calendar, year)
    first = date(year, 1, 1)
    days = (first + number * _DAY for number in range((date(year + 1, 1, 1) - first).days))
    return frozenset(day for day in days if not known.is_working_day(day))


def _load(name: str, years: int | tuple[int, ...]) -> HolidayBase:
    """The library's own calendar. Raises NotImplementedError for a name that it does not know."""
    import holidays

    country, _, subdivision = name.partition("-")
    if len(country) != _COUNTRY_LENGTH:
        if name not in holidays.list_supported_financial():  # it would take a country's name for a market's
            raise NotImplementedError(name)
        return holidays.financial_holidays(name, years=years)
    return holidays.country_holidays(country, subdiv=subdivision or None, years=years)
