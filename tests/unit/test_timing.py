"""On time, at risk, late: told from the due time and from how long the model usually takes."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.period import Period
from slipway.rollup import Facts
from slipway.timing import Timing, expected, timing, usual
from slipway.usage import Usage
from tests.unit.builders import a_definition, at

JANUARY = Period.parse("2013-01")
ENDS = at("2013-02-01T05:00")
DUE = at("2013-02-03T14:00")
LONG_AGO = at("2012-01-01")
HOUR = timedelta(hours=1)
MODEL = a_definition(due={"day": 3, "at": "09:00"})


def took(minutes: float) -> Facts:
    """The row of a published period whose run took so long."""
    return {"used": Usage(minutes * 60, None, 1, "cpu", 0, 0).text}


def stands(row: Facts, now: datetime, takes: timedelta | None = HOUR, released_at: datetime = LONG_AGO) -> str | None:
    """How January stands with a model that usually takes so long."""
    return timing(MODEL, JANUARY, row, now, released_at, expected(row, ENDS, now, takes))


def test_the_usual_time_is_the_median_of_the_newest_published_runs() -> None:
    """One that was stuck for a day does not spoil it. Rows without a publication tell nothing, nor do old ones."""
    assert usual([took(10), {"state": "failed"}, took(12), took(1440)]) == timedelta(minutes=12)
    assert usual([took(500)] * 30 + [took(10)] * 20) == timedelta(minutes=10)


@pytest.mark.parametrize("rows", [[], [took(10), took(12)], [{"used": "nonsense"}] * 5])
def test_too_few_runs_tell_nothing(rows: list[Facts]) -> None:
    """A forecast from one or two runs would be a guess."""
    assert usual(rows) is None


@pytest.mark.parametrize(
    ("row", "now", "expected"),
    [
        pytest.param({}, DUE - 2 * HOUR, "on-time", id="inputs missing, time enough"),
        pytest.param({}, DUE - HOUR, "on-time", id="inputs missing, just enough"),
        pytest.param({}, DUE - HOUR / 2, "at-risk", id="inputs missing, the usual duration does not fit"),
        pytest.param({}, DUE, "late", id="due"),
        pytest.param({"state": "running", "at": str(DUE - 1.5 * HOUR)}, DUE - HOUR, "on-time", id="half done"),
        pytest.param({"state": "running", "at": str(DUE - HOUR / 2)}, DUE - HOUR / 4, "at-risk", id="began too late"),
        pytest.param({"state": "running", "at": str(DUE - 5 * HOUR)}, DUE - HOUR, "on-time", id="over its usual time"),
        pytest.param({"state": "running", "at": str(DUE - 5 * HOUR)}, DUE, "late", id="running when due"),
        pytest.param({"state": "failed", "at": str(DUE - 5 * HOUR)}, DUE - HOUR / 2, "at-risk", id="failed"),
        pytest.param({"state": "failed", "at": str(DUE - 5 * HOUR)}, DUE - 5 * HOUR, "on-time", id="failed early"),
        pytest.param({"state": "succeeded", "published": "x-1"}, DUE, None, id="published"),
        pytest.param({"state": "running", "at": str(DUE), "published": "x-1"}, DUE, None, id="published, runs again"),
        pytest.param({"state": "waived", "at": str(DUE)}, DUE, None, id="waived"),
        pytest.param({"state": "retracted", "at": str(DUE)}, DUE, "late", id="retracted"),
    ],
)
def test_how_a_period_stands(row: Facts, now: datetime, expected: str | None) -> None:
    """With a model that usually takes an hour."""
    assert stands(row, now) == expected


def test_without_past_runs_nothing_is_at_risk() -> None:
    """It is on time until it is late."""
    assert stands({}, DUE - timedelta(minutes=1), None) == "on-time"
    assert stands({}, DUE, None) == "late"


def test_backlog_is_neither_late_nor_on_time() -> None:
    """Nobody waited for what was due before the model's first release."""
    assert stands({}, DUE + HOUR, released_at=DUE + timedelta(seconds=1)) is None


def test_a_model_without_due_time_stands_nowhere() -> None:
    """But when to expect it is known all the same."""
    now = DUE
    assert timing(a_definition(), JANUARY, {}, now, LONG_AGO, expected({}, ENDS, now, HOUR)) is None
    assert expected({}, ENDS, now, HOUR) == DUE + HOUR
    assert expected({}, ENDS, ENDS - 5 * HOUR, HOUR) == ENDS + HOUR


@given(
    st.datetimes(datetime(2013, 1, 1), datetime(2013, 3, 1)),  # noqa: DTZ001
    st.timedeltas(timedelta(0), timedelta(days=20)),
    st.timedeltas(timedelta(0), timedelta(days=3)) | st.none(),
    st.sampled_from(["none", "running", "failed", "canceled", "staging"]),
)
def test_it_never_gets_better_by_waiting(
    moment: datetime, later: timedelta, takes: timedelta | None, state: str
) -> None:
    """While nothing happens, on time may become at risk and at risk late, and never the other way."""
    now, order = at(moment.isoformat()), [Timing.ON_TIME, Timing.AT_RISK, Timing.LATE]
    row = {"state": state, "at": now.isoformat()}

    before, after = stands(row, now, takes), stands(row, now + later, takes)

    assert order.index(Timing(before)) <= order.index(Timing(after))
