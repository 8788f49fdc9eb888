"""A run as people are shown it, put together from what lies in the lake."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from slipway import paths
from slipway.claim import finish, reserve
from slipway.incident import opened, resolved
from slipway.period import Period
from slipway.period_record import End, Stage
from slipway.run import RunId
from slipway.run_view import STEPS, run_view, steps, worth_reading
from slipway.wishes import wish_cancel
from tests.unit.builders import NOON, by
from tests.unit.test_claim import OTHER, RUN, a_plan, a_record, an_ended
from tests.unit.test_incident import a_failure

ID = RunId.parse(RUN)
FACTS = {
    "run": RUN,
    "cause": {"kind": "data", "by": "slipway", "reason": "its inputs are complete", "request": None},
    "version": "0123456789ab",
    "fingerprint": "f" * 64,
    "since": NOON.isoformat(),
}
FAILURE = {"kind": "model", "code": "job-failed", "message": "KeyError", "transient": False, "retry_after": None}


def a_receipt(step: str, start: float, end: float, attempt: int = 1, batch: int | None = None, run: RunId = ID) -> Any:
    """Build a receipt at its path; times are seconds after noon."""
    receipt = {
        "step": step,
        "attempt": attempt,
        "batch": batch,
        "started_at": (NOON + timedelta(seconds=start)).isoformat(),
        "ended_at": (NOON + timedelta(seconds=end)).isoformat(),
        "result": {"studio": "https://ml/x"} if step == "submit_job" else {},
    }
    return {paths.receipt(run, step, attempt, batch): receipt}


def an_end(state: str, attempt: int = 1, run: RunId = ID) -> Any:
    """Build the record of an attempt at its path."""
    failed = state == "failed"
    record = {
        "attempt": attempt,
        "state": state,
        "job": f"{run}-a{attempt}",
        "ended_at": NOON.isoformat(),
        "failure": FAILURE if failed else None,
        "step": "await_job" if failed else None,
    }
    return {paths.attempt_record(run, attempt): record}


def a_view(record: Any = None, *files: Any, incident: Any = None, run: RunId = ID, known: bool = True) -> Any:
    """Show a run whose control folder holds these files."""
    records = {paths.run_file(run): FACTS} if known else {}
    for file in files:
        records |= file
    wanted, batches = worth_reading(run, dict.fromkeys(records, NOON))
    return run_view(run, record, {path: records[path] for path in wanted}, incident, batches)


def test_an_unknown_run_has_no_view() -> None:
    """Nothing is made up."""
    assert a_view(known=False) is None
    assert a_view(a_record(run=OTHER), known=False) is None


@pytest.mark.parametrize("stage", [pytest.param(stage, id=stage) for stage in Stage])
def test_an_active_run_is_in_its_claims_stage(stage: Stage) -> None:
    """People and code use the same words."""
    view = a_view(a_record(stage))

    assert (view["state"], view["attempt"], view["failure"]) == (stage, 1, None)
    assert view["deadline"] is not None


def test_a_run_is_shown_from_the_moment_it_is_claimed() -> None:
    """202 was answered, no instance has begun, no file of the run is written."""
    view = a_view(reserve(None, a_plan(by="ann", reason="late"), NOON), known=False)

    assert (view["state"], view["cause"]["by"]) == ("claimed", "ann")


def test_a_wish_to_cancel_is_shown_until_the_run_has_ended() -> None:
    """202 does not mean that it is done."""
    active = wish_cancel(a_record(Stage.RUNNING), RUN, by("ann", "no"), NOON)

    assert a_view(active)["canceling"] is True
    assert a_view(finish(active, RUN, 1, End.CANCELED, NOON), an_end("canceled"))["canceling"] is False


def test_a_failed_run_says_why_and_where() -> None:
    """Kind, code, message and step, and each attempt's own."""
    view = a_view(an_ended(End.FAILED), an_end("failed"))

    assert (view["state"], view["failed_step"], view["failure"]) == ("failed", "await_job", FAILURE)
    assert view["attempts"] == [
        {
            "attempt": 1,
            "state": "failed",
            "job": f"{RUN}-a1",
            "ended_at": NOON.isoformat(),
            "failure": FAILURE,
        }
    ]


def test_a_resumed_run_shows_its_new_attempt_and_keeps_the_old_ones_failure_in_its_place() -> None:
    """The state is the present one; attempts are in order however they were listed, beyond the ninth too."""
    ends = [an_end("failed", number) for number in (10, 2, 1, 3)]
    resumed = a_record(Stage.RUNNING)
    resumed["claim"]["attempt"] = 11

    view = a_view(resumed, *ends)

    assert (view["state"], view["attempt"], view["failure"]) == ("running", 11, None)
    assert [attempt["attempt"] for attempt in view["attempts"]] == [1, 2, 3, 10]
    assert view["links"]["job"] == f"{RUN}-a11"


def test_a_run_that_another_one_followed_keeps_its_end() -> None:
    """The period's claim is the other's."""
    view = a_view(a_record(run=OTHER, before=an_ended(End.SUCCEEDED)), an_end("succeeded"))

    assert (view["state"], view["deadline"]) == ("succeeded", None)


