"""Which periods a run reads, and which runs read a period: exact inverses."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from slipway.definition import Definition
from slipway.period import Cadence, Period, PeriodError, containing, span
from slipway.windows import periods_read, runs_reading
from tests.unit.builders import a_definition
from tests.unit.test_period import ZONES

PATHS = {
    "hourly": "{period:%Y/%m/%d/%H}",
    "daily": "{period:%Y/%m/%d}",
    "weekly": "{period:%G-W%V}",
    "monthly": "{period:%Y-%m}",
    "quarterly": "{period:%Y-Q%q}",
}
FIRST = {
    "hourly": "2013-01-01T00Z",
    "daily": "2013-01-01",
    "weekly": "2013-W01",
    "monthly": "2013-01",
    "quarterly": "2013-Q1",
}


def reading(cadence: str, dataset: str, zone: str = "America/New_York", **input_: Any) -> Definition:
    """Build a model of one cadence that reads a dataset of another."""
    one = {"path": f"landing/x/{PATHS[dataset]}/", "complete": {"files": 1}, "cadence": dataset} | input_
    return a_definition(cadence=cadence, timezone=zone, first_period=FIRST[cadence], inputs={"x": one})


def texts(periods: list[Period]) -> list[str]:
    """The periods as people write them."""
    return [str(period) for period in periods]


def runs(definition: Definition, dataset_period: str) -> list[str]:
    """The periods whose run reads a period of the dataset."""
    return texts(list(span(*runs_reading(definition, "x", Period.parse(dataset_period)))))


def test_a_days_folder_belongs_to_every_month_whose_window_covers_it() -> None:
    """31 days up to the month's end: the end of January is read in February too."""
    model = reading("monthly", "daily", periods={"from": -30, "to": 0})

    assert runs(model, "2013-01-15") == ["2013-01"]
    assert runs(model, "2013-01-29") == ["2013-01", "2013-02"]
    assert runs(model, "2013-02-28") == ["2013-02"]


def test_a_months_folder_belongs_to_every_day_that_reads_it_as_the_last_ended() -> None:
    """From its own last day to the one before the next month's last."""
    days = runs(reading("daily", "monthly"), "2013-01")

    assert (days[0], days[-1], len(days)) == ("2013-01-31", "2013-02-27", 28)


def test_max_age_widens_the_window_backwards() -> None:
    """Any of the last three may be chosen."""
    model = reading("monthly", "monthly", max_age=2)

    assert texts(periods_read(model, "x", Period.parse("2013-03"))) == ["2013-01", "2013-02", "2013-03"]
    assert runs(model, "2013-01") == ["2013-01", "2013-02", "2013-03"]


def test_what_ends_within_a_period_belongs_to_it_alone() -> None:
    """The week of 28 January ends in February."""
    assert runs(reading("monthly", "weekly", periods="within"), "2013-W05") == ["2013-02"]


def test_a_window_may_be_read_by_no_run() -> None:
    """Of a weekly dataset, a monthly run with one period reads only the week its month ends with."""
    assert runs(reading("monthly", "weekly"), "2013-W02") == []


def test_a_static_input_has_no_periods() -> None:
    """And so none that a run reads."""
    model = a_definition(inputs={"x": {"path": "landing/x/", "cadence": "static", "complete": {"files": 1}}})

    assert periods_read(model, "x", model.first) == []
    with pytest.raises(ValueError, match="has no period"):
        runs_reading(model, "x", Period.parse("2013-01"))


@given(
    st.sampled_from(list(PATHS)),
    st.sampled_from(list(PATHS)),
    st.sampled_from([zone.key for zone in ZONES]),
    st.one_of(
        st.just({"periods": "within"}),
        st.tuples(st.integers(-40, 5), st.integers(0, 40)).map(
            lambda w: {"periods": {"from": w[0], "to": w[0] + w[1]}}
        ),
        st.integers(1, 20).map(lambda age: {"max_age": age}),
    ),
    st.datetimes(datetime(1920, 1, 1), datetime(2185, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_the_two_directions_are_inverse(
    cadence: str, dataset: str, zone: str, input_: dict[str, Any], moment: datetime
) -> None:
    """For any window and any moment: the runs found for a dataset's period read it, and their neighbours do not."""
    assume(
        "periods" not in input_
        or input_["periods"] != "within"
        or list(PATHS).index(dataset) <= list(PATHS).index(cadence)
    )
    model = reading(cadence, dataset, zone, **input_)
    period = containing(Cadence(dataset), moment, ZoneInfo(zone))
    try:
        first, last = runs_reading(model, "x", period)
    except PeriodError:
        assume(False)

    for run in [first, last] if first <= last else []:
        assert period in periods_read(model, "x", run)
    for run in [first.shift(-1), last.shift(1)] if first <= last else [last, first]:
        assert period not in periods_read(model, "x", run)
