"""When outputs are due and late, and which periods are a model's to care for."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.definition import Definition
from slipway.due import due_at, expected_periods, last_expected, late
from slipway.period import Period
from tests.unit.builders import a_definition, at
from tests.unit.test_windows import reading

JANUARY = Period.parse("2013-01")
DUE = at("2013-02-03T14:00")
LONG_AGO = at("2012-01-01")
SECOND = timedelta(seconds=1)


def working(number: int, calendar: str) -> dict[str, object]:
    """Say that outputs are due on such a business day at nine."""
    return {"business_day": number, "at": "09:00", "calendar": calendar}


def due(cadence: str, due: dict[str, object], period: str, zone: str = "America/New_York") -> str:
    """When a period of such a model is due, UTC."""
    model = reading(cadence, cadence, zone)
    moment = due_at(Definition.from_document(model.to_document() | {"due": due}), Period.parse(period))
    assert moment is not None
    return moment.strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("cadence", "rule", "period", "expected"),
    [
        pytest.param(
            "monthly", {"day": 3, "at": "09:00"}, "2013-01", "2013-02-03 14:00", id="the third day after the month"
        ),
        pytest.param("monthly", {"day": 1, "at": "00:00"}, "2013-12", "2014-01-01 05:00", id="the moment it ends"),
        pytest.param(
            "monthly", {"day": 10, "at": "09:00"}, "2013-02", "2013-03-10 13:00", id="summer time began that night"
        ),
        pytest.param("monthly", {"day": 10, "at": "02:30"}, "2013-02", "2013-03-10 07:00", id="a time that is skipped"),
        pytest.param("monthly", {"day": 3, "at": "01:30"}, "2013-10", "2013-11-03 05:30", id="a time that comes twice"),
        pytest.param("daily", {"day": 1, "at": "06:00"}, "2013-01-31", "2013-02-01 11:00", id="the morning after"),
        pytest.param("daily", {"day": 2, "at": "06:00"}, "2012-02-28", "2012-03-01 11:00", id="across a leap day"),
        pytest.param("weekly", {"day": 1, "at": "12:00"}, "2015-W53", "2016-01-04 17:00", id="Monday after week 53"),
        pytest.param("quarterly", {"day": 15, "at": "12:00"}, "2013-Q4", "2014-01-15 17:00", id="two weeks after"),
        pytest.param("hourly", {"after": "45m"}, "2013-01-31T06Z", "2013-01-31 07:45", id="45 minutes after the hour"),
        pytest.param(
            "monthly", working(1, "US"), "2025-12", "2026-01-02 14:00", id="New Year's Day is no business day"
        ),
        pytest.param("monthly", working(3, "US"), "2026-08", "2026-09-03 13:00", id="the third business day"),
        pytest.param("monthly", working(5, "US"), "2026-08", "2026-09-08 13:00", id="over Labor Day's long weekend"),
        pytest.param("daily", working(1, "US"), "2026-03-06", "2026-03-09 13:00", id="Friday's is due on Monday"),
        pytest.param("daily", working(1, "US"), "2026-03-07", "2026-03-09 13:00", id="and Saturday's, in summer time"),
        pytest.param("weekly", working(1, "XNYS"), "2026-W13", "2026-03-30 13:00", id="a market's own calendar"),
        pytest.param(
            "weekly", working(5, "XNYS"), "2026-W13", "2026-04-06 13:00", id="the market rests on Good Friday"
        ),
        pytest.param("weekly", working(5, "US"), "2026-W13", "2026-04-03 13:00", id="the country does not"),
        pytest.param("monthly", working(1, "US-LA"), "2026-01", "2026-02-02 14:00", id="a state's own days"),
        pytest.param(
            "daily", working(1, "US-LA"), "2026-02-16", "2026-02-18 14:00", id="Mardi Gras is a holiday in Louisiana"
        ),
        pytest.param("daily", working(1, "SA"), "2026-05-06", "2026-05-07 13:00", id="Thursday is a working day there"),
        pytest.param("daily", working(1, "SA"), "2026-05-07", "2026-05-10 13:00", id="Sunday follows Thursday there"),
    ],
)
def test_due_times_follow_the_models_calendar(
    cadence: str, rule: dict[str, object], period: str, expected: str
) -> None:
    """New York's, in these cases."""
    assert due(cadence, rule, period) == expected


@given(
    st.sampled_from(["America/New_York", "Australia/Lord_Howe", "America/Havana", "Africa/Casablanca", "Asia/Tehran"]),
    st.dates(date(1990, 1, 1), date(2037, 12, 1)),
    st.times(),
    st.integers(1, 9),
)
def test_a_due_time_is_the_first_moment_at_which_the_clock_shows_it(
    zone: str, day: date, clock: time, number: int
) -> None:
    """Whatever the zone does to its clocks that night, at midnight too: never a moment before it, never after."""
    model = reading("daily", "daily", zone)
    given_ = Definition.from_document(model.to_document() | {"due": {"day": number, "at": f"{clock:%H:%M}"}})
    found = due_at(given_, Period.parse(f"{day}"))
    assert found is not None

    def shown(moment: datetime) -> datetime:
        return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)

    wanted = datetime.combine(day + timedelta(days=number), clock.replace(second=0, microsecond=0))
    assert shown(found - SECOND) < wanted <= shown(found)


def test_a_model_without_due_time_is_never_late() -> None:
    """Nobody is woken for it."""
    assert due_at(a_definition(), JANUARY) is None
    assert not late(a_definition(), JANUARY, at("2033-01-01"), LONG_AGO)


@pytest.mark.parametrize(("now", "expected"), [(DUE - SECOND, False), (DUE, True), (DUE + timedelta(days=3650), True)])
def test_a_period_is_late_from_the_due_moment_on(now: object, expected: bool) -> None:
    """A second before it is not."""
    model = a_definition(due={"day": 3, "at": "09:00"})

    assert late(model, JANUARY, now, LONG_AGO) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(("released_at", "expected"), [(DUE, True), (DUE + SECOND, False), (None, False)])
def test_what_was_due_before_the_release_is_backlog(released_at: object, expected: bool) -> None:
    """Nobody waited for outputs of a model that was not there."""
    model = a_definition(due={"day": 3, "at": "09:00"})

    assert late(model, JANUARY, at("2033-01-01"), released_at) is expected  # type: ignore[arg-type]


def test_the_expected_periods_have_ended_and_are_the_models_own() -> None:
    """From its first to its last, the latest first; a month ends when its zone says so."""
    model = a_definition(first_period="2013-01", last_period="2013-04")

    assert [str(period) for period in expected_periods(model, at("2013-04-01T03:59"))] == ["2013-02", "2013-01"]
    assert [str(period) for period in expected_periods(model, at("2013-04-01T04:00"))] == [
        "2013-03",
        "2013-02",
        "2013-01",
    ]
    assert str(last_expected(model, at("2033-01-01"))) == "2013-04"
    assert last_expected(model, at("2013-01-31")) is None
    assert last_expected(model, at("1899-01-31")) is None
