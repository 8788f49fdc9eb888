"""Stores that are full, locked or damaged under a running app."""

from __future__ import annotations

import pytest

from tests.faults.scene import ROWS, Scene
from tests.running import eventually

DAY, TWIN = "2024-01-02", "2024-01-01"


def twin(scene: Scene, name: str) -> str:
    """A model with one period published undisturbed; returns its name."""
    model = scene.stage(name)
    scene.land(f"{model}/{TWIN}", ROWS)
    scene.published(model, TWIN)
    return model


@pytest.mark.parametrize("store", ["lake", "cloud", "engine"])
def test_a_disk_is_full_for_a_while(scene: Scene, store: str) -> None:
    """LO-2 (I2, I11, I20): whatever cannot grow, the period is published once there is room, and never by half."""
    model = twin(scene, f"full-{store}")
    scene.land(f"{model}/{DAY}", ROWS)
    scene.fault({"full": 0}, service="disk", name=store)
    scene.fired(1)
    scene.calm()
    published = scene.published(model, DAY)
    assert scene.outputs(model, DAY) == scene.outputs(model, TWIN)
    assert list(scene.job_states(published["run"]).values()).count("Completed") == 1


def test_the_disk_of_a_job_is_full(scene: Scene) -> None:
    """LO-2 (I10): the run fails and says what did not fit; resumed once there is room, it is published."""
    model = twin(scene, "full-jobs")
    scene.fault({"full": 0}, service="disk", name="jobs")
    scene.land(f"{model}/{DAY}", ROWS)
    run = scene.ended(model, DAY, "failed")["run"]
    scene.calm()
    assert "No space left" in scene.run(run)["failure"]["message"]
    assert scene.call("POST", f"runs/{run}/resume", {"reason": "there is room again"})[0] == 202
    published = scene.published(model, DAY)
    assert (published["run"], published["attempt"]) == (run, 2)
    assert scene.outputs(model, DAY) == scene.outputs(model, TWIN)


@pytest.mark.parametrize("store", ["cloud", "engine"])
def test_a_database_is_locked_for_eight_seconds(scene: Scene, store: str) -> None:
    """LO-3 (I20): no transition is lost, and no other attempt is needed."""
    model = twin(scene, f"locked-{store}")
    where = {"service": "functions", "operation": "ActivityStarted", "name": "submit_job"}
    scene.fault({"lock": store, "seconds": 8}, **where, times=1)
    scene.land(f"{model}/{DAY}", ROWS)
    published = scene.published(model, DAY)
    scene.fired(1)
    assert (published["attempt"], published["generation"]) == (1, 1)
    assert scene.outputs(model, DAY) == scene.outputs(model, TWIN)


@pytest.mark.parametrize("kind", ["ExecutionStarted", "TaskCompleted"])
def test_a_message_of_a_run_cannot_be_read(scene: Scene, kind: str) -> None:
    """DP-7, CL-6 (I9, I14): its instance stands still, others do not; past its deadline the next attempt goes on."""
    model = twin(scene, f"poison-{kind.lower()}")
    scene.fault({"corrupt": True}, service="functions", operation=kind, name="run_model", times=1)
    scene.land(f"{model}/{DAY}", ROWS)
    scene.fired(1)
    other = twin(scene, f"beside-{kind.lower()}")
    eventually(lambda: scene.record(model, DAY).get("claim"))
    scene.outlive(model, DAY)
    published = scene.published(model, DAY)
    assert published["attempt"] == 2
    assert scene.outputs(model, DAY) == scene.outputs(other, TWIN)
