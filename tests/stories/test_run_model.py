"""The story of a run, driven by hand: what it does, in which order, when all goes well and when it does not."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrators.run_model import run_model
from orchestrators.steps import WAITS, StepFailed
from tests.stories.drive import Script, Told, done, drive, failed

RUN = "flight-delay--2013-01--0a1b2c3d-1"

BEFORE_PUBLISHING = [
    "claim_run",
    "stage_inputs",
    "submit_job",
    "await_job",
    "seal_outputs",
    "verify_outputs",
    "grant_readers",
]
AFTER_PUBLISHING = ["record_run", "resolve_incident", "announce_outputs", "finish_run"]
WELL = [*BEFORE_PUBLISHING, "publish_outputs", *AFTER_PUBLISHING]
BADLY = ["open_incident", "end_job", "withdraw_rights", "record_run", "finish_run"]
TAKEN_OVER = ["seal_outputs", "verify_outputs", "grant_readers", "publish_outputs", *AFTER_PUBLISHING]

#: What everybody answers when all goes well.
FAILED = done(ending="failed")
ALL_WELL: Script = {
    **{name: done() for name in [*WELL, "open_incident"]},
    "claim_run": done(won=True),
    "end_job": done(ended=True),
    "withdraw_rights": done(),
    "inherit_job": done(alive=[], took_over=False, job=None),
    "judge_failure": FAILED,
}


def tell(script: Script | None = None, attempt: int = 1) -> Told:
    """Drive an attempt in which all goes well but for what the script says."""
    ask = {"run": RUN, "attempt": attempt}
    return drive(run_model, ask, {**ALL_WELL, **(script or {})}, instance=f"{RUN}-a{attempt}")


def up_to(step: str) -> list[str]:
    """The calls of a first attempt up to and with this one."""
    return WELL[: WELL.index(step) + 1]


# When all goes well


def test_a_run_goes_from_its_claim_to_published_outputs() -> None:
    """The whole story; nothing is done twice, and nothing waits but the job."""
    told = tell()

    assert told.calls == WELL
    assert told.result == {"status": "succeeded"}


def test_every_step_is_taken_with_the_token_of_this_execution() -> None:
    """CL-7: instance and execution, so that another execution of the same instance is a stranger."""
    told = tell()

    tokens = {ask["token"] for _, ask in told.asks}
    assert tokens == {f"{RUN}-a1:uuid-0-1"}


def test_the_stories_within_are_instances_of_their_own_with_names_that_can_be_found() -> None:
    """`job_changed` and a cancel wake `<run>-a<n>-await_job`."""
    told = tell()

    assert told.instances == [f"{RUN}-a1-stage_inputs", f"{RUN}-a1-await_job", f"{RUN}-a1-verify_outputs"]


def test_the_record_says_succeeded_only_after_the_publication() -> None:
    """I11: all of the last steps are told the same end."""
    told = tell()

    assert [told.asked(last)[0]["state"] for last in AFTER_PUBLISHING] == ["succeeded"] * 4


# When it is not this execution's to run


def test_a_lost_claim_ends_quietly() -> None:
    """CL-1: nothing was done, so nothing is undone, and nobody is called."""
    told = tell({"claim_run": done(won=False, why="another execution holds the claim")})

    assert told.calls == ["claim_run"]
    assert told.result == {"status": "superseded", "why": "another execution holds the claim"}


@pytest.mark.parametrize("step", [step for step in BEFORE_PUBLISHING if step != "claim_run"])
def test_an_owner_that_was_replaced_touches_nothing_more_but_its_own_job(step: str) -> None:
    """CL-7, I7: the lake says that it lost; a job it submitted after its successor looked for it is ended."""
    told = tell({step: failed("claim-lost"), "judge_failure": done(ending="lost")})

    assert told.calls == [*up_to(step), "judge_failure", "end_job"]
    assert told.result["status"] == "superseded"


# When something fails


@pytest.mark.parametrize("step", [step for step in BEFORE_PUBLISHING if step != "claim_run"] + ["publish_outputs"])
def test_a_failed_step_opens_an_incident_and_publishes_nothing(step: str) -> None:
    """Incident, job seen ended, record, and the period is free; the instance ends Failed, so that history says so."""
    told = tell({step: failed("access", message="403")})

    assert told.calls == [*up_to(step), "judge_failure", *BADLY]
    assert isinstance(told.raised, StepFailed)
    assert told.raised.failure["code"] == "access"


def test_a_failed_job_is_told_with_its_kind_and_step() -> None:
    """What the incident and the record say comes from the failure as a value."""
    told = tell({"await_job": failed("job-failed", kind="model", message="KeyError") | {"step": "read_job"}})

    assert "publish_outputs" not in told.calls
    for call in ("open_incident", "record_run", "finish_run"):
        [ask] = told.asked(call)
        assert (ask["state"], ask["step"], ask["failure"]["kind"]) == ("failed", "read_job", "model")
    assert told.asked("finish_run")[0]["orphaned"] is False


def test_an_outage_of_the_lake_that_outlasts_a_step_fails_no_run() -> None:
    """SG-7: it cannot be asked either; nobody is told, no job is ended, and the claim's deadline hands the run on."""
    away = failed("unavailable", transient=True)

    told = tell({"stage_inputs": away | {"step": "copy_batch"}, "judge_failure": away})

    assert told.calls == [*up_to("stage_inputs"), "judge_failure"]
    assert isinstance(told.raised, StepFailed)


