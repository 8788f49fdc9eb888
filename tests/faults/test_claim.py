"""The claim under faults: owners that sleep, vanish or are ended from outside, and what their late writes meet."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError

from tests.faults.scene import FILES, ROWS, Scene
from tests.running import eventually

ASLEEP = {"delay": 600}
CRASH = {"crash": "functions"}
HOURS = 3600

#: Where an owner falls asleep before it delivers: about to begin an activity, or with a request under way. Five at
#: once, since a sleeper holds one of the host's eight places for activities.
BEFORE_DELIVERY: dict[str, list[dict[str, Any]]] = {
    "steps until the job": [
        {"service": "functions", "operation": "ActivityStarted", "name": "plan_staging"},
        {"service": "functions", "operation": "ActivityStarted", "name": "copy_batch"},
        {"service": "functions", "operation": "ActivityStarted", "name": "finish_staging"},
        {"service": "functions", "operation": "ActivityStarted", "name": "submit_job"},
        {"service": "functions", "operation": "ActivityStarted", "name": "read_job"},
    ],
    "steps after the job": [
        {"service": "functions", "operation": "ActivityStarted", "name": "seal_outputs"},
        {"service": "functions", "operation": "ActivityStarted", "name": "verify_batch"},
        {"service": "functions", "operation": "ActivityStarted", "name": "write_manifest"},
        {"service": "functions", "operation": "ActivityStarted", "name": "grant_readers"},
        {"service": "functions", "operation": "ActivityStarted", "name": "publish_outputs"},
    ],
    "requests until the job": [
        {"operation": "CreateDirectory", "name": "models/M/P/*/inputs"},
        {"operation": "CreateDirectory", "name": "models/W"},
        {"operation": "PutBlobFromURL", "name": "models/M/P/*/a.txt"},
        {"operation": "PutBlob", "name": "models/M/P/*/inputs/manifest.json"},
        {"service": "aml", "operation": "PutJob", "name": "M--P--*"},
    ],
    "requests after the job": [
        {"operation": "SetAccessControl", "name": "models/W"},
        {"operation": "RenamePath", "name": "models/O"},
        {"operation": "PutBlob", "name": "models/O/manifest.json"},
        {"operation": "SetAccessControlRecursive", "name": "models/O/all"},
        {"operation": "SetAccessControl", "name": "models/O/_SUCCESS"},
    ],
}
#: Where an owner falls asleep on the way to readers.
IN_DELIVERY: dict[str, list[dict[str, Any]]] = {
    "the gate and the pointers": [
        # Places of one period alone: at those that all periods share, one day would meet the fault of another.
        {"operation": "SetAccessControl", "name": "models/O"},
        {"operation": "PutBlob", "name": "models/M/published/P.json"},
    ],
    "the record and the end": [
        {"operation": "PutBlob", "name": "control/runs/M/P/*/record-1.json"},
        {"service": "functions", "operation": "ActivityStarted", "name": "resolve_incident"},
        {"service": "functions", "operation": "ActivityStarted", "name": "announce_outputs"},
        {"service": "functions", "operation": "ActivityStarted", "name": "finish_run"},
    ],
}


@pytest.fixture(scope="module")
def model(shared_scene: Scene) -> str:
    """One model for all, with its twin: the period that nobody disturbed."""
    model = shared_scene.stage("claims")
    shared_scene.land(f"{model}/2024-01-01", ROWS)
    shared_scene.published(model, "2024-01-01")
    return model


@pytest.mark.parametrize("where", BEFORE_DELIVERY)
def test_an_owner_that_sleeps_through_its_deadline_wakes_to_nothing(scene: Scene, model: str, where: str) -> None:
    """CL-7, DP-5 (I1, I2, I4, I6): its run is taken over and published; awake again, it changes nothing of that.

    What it still writes meets a claim that is lost, a folder that was moved, or one that nobody but Slipway reads.
    """
    days = asleep(scene, model, BEFORE_DELIVERY, where)

    scene.advance(12 * HOURS)
    published = {day: scene.published(model, day) for day in days}
    before = {day: what_stands(scene, model, day) for day in days}
    scene.calm()

    for day in days:
        run = published[day]["run"]
        eventually(lambda run=run: scene.instance(f"{run}-a1")["runtimeStatus"] == "Completed")
        assert scene.instance(f"{run}-a1")["output"]["status"] == "superseded"
        assert what_stands(scene, model, day) == before[day]
        is_like_the_twin(scene, model, day, published[day], attempt=2)
        assert not sees(scene, "analyst", f"{model}/{day}/{run}/outputs-1")
        assert not scene.can_read("job", f"{model}/{day}/{run}/inputs/rows/{day}/a.txt")


@pytest.mark.parametrize("where", IN_DELIVERY)
def test_an_owner_that_sleeps_on_the_way_to_readers_is_rolled_forward(scene: Scene, model: str, where: str) -> None:
    """CL-7, PB-5 (I1, I3): past the point of no return, whoever finds it finishes it, once."""
    days = asleep(scene, model, IN_DELIVERY, where)

    scene.advance(1 * HOURS)
    published = {day: scene.published(model, day) for day in days}
    before = {day: what_stands(scene, model, day) for day in days}
    scene.calm()

    for day in days:
        run = published[day]["run"]
        eventually(lambda run=run: scene.instance(f"{run}-a1")["runtimeStatus"] in ("Completed", "Failed"))
        assert what_stands(scene, model, day) == before[day]
        is_like_the_twin(scene, model, day, published[day], attempt=1)
        assert scene.jobs(run) == [f"{run}-a1"]


def test_an_opener_that_wakes_after_its_set_was_closed_opens_nothing(scene: Scene) -> None:
    """CL-7 (I3, I15): rolled forward, superseded by corrected data, closed for good after the grace; then it wakes."""
    model, day = scene.stage("late-opener", more="corrections: 4000d\n"), "2024-01-01"
    scene.disturb(model, day, {"operation": "SetAccessControl", "name": "models/O"}, ASLEEP)
    scene.land(f"{model}/{day}", ROWS)
    scene.fired(1)
    scene.advance(1 * HOURS)
    old = scene.published(model, day)
    scene.land(f"{model}/{day}", {"a.txt": "corrected\n"})
    new = scene.published(model, day, other_than=old["run"])
    scene.advance(25 * HOURS)
    eventually(lambda: scene.record(model, day)["retired"] == [])
    before = what_stands(scene, model, day)

    scene.calm()

    eventually(lambda: scene.instance(f"{old['run']}-a1")["runtimeStatus"] == "Completed")
    assert what_stands(scene, model, day) == before
    assert scene.period(model, day)["published"] == new
    for folder in (old["folder"], old["folder"].replace("/outputs-", "/closed-")):
        assert not sees(scene, "analyst", folder)


def test_an_owner_that_sleeps_at_its_end_takes_no_inputs_from_the_resumed_attempt(scene: Scene) -> None:
    """CL-7 (I6): canceled and given up while it slept, and resumed; awake, it leaves the next attempt's job alone."""
    model, day = scene.stage("late-sealer", timeout=7200), "2024-01-01"
    scene.fault(ASLEEP, service="functions", operation="ActivityStarted", name="withdraw_rights", times=1)
    scene.land(f"{model}/{day}", {"a.txt": "hang"})
    run = scene.until(model, day, "running")["run"]
    assert scene.call("POST", f"runs/{run}/cancel", {"reason": "not today"})[0] == 202
    scene.fired(1)
    scene.advance(3 * HOURS)
    scene.ended(model, day, "canceled")
    assert scene.call("POST", f"runs/{run}/resume", {"reason": "today, after all"})[0] == 202
    scene.until(model, day, "running", attempt=2)

    scene.calm()

    eventually(lambda: scene.instance(f"{run}-a1")["runtimeStatus"] == "Completed")
    assert scene.can_read("job", f"{model}/{day}/{run}/inputs/rows/{day}/a.txt")
    assert scene.call("POST", f"runs/{run}/cancel", {"reason": "seen enough"})[0] == 202


