"""Periods: exact across year ends, ISO week 53, leap days and clock changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from slipway.period import (
    Cadence,
    Period,
    PeriodError,
    containing,
    first_ending,
    instant,
    last_ended,
    span,
    window,
    within,
)
from tests.unit.builders import at

NEW_YORK = ZoneInfo("America/New_York")
UTC_ZONE = ZoneInfo("UTC")
#: Zones whose calendars do unusual things: skipped and doubled midnights, half hours, a day that never was.
ZONES = [
    ZoneInfo(key)
    for key in (
        "UTC",
        "America/New_York",
        "Europe/Berlin",
        "America/Sao_Paulo",
        "America/Havana",
        "America/St_Johns",
        "America/Toronto",
        "Asia/Beirut",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Africa/Cairo",
    )
]

zones = st.sampled_from(ZONES)
cadences = st.sampled_from(Cadence)
moments = st.datetimes(datetime(1915, 1, 1), datetime(2185, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
periods = st.builds(containing, cadences, moments, zones)


@pytest.mark.parametrize(
    ("text", "cadence"),
    [
        ("2013-01-31T06Z", Cadence.HOURLY),
        ("2013-01-31", Cadence.DAILY),
        ("2013-W05", Cadence.WEEKLY),
        ("2013-01", Cadence.MONTHLY),
        ("2013-Q1", Cadence.QUARTERLY),
        pytest.param("2016-02-29", Cadence.DAILY, id="leap day"),
        pytest.param("2015-W53", Cadence.WEEKLY, id="week 53"),
        pytest.param("2019-W01", Cadence.WEEKLY, id="week that begins in the year before"),
    ],
)
def test_the_shape_of_a_text_tells_its_cadence(text: str, cadence: Cadence) -> None:
    """A period reads back as it was written."""
    period = Period.parse(text)

    assert (period.cadence, str(period), Period.parse(text, cadence)) == (cadence, text, period)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2013",
        "2013-1",
        "2013-13",
        "2013-00",
        "2013-02-29",
        "1900-02-29",
        "2013-W53",
        "2013-W00",
        "2013-Q5",
        "2013-01-31T24Z",
        "2013-01-31T6Z",
        "2013-01-31T06",
        "2013-01\n",
        " 2013-01",
        "\uff12013-01",
        "1899-12",
        "2200-01",
        "0000-01",
        "2013-01-31T06Z" * 1000,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """Neither another shape nor a date the calendar lacks passes."""
    with pytest.raises(PeriodError):
        Period.parse(text)


def test_a_period_of_another_cadence_is_refused_when_one_is_expected() -> None:
    """The message says what was expected."""
    with pytest.raises(PeriodError, match="a weekly period such as 2013-W05"):
        Period.parse("2013-01", Cadence.WEEKLY)


def test_a_moment_that_begins_no_period_makes_none() -> None:
    """There is one value for a period, not one for each moment in it."""
    with pytest.raises(PeriodError):
        Period(Cadence.MONTHLY, datetime(2013, 1, 2))  # noqa: DTZ001


@given(periods)
def test_text_and_period_are_inverse(period: Period) -> None:
    """For any period: parsing its text gives it back."""
    assert Period.parse(period.text) == period


@given(periods, st.integers(-2000, 2000))
def test_shifting_back_undoes_shifting(period: Period, number: int) -> None:
    """For any period and distance, as long as all lies in the years there are."""
    try:
        shifted = period.shift(number)
    except PeriodError:
        assume(False)
    assert shifted.shift(-number) == period
    assert (shifted > period) == (number > 0)


@given(periods, zones)
def test_neighbours_meet_exactly(period: Period, zone: ZoneInfo) -> None:
    """No moment is lost between two periods, none belongs to both, in whatever zone."""
    assert period.interval(zone).end == period.shift(1).interval(zone).start
    assert period.interval(zone).start <= period.interval(zone).end


@given(cadences, moments, zones)
def test_the_containing_period_contains(cadence: Cadence, moment: datetime, zone: ZoneInfo) -> None:
    """Each moment has exactly one period, in whatever zone."""
    assert moment in containing(cadence, moment, zone).interval(zone)


@given(cadences, moments, zones)
def test_last_ended_and_first_ending_meet_around_a_moment(cadence: Cadence, moment: datetime, zone: ZoneInfo) -> None:
    """One ended last at or before the moment, the other ends first at or after it."""
    ended, ending = last_ended(cadence, moment, zone), first_ending(cadence, moment, zone)

    assert ended.interval(zone).end <= moment < ended.shift(1).interval(zone).end
    assert ending.shift(-1).interval(zone).end < moment <= ending.interval(zone).end


@given(periods, cadences, zones, st.integers(-40, 10), st.integers(0, 40))
def test_a_window_has_its_size_and_ends_with_the_run(
    run: Period, cadence: Cadence, zone: ZoneInfo, from_: int, size: int
) -> None:
    """Period 0 is the last that ends when the run's period does or before, and a window counts from there."""
    read = window(run, cadence, zone, from_, from_ + size)

    zero = read[0].shift(-from_)
    assert read == list(span(read[0], read[-1]))
    assert len(read) == size + 1
    assert zero.interval(zone).end <= run.interval(zone).end < zero.shift(1).interval(zone).end


