"""Which periods the board shows: the newest, unless nothing has happened in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from slipway.catalog import Catalog, Released
from tests.unit.builders import a_definition
from triggers.models import Fleet

BEGUN, NOW = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 20, 12, tzinfo=UTC)
RUN = {"state": "succeeded", "run": "r", "attempt": "1", "at": NOW.isoformat()}


def a_board(models: dict[str, dict[str, Any]], runs: dict[str, list[str]], columns: int = 3) -> dict[str, list[str]]:
    """The periods that the board shows of each model; `runs` are those that have been run."""
    fleet = Fleet.__new__(Fleet)  # what its constructor reads from the lake is given here
    fleet.now, fleet._takes = NOW, {}
    months = {"path": "landing/flights/{period:%Y-%m}/", "cadence": "monthly", "complete": {"marker": "_SUCCESS"}}
    usual = {"cadence": "daily", "first_period": "2024-01-01", "inputs": {"flights": months}}
    definitions = [a_definition(name=name, **{**usual, **facts}) for name, facts in models.items()]
    released = {one.name: Released(one, one.version, BEGUN, BEGUN) for one in definitions}
    fleet.catalog = Catalog(1, released, {})
    fleet._rows = {name: dict.fromkeys(periods, RUN) for name, periods in runs.items()}
    rows = fleet.board(columns)["models"]
    return {row["model"]: [period["period"] for period in row["periods"]] for row in rows}


NEWEST, EARLIER = ["2024-01-19", "2024-01-18", "2024-01-17"], ["2024-01-03", "2024-01-02", "2024-01-01"]
WEEKLY = {"cadence": "weekly", "first_period": "2023-W50"}


@pytest.mark.parametrize(
    ("models", "runs", "shown"),
    [
        pytest.param({"a": {}}, {}, {"a": NEWEST}, id="nothing ever ran"),
        pytest.param({"a": {}}, {"a": ["2024-01-17"]}, {"a": NEWEST}, id="one of the newest ran"),
        pytest.param({"a": {}}, {"a": ["2024-01-03", "2024-01-01"]}, {"a": EARLIER}, id="an earlier one ran"),
        pytest.param({"a": {}}, {"a": ["2024-01-02"]}, {"a": EARLIER[1:]}, id="not before the first"),
        pytest.param(
            {"a": {}, "b": {}}, {"a": ["2024-01-03"], "b": ["2024-01-19"]}, {"a": NEWEST, "b": NEWEST},
            id="models of a cadence share their columns",
        ),
        pytest.param(
            {"a": {}, "w": WEEKLY}, {"a": ["2024-01-03"], "w": ["2024-W02"]},
            {"a": EARLIER, "w": ["2024-W02", "2024-W01", "2023-W52"]}, id="each cadence by itself",
        ),
        pytest.param(
            {"a": {"due": {"day": 1, "at": "09:00"}}}, {"a": ["2024-01-03"]},
            {"a": NEWEST}, id="one of the newest is late",
        ),
    ],
)  # fmt: skip
def test_the_board_begins_where_something_happened(
    models: dict[str, Any], runs: dict[str, list[str]], shown: dict[str, list[str]]
) -> None:
    """A board of nothing but dots tells nobody anything: past data that were run lie further back."""
    assert a_board(models, runs) == shown
