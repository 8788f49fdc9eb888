"""Runs that fail: jobs that fail, hang, write too little or too much, and failures inside the failure path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from tests.faults.scene import ROWS, Scene
from tests.flows.yard import put, read
from tests.running import eventually

CANARY = "c2VjcmV0IG9mIHRoZSBqb2IgdGhhdCBub2JvZHkgbWF5IHNlZQ=="


@pytest.fixture(scope="module")
def model(shared_scene: Scene) -> str:
    """One model for all these jobs, which may run for two hours."""
    return shared_scene.stage("failing", timeout=7200)


def test_a_job_that_fails(scene: Scene, model: str) -> None:
    """IN-10, SB-2 (I6, I10, I11, I16): the job's own words without its secrets; each attempt has a job."""
    day = "2024-01-01"
    scene.land(f"{model}/{day}", {"a.txt": "fail"})

    failed = scene.ended(model, day, "failed")
    assert (failed["failure"]["kind"], failed["failure"]["code"]) == ("model", "job-failed")
    assert "could not connect" in failed["failure"]["message"]
    assert scene.call("POST", f"runs/{failed['run']}/resume", {"reason": "perhaps it was the weather"})[0] == 202
    again = eventually(lambda: (run := scene.run(failed["run"]))["attempt"] == 2 and run["failure"] and run)

    assert scene.job_states(again["run"]) == {f"{again['run']}-a1": "Failed", f"{again['run']}-a2": "Failed"}
    assert {n: end["state"] for n, end in scene.ends(again["run"]).items()} == {1: "failed", 2: "failed"}
    eventually(lambda: scene.instance(f"{again['run']}-a2")["runtimeStatus"] == "Failed")
    told = [scene.instance(f"{again['run']}-a{n}", "showHistory=true&showHistoryOutput=true") for n in (1, 2)]
    assert CANARY not in str((again, scene.ends(again["run"]), scene.sink.last(model), told, log(scene)))
    nothing_is_seen(scene, again["run"])


def test_a_job_that_hangs(scene: Scene, model: str) -> None:
    """WT-6 (I7, I9, I10): it reaches its limit by the service's clock, and the incident says that."""
    day = "2024-01-02"
    scene.land(f"{model}/{day}", {"a.txt": "hang"})
    scene.until(model, day, "running")

    scene.advance(7300)
    failed = scene.ended(model, day, "failed")

    assert (failed["failure"]["kind"], failed["failure"]["code"]) == ("model", "job-timed-out")
    assert scene.job_states(failed["run"]) == {f"{failed['run']}-a1": "Canceled"}
    assert scene.sink.last(model)["code"] == "job-timed-out"
    nothing_is_seen(scene, failed["run"])


def test_a_job_that_is_canceled_from_outside(scene: Scene, model: str) -> None:
    """IN-7 (I9, I10): somebody ended it in Azure ML, not Slipway: the run fails and says so."""
    day = "2024-01-03"
    scene.land(f"{model}/{day}", {"a.txt": "hang"})
    job = scene.until(model, day, "running")["job"]

    scene.cancel_job(job, "developer")
    failed = scene.ended(model, day, "failed")

    assert (failed["failure"]["kind"], failed["failure"]["code"]) == ("platform", "job-canceled")
    assert scene.period(model, day)["incident"]["code"] == "job-canceled"


def test_a_job_that_writes_nothing(scene: Scene, model: str) -> None:
    """PB-1 (I2, I10, I11): completed, but not as promised: nothing is granted, each lack is named."""
    day = "2024-01-04"
    scene.land(f"{model}/{day}", {"a.txt": "nothing"})

    failed = scene.ended(model, day, "failed")

    assert failed["failure"]["code"] == "outputs-differ"
    assert "output 'all' is empty" in failed["failure"]["message"]
    assert "output 'parts' is empty" in failed["failure"]["message"]
    nothing_is_seen(scene, failed["run"])