def test_a_claim_without_an_orchestration_is_started(scene: Scene, model: str) -> None:
    """CL-3, CL-4, TR-9 (I6, I8): killed when the claim was reserved, and again when its instance was started."""
    day = "2024-01-30"
    scene.disturb(model, day, {"operation": "PutBlob", "name": "control/periods/M/P.json", "phase": "after"}, CRASH)
    where = {"service": "functions", "operation": "ActivityCompleted", "name": "start_run"}
    scene.fault(CRASH, **where, caller=f"*{model}--{day}", times=1)

    scene.land(f"{model}/{day}", ROWS)

    is_like_the_twin(scene, model, day, scene.published(model, day), attempt=1)


def test_an_ended_instance_that_is_started_again_does_nothing(scene: Scene, model: str) -> None:
    """CL-5 (I1, I11): the engine replaces a finished instance of the same id; the lake does not give it the run."""
    run = scene.period(model, "2024-01-01")["published"]["run"]
    before = what_stands(scene, model, "2024-01-01")

    status = scene.durable_start("run_model", f"{run}-a1", {"run": run, "attempt": 1})

    assert status == 202
    eventually(lambda: scene.instance(f"{run}-a1")["runtimeStatus"] == "Completed")
    eventually(lambda: scene.instance(f"{run}-a1")["output"]["status"] == "superseded")
    assert what_stands(scene, model, "2024-01-01") == before
    assert scene.jobs(run) == [f"{run}-a1"]


