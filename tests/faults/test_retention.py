"""Retention (OP-2): what is old goes, also when a pass is killed in the middle; what is needed stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.faults.scene import Scene
from tests.flows.sink import Sink
from tests.flows.yard import read
from tests.running import PROJECT, LocalCloud, eventually

REASON = {"reason": "the shop list was wrong"}
TWICE, FAILED, ACTIVE = "2024-01-01", "2024-01-02", "2024-01-03"
DAY = 86_400.0


@pytest.fixture
def old_scene(tmp_path: Path, authority: Path) -> Iterator[Scene]:
    """An app of its own, since time passes in months; retention passes every two seconds."""
    settings = {"SLIPWAY_RECONCILE_SCHEDULE": "*/2 * * * * *", "SLIPWAY_RETENTION_SCHEDULE": "*/2 * * * * *"}
    sink = Sink()
    cloud = LocalCloud(PROJECT, tmp_path / "state", authority, variables=settings | sink.settings())
    yield Scene(cloud.start(), tmp_path / "models", sink)
    cloud.stop()
    sink.stop()


def inside(scene: Scene, run: str, filesystem: str = "models") -> list[str]:
    """What lies directly in a run's folder."""
    model, period, _ = run.split("--")
    found = scene.lake("app", filesystem).get_paths(f"{model}/{period}/{run}", recursive=False)
    return sorted(path.name.rpartition("/")[2] for path in found)


def last_pass(scene: Scene) -> dict[str, Any]:
    """What the last pass left; empty before the first."""
    return scene.document("retention/last.json") or {}


def passed(scene: Scene) -> dict[str, Any]:
    """Wait for a whole pass that begins after now; returns what it left."""
    begun = scene.now()

    def whole() -> dict[str, Any] | None:
        """The last pass, if it began since."""
        found = last_pass(scene)
        return found if found and datetime.fromisoformat(found["started_at"]) > begun else None

    found: dict[str, Any] = eventually(whole)
    return found


@dataclass(frozen=True)
class Past:
    """What has happened when the months begin to pass: the runs, and what could be read of them."""

    model: str
    superseded: str
    published: str
    failed: str
    outputs: dict[str, tuple[int, str]]  #: of the published run
    told: list[dict[str, Any]]  #: the history of the superseded run
    asked: set[str]  #: the files of the requests that people have made


def test_what_is_old_goes_and_what_is_needed_stays(old_scene: Scene) -> None:
    """Class by class: inputs, the engine's history, what may be resumed, superseded sets. Published outputs stay."""
    past = a_past(old_scene)
    after_a_month_a_dry_run_tells_what_would_go(old_scene, past)
    active = a_pass_that_is_killed_half_way_is_made_up_for(old_scene, past)
    the_engine_has_forgotten_what_ended(old_scene, past, active)
    after_three_months_nothing_is_left_to_go_on_from(old_scene, past, active)
    what_is_done_is_not_looked_at_again(old_scene, past)


def a_past(scene: Scene) -> Past:
    """A period run twice, one that failed and whose kept history was lost, and two requests of people."""
    model = scene.stage("retained")
    scene.land(f"{model}/{TWICE}", {"a.txt": "old"})
    superseded = scene.published(model, TWICE)["run"]
    scene.land(f"{model}/{TWICE}", {"a.txt": "new"})
    published = scene.published(model, TWICE, other_than=superseded)["run"]
    scene.land(f"{model}/{FAILED}", {"a.txt": "fail"})
    failed = scene.ended(model, FAILED, "failed")["run"]
    lost = f"runs/{model}/{FAILED}/{failed}/history-1.json"
    eventually(lambda: scene.document(lost))
    scene.lake("app", "control").delete_file(lost)
    assert scene.call("POST", f"models/{model}/pause", REASON, {"Idempotency-Key": "pause"})[0] == 200
    assert scene.call("POST", f"models/{model}/unpause", REASON, {"Idempotency-Key": "unpause"})[0] == 200
    outputs, told = scene.outputs(model, TWICE), scene.get(f"runs/{superseded}/history")["timeline"]
    asked = requests_of(scene)
    assert len(asked) >= 2
    return Past(model, superseded, published, failed, outputs, told, asked)


