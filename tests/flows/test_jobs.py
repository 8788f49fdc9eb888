"""The app's jobs against Azure ML's REST interface: submitted once, read as they are, ended when asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slipway import access, job, paths
from slipway.azure.assets import Assets
from slipway.azure.credential import credential
from slipway.azure.job_details import job_details
from slipway.azure.jobs import Job, Submitted, jobs
from slipway.azure.lake import lake
from slipway.failure import Failed
from slipway.job import KEY_TAG, Filled
from slipway.period import Period
from slipway.run import RunId, parse_job_name
from slipway.settings import settings
from tests.flows.conftest import ActAs
from tests.running import LocalCloud, eventually

MAIN = """
import pathlib, sys, time
rows, counts, what = sys.argv[1:]
print("counting", flush=True)
if what == "fail":
    sys.exit("no rows at all")
if what == "sleep":
    time.sleep(600)
lines = sum(len(path.read_text().splitlines()) for path in pathlib.Path(rows).iterdir())
(pathlib.Path(counts) / "count.json").write_text(str(lines))
"""
DOCUMENT = {
    "type": "command",
    "command": "python main.py ${{inputs.rows}} ${{outputs.counts}} ${{inputs.what}}",
    "compute": "azureml:cpu-cluster",
    "limits": {"timeout": 120},
    "inputs": {"rows": {"type": "uri_folder", "mode": "ro_mount"}, "what": "count"},
    "outputs": {"counts": {"type": "uri_folder", "mode": "rw_mount"}},
}


@pytest.fixture(autouse=True)
def app(act_as: ActAs) -> Iterator[None]:
    """Every test acts as the app."""
    with act_as("app"):
        yield


@pytest.fixture
def resolved(tmp_path: Path) -> dict[str, Any]:
    """A document with code and environment that the workspace knows."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text(MAIN)
    assets = Assets(settings(), credential())
    code = assets.register_code(tmp_path / "code", "counts", "000000000001")
    environment = assets.register_environment(tmp_path, {"image": "python:3.11-slim"}, "counts", "000000000001")
    return job.resolve(DOCUMENT, code, environment)


def filled(resolved: dict[str, Any], number: int, what: str = "count") -> Filled:
    """The first attempt of a run of its own, its folders made as staging makes them, two rows staged."""
    run, who, models = (
        RunId("counts", Period.parse("2013-01-01"), "0123abcd", number),
        settings().job_principal,
        lake().models,
    )
    for folder in (paths.model_root(run.model), paths.period_folder(run.model, run.period), paths.run_folder(run)):
        models.make_folder(folder, access.way())
    models.make_folder(paths.inputs_folder(run), access.inputs(who))
    models.make_folder(paths.inputs_folder(run, "rows"), access.inputs(who))
    models.write(f"{paths.inputs_folder(run, 'rows')}/a.csv", b"one\ntwo\n")
    models.make_folder(paths.work_folder(run, 1), access.closed_outputs(who))
    models.make_folder(paths.work_folder(run, 1, "counts"), access.output(who))
    made = job.fill(resolved, run, 1, version="000000000001", datastore="models")
    return Filled(
        made.name, {**made.document, "inputs": {**made.document["inputs"], "what": what}}, made.tags, made.key
    )


def submit(one: Filled) -> Submitted:
    """Submit as the activity does."""
    return jobs().submit(one.name, one.document, one.tags, one.key)


def ended(name: str) -> Job:
    """The job, once it has ended."""
    return eventually(lambda: (seen := jobs().read(name)) and seen.phase == "ended" and seen)


def test_a_job_runs_from_staged_inputs_to_its_own_outputs(resolved: dict[str, Any]) -> None:
    """Read by the service's own clock, with the tags that tell whose it is and a link for people."""
    one = filled(resolved, 1)

    submitted = submit(one)
    done = ended(one.name)

    assert (submitted.name, submitted.adopted) == (one.name, False)
    assert (done.outcome, done.status, done.responding) == ("completed", "Completed", True)
    assert done.tags[KEY_TAG] == one.key
    assert done.studio_url
    assert done.created_at
    assert done.created_at.utcoffset() == done.read_at.utcoffset() is not None
    assert lake().models.exists(f"{paths.work_folder(parse_job_name(one.name)[0], 1)}/counts/count.json")


def test_submitting_again_finds_the_first_job(resolved: dict[str, Any]) -> None:
    """SB-1, SB-4: one job, whatever the number of submits, also when defaults made the bodies differ."""
    one = filled(resolved, 2)
    submit(one)

    changed = {**one.document, "limits": {"timeout": 121}}
    again = jobs().submit(one.name, changed, one.tags, one.key)

    assert again.adopted
    assert ended(one.name).outcome == "completed"


@pytest.mark.parametrize(("number", "action"), [(3, {"reset": True}), (4, {"status": 503, "code": "ServerBusy"})])
def test_a_lost_answer_is_found_out_by_reading(
    resolved: dict[str, Any], services: LocalCloud, number: int, action: dict[str, Any]
) -> None:
    """SB-1: the service did it, and the connection broke or a gateway said otherwise."""
    one = filled(resolved, number)
    rule = {"service": "aml", "operation": "PutJob", "name": one.name, "phase": "after", "times": 1, "action": action}
    services.control.post("/faults", rule)

    assert submit(one).adopted


def test_a_submit_that_never_arrived_is_tried_again_later(resolved: dict[str, Any], services: LocalCloud) -> None:
    """No job of the name is there: a transient failure, one request, no second name."""
    one = filled(resolved, 5)
    services.control.post(
        "/faults", {"service": "aml", "operation": "PutJob", "name": one.name, "action": {"reset": True}, "times": 1}
    )

    with pytest.raises(Failed) as caught:
        submit(one)

    assert (caught.value.failure.code, caught.value.failure.transient) == ("no-answer", True)
    assert not submit(one).adopted


