"""Models of several cadences together: readers of one producer, and a model whose cadence is changed."""

from __future__ import annotations

import json
from typing import Any

from tests.flows.yard import MODEL, Yard, read

DAY = "2024-01-05"
INPUT = 'path: "landing/NAME/{period:%Y-%m-%d}/", complete: {marker: _SUCCESS}'
WEEKLY = (
    MODEL.replace("daily", "weekly")
    .replace("2024-01-01", "2024-W01")
    .replace("2024-03-31", "2024-W13")
    .replace("%Y-%m-%d", "%G-W%V")
)


def reader(cadence: str, first: str, last: str) -> str:
    """A model of this cadence that reads what another one publishes for each day of its periods."""
    text = MODEL.replace("daily", cadence).replace("2024-01-01", first).replace("2024-03-31", last)
    return text.replace(INPUT, "from: cadence-producer/all, cadence: daily, periods: within")


def test_a_run_tells_of_readers_of_several_cadences(yard: Yard) -> None:
    """The newest first."""
    model = yard.a_model("cadence-producer")
    yard.a_model("cadence-by-week", reader("weekly", "2024-W01", "2024-W13"))
    yard.a_model("cadence-by-month", reader("monthly", "2024-01", "2024-03"))
    yard.land(f"{model}/{DAY}", {"a.txt": "good"})
    run = yard.published(model, DAY)["run"]

    told = yard.get(f"runs/{run}/lineage")["downstream"]

    assert [(one["model"], one["period"]) for one in told] == [
        ("cadence-by-month", "2024-01"),
        ("cadence-by-week", "2024-W01"),
    ]


def test_a_model_whose_cadence_is_changed_goes_on(yard: Yard) -> None:
    """Its latest pointer goes on to what ends later, and falls back to the days when that is retracted."""
    model = yard.a_model("cadence-changed")
    yard.land(f"{model}/{DAY}", {"a.txt": "a day"})
    day = yard.published(model, DAY)
    yard.a_model(model, WEEKLY)
    yard.land(f"{model}/2024-W01", {"a.txt": "a week"})

    week = yard.published(model, "2024-W01")

    assert latest(yard, model)["run"] == week["run"]
    reason = {"reason": "the days were right"}
    assert yard.call("POST", f"models/{model}/periods/2024-W01/retract", reason)[0] == 202
    assert latest(yard, model)["run"] == day["run"]
    assert yard.period(model, "2024-W01")["active"] is None


def latest(yard: Yard, model: str) -> dict[str, Any]:
    """What the pointer to the latest period says."""
    pointer: dict[str, Any] = json.loads(read(yard.lake("app", "models"), f"{model}/published/latest.json"))
    return pointer
