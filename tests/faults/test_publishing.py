"""Publishing under faults: whatever dies or is lost, readers see nothing or all, and it is published once."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from tests.faults.scene import FILES, ROWS, Onlooker, Scene
from tests.flows.yard import read
from tests.running import eventually

CRASH = {"crash": "functions"}
LOST = {"reset": True}

#: The effects of publishing, stage by stage: the operation and path by which a fault knows them. `M`, `P`, `W` and `O`
#: stand for the model's folder, the period, and the attempt's work and output folders. The compare-and-swaps of the
#: claim lie between these: what is killed after the last effect before such a write, and before the first one behind
#: it, is killed before and after the write.
EFFECTS: dict[str, list[dict[str, Any]]] = {
    "sealing and verifying": [
        {"operation": "SetAccessControl", "name": "models/W", "phase": "before"},
        {"operation": "SetAccessControl", "name": "models/W"},
        {"operation": "RenamePath", "name": "models/O"},
        {"operation": "SetAccessControl", "name": "models/M/P/*/inputs"},
        {"operation": "PutBlob", "name": "control/runs/M/P/*/outputs-1/listed-*.json"},
        {"operation": "PutBlob", "name": "control/runs/M/P/*/outputs-1/verified-*.json"},
        {"operation": "PutBlob", "name": "models/O/manifest.json"},
        {"operation": "PutBlob", "name": "models/O/_SUCCESS"},
    ],
    "granting": [
        {"operation": "SetAccessControlRecursive", "name": "models/O/all", "phase": "before"},
        {"operation": "SetAccessControlRecursive", "name": "models/O/all"},
        {"operation": "SetAccessControlRecursive", "name": "models/O/parts"},
        {"operation": "SetAccessControl", "name": "models/O/manifest.json"},
        {"operation": "SetAccessControl", "name": "models/O/_SUCCESS"},
        {"operation": "PutBlob", "name": "control/runs/M/P/*/receipts/grant_readers-a1.json"},
    ],
    "opening and pointing": [
        {"operation": "SetAccessControl", "name": "models/O", "phase": "before"},
        {"operation": "SetAccessControl", "name": "models/O"},
        {"operation": "SetAccessControl", "name": "models/M/published"},
        {"operation": "PutBlob", "name": "models/M/published/P.json"},
        {"operation": "PutBlob", "name": "models/M/published/latest.json"},
        {"operation": "PutBlob", "name": "control/runs/M/P/*/receipts/publish_outputs-a1.json", "phase": "before"},
    ],
    "recording and ending": [
        {"operation": "PutBlob", "name": "control/runs/M/P/*/record-1.json", "phase": "before"},
        {"operation": "PutBlob", "name": "control/runs/M/P/*/record-1.json"},
        {"service": "eventgrid", "operation": "PublishEvents", "name": "slipway"},
        {"service": "functions", "operation": "ActivityCompleted", "name": "finish_run", "phase": "before"},
    ],
}
DAYS = {stage: f"2024-01-{day:02d}" for day, stage in enumerate(EFFECTS, start=2)}


@pytest.fixture(scope="module")
def model(shared_scene: Scene) -> str:
    """One model for all, with its twin: the period that nobody disturbed."""
    model = shared_scene.stage("publishing")
    shared_scene.land(f"{model}/2024-01-01", ROWS)
    shared_scene.published(model, "2024-01-01")
    return model


@pytest.mark.parametrize("stage", EFFECTS)
def test_killed_at_every_effect(scene: Scene, model: str, stage: str) -> None:
    """PB-5, LO-1 (I1, I2, I3, I20): killed before the first effect and after each, one after the other in one run.

    Killed after an effect is killed before the next. The run ends as its undisturbed twin, with one job.
    """
    day = DAYS[stage]
    for effect in EFFECTS[stage]:
        scene.disturb(model, day, {"phase": "after", **effect}, CRASH)

    with Onlooker(scene, model, day) as onlooker:
        scene.land(f"{model}/{day}", ROWS)
        published = scene.published(model, day)

    eventually(lambda: scene.idle() == [])  # the last ones strike when the period is free already
    onlooker.verdict()
    is_like_the_twin(scene, model, day, published)


def test_every_answer_lost(scene: Scene, model: str) -> None:
    """PB-8, SG-2, CL-2 (I1, I2, I11): each effect is done and its answer lost, those of all claim writes included.

    What is asked again finds its own first work: one generation, one record, the bytes of the undisturbed twin.
    """
    day = "2024-01-11"
    effects = [effect for stage in EFFECTS.values() for effect in stage if effect.get("phase") != "before"]
    claim = {"operation": "PutBlob", "name": "control/periods/M/P.json", "times": None}
    for effect in [*effects, claim]:
        scene.disturb(model, day, {"phase": "after", **effect}, LOST)

    with Onlooker(scene, model, day) as onlooker:
        scene.land(f"{model}/{day}", ROWS)
        published = scene.published(model, day)

    eventually(lambda: scene.idle() == [])  # the last ones strike when the period is free already
    onlooker.verdict()
    is_like_the_twin(scene, model, day, published)


def test_a_recursive_grant_that_stops_half_way(scene: Scene, model: str) -> None:
    """PB-3 (I2, I15): one output is granted, the other is throttled again and again: readers see nothing until all is.

    The waits are durable, and the service's Retry-After is honoured.
    """
    day = "2024-01-20"
    throttled = {"status": 429, "headers": {"Retry-After": "30"}}
    parts = f"models/{model}/{day}/*/outputs-1/parts"
    scene.fault(throttled, operation="SetAccessControlRecursive", name=parts, times=6)

    with Onlooker(scene, model, day) as onlooker:
        scene.land(f"{model}/{day}", ROWS)
        with scene.no_waiting(scene.until(model, day, "verifying")["run"]):
            published = scene.published(model, day)

    eventually(lambda: scene.idle() == [])  # the last ones strike when the period is free already
    onlooker.verdict()
    is_like_the_twin(scene, model, day, published)


def test_a_grant_that_succeeds_with_failures_inside(scene: Scene, model: str) -> None:
    """PB-4 (I2, I15): the counters of a call that answers 200 are checked; nothing is opened while one is not right."""
    day = "2024-01-21"
    counters = {"directoriesSuccessful": 2, "filesSuccessful": 1, "failureCount": 1, "failedEntries": []}
    refused = {"status": 200, "body": json.dumps(counters), "headers": {"Content-Type": "application/json"}}
    scene.fault(refused, operation="SetAccessControlRecursive", name=f"models/{model}/{day}/*/parts", times=2)

    with Onlooker(scene, model, day) as onlooker:
        scene.land(f"{model}/{day}", ROWS)
        published = scene.published(model, day)

    eventually(lambda: scene.idle() == [])  # the last ones strike when the period is free already
    onlooker.verdict()
    is_like_the_twin(scene, model, day, published)


def test_a_publication_that_failed_is_resumed_without_its_job(scene: Scene, model: str) -> None:
    """PB-5, IN-1 (I1, I6, I10): the job completed and granting failed until its tries were used up: an incident.

    Resumed, the next attempt takes the outputs over; the job does not run again, and the incident is resolved.
    """
    day = "2024-01-22"
    where = {"operation": "SetAccessControlRecursive", "name": f"models/{model}/{day}/*"}
    scene.fault({"status": 429}, **where)
    with Onlooker(scene, model, day, attempts=2) as onlooker:
        scene.land(f"{model}/{day}", ROWS)
        with scene.no_waiting(scene.until(model, day, "verifying")["run"]):
            failed = scene.ended(model, day, "failed")
        assert (failed["failure"]["code"], failed["failed_step"]) == ("throttled", "grant_readers")
        assert scene.period(model, day)["incident"]["status"] == "open"
        assert not scene.can_read("analyst", f"{failed['links']['outputs']}/all/all.txt")
        scene.calm()

        status, answer = scene.call("POST", f"runs/{failed['run']}/resume", {"reason": "the lake is well again"})
        assert status == 202, answer
        published = scene.published(model, day)

    onlooker.verdict()
    assert published["attempt"] == 2
    assert scene.outputs(model, day) == scene.outputs(model, "2024-01-01")
    assert scene.jobs(failed["run"]) == [f"{failed['run']}-a1"]
    assert {n: end["state"] for n, end in scene.ends(failed["run"]).items()} == {1: "failed", 2: "succeeded"}
    assert scene.ends(failed["run"])[2]["job"] == f"{failed['run']}-a1"
    assert scene.period(model, day)["incident"]["status"] == "resolved"
    assert [type_ for type_, _ in scene.sink.told(model)] == ["Opened", "Resolved"]


def test_a_record_that_cannot_be_written_for_an_hour(scene: Scene, model: str) -> None:
    """RC-1 (I11, I20): published, but no record can be written, and the owner gives up: it is rolled forward."""
    day = "2024-01-23"
    scene.fault({"status": 500}, operation="PutBlob", name=f"control/runs/{model}/{day}/*/record-1.json")
    with Onlooker(scene, model, day) as onlooker:
        scene.land(f"{model}/{day}", ROWS)
        claim = scene.until(model, day, "published")
        with scene.no_waiting(claim["run"]):
            eventually(lambda: scene.instance(f"{claim['run']}-a1")["runtimeStatus"] == "Failed")
        scene.calm()
        scene.outlive(model, day)
        published = scene.published(model, day)

    onlooker.verdict()
    assert (published["generation"], published["attempt"]) == (1, 1)
    assert {n: end["state"] for n, end in scene.ends(claim["run"]).items()} == {1: "succeeded"}


def test_a_set_is_closed_for_good_whoever_opens_it_late(scene: Scene) -> None:
    """CL-7 (I15): an opener that comes between sealing a superseded set and moving it opens nothing for long."""
    model = scene.stage("closing", more="corrections: 400d\n")
    day = "2024-01-01"
    scene.land(f"{model}/{day}", ROWS)
    old = scene.published(model, day)
    rights = scene.lake("app", "models").get_directory_client(old["folder"]).get_access_control()["acl"]
    scene.land(f"{model}/{day}", {"a.txt": "corrected\n"})
    scene.published(model, day, other_than=old["run"])
    scene.fault({"delay": 600}, operation="RenamePath")

    scene.advance(25 * 3600)
    folder = scene.lake("app", "models").get_directory_client(old["folder"])
    scene.fired(1)
    folder.set_access_control(acl=rights)
    scene.calm()
    eventually(lambda: scene.record(model, day)["retired"] == [])

    closed = old["folder"].replace("/outputs-", "/closed-")
    assert not scene.can_read("analyst", f"{closed}/all/all.txt")


@pytest.mark.parametrize(
    ("name", "asleep"),
    [
        pytest.param("gate", {"operation": "SetAccessControl", "name": "models/O"}, id="the gate"),
        pytest.param("pointer", {"operation": "PutBlob", "name": "models/M/published/P.json"}, id="the pointer"),
        pytest.param("latest", {"operation": "PutBlob", "name": "models/M/published/latest.json"}, id="the latest one"),
    ],
)
def test_what_was_retracted_stays_invisible_whoever_wakes_late(scene: Scene, name: str, asleep: dict[str, Any]) -> None:
    """PB-5, CL-7 (I2): an owner sleeps before it opens or points, others finish, a person retracts, and it wakes.

    Its late write meets a folder that was moved, a greater generation, or a latest pointer that was written since.
    """
    model = scene.stage(f"retract-{name}")
    day, earlier = "2024-01-02", "2024-01-01"
    scene.land(f"{model}/{earlier}", ROWS)
    scene.published(model, earlier)
    scene.disturb(model, day, {"phase": "before", **asleep}, {"delay": 600})
    scene.land(f"{model}/{day}", ROWS)
    scene.until(model, day, "publishing")
    scene.fired(1)
    scene.outlive(model, day)
    published = scene.published(model, day)

    status, answer = scene.call("POST", f"models/{model}/periods/{day}/retract", {"reason": "half of it is missing"})
    assert status == 202, answer
    scene.calm()
    eventually(lambda: scene.instance(f"{published['run']}-a1")["runtimeStatus"] != "Running")

    record, models = scene.record(model, day), scene.lake("app", "models")
    reader = scene.lake("analyst", "models")
    nothing, latest = (json.loads(read(reader, f"{model}/published/{which}.json")) for which in (day, "latest"))
    assert (record["published"], record["claim"], record["retired"]) == (None, None, [])
    assert (nothing["run"], nothing["generation"]) == (None, published["generation"] + 1)
    assert latest["period"] == earlier
    assert not models.get_directory_client(published["folder"]).exists()
    assert not scene.can_read("analyst", published["folder"].replace("/outputs-", "/closed-") + "/all/all.txt")


def test_what_was_published_again_stays_visible_whoever_closes_late(scene: Scene) -> None:
    """CL-7 (I2): a closer sleeps between sealing and moving a retracted set, which is closed and published again."""
    model, day = scene.stage("publish-again"), "2024-01-01"
    scene.land(f"{model}/{day}", ROWS)
    old = scene.published(model, day)
    bytes_of_old = scene.outputs(model, day)
    scene.fault(
        {"delay": 600}, operation="RenamePath", name=f"models/{model}/{day}/*/closed-1", times=1, phase="before"
    )
    retract = (f"models/{model}/periods/{day}/retract", {"reason": "half of it is missing"})
    asleep = threading.Thread(target=lambda: scene.call("POST", *retract))
    asleep.start()
    scene.fired(1)
    eventually(lambda: scene.record(model, day)["retired"] == [])

    again = {"run": old["run"], "reason": "it was all there"}
    status, answer = scene.call("POST", f"models/{model}/periods/{day}/publish", again)
    assert status == 202, answer
    published = scene.published(model, day)
    scene.calm()
    asleep.join(60)

    assert not asleep.is_alive()
    assert (published["run"], published["attempt"], published["generation"]) == (old["run"], 2, 3)
    assert scene.record(model, day)["published"] == published
    assert scene.outputs(model, day) == bytes_of_old
    assert scene.jobs(old["run"]) == [f"{old['run']}-a1"]


def is_like_the_twin(scene: Scene, model: str, day: str, published: dict[str, Any], attempt: int = 1) -> None:
    """Published once, by one job, with the twin's bytes, a true record, and an orchestration that has ended."""
    run = published["run"]
    assert scene.outputs(model, day) == scene.outputs(model, "2024-01-01")
    assert set(scene.outputs(model, day)) == set(FILES)
    assert (published["generation"], published["attempt"]) == (1, attempt)
    assert scene.jobs(run) == [f"{run}-a1"]
    ends = scene.ends(run)
    assert {n: end["state"] for n, end in ends.items()} == {attempt: "succeeded"}
    assert ends[attempt]["folder"] == published["folder"]
    assert scene.period(model, day)["incident"] is None
    eventually(lambda: scene.instance(f"{run}-a{attempt}")["runtimeStatus"] == "Completed")