def test_what_fails_for_long_while_the_lake_answers_is_a_failure() -> None:
    """SB-5: the lake settles it at once, and people are told."""
    told = tell({"submit_job": failed("unavailable", transient=True)})

    assert told.calls[-len(BADLY) - 1 :] == ["judge_failure", *BADLY]


def test_a_lake_that_is_away_for_a_moment_hides_no_failure() -> None:
    """What is final is judged as soon as the lake can be asked."""
    told = tell({"await_job": failed("job-failed"), "judge_failure": [failed("unavailable", transient=True), FAILED]})

    assert told.calls == [*up_to("await_job"), "judge_failure", f"wait {WAITS[0]} s", "judge_failure", *BADLY]


def test_a_canceled_run_ends_its_job_and_calls_nobody() -> None:
    """A person wished so: no incident, and the instance has not failed."""
    told = tell({"await_job": failed("canceled"), "judge_failure": done(ending="canceled")})

    assert told.calls == [
        *up_to("await_job"),
        "judge_failure",
        "end_job",
        "withdraw_rights",
        "record_run",
        "finish_run",
    ]
    assert told.asked("record_run")[0]["state"] == "canceled"
    assert told.result["status"] == "canceled"


def test_inputs_that_change_while_they_are_staged_supersede_the_run() -> None:
    """ST-1: no incident; the new data are another run's."""
    told = tell({"stage_inputs": failed("source-changed", kind="data"), "judge_failure": done(ending="superseded")})

    assert told.calls == [
        *up_to("stage_inputs"),
        "judge_failure",
        "end_job",
        "withdraw_rights",
        "record_run",
        "finish_run",
    ]
    assert told.asked("finish_run")[0]["state"] == "superseded"
    assert told.result["status"] == "superseded"


def test_a_publication_whose_answer_was_lost_goes_on() -> None:
    """PB-8: the lake, not the exception, says that the outputs are on their way."""
    told = tell(
        {"publish_outputs": [failed("no-answer"), done()], "judge_failure": done(ending="delivering")},
    )

    assert told.calls == [*up_to("publish_outputs"), "judge_failure", "publish_outputs", *AFTER_PUBLISHING]
    assert told.result == {"status": "succeeded"}


def test_a_publication_that_cannot_go_on_is_left_to_be_rolled_forward() -> None:
    """Past the point of no return nothing is undone, recorded as failed, or told as an incident."""
    told = tell({"publish_outputs": failed("access"), "judge_failure": done(ending="delivering")})

    assert told.calls == [*up_to("publish_outputs"), "judge_failure", "publish_outputs"]
    assert isinstance(told.raised, StepFailed)


@pytest.mark.parametrize("last", [step for step in AFTER_PUBLISHING if step != "announce_outputs"])
def test_a_failure_after_the_publication_undoes_nothing(last: str) -> None:
    """RC-1: the claim stays, and the reconciler completes what is left."""
    told = tell({last: failed("access")})

    assert told.calls == up_to(last)
    assert isinstance(told.raised, StepFailed)


def test_a_topic_that_takes_no_event_keeps_no_run_from_ending() -> None:
    """The pointer is the truth: who was not told finds it."""
    told = tell({"announce_outputs": failed("access")})

    assert told.calls == up_to("finish_run")
    assert told.result == {"status": "succeeded"}


# Failures inside the failure path


@pytest.mark.parametrize("broken", BADLY)
def test_no_step_of_the_failure_path_keeps_the_others_from_being_taken(broken: str) -> None:
    """IN-6: incident, job, record and claim are independent."""
    told = tell({"await_job": failed("job-failed"), broken: failed("access")})

    assert told.calls == [*up_to("await_job"), "judge_failure", *BADLY]
    assert isinstance(told.raised, StepFailed)
    assert told.raised.failure["code"] == "job-failed"


def test_all_of_them_may_fail_and_the_first_failure_is_still_the_one_told() -> None:
    """IN-6: the reconciler finishes what is left."""
    told = tell({"await_job": failed("job-failed"), **{name: failed("access") for name in BADLY}})

    assert told.calls == [*up_to("await_job"), "judge_failure", *BADLY]
    assert isinstance(told.raised, StepFailed)
    assert told.raised.failure["code"] == "job-failed"