def after_a_month_a_dry_run_tells_what_would_go(scene: Scene, past: Past) -> None:
    """While nothing below a run can be deleted; people's requests can."""
    scene.fault({"status": 403}, service="storage", operation="DeletePath")
    scene.advance(31 * DAY)
    eventually(lambda: last_pass(scene).get("failed"))
    would = {row["name"]: row for row in scene.get("retention?dry_run=yes")["classes"]}
    assert (would["inputs"]["count"], would["inputs"]["runs"], would["inputs"]["uncounted"]) == (2, 2, 0)
    assert (would["inputs"]["files"], would["inputs"]["bytes"]) == (2, 6), "a file of three bytes each"
    assert f"models/{past.model}/{TWICE}/{past.published}/inputs" in would["inputs"]["examples"]
    eventually(lambda: not past.asked & requests_of(scene))


def a_pass_that_is_killed_half_way_is_made_up_for(scene: Scene, past: Past) -> str:
    """Killed when the record says what is gone, before any byte goes. A run that hangs meanwhile is returned."""
    scene.calm()
    where = {"operation": "DeletePath", "name": f"models/M/P/{past.superseded}/inputs"}
    scene.disturb(past.model, TWICE, where, {"crash": "functions"})
    scene.fired(1)
    assert "inputs" in inside(scene, past.superseded)
    assert "inputs" in scene.record(past.model, TWICE)["gone"][past.superseded]
    again = {"period": TWICE, "inputs": past.superseded, **REASON}
    assert refusal(scene, f"models/{past.model}/runs", again)["title"] == "Inputs are gone"
    scene.land(f"{past.model}/{ACTIVE}", {"a.txt": "hang"})
    active: str = scene.until(past.model, ACTIVE, "running")["run"]
    eventually(lambda: "inputs" not in inside(scene, past.superseded))
    eventually(lambda: "inputs" not in inside(scene, past.published))
    assert scene.outputs(past.model, TWICE) == past.outputs
    assert {"inputs", "work-1"} <= set(inside(scene, past.failed)), "a person may resume it"
    return active


def the_engine_has_forgotten_what_ended(scene: Scene, past: Past, active: str) -> None:
    """And nothing of it is lost; what is running it still knows."""
    for run in (past.superseded, past.failed):
        eventually(lambda run=run: scene.instance(f"{run}-a1")["runtimeStatus"] is None)
    assert scene.get(f"runs/{past.superseded}/history")["timeline"] == past.told
    known = {entry["what"]: entry for entry in scene.get(f"runs/{past.failed}/history")["timeline"]}
    assert known["read_job"]["outcome"] == "failure", "receipts do not tell that: its history was kept first"
    assert scene.instance(f"{active}-a1")["runtimeStatus"] == "Running"
    assert "inputs" in inside(scene, active)


def after_three_months_nothing_is_left_to_go_on_from(scene: Scene, past: Past, active: str) -> None:
    """Until then a superseded set, closed after its grace, may be published again, and a failed run go on."""
    assert inside(scene, past.superseded) == ["closed-1"]
    assert scene.call("POST", f"runs/{active}/cancel", REASON)[0] == 202
    scene.ended(past.model, ACTIVE, "canceled")
    would = scene.get("retention?dry_run=yes")
    assert {row["name"]: row["count"] for row in would["classes"] if row["count"]} == {}
    scene.advance(60 * DAY)
    for run in (past.superseded, past.failed):
        eventually(lambda run=run: inside(scene, run) == [])
    publish = f"models/{past.model}/periods/{TWICE}/publish"
    assert refusal(scene, publish, {"run": past.superseded, **REASON})["title"] == "Cannot be published"
    assert "ask for a new run" in refusal(scene, f"runs/{past.failed}/resume", REASON)["detail"]
    assert scene.outputs(past.model, TWICE) == past.outputs
    assert {"inputs", "work-1"} <= set(inside(scene, active)), "it was canceled a month after the others had ended"


def what_is_done_is_not_looked_at_again(scene: Scene, past: Past) -> None:
    """OP-1: what the runs were is known for good, and a new run of the same inputs works from scratch."""
    assert passed(scene)["looked"] == 0
    assert json.loads(read(scene.lake("app", "control"), f"runs/{past.model}/{TWICE}/{past.superseded}/run.json"))
    status, accepted = scene.call("POST", f"models/{past.model}/runs", {"period": TWICE, **REASON})
    assert status == 202, accepted
    assert scene.published(past.model, TWICE, other_than=past.published)["run"] == accepted["run"]


def requests_of(scene: Scene) -> set[str]:
    """The files of people's requests that are kept."""
    return {path.name for path in scene.lake("app", "control").get_paths("requests")}


def refusal(scene: Scene, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The problem with which a request is refused as a conflict."""
    status, problem = scene.call("POST", path, body)
    assert status == 409, problem
    return problem
