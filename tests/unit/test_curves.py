"""The pictures of what a model says of itself, and what they weigh on its page."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from slipway.metrics import MOST
from triggers.curves import HEIGHT, MARGIN, WIDTH, curves
from triggers.rendering import shown
from triggers.trend import trend


def row(day: int, **metrics: float) -> dict[str, Any]:
    """A period as a list has it."""
    return {"period": f"2024-01-{day:02}", "metrics": metrics}


def points(path: str) -> list[tuple[str, float, float]]:
    """The steps of a line: how each is drawn, and where to."""
    return [(how, float(x), float(y)) for how, x, y in re.findall(r"([ML])([\d.]+) ([\d.]+)", path)]


def test_a_curve_goes_from_the_oldest_period_on_to_scale_and_leaves_gaps() -> None:
    """The lowest value at the bottom, the highest at the top; what is not published is not drawn through."""
    found = curves([row(6), row(5, mae=2.0), row(4, mae=1.0), row(3), row(2, rows=7.0), row(1, mae=3.0)])

    assert found["periods"] == ["2024-01-05", "2024-01-04"]
    [mae] = found["rows"]
    assert (mae["name"], mae["values"], [label["words"] for label in mae["labels"]]) == ("mae", ["2", "1"], ["3", "1"])
    assert points(mae["line"]) == [
        ("M", MARGIN, MARGIN),
        ("M", MARGIN + 0.75 * (WIDTH - 2 * MARGIN), HEIGHT - MARGIN),
        ("L", WIDTH - MARGIN, HEIGHT / 2),
    ]
    assert mae["dots"].count("h0") == 3
    assert mae["words"] == "mae, 3 of 5 periods from 2024-01-01 to 2024-01-05: lowest 1, highest 3"


def test_metrics_are_those_of_the_two_newest_periods_that_have_any() -> None:
    """One that came or went has an empty place; one that went long ago is not shown."""
    found = curves([row(4, new=1.0), row(3), row(2, old=2.0), row(1, ancient=3.0)])

    assert [(one["name"], one["values"]) for one in found["rows"]] == [("new", ["1", ""]), ("old", ["", "2"])]


def test_without_metrics_there_is_no_picture() -> None:
    """Most models say nothing."""
    assert curves([])["rows"] == curves([row(1), row(2)])["rows"] == []


def test_one_value_alone_is_level() -> None:
    """And so is one that never moves; it is told once."""
    for given_ in ([row(1, mae=5.0)], [row(2, mae=5.0), row(1, mae=5.0)]):
        [one] = curves(given_)["rows"]
        assert {y for _, _, y in points(one["line"])} == {HEIGHT / 2}
        assert [label["words"] for label in one["labels"]] == ["5"]


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40))
def test_every_dot_lies_within_the_picture(values: list[float | None]) -> None:
    """Whatever the values, as near or as far as numbers can be."""
    given_ = [{"period": "2024-01-01", "metrics": {} if value is None else {"mae": value}} for value in values]
    for one in curves(given_)["rows"]:
        drawn = points(one["line"])
        assert len(drawn) == len([value for value in values if value is not None])
        assert all(MARGIN <= x <= WIDTH - MARGIN and MARGIN <= y <= HEIGHT - MARGIN for _, x, y in drawn)


def test_a_models_page_with_all_metrics_stays_light() -> None:
    """A hundred periods, each with as many metrics as may be, of names as long as may be."""
    periods = [period(number) for number in range(100)]
    page = shown(
        "model.html", model=MODEL, periods={"periods": periods, "next": None}, cards=[], trend=trend(periods),
        curves=curves(periods),
    ).get_body()  # fmt: skip

    assert page.count(b'<svg class="curve"') == MOST
    assert len(page) < 200_000


def period(number: int) -> dict[str, Any]:
    """A published period with everything that its row may show."""
    run, money = f"{'m' * 40}--2024-01-01T{number:02}Z--0a1b2c3d-1", {"amount": 12.34, "currency": "EUR"}
    used = {"seconds": 90.0 + number, "job_seconds": 60.0, "nodes": 1, "node_hours": 0.25, "compute": "cpu-cluster"}
    metrics = {f"{one:02}{'n' * 58}": number * 1.2345 + one for one in range(MOST)}
    return {
        "period": f"2024-01-01T{number:02}Z", "state": "succeeded", "run": run, "published": run[:-1] + "2",
        "due": "2024-01-01T00:00:00+00:00", "late": False, "timing": None, "incident": None, "metrics": metrics,
        "used": {**used, "input_bytes": 10**9, "output_bytes": 10**7, "cost": money},
    }  # fmt: skip


MODEL: dict[str, Any] = {
    "model": "m" * 40, "description": "How late?", "owner": "ops", "cadence": "hourly", "timezone": "UTC",
    "first_period": "2024-01-01T00Z", "last_period": None, "version": "0123456789ab",
    "released_at": "2024-01-01T00:00:00+00:00", "paused": None, "usual_seconds": 90.0, "readers": [], "inputs": {},
    "outputs": ["quality"], "consumers": [],
}  # fmt: skip