def test_a_lake_that_cannot_be_asked_is_told_nothing() -> None:
    """I10: how the run stands is not guessed; the instance fails as it stands, and the claim's deadline decides."""
    told = tell({"await_job": failed("job-failed"), "judge_failure": failed("access")})

    assert told.calls == [*up_to("await_job"), "judge_failure"]
    assert isinstance(told.raised, StepFailed)
    assert told.raised.failure["code"] == "job-failed"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(done(ended=False, failure=failed("job-will-not-end")["failure"]), id="IN-4 it runs on"),
        pytest.param(failed("access"), id="IN-5 nobody could ask"),
    ],
)
def test_a_job_that_was_not_seen_ended_is_handed_to_the_reconciler(answer: dict[str, Any]) -> None:
    """I7: it stays known until it is."""
    told = tell({"await_job": failed("canceled"), "judge_failure": done(ending="canceled"), "end_job": answer})

    assert told.asked("finish_run")[0]["orphaned"] is True


@pytest.mark.parametrize("ending", ["canceled", "lost"])
def test_the_job_is_ended_by_its_own_name(ending: str) -> None:
    """I7: periods of weeks have capitals and jobs have none; a job asked for as its run is called is not there."""
    run, script = "a-b--2013-W05--0a1b2c3d-1", {"await_job": failed(ending), "judge_failure": done(ending=ending)}

    told = drive(run_model, {"run": run, "attempt": 1}, {**ALL_WELL, **script}, instance=f"{run}-a1")

    assert told.asked("end_job") == [{"job": "a-b--2013-w05--0a1b2c3d-1-a1"}]


def test_a_bug_ends_the_run_like_any_failure() -> None:
    """IN-8: an activity that raises, or passes its time limit, is a failure of Slipway's, with its incident."""
    told = tell({"submit_job": RuntimeError("a bug")})

    assert told.calls == [*up_to("submit_job"), "judge_failure", *BADLY]
    assert isinstance(told.raised, StepFailed)
    assert (told.raised.failure["kind"], told.raised.failure["code"]) == ("slipway", "bug")
    assert "a bug" in told.raised.failure["message"]


# Later attempts


def test_a_later_attempt_takes_over_a_job_that_completed() -> None:
    """A publication that failed after the job completed, resumed: the job does not run again."""
    told = tell({"inherit_job": done(alive=[], took_over=True, job=f"{RUN}-a1")}, attempt=2)

    assert told.calls == ["claim_run", "inherit_job", *TAKEN_OVER]
    assert told.result == {"status": "succeeded"}


def test_a_later_attempt_without_a_job_to_take_over_runs_a_fresh_one() -> None:
    """Staging finds its own first work: inputs are staged once a run."""
    told = tell(attempt=2)

    assert told.calls == ["claim_run", "inherit_job", *WELL[1:]]


def test_an_earlier_job_that_is_alive_is_seen_ended_first() -> None:
    """I6: one job at a time. What it turned out to be is asked again after that: it may have completed."""
    alive = done(alive=[f"{RUN}-a1"], took_over=False, job=None)
    told = tell({"inherit_job": [alive, done(alive=[], took_over=True, job=f"{RUN}-a1")]}, attempt=2)

    assert told.calls == ["claim_run", "inherit_job", "end_job", "inherit_job", *TAKEN_OVER]
    assert told.asked("end_job") == [{"job": f"{RUN}-a1"}]


def test_each_earlier_job_is_ended_under_an_instance_of_its_own() -> None:
    """Two stories of one name must not have one id."""
    alive = done(alive=[f"{RUN}-a2", f"{RUN}-a1"], took_over=False, job=None)
    told = tell({"inherit_job": [alive, ALL_WELL["inherit_job"]]}, attempt=3)  # type: ignore[list-item]

    assert told.instances[:2] == [f"{RUN}-a3-end-a2", f"{RUN}-a3-end-a1"]
    assert len(set(told.instances)) == len(told.instances)


def test_beside_an_earlier_job_that_will_not_end_nothing_is_started() -> None:
    """IN-4: the attempt fails and says so, and the job is not forgotten although it is not this attempt's own."""
    told = tell(
        {
            "inherit_job": done(alive=[f"{RUN}-a1"], took_over=False, job=None),
            "end_job": [done(ended=False, failure=failed("job-will-not-end")["failure"]), done(ended=True)],
        },
        attempt=2,
    )

    assert told.calls == ["claim_run", "inherit_job", "end_job", "judge_failure", *BADLY]
    assert told.asked("open_incident")[0]["failure"]["code"] == "job-will-not-end"
    assert told.asked("finish_run")[0]["orphaned"] is True


# Bounds


def test_a_run_waits_out_what_passes() -> None:
    """A step that fails for a while is taken again, and the story goes on as if nothing had been."""
    told = tell({"submit_job": [failed("throttled", transient=True), done()]})

    at = told.calls.index("submit_job")
    assert told.calls[at : at + 3] == ["submit_job", f"wait {WAITS[0]} s", "submit_job"]
    assert told.result == {"status": "succeeded"}


def test_the_history_of_a_run_has_a_bound() -> None:
    """I18: every call is two events, every wait two more; whatever the files and hours, a faultless run stays small."""
    assert len(tell().generations) == 1
    assert 2 * len(tell().calls) + 2 <= 60
