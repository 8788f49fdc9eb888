"""What the demonstration lands, and how it reads the cards and runs that the API answers."""

from __future__ import annotations

import pytest

from demo import landing
from demo.plan import Plan, cut_off
from demo.table import seconds_of
from demo.watch import failed, passed, settled

READY = {"readiness": {"ready": True, "inputs": {}}, "active": None, "published": None, "last": None}


def test_the_plan_is_two_months() -> None:
    """59 days, two months of the two monthly models, and one day early in the first month is broken at first."""
    plan = Plan()

    assert (len(plan.expected), len(plan.monthly)) == (63, 4)
    assert plan.broken == "2013-01-09"
    assert plan.files == 59 + 1 + 2 * 4 + 1


def test_the_short_form_runs_the_daily_model_alone() -> None:
    """Its last day is the broken one."""
    plan = Plan(("2013-01",), days=2)

    assert plan.expected == [("weather-daily", "2013-01-01"), ("weather-daily", "2013-01-02")]
    assert (plan.broken, plan.files) == ("2013-01-02", 3)


def test_a_broken_transfer_ends_within_a_row() -> None:
    """The last row lacks fields, so the model can tell that something is missing."""
    [whole] = landing.weather("2013-01-09").values()
    rows = cut_off(whole).decode().splitlines()

    assert whole.startswith(cut_off(whole))
    assert 0 < rows[-1].count(",") < rows[0].count(",")


@pytest.mark.parametrize(
    ("stage", "stages"),
    [("claimed", 2), ("staging", 2), ("queued", 3), ("running", 3), ("verifying", 4), ("publishing", 4)],
)
def test_a_run_under_way_tells_how_far_its_period_is(stage: str, stages: int) -> None:
    """Landed and ready are behind it; staged, job and published follow."""
    assert passed({**READY, "active": {"stage": stage}}) == stages


def test_a_period_without_a_run_is_as_far_as_its_inputs() -> None:
    """Something of each input, then all of it."""
    some = {"scores": {"files": 1}, "weather": {"files": 0}}

    assert passed(None) == 0
    assert passed({**READY, "readiness": {"ready": False, "inputs": some}}) == 0
    assert passed({**READY, "readiness": {"ready": False, "inputs": {"flights": {"files": 2}}}}) == 1
    assert passed(READY) == 2


def test_a_period_is_settled_when_its_run_has_ended_well() -> None:
    """Not while the run still writes its record, and not after a failure."""
    published = {**READY, "published": {"run": "r"}, "last": {"state": "succeeded"}}
    broken = {**READY, "last": {"state": "failed"}}

    assert (settled(published), failed(published), passed(published)) == (True, False, 5)
    assert not settled({**published, "active": {"stage": "published"}})
    assert (settled(broken), failed(broken)) == (False, True)


def test_seconds_are_counted_from_step_to_step() -> None:
    """Together they are the run, whatever lies between two steps; what a run never reached has none."""
    view = {
        "since": "2013-02-01T00:00:00+00:00",
        "steps": [
            {
                "step": "finish_staging",
                "started_at": "2013-02-01T00:00:01+00:00",
                "ended_at": "2013-02-01T00:00:02+00:00",
            },
            {
                "step": "seal_outputs",
                "started_at": "2013-02-01T00:00:09.5+00:00",
                "ended_at": "2013-02-01T00:00:10+00:00",
            },
        ],
        "attempts": [{"ended_at": "2013-02-01T00:00:12+00:00"}],
    }

    assert seconds_of(view) == {"stage": 2.0, "job": 7.5, "verify": None, "publish": None, "total": 12.0}
