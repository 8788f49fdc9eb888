"""Business days by country, subdivision and market, as the holidays library has them."""

from __future__ import annotations

from datetime import date, timedelta

import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.business_days import business_day, is_calendar

CALENDARS = {
    "US": holidays.country_holidays("US"),
    "DE-BY": holidays.country_holidays("DE", subdiv="BY"),
    "SA": holidays.country_holidays("SA"),
    "CN": holidays.country_holidays("CN"),
    "XNYS": holidays.financial_holidays("XNYS"),
}
calendars = st.sampled_from(sorted(CALENDARS))
days = st.dates(date(1990, 1, 1), date(2060, 1, 1))


@given(calendars, days, st.integers(1, 66))
def test_the_nth_business_day_is_the_last_of_exactly_n(calendar: str, first: date, number: int) -> None:
    """Counted from the first day on, that one included, over year ends, long weekends and swapped working days."""
    found = business_day(calendar, first, number)

    worked = [first + timedelta(days=n) for n in range((found - first).days + 1)]
    worked = [day for day in worked if CALENDARS[calendar].is_working_day(day)]
    assert len(worked) == number
    assert worked[-1] == found


@given(calendars, days, st.integers(0, 400), st.integers(1, 66))
def test_a_later_period_is_never_due_earlier(calendar: str, first: date, later: int, number: int) -> None:
    """Looking for what is overdue from the latest period back relies on it."""
    assert business_day(calendar, first, number) <= business_day(calendar, first + timedelta(days=later), number)


@pytest.mark.parametrize("name", ["US", "US-NY", "DE-BY", "XNYS", "NYSE", "ECB", "B3"])
def test_countries_their_parts_and_markets_are_calendars(name: str) -> None:
    """By the library's own names."""
    assert is_calendar(name)


@pytest.mark.parametrize("name", ["XX", "US-ZZ", "XXXX", "USA", "NYSE-1"])
def test_anything_else_is_none(name: str) -> None:
    """Not even a country by three letters: one spelling for one thing."""
    assert not is_calendar(name)