@given(periods, zones, cadences)
def test_what_lies_within_ends_inside_and_nothing_is_left_out(run: Period, zone: ZoneInfo, cadence: Cadence) -> None:
    """Each period belongs within exactly one outer period: the one in which it ends."""
    assume(list(Cadence).index(cadence) <= list(Cadence).index(run.cadence))
    inner, following = within(run, cadence, zone), within(run.shift(1), cadence, zone)

    both = inner + following
    assert not both or both == list(span(both[0], both[-1]))
    for period in inner:
        assert run.interval(zone).start < period.interval(zone).end <= run.interval(zone).end


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        pytest.param("2013-03-10", 23, id="clocks go forward"),
        pytest.param("2013-11-03", 25, id="clocks go back"),
        pytest.param("2013-07-04", 24, id="an ordinary day"),
    ],
)
def test_a_day_has_the_hours_of_its_zone(day: str, hours: int) -> None:
    """New York, 2013."""
    interval = Period.parse(day).interval(NEW_YORK)

    assert interval.end - interval.start == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        pytest.param("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00", 23, id="midnight is skipped"),
        pytest.param("America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00", 25, id="the hour before midnight twice"),
        pytest.param("America/Havana", "2013-11-03", "2013-11-03T04:00", 25, id="midnight twice"),
        pytest.param("America/Toronto", "1919-03-31", "1919-03-31T04:30", 23.5, id="a gap around midnight"),
        pytest.param("America/St_Johns", "2006-10-29", "2006-10-29T02:30", 25, id="set back across midnight"),
        pytest.param("Pacific/Apia", "2011-12-30", "2011-12-30T10:00", 0, id="a day that never was"),
    ],
)
def test_days_begin_at_the_first_moment_the_calendar_shows_them(zone: str, day: str, start: str, hours: float) -> None:
    """Also where clock changes touch midnight."""
    interval = Period.parse(day).interval(ZoneInfo(zone))

    assert interval.start == at(start)
    assert interval.end - interval.start == timedelta(hours=hours)


def test_a_wall_time_that_returns_to_an_ended_day_belongs_to_the_day_that_began() -> None:
    """St. John's, 2006: at one minute past midnight clocks went back to 23:01; the new day had begun."""
    st_johns = ZoneInfo("America/St_Johns")

    assert str(containing(Cadence.DAILY, at("2006-10-29T02:29"), st_johns)) == "2006-10-28"
    assert str(containing(Cadence.DAILY, at("2006-10-29T02:45"), st_johns)) == "2006-10-29"


def test_hours_are_utc_in_every_zone() -> None:
    """An hour has one name and one interval, also when a zone's clocks repeat it."""
    hour = Period.parse("2013-11-03T05Z")

    assert {hour.interval(zone) for zone in ZONES} == {hour.interval(UTC_ZONE)}


@pytest.mark.parametrize(
    ("text", "following"),
    [
        ("2013-12-31T23Z", "2014-01-01T00Z"),
        ("2012-02-28", "2012-02-29"),
        ("2100-02-28", "2100-03-01"),
        ("2015-W53", "2016-W01"),
        ("2014-W52", "2015-W01"),
        ("2013-12", "2014-01"),
        ("2013-Q4", "2014-Q1"),
    ],
)
def test_years_and_leap_days_are_crossed(text: str, following: str) -> None:
    """The next period is the calendar's next one."""
    assert str(Period.parse(text).shift(1)) == following
    assert str(Period.parse(following).shift(-1)) == text


def test_a_shift_out_of_all_years_is_an_error() -> None:
    """Not an overflow, and not the year 10000."""
    with pytest.raises(PeriodError):
        Period.parse("2013-01").shift(10**9)


def test_periods_of_two_cadences_have_no_order() -> None:
    """A month is neither before nor after a day."""
    with pytest.raises(TypeError):
        Period.parse("2013-01") < Period.parse("2013-01-31")  # noqa: B015


def test_a_month_of_days_lies_within_a_month() -> None:
    """January's last day ends when January does."""
    days = within(Period.parse("2013-01"), Cadence.DAILY, NEW_YORK)

    assert (str(days[0]), str(days[-1]), len(days)) == ("2013-01-01", "2013-01-31", 31)


def test_a_week_belongs_to_the_month_in_which_it_ends() -> None:
    """The week of 28 January 2013 ends in February."""
    weeks = [str(week) for week in within(Period.parse("2013-02"), Cadence.WEEKLY, NEW_YORK)]

    assert weeks == ["2013-W05", "2013-W06", "2013-W07", "2013-W08"]


def test_a_daily_run_reads_the_last_month_that_has_ended() -> None:
    """On the last day of a month that is this month, before it the one before."""
    assert window(Period.parse("2013-01-30"), Cadence.MONTHLY, NEW_YORK, 0, 0) == [Period.parse("2012-12")]
    assert window(Period.parse("2013-01-31"), Cadence.MONTHLY, NEW_YORK, 0, 0) == [Period.parse("2013-01")]


def test_the_thirty_one_days_up_to_a_months_end() -> None:
    """The example of the definition: from -30 to 0."""
    days = window(Period.parse("2013-02"), Cadence.DAILY, NEW_YORK, -30, 0)

    assert (str(days[0]), str(days[-1])) == ("2013-01-29", "2013-02-28")


def test_a_naive_moment_is_refused() -> None:
    """CK-4: nobody knows what a naive time means."""
    with pytest.raises(ValueError, match="no time zone"):
        containing(Cadence.DAILY, datetime(2013, 1, 1), NEW_YORK)  # noqa: DTZ001


def test_a_skipped_time_means_the_moment_of_the_skip_and_a_doubled_one_its_first() -> None:
    """02:30 does not exist on 10 March 2013 in New York, and 01:30 is there twice on 3 November."""
    assert instant(datetime(2013, 3, 10, 2, 30), NEW_YORK) == at("2013-03-10T07:00")  # noqa: DTZ001
    assert instant(datetime(2013, 11, 3, 1, 30), NEW_YORK) == at("2013-11-03T05:30")  # noqa: DTZ001
