"""kill -9 of everything, at chosen moments of runs: after the next start each run finishes, once (LO-1, I20)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.flows.yard import JOB, Yard, read
from tests.running import eventually

#: Moments in the life of a run: which request of the app the kill meets, before its effect or after it.
MOMENTS: dict[str, dict[str, Any]] = {
    "reserving": {"operation": "PutBlob", "name": "control/periods/MODEL/*", "phase": "after", "nth": 1},
    "copying": {"operation": "PutBlobFromURL", "name": "models/MODEL/*", "nth": 2},
    "submitting": {"operation": "PutJob", "name": "MODEL--*", "phase": "after"},
    "pointing": {"operation": "PutBlob", "name": "models/MODEL/published/*.json", "phase": "after", "nth": 1},
    "recording": {"operation": "PutBlob", "name": "control/runs/MODEL/*/record-1.json", "phase": "after"},
}
DAY = "2024-01-01"


@pytest.fixture(scope="module")
def fragile_yard(own_yard: Callable[..., Yard]) -> Yard:
    """A yard of these tests' own, to be killed."""
    return own_yard()


def test_every_started_run_finishes_once_whenever_everything_is_killed(fragile_yard: Yard) -> None:
    """One job a run, one record, published as if nothing had happened; and the runs beside it come through as well."""
    yard = fragile_yard
    twin = yard.a_model("twin")
    yard.land(f"{twin}/{DAY}", {"a.txt": "one", "b.txt": "two", "c.txt": "three"})
    yard.published(twin, DAY)
    models = {moment: yard.a_model(f"killed-{moment}") for moment in MOMENTS}

    for moment, where in MOMENTS.items():
        yard.fault({"crash": True}, **{**where, "name": where["name"].replace("MODEL", models[moment])}, times=1)
        yard.land(f"{models[moment]}/{DAY}", {"a.txt": "one", "b.txt": "two", "c.txt": "three"})
        yard.cloud.wait()
        yard.cloud.start()

    for model in models.values():
        run = yard.run(yard.published(model, DAY)["run"])
        assert yard.outputs(model, DAY) == yard.outputs(twin, DAY)
        assert (run["state"], run["attempt"]) == ("succeeded", 1), model
        assert [attempt["state"] for attempt in run["attempts"]] == ["succeeded"]
        assert yard.jobs(f"{model}--") == [f"{run['run']}-a1"]
        latest = json.loads(read(yard.lake("analyst", "models"), f"{model}/published/latest.json"))
        assert latest["run"] == run["run"]


def test_kills_at_any_instant_end_as_none_would(fragile_yard: Yard) -> None:
    """Three models land; the cloud is killed again and again, after a while that grows; nothing is done twice."""
    yard = fragile_yard
    models = [yard.a_model(f"often-{number}") for number in range(3)]
    for number, model in enumerate(models):
        yard.land(f"{model}/{DAY}", {"a.txt": f"{number}"})

    for tenths in (3, 8, 15):
        time.sleep(tenths / 10)
        yard.cloud.kill()
        yard.cloud.start()

    for number, model in enumerate(models):
        run = yard.run(yard.published(model, DAY)["run"])
        assert (run["state"], run["attempt"]) == ("succeeded", 1)
        assert yard.jobs(f"{model}--") == [f"{run['run']}-a1"]
        assert yard.outputs(model, DAY)["all/all.txt"][0] == len(f"{DAY}/a.txt: {number}")


def test_the_engine_s_storage_is_lost_and_every_run_goes_on(fragile_yard: Yard) -> None:
    """IN-7, DP-1 (I9): a new task hub knows of no orchestration; the lake knows what each run was about.

    Where a person says so, a run goes on at once, and takes over the job that completed meanwhile; where nobody does,
    when the time has passed that its owner had set itself. What lands afterwards starts as ever.
    """
    yard = fragile_yard
    gate = yard.models / "gate"
    waits = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.1)\n{JOB}"
    computing = yard.a_model("hub-job", job=waits, timeout=600)
    staging, left = yard.a_model("hub-staging"), yard.a_model("hub-left")
    for model in (staging, left):
        yard.fault({"delay": 600}, operation="PutBlobFromURL", name=f"models/{model}/*")
        yard.land(f"{model}/{DAY}", {"a.txt": "good"})
    yard.land(f"{computing}/{DAY}", {"a.txt": "good"})
    for model, stage in ((staging, "staging"), (left, "staging"), (computing, "running")):
        eventually(lambda model=model, stage=stage: active(yard, model).get("stage") == stage)
    runs = {model: active(yard, model)["run"] for model in (computing, staging, left)}
    assert yard.call("POST", f"runs/{runs[staging]}/take-over", {"reason": "is it gone?"})[0] == 409, "it is not"

    yard.cloud.kill()
    for file in yard.cloud.state.glob("functions.db*"):
        file.unlink()
    yard.cloud.start()
    yard.calm()
    gate.touch()

    eventually(lambda: yard.job_states(runs[computing]) == {f"{runs[computing]}-a1": "Completed"})
    for model in (computing, staging):
        assert yard.call("POST", f"runs/{runs[model]}/take-over", {"reason": "the hub is lost"})[0] == 202
        assert yard.run(yard.published(model, DAY)["run"])["attempt"] == 2
    assert yard.jobs(f"{computing}--") == [f"{runs[computing]}-a1"]
    assert active(yard, left)["run"] == runs[left]
    yard.land(f"{computing}/2024-01-02", {"a.txt": "good"})
    yard.published(computing, "2024-01-02")

    yard.cloud.advance("76m")

    assert yard.published(left, DAY)["run"] == runs[left]


def active(yard: Yard, model: str) -> dict[str, Any]:
    """The active run of a model's day; empty where there is none."""
    return yard.period(model, DAY)["active"] or {}
