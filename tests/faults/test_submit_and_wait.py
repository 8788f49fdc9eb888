"""Submitting a job and waiting for it, while answers are lost, the service is busy, and events lie or are missing."""

from __future__ import annotations

from typing import Any

import pytest
from azure.ai.ml import MLClient, command
from azure.ai.ml.entities import Environment
from azure.identity import DefaultAzureCredential

from tests.faults.scene import ROWS, Scene
from tests.running import PATIENCE, eventually

ASLEEP = {"delay": 600}
LOST = {"reset": True}
CANARY = "AccountKey=c2VjcmV0IG9mIHRoZSBqb2IgdGhhdCBub2JvZHkgbWF5IHNlZQ=="


@pytest.fixture(scope="module")
def model(shared_scene: Scene) -> str:
    """One model for all, with its twin: the period that nobody disturbed."""
    model = shared_scene.stage("waiting", timeout=7200)
    shared_scene.land(f"{model}/2024-01-01", ROWS)
    shared_scene.published(model, "2024-01-01")
    return model


def test_a_submit_whose_answer_is_lost(scene: Scene, model: str) -> None:
    """SB-1 (I6, I7): the job exists; it is found by its name and its tags, and adopted."""
    day = "2024-01-02"
    scene.disturb(model, day, {"service": "aml", "operation": "PutJob", "name": "M--P--*", "phase": "after"}, LOST)

    published = landed(scene, model, day)

    eventually(lambda: scene.idle() == [])  # the last ones strike when the period is free already
    [submitted] = [step for step in scene.run(published["run"])["steps"] if step["step"] == "submit_job"]
    assert submitted["result"]["adopted"] is True
    is_published_once(scene, model, day, published)


@pytest.mark.parametrize("phase", ["before", "after"])
def test_killed_around_the_submit(scene: Scene, model: str, phase: str) -> None:
    """SB-4, LO-1 (I6, I7, I20): before the request, or with its answer on the way: one job, and it is tracked."""
    day = {"before": "2024-01-03", "after": "2024-01-04"}[phase]
    where = {"service": "aml", "operation": "PutJob", "name": "M--P--*", "phase": phase}
    scene.disturb(model, day, where, {"crash": "functions"})

    is_published_once(scene, model, day, landed(scene, model, day))


def test_a_strangers_job_of_the_name(scene: Scene, model: str) -> None:
    """SB-3 (I6, I7): not adopted, not canceled; the run fails, and the incident says so."""
    day = "2024-01-05"
    scene.disturb(model, day, {"operation": "PutBlobFromURL", "name": "models/M/P/*/a.txt"}, ASLEEP)
    scene.land(f"{model}/{day}", ROWS)
    scene.fired(1)
    run = scene.record(model, day)["claim"]["run"]
    strange = command(
        name=f"{run}-a1", command="sleep 3600", compute="cpu-cluster", environment=Environment(image="python:3.11-slim")
    )
    with scene.cloud.acting_as("developer"):
        workspace = MLClient(DefaultAzureCredential(), "00000000-0000-0000-0000-000000000001", "local", "local")
        workspace.jobs.create_or_update(strange)
    scene.calm()

    failed = scene.ended(model, day, "failed")

    assert (failed["failure"]["code"], failed["failed_step"]) == ("name-taken", "submit_job")
    assert scene.period(model, day)["incident"]["code"] == "name-taken"
    scene.reconciled()
    assert set(scene.job_states(run).values()) <= {"Preparing", "Queued", "Running"}
    with scene.cloud.acting_as("developer"):
        workspace.jobs.begin_cancel(f"{run}-a1").wait(PATIENCE)


def test_a_busy_control_plane_is_waited_out(scene: Scene, model: str) -> None:
    """SB-5 (I9, I18): 429 with Retry-After, on submits and reads: as many requests as waits, no other name, one job."""
    day = "2024-01-06"
    busy = {"status": 429, "headers": {"Retry-After": "372"}}
    scene.events(off=True)  # a job's event would wake the wait, and the look that it causes is no retry
    for operation in ("PutJob", "GetJob"):
        scene.disturb(model, day, {"service": "aml", "operation": operation, "name": "M--P--*", "times": 3}, busy)
    begun = scene.now()

    published = landed(scene, model, day, no_waiting=True)

    eventually(lambda: scene.idle() == [])  # the last ones strike when the period is free already
    assert 6 * 300 < (scene.now() - begun).total_seconds() < 3 * 3600
    is_published_once(scene, model, day, published)


