"""A step waits on durable timers for what passes, and gives up within its budget."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrators.end_job import WAITS as LOOKS
from orchestrators.end_job import end_job
from orchestrators.evaluate_period import MOST_DECISIONS, evaluate_period
from orchestrators.run_model import run_model
from orchestrators.steps import LONGEST_WAIT, SETTLE, WAITS, StepFailed
from tests.stories.drive import Told, done, drive, failed

SETTLED = f"wait {SETTLE.total_seconds():g} s"


def claim(*answers: dict[str, Any]) -> Told:
    """Drive the claim of a run, which is a single step, with these answers to it; it is not won in the end."""
    script = {"claim_run": [*answers, done(won=False, why="")]}
    return drive(run_model, {"run": "r", "attempt": 1}, script)


def waits(told: Told) -> list[float]:
    """The seconds waited, in order."""
    return [float(call.split()[1]) for call in told.calls if call.startswith("wait")]


PASSING = failed("throttled", transient=True)


def test_a_passing_failure_is_waited_out_with_growing_waits() -> None:
    """Durable ones: no worker sits them out."""
    told = claim(PASSING, PASSING, PASSING)

    assert waits(told) == [1, 4, 15]
    assert told.calls.count("claim_run") == 4


def test_a_final_failure_is_not_tried_again() -> None:
    """It would only fail again."""
    told = claim(failed("access"))

    assert told.calls == ["claim_run"]
    assert isinstance(told.raised, StepFailed)


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        pytest.param(None, 1, id="nothing asked"),
        pytest.param(0.5, 1, id="less than our own wait"),
        pytest.param(42, 42, id="more than our own wait"),
        pytest.param(LONGEST_WAIT, LONGEST_WAIT, id="the most that is honoured"),
        pytest.param(86_400, LONGEST_WAIT, id="a day: no claim lives so long"),
    ],
)
def test_what_the_service_asks_for_is_honoured_within_bounds(asked: float | None, waited: float) -> None:
    """ST-7, SB-5: Retry-After."""
    told = claim(failed("throttled", transient=True, retry_after=asked))

    assert waits(told) == [waited]


def test_the_budget_of_a_step_has_an_end() -> None:
    """I9: a quarter of an hour of waits, then the last failure is the step's."""
    told = claim(*[PASSING] * 20)

    assert all(wait <= waited <= wait * 1.2 for wait, waited in zip(WAITS, waits(told), strict=True))
    assert 14 * 60 <= sum(WAITS) <= 16 * 60
    assert isinstance(told.raised, StepFailed)
    assert (told.raised.step, told.raised.failure["code"]) == ("claim_run", "throttled")


def test_what_failed_together_does_not_come_back_together() -> None:
    """SG-7: long waits differ by the instance, up to a fifth, and are the same in each replay."""
    script = {"claim_run": [*[PASSING] * 4, done(won=False, why="")]}
    ask = {"run": "r", "attempt": 1}
    fourth = [waits(drive(run_model, ask, script, instance=f"r{number}"))[3] for number in (*range(20), 0)]

    assert all(60 <= seconds <= 72 for seconds in fourth)
    assert len(set(fourth)) > 5
    assert fourth[0] == fourth[-1]


# Ending a job


def end(*answers: dict[str, Any]) -> Told:
    """Drive the ending of a job with these looks at it."""
    return drive(end_job, {"job": "r-a1"}, {"cancel_job": list(answers)})


def test_a_job_that_is_seen_ended_is_ended() -> None:
    """IN-5: asked or not, the look decides."""
    told = end(done(ended=False), done(ended=True))

    assert told.generations == [["cancel_job", f"wait {LOOKS[0]} s"], ["cancel_job"]]
    assert told.result == {"result": {"ended": True}}


def test_a_job_that_will_not_end_is_handed_over_after_half_an_hour() -> None:
    """IN-4: asked again and again, each time in a generation of its own; then the answer says why."""
    told = end(done(ended=False))

    assert [waits for generation in told.generations for waits in generation if waits.startswith("wait")] == [
        f"wait {seconds} s" for seconds in LOOKS
    ]
    assert 25 * 60 <= sum(LOOKS) <= 35 * 60
    assert max(map(len, told.generations)) == 2
    assert told.result["result"]["ended"] is False
    assert told.result["result"]["failure"]["code"] == "job-will-not-end"


def test_who_cannot_ask_hands_the_job_over_with_the_reason() -> None:
    """ID-2: the failure to ask is no failure of the story."""
    told = end(failed("access"))

    assert len(told.generations) == len(LOOKS) + 1
    assert told.result["result"]["failure"]["code"] == "access"


# Evaluating a period


def evaluate(*decisions: str | None, wakes: tuple[float | None, ...] = ()) -> Told:
    """Drive an evaluation that comes to these decisions, each named by the activity that carries it out."""
    script = {
        "assess_period": [done(activity=name, run="r") for name in (*decisions, None)],
        "start_run": done(),
        "end_orphans": done(),
    }
    return drive(evaluate_period, {"model": "m", "period": "2013-01"}, script, wakes=wakes)


def test_an_evaluation_asks_acts_and_asks_again_until_there_is_nothing_to_do() -> None:
    """The activity is told the decision it carries out."""
    told = evaluate("start_run")

    assert told.calls == ["assess_period", "start_run", "assess_period", SETTLED]
    assert told.asked("start_run")[0]["run"] == "r"


def test_a_flood_becomes_one_more_question_for_each_settle_time() -> None:
    """TR-8: a thousand wake-ups within two seconds cost one question; the timer is waited for, not left behind."""
    told = evaluate(wakes=(0.5, None))

    assert told.generations == [["assess_period", "event wake", "wait 1.5 s"], ["assess_period", SETTLED]]
    assert told.left_behind == []


def test_one_evaluation_carries_out_a_bounded_number_of_decisions() -> None:
    """I18: what never comes to rest is left to the reconciler."""
    told = evaluate(*["end_orphans"] * 50)

    assert told.calls == ["assess_period", "end_orphans"] * MOST_DECISIONS + [SETTLED]
