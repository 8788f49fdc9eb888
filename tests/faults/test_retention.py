"""Retention (OP-2): what is old goes, also when a pass is killed in the middle; what is needed stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
        found = last_pass(scene)
        return found if found and datetime.fromisoformat(found["started_at"]) > begun else None

    found: dict[str, Any] = eventually(whole)
    return found


def test_what_is_old_goes_and_what_is_needed_stays(old_scene: Scene) -> None:
    """Class by class: inputs, the engine's history, what may be resumed, superseded sets. Published outputs stay."""
    scene = old_scene
    model = scene.stage("retained")
    scene.land(f"{model}/{TWICE}", {"a.txt": "old"})
    superseded = scene.published(model, TWICE)["run"]
    scene.land(f"{model}/{TWICE}", {"a.txt": "new"})
    published = scene.published(model, TWICE, other_than=superseded)["run"]
    scene.land(f"{model}/{FAILED}", {"a.txt": "fail"})
    failed = scene.ended(model, FAILED, "failed")["run"]
    outputs = scene.outputs(model, TWICE)
    told = scene.get(f"runs/{superseded}/history")["timeline"]
    lost = f"runs/{model}/{FAILED}/{failed}/history-1.json"
    eventually(lambda: scene.document(lost))
    scene.lake("app", "control").delete_file(lost)  # as if its writing had been lost

    assert scene.call("POST", f"models/{model}/pause", REASON, {"Idempotency-Key": "pause"})[0] == 200
    assert scene.call("POST", f"models/{model}/unpause", REASON, {"Idempotency-Key": "unpause"})[0] == 200
    asked = {path.name for path in scene.lake("app", "control").get_paths("requests")}
    assert len(asked) >= 2

    # A month later nothing can be deleted at first: a dry run tells what would go.
    scene.fault({"status": 403}, service="storage", operation="DeletePath")
    scene.advance(31 * DAY)
    eventually(lambda: last_pass(scene).get("failed"))
    would = {row["name"]: row for row in scene.get("retention?dry_run=yes")["classes"]}
    assert (would["inputs"]["count"], would["inputs"]["runs"], would["inputs"]["uncounted"]) == (2, 2, 0)
    assert (would["inputs"]["files"], would["inputs"]["bytes"]) == (2, 6), "a file of three bytes each"
    assert f"models/{model}/{TWICE}/{published}/inputs" in would["inputs"]["examples"]
    eventually(lambda: not asked & {path.name for path in scene.lake("app", "control").get_paths("requests")})

    # Then a pass is killed when the record says what is gone, before any byte goes. And a run hangs.
    scene.calm()
    where = {"operation": "DeletePath", "name": f"models/M/P/{superseded}/inputs"}
    scene.disturb(model, TWICE, where, {"crash": "functions"})
    scene.fired(1)
    assert "inputs" in inside(scene, superseded)
    assert "inputs" in scene.record(model, TWICE)["gone"][superseded]
    status, problem = scene.call("POST", f"models/{model}/runs", {"period": TWICE, "inputs": superseded, **REASON})
    assert (status, problem["title"]) == (409, "Inputs are gone"), problem
    scene.land(f"{model}/{ACTIVE}", {"a.txt": "hang"})
    scene.until(model, ACTIVE, "running")
    eventually(lambda: "inputs" not in inside(scene, superseded))
    eventually(lambda: "inputs" not in inside(scene, published))
    assert scene.outputs(model, TWICE) == outputs
    assert {"inputs", "work-1"} <= set(inside(scene, failed)), "a person may resume it"

    # The engine has forgotten what ended, and nothing of it is lost; what is running it still knows.
    eventually(lambda: scene.instance(f"{superseded}-a1")["runtimeStatus"] is None)
    eventually(lambda: scene.instance(f"{failed}-a1")["runtimeStatus"] is None)
    assert scene.get(f"runs/{superseded}/history")["timeline"] == told
    known = {entry["what"]: entry for entry in scene.get(f"runs/{failed}/history")["timeline"]}
    assert known["read_job"]["outcome"] == "failure", "receipts do not tell that: its history was kept first"
    active = scene.period(model, ACTIVE)["active"]["run"]
    assert scene.instance(f"{active}-a1")["runtimeStatus"] == "Running"
    assert "inputs" in inside(scene, active)

    # The superseded set, closed after its grace, may be published again until its age; so may the failed run go on.
    assert inside(scene, superseded) == ["closed-1"]
    assert scene.call("POST", f"runs/{active}/cancel", REASON)[0] == 202
    scene.ended(model, ACTIVE, "canceled", 90)
    would = scene.get("retention?dry_run=yes")
    assert {row["name"]: row["count"] for row in would["classes"] if row["count"]} == {}
    scene.advance(60 * DAY)
    eventually(lambda: inside(scene, superseded) == [])
    eventually(lambda: inside(scene, failed) == [])
    status, problem = scene.call("POST", f"models/{model}/periods/{TWICE}/publish", {"run": superseded, **REASON})
    assert (status, problem["title"]) == (409, "Cannot be published"), problem
    status, problem = scene.call("POST", f"runs/{failed}/resume", REASON)
    assert (status, "ask for a new run" in problem["detail"]) == (409, True), problem
    assert scene.outputs(model, TWICE) == outputs
    assert {"inputs", "work-1"} <= set(inside(scene, active)), "it was canceled a month after the others had ended"

    # What is done is not looked at again.
    assert passed(scene)["looked"] == 0
    assert json.loads(read(scene.lake("app", "control"), f"runs/{model}/{TWICE}/{superseded}/run.json"))

    # OP-1: a run of the same inputs works from scratch.
    status, accepted = scene.call("POST", f"models/{model}/runs", {"period": TWICE, **REASON})
    assert status == 202, accepted
    assert scene.published(model, TWICE, 90, other_than=published)["run"] == accepted["run"]