def test_where_a_job_may_write_and_when(scene: Scene, model: str) -> None:
    """T15, WT-12 (I4, I15, I17): in its own outputs while it runs, and nowhere else; after sealing, nowhere at all."""
    other = scene.stage("failing-other")
    scene.land(f"{other}/2024-01-01", ROWS)
    scene.land(f"{model}/2024-01-05", ROWS)
    scene.land(f"{model}/2024-01-06", {"a.txt": "hang"})
    others, ended = scene.published(other, "2024-01-01"), scene.published(model, "2024-01-05")
    claim = scene.until(model, "2024-01-06", "running")
    run, top = claim["run"], f"{model}/2024-01-06/{claim['run']}"
    job = scene.lake("job", "models")
    elsewhere = [
        f"{top}/work-1/stray.txt",
        f"{top}/outputs-1/all/all.txt",
        f"{top}/inputs/rows/2024-01-06/a.txt",
        f"{top}/stray.txt",
        f"{ended['folder']}/all/all.txt",
        f"{ended['folder'].replace('/outputs-1', '/work-1')}/all/late.txt",
        f"{others['folder']}/all/all.txt",
        f"{model}/published/2024-01-05.json",
        f"{model}/stray.txt",
    ]

    put(job, f"{top}/work-1/all/early.txt", b"while it runs")
    assert read(job, f"{top}/inputs/rows/2024-01-06/a.txt") == b"hang"
    for path in elsewhere:
        assert refused(lambda path=path: put(job, path, b"x")), path
    for filesystem, path in (("landing", f"{model}/2024-01-06/a.txt"), ("control", f"periods/{model}/2024-01-06.json")):
        files = scene.lake("job", filesystem)
        assert refused(lambda files=files, path=path: put(files, path, b"x")), path
        assert refused(lambda files=files, path=path: read(files, path)), path

    scene.cancel_job(claim["job"], "developer")
    scene.ended(model, "2024-01-06", "failed")
    eventually(lambda: refused(lambda: put(job, f"{top}/work-1/all/late.txt", b"after its end")))
    assert refused(lambda: read(job, f"{top}/inputs/rows/2024-01-06/a.txt"))
    assert scene.outputs(model, "2024-01-05")
    nothing_is_seen(scene, run)


def test_a_job_that_ignores_being_canceled(scene: Scene, model: str) -> None:
    """IN-4, WT-12 (I1, I7, I10): the run ends, its job is asked again and again, and where that lasts a person is told.

    Once the service obeys, the job ends and so does the incident. Nothing of it is published.
    """
    day = "2024-01-07"
    deaf = {"service": "aml", "operation": "CancelJob", "name": "M--P--*", "times": None}
    scene.disturb(model, day, deaf, {"status": 202})
    scene.land(f"{model}/{day}", {"a.txt": "hang"})
    run = scene.until(model, day, "running")["run"]
    assert scene.call("POST", f"runs/{run}/cancel", {"reason": "not needed any more"})[0] == 202
    with scene.no_waiting(run):
        canceled = scene.ended(model, day, "canceled")
    assert scene.job_states(run) == {f"{run}-a1": "Running"}
    scene.advance(20 * 60)
    eventually(lambda: (scene.period(model, day)["incident"] or {}).get("status") == "open")

    scene.calm()
    scene.advance(120)

    eventually(lambda: scene.job_states(run) == {f"{run}-a1": "Canceled"})
    eventually(lambda: scene.record(model, day)["orphans"] == [])
    eventually(lambda: scene.period(model, day)["incident"]["status"] == "resolved")
    assert canceled["state"] == "canceled"
    assert {n: end["state"] for n, end in scene.ends(run).items()} == {1: "canceled"}
    nothing_is_seen(scene, run)


def test_failures_inside_the_failure_path(scene: Scene, model: str) -> None:
    """IN-1, IN-6 (I10, I11): the record cannot be written and the sink is down: what is left is done later, once."""
    day = "2024-01-08"
    scene.sink.answers = "down"
    scene.disturb(
        model, day, {"operation": "PutBlob", "name": "control/runs/M/P/*/record-1.json", "times": None}, {"status": 500}
    )
    scene.land(f"{model}/{day}", {"a.txt": "fail"})
    run = eventually(lambda: (scene.record(model, day).get("claim") or {}).get("run"))
    with scene.no_waiting(run):
        eventually(lambda: scene.instance(f"{run}-a1")["runtimeStatus"] == "Failed")
    assert scene.document(f"incidents/{model}/{day}.json")["status"] == "open"

    scene.calm()
    scene.sink.answers = "ok"
    scene.advance(2 * 3600)

    eventually(lambda: scene.sink.last(model)["period"] == day)
    assert scene.sink.last(model)["code"] == "job-failed"
    assert scene.period(model, day)["last"]["state"] == "failed"
    nothing_is_seen(scene, run)


def refused(act: Callable[[], Any]) -> bool:
    """Whether an attempt meets 403 or 404."""
    try:
        act()
    except HttpResponseError as error:
        return error.status_code in (403, 404)
    return False


def nothing_is_seen(scene: Scene, run: str) -> None:
    """No reader sees anything of a run."""
    model, period, _ = run.split("--")
    analyst = scene.lake("analyst", "models")
    for folder in ("inputs", "work-1", "outputs-1"):
        top = f"{model}/{period}/{run}/{folder}"
        assert refused(lambda top=top: list(analyst.get_paths(top))), top
        assert refused(lambda top=top: read(analyst, f"{top}/all/all.txt")), top


def log(scene: Scene) -> str:
    """All that the host and the app have logged."""
    return (scene.cloud.state / "logs" / "functions.log").read_text(errors="replace")