def test_steps_are_told_in_the_order_of_the_story() -> None:
    """Not in that of their names or of a listing; attempt by attempt, with seconds."""
    files = [
        a_receipt("submit_job", 30, 32.5),
        a_receipt("plan_staging", 0, 1),
        a_receipt("seal_outputs", 90, 91, attempt=2),
        a_receipt("finish_staging", 20, 30),
    ]

    told = a_view(None, *files)["steps"]

    assert [(one["attempt"], one["step"], one["seconds"]) for one in told] == [
        (1, "plan_staging", 1),
        (1, "finish_staging", 10),
        (1, "submit_job", 2.5),
        (2, "seal_outputs", 1),
    ]


def test_the_batches_of_a_step_are_told_as_one() -> None:
    """From the first one's beginning to the last one's end."""
    files = [a_receipt("copy_batch", 5, 9, batch=1), a_receipt("copy_batch", 2, 6, batch=0)]

    [told] = a_view(None, *files)["steps"]

    assert (told["batches"], told["seconds"]) == (2, 7)


def test_of_a_thousand_batches_two_receipts_are_read() -> None:
    """The first one's, and the one that was written last, whichever that was; what is no part of the view is not."""
    stages: dict[str, Any] = {}
    for attempt, last in ((1, 700), (2, 3)):
        for batch in range(1000):
            stages |= a_receipt("copy_batch", 5 + batch, 5000 if batch == last else 10 + batch, attempt, batch)
    stages |= a_receipt("plan_staging", 0, 1) | an_end("failed") | {paths.run_file(ID): FACTS}
    others = [paths.snapshot_part(ID, 7), paths.engine_history(ID, 1), paths.verified_outputs(ID, 1, 3)]
    listed = {path: datetime.fromisoformat(one.get("ended_at") or one["since"]) for path, one in stages.items()}

    wanted, batches = worth_reading(ID, {**listed, **dict.fromkeys(others, NOON)})
    told = run_view(ID, None, {path: stages[path] for path in wanted}, None, batches)

    assert len(wanted) == 7
    assert told is not None
    copied = [(one["attempt"], one["batches"], one["seconds"]) for one in told["steps"] if "batches" in one]
    assert copied == [(1, 1000, 4995), (2, 1000, 4995)]


def test_metrics_are_those_of_the_attempt_that_is_shown() -> None:
    """As its outputs were verified, or as its record has them: one that was published again verified nothing."""
    said = a_receipt("plan_verification", 0, 1)
    said[paths.receipt(ID, "plan_verification", 1)]["result"] = {"batches": 1, "metrics": {"mae": 12.5}}
    again = an_end("succeeded", attempt=2)
    again[paths.attempt_record(ID, 2)]["metrics"] = {"mae": 11.0}

    assert a_view(None, said)["metrics"] == a_view(None, said, an_end("failed"))["metrics"] == {"mae": 12.5}
    assert a_view(None, said, an_end("failed"), an_end("failed", attempt=2))["metrics"] == {}
    assert a_view(None, said, an_end("succeeded"), again)["metrics"] == {"mae": 11.0}
    assert a_view(None, a_receipt("plan_verification", 0, 1))["metrics"] == a_view()["metrics"] == {}


@pytest.mark.parametrize("model", ["receipts", "record-keeper", "runs"])
def test_a_model_may_be_called_like_a_folder(model: str) -> None:
    """Only what lies in the run's own folder counts."""
    run = RunId(model, Period.parse("2013-01"), "0a1b2c3d")

    view = a_view(None, a_receipt("plan_staging", 0, 1, run=run), an_end("succeeded", run=run), run=run)

    assert view["state"] == "succeeded"
    assert [step["step"] for step in view["steps"]] == ["plan_staging"]
    assert steps(run, {paths.run_file(run): FACTS}, {}) == []


def test_a_period_incident_is_shown_where_it_is_the_runs_own() -> None:
    """A later run does not show the failure of an earlier one as its own."""
    incident = opened(None, a_failure(run=RUN), NOON)
    foreign = opened(None, a_failure(run=OTHER), NOON)

    assert a_view(incident=incident)["incident"]["status"] == "open"
    assert a_view(incident=resolved(incident, incident["revision"], OTHER, NOON))["incident"]["status"] == "resolved"
    assert a_view(incident=foreign)["incident"] is None
    assert a_view()["incident"] is None


def test_links_lead_to_the_job_and_the_runs_folders() -> None:
    """The studio's once the job is submitted."""
    assert a_view()["links"]["studio"] is None
    assert a_view(None, a_receipt("submit_job", 0, 1))["links"] == {
        "job": f"{RUN}-a1",
        "studio": "https://ml/x",
        "inputs": paths.inputs_folder(ID),
        "outputs": paths.work_folder(ID, 1),
        "published": "flight-delay/published/2013-01.json",
    }


def test_links_lead_to_the_job_that_was_taken_over() -> None:
    """There is no other: the attempt that took its outputs over has submitted none."""
    ((path, end),) = an_end("succeeded", attempt=2).items()
    links = a_view(None, a_receipt("submit_job", 0, 1), {path: {**end, "job": f"{RUN}-a1"}})["links"]

    assert (links["job"], links["studio"]) == (f"{RUN}-a1", "https://ml/x")


def test_every_step_has_its_place_in_the_story() -> None:
    """A step twice in the order would be a mistake of this table."""
    assert len(set(STEPS)) == len(STEPS)