def test_a_start_that_is_swallowed_is_made_up_for(scene: Scene, model: str) -> None:
    """CL-6 (I8, I9): the instance exists and does not begin; the lake, not the engine, says that nothing happens.

    The next attempt publishes; the first, released at last, finds that it has lost.
    """
    day = "2024-01-31"
    where = {"service": "functions", "operation": "EpisodeCommitted", "name": "run_model", "times": 1}
    scene.fault(ASLEEP, **where, caller=f"{model}--{day}--*-a1")
    scene.land(f"{model}/{day}", ROWS)
    scene.fired(1)

    scene.outlive(model, day)
    published = scene.published(model, day)
    before = what_stands(scene, model, day)
    scene.calm()

    eventually(lambda: scene.instance(f"{published['run']}-a1")["runtimeStatus"] == "Completed")
    assert what_stands(scene, model, day) == before
    is_like_the_twin(scene, model, day, published, attempt=2)
    assert scene.jobs(published["run"]) == [f"{published['run']}-a2"]


#: A place to be ended from outside in each stage, and the jobs and attempt that come of it.
STAGES: dict[str, tuple[dict[str, Any], list[str], int]] = {
    "staging": ({"operation": "PutBlobFromURL", "name": "models/M/P/*/a.txt"}, ["a2"], 2),
    "queued": ({"service": "aml", "operation": "PutJob", "name": "M--P--*"}, ["a1"], 2),
    "running": ({"service": "functions", "operation": "ActivityStarted", "name": "read_job"}, ["a1"], 2),
    "verifying": ({"operation": "SetAccessControl", "name": "models/W"}, ["a1"], 2),
    "publishing": ({"operation": "SetAccessControl", "name": "models/O"}, ["a1"], 1),
}