def test_what_the_service_rejects_is_not_asked_again(scene: Scene, model: str) -> None:
    """SB-6 (I10, I16): one request, one incident with the service's own words, without the secret in them."""
    day = "2024-01-07"
    body = '{"error": {"code": "UserError", "message": "No compute named gpu. ' + CANARY + '"}}'
    refused = {"status": 400, "body": body, "headers": {"Content-Type": "application/json"}}
    where = {"service": "aml", "operation": "PutJob", "name": "M--P--*", "times": None}
    scene.disturb(model, day, where, refused)
    scene.land(f"{model}/{day}", ROWS)

    failed = scene.ended(model, day, "failed")

    [rule] = scene.cloud.control.get("/faults")["rules"]
    assert rule["fired"] == 1
    assert failed["failure"]["code"] == "rejected"
    assert "No compute named gpu" in failed["failure"]["message"]
    assert CANARY[11:] not in str((failed, scene.sink.last(model), scene.ends(failed["run"])))


def test_without_any_event_the_end_of_a_job_is_noticed(scene: Scene, model: str) -> None:
    """WT-1 (I9): the poll alone brings the run on."""
    scene.events(off=True)

    published = landed(scene, model, "2024-01-08", no_waiting=True)

    is_published_once(scene, model, "2024-01-08", published)


def test_events_that_are_early_repeated_and_out_of_order(scene: Scene, model: str) -> None:
    """WT-2, WT-4 (I11, I13): they wake, and only what is read of the job moves the run."""
    scene.events(duplicate=5, shuffle=2.0, seed=4)

    is_published_once(scene, model, "2024-01-09", landed(scene, model, "2024-01-09"))


@pytest.mark.parametrize("status", [500, 404, 401])
def test_a_job_that_cannot_be_read_for_a_while(scene: Scene, model: str, status: int) -> None:
    """WT-8 (I7, I9): a state that cannot be learned is no end, and a job that is not found has not finished."""
    day = {500: "2024-01-10", 404: "2024-01-11", 401: "2024-01-12"}[status]
    where = {"service": "aml", "operation": "GetJob", "name": "M--P--*", "times": 8}
    scene.disturb(model, day, where, {"status": status})

    published = landed(scene, model, day, no_waiting=True)

    eventually(lambda: scene.idle() == [])  # the last ones strike when the period is free already
    is_published_once(scene, model, day, published)


def test_a_job_that_cannot_be_read_for_too_long(scene: Scene, model: str) -> None:
    """WT-8, IN-6 (I7, I10): past its limit the run fails as `job-state-unknown`; its job is ended when that can be.

    The incident stays open: the period failed, whatever becomes of the job.
    """
    day = "2024-01-13"
    scene.disturb(
        model, day, {"service": "aml", "operation": "GetJob", "name": "M--P--*", "times": None}, {"status": 500}
    )
    scene.land(f"{model}/{day}", {"a.txt": "hang"})
    claim = scene.until(model, day, "queued")
    with scene.no_waiting(claim["run"]):
        failed = scene.ended(model, day, "failed")
    assert failed["failure"]["code"] == "job-state-unknown"
    assert scene.record(model, day)["orphans"] == [f"{claim['run']}-a1"]

    scene.calm()
    scene.advance(120)

    eventually(lambda: scene.record(model, day)["orphans"] == [])
    assert scene.job_states(claim["run"]) == {f"{claim['run']}-a1": "Canceled"}
    assert scene.period(model, day)["incident"]["status"] == "open"


def landed(scene: Scene, model: str, day: str, no_waiting: bool = False) -> dict[str, Any]:
    """Land a period and wait until it is published, if need be with the clock going where the run waits for it."""
    scene.land(f"{model}/{day}", ROWS)
    if not no_waiting:
        return scene.published(model, day)
    run = eventually(lambda: (scene.record(model, day).get("claim") or {}).get("run"))
    with scene.no_waiting(run):
        return scene.published(model, day)


def is_published_once(scene: Scene, model: str, day: str, published: dict[str, Any]) -> None:
    """As the undisturbed twin, by the first attempt's one job."""
    assert scene.outputs(model, day) == scene.outputs(model, "2024-01-01")
    assert (published["generation"], published["attempt"]) == (1, 1)
    assert scene.job_states(published["run"]) == {f"{published['run']}-a1": "Completed"}
    assert {n: end["state"] for n, end in scene.ends(published["run"]).items()} == {1: "succeeded"}
    assert scene.period(model, day)["incident"] is None