def test_throttling_is_told_with_its_wait(resolved: dict[str, Any], services: LocalCloud) -> None:
    """SB-5: one request, answered at once with how long to wait; the orchestration's timer waits, not this thread."""
    one = filled(resolved, 6)
    action = {"status": 429, "code": "TooManyRequests", "headers": {"Retry-After": "372"}}
    services.control.post(
        "/faults", {"service": "aml", "operation": "PutJob", "name": one.name, "action": action, "times": 1}
    )

    with pytest.raises(Failed) as caught:
        submit(one)

    failure = caught.value.failure
    assert (failure.code, failure.transient, failure.retry_after) == ("throttled", True, 372.0)


def test_a_strangers_job_is_neither_adopted_nor_touched(resolved: dict[str, Any]) -> None:
    """SB-3: the name is taken by a job with another key."""
    one = filled(resolved, 7)
    submit(one)

    with pytest.raises(Failed) as caught:
        jobs().submit(one.name, {**one.document, "limits": {"timeout": 99}}, one.tags, "somebody-elses-a1")

    assert (caught.value.failure.code, caught.value.failure.transient) == ("name-taken", False)
    assert ended(one.name).tags[KEY_TAG] == one.key


@pytest.mark.parametrize(
    ("number", "wrong", "words"),
    [
        pytest.param(8, {"compute": "azureml:no-such-cluster"}, "no-such-cluster", id="unknown compute"),
        pytest.param(9, {"command": "echo ${{inputs.nothing}}"}, "nothing", id="azure-ai-ml refuses the document"),
        pytest.param(10, {"limits": {"timeout": "soon"}}, "Not a valid integer", id="no document at all"),
    ],
)
def test_what_cannot_be_run_is_refused_for_good(
    resolved: dict[str, Any], number: int, wrong: dict[str, Any], words: str
) -> None:
    """SB-6: a permanent failure with the reason."""
    one = filled(resolved, number)

    with pytest.raises(Failed) as caught:
        jobs().submit(one.name, {**one.document, **wrong}, one.tags, one.key)

    assert not caught.value.failure.transient
    assert words in caught.value.failure.message


def test_a_failed_job_says_why(resolved: dict[str, Any]) -> None:
    """Its error and what it printed come from the run history; both are for people."""
    one = filled(resolved, 11, "fail")
    submit(one)

    assert ended(one.name).outcome == "failed"
    assert "code 1" in job_details().error(one.name)
    log = job_details().log(one.name)
    assert log.lines[-2:] == ("counting", "no rows at all")
    assert (log.begins, log.ends) == (0, log.length)


def test_of_a_long_log_the_end_is_read_or_what_was_printed_since(
    services: LocalCloud, resolved: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it is, in ranges; one that was begun anew is read from its beginning, a refusal is a failure."""
    one = filled(resolved, 11, "fail")
    submit(one)
    assert ended(one.name).outcome == "failed"
    whole = job_details().log(one.name)
    monkeypatch.setattr("slipway.azure.job_details.STRETCH", 30)

    end = job_details().log(one.name)
    [*_, before, last] = whole.lines

    assert (end.lines[-1], end.ends, end.length) == (last, whole.length, whole.length)
    assert 0 < whole.length - end.begins <= 30
    since = whole.length - len(last) - 1
    assert job_details().log(one.name, since).lines == (last,)
    assert job_details().log(one.name, since - len(before) - 1, most=1).lines == (before,)
    assert job_details().log(one.name, whole.length).lines == ()
    assert job_details().log(one.name, whole.length + 9, most=1).lines == whole.lines[:1]
    refusal = {"service": "aml", "operation": "GetLog", "name": one.name, "times": 1}
    services.control.post("/faults", {**refusal, "action": {"status": 503, "code": "ServerBusy"}})
    with pytest.raises(Failed, match="platform/unavailable"):
        job_details().log(one.name)


def test_a_canceled_job_ends(resolved: dict[str, Any]) -> None:
    """One request; the end is seen by reading. Asking again, or for a job that never was, is no failure (IN-5)."""
    one = filled(resolved, 12, "sleep")
    submit(one)
    eventually(lambda: (seen := jobs().read(one.name)) and seen.phase == "running")

    jobs().cancel(one.name)

    assert ended(one.name).outcome == "canceled"
    jobs().cancel(one.name)
    jobs().cancel("counts--2013-01-01--0123abcd-99-a1")


def test_there_is_no_such_job(resolved: dict[str, Any]) -> None:
    """None is an answer; a service that does not say is a failure (WT-8)."""
    assert jobs().read("counts--2013-01-01--0123abcd-98-a1") is None
    assert job_details().error("counts--2013-01-01--0123abcd-98-a1") == ""


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ({"status": 500, "code": "InternalError"}, "unavailable"),
        ({"reset": True}, "no-answer"),
        ({"truncate": 20}, None),
    ],
)
def test_a_read_that_fails_is_not_an_end(
    resolved: dict[str, Any], services: LocalCloud, action: dict[str, Any], code: str | None
) -> None:
    """WT-8, SG-4: an error, a lost connection or half an answer are transient, never "no such job"."""
    one = filled(resolved, 13)
    submit(one)
    rule = {"service": "aml", "operation": "GetJob", "name": one.name, "action": action, "times": 1}
    services.control.post("/faults", rule)

    with pytest.raises(Failed) as caught:
        jobs().read(one.name)

    assert caught.value.failure.transient
    assert code in (None, caught.value.failure.code)