@pytest.mark.parametrize("purge", [False, True], ids=["terminated", "terminated and purged"])
def test_an_instance_ended_from_outside(scene: Scene, purge: bool) -> None:
    """IN-7 (I7, I9, I10): by an operator, through the engine's own API, in each stage: no handler of ours runs.

    The run goes on as its next attempt, or is rolled forward; a job that was submitted is not run twice.
    """
    model = scene.stage("purged" if purge else "terminated")
    scene.land(f"{model}/2024-01-01", ROWS)
    scene.published(model, "2024-01-01")
    days = [f"2024-01-{day:02d}" for day in range(2, 7)]
    for day, (where, _, _) in zip(days, STAGES.values(), strict=True):
        put_to_sleep(scene, model, day, where)
        scene.land(f"{model}/{day}", ROWS)
    scene.fired(len(STAGES))
    runs = {day: scene.record(model, day)["claim"]["run"] for day in days}
    for run in runs.values():
        assert scene.durable("POST", f"{run}-a1", "/terminate", "&reason=by+hand")[0] == 202
        eventually(lambda run=run: scene.instance(f"{run}-a1")["runtimeStatus"] == "Terminated")
        if purge:
            assert scene.durable("DELETE", f"{run}-a1")[0] == 200
    scene.calm()
    submitted = [runs[day] for day, (_, jobs, _) in zip(days, STAGES.values(), strict=True) if jobs == ["a1"]]
    eventually(lambda: all(scene.job_states(run) == {f"{run}-a1": "Completed"} for run in submitted))

    scene.advance(12 * HOURS)

    for day, (_, jobs, attempt) in zip(days, STAGES.values(), strict=True):
        published = scene.published(model, day)
        is_like_the_twin(scene, model, day, published, attempt)
        assert scene.jobs(runs[day]) == [f"{runs[day]}-{job}" for job in jobs], day


def asleep(scene: Scene, model: str, all_: dict[str, list[dict[str, Any]]], where: str) -> list[str]:
    """Land a period for each place and wait until every owner is asleep there; returns the periods."""
    first = 2 if all_ is BEFORE_DELIVERY else 22
    offset = sum(len(all_[one]) for one in list(all_)[: list(all_).index(where)])
    days = [f"2024-01-{first + offset + number:02d}" for number in range(len(all_[where]))]
    for day, place in zip(days, all_[where], strict=True):
        put_to_sleep(scene, model, day, place)
        scene.land(f"{model}/{day}", ROWS)
    scene.fired(len(days))
    runs = [scene.record(model, day)["claim"]["run"] for day in days]
    eventually(lambda: all(ended(scene.job_states(run)) for run in runs))
    return days


def put_to_sleep(scene: Scene, model: str, day: str, place: dict[str, Any]) -> None:
    """Let the owner of a period's run fall asleep at a place, until the clock is moved by an hour or more.

    A request whose client has waited a minute for it is sent again: it falls asleep again.
    """
    if place.get("service") == "functions":
        scene.fault(ASLEEP, **place, times=1, caller=f"{model}--{day}--*")
    else:
        until = (scene.now() + timedelta(minutes=30)).isoformat()
        scene.disturb(model, day, {**place, "times": None, "until": until}, ASLEEP)


def ended(states: dict[str, str]) -> bool:
    """Whether none of the jobs can write any more."""
    return set(states.values()) <= {"Completed", "Failed", "Canceled"}


def what_stands(scene: Scene, model: str, day: str) -> dict[str, Any]:
    """All of a period that a late write could change: record, incident, and what readers read, down to the bytes."""
    card = scene.period(model, day)
    kept = {key: card[key] for key in ("active", "published", "last", "incident")}
    return {**kept, "outputs": scene.outputs(model, day), "numbers": scene.record(model, day)["numbers"]}


def is_like_the_twin(scene: Scene, model: str, day: str, published: dict[str, Any], attempt: int) -> None:
    """Published once, by this attempt, with the twin's bytes and a true record; no job is left."""
    run = published["run"]
    assert scene.outputs(model, day) == scene.outputs(model, "2024-01-01")
    assert set(scene.outputs(model, day)) == set(FILES)
    assert (published["generation"], published["attempt"]) == (1, attempt)
    assert {n: end["state"] for n, end in scene.ends(run).items()} == {attempt: "succeeded"}
    assert scene.period(model, day)["incident"] is None
    eventually(lambda: ended(scene.job_states(run)))


def sees(scene: Scene, principal: str, folder: str) -> bool:
    """Whether a principal can list a folder or read a file in it."""

    def readable(path: str) -> bool:
        try:
            return scene.can_read(principal, path)
        except ResourceNotFoundError:
            return False

    return any(readable(f"{folder}/{name}") for name in (*FILES, "manifest.json", "_SUCCESS"))
