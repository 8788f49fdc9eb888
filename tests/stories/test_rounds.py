"""Staging and verification in rounds: bounded generations, failed batches again, the last step last."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrators.rounds import WAITS
from orchestrators.stage_inputs import stage_inputs
from orchestrators.steps import LONGEST_WAIT, ROUND
from orchestrators.verify_outputs import verify_outputs
from tests.stories.drive import Script, Told, done, drive, failed

ASK = {"run": "r", "attempt": 1, "token": "t"}
PASSING = failed("throttled", transient=True)


def stage(batches: int, **script: Any) -> Told:
    """Drive a staging of so many batches."""
    answers: Script = {
        "plan_staging": done(batches=batches),
        "copy_batch": done(),
        "hold_claim": done(),
        "finish_staging": done(files=9),
    }
    return drive(stage_inputs, ASK, {**answers, **script})


def fails(answers: dict[int, list[Any]]) -> Any:
    """Build a `copy_batch` that answers so for these batches, in order, and then, like all others, does its work."""
    left = {batch: list(given) for batch, given in answers.items()}

    def copy_batch(ask: dict[str, Any]) -> dict[str, Any]:
        return left[ask["batch"]].pop(0) if left.get(ask["batch"]) else done()

    return copy_batch


def test_staging_plans_copies_and_closes() -> None:
    """One round a generation, and a sign of life after each."""
    told = stage(ROUND + 2)

    assert told.generations == [
        ["plan_staging", *["copy_batch"] * ROUND, "hold_claim"],
        *[["copy_batch"] * 2 + ["hold_claim"]],
        ["finish_staging"],
    ]
    assert [ask["batch"] for ask in told.asked("copy_batch")] == list(range(ROUND + 2))
    assert told.result == {"result": {"files": 9}}


def test_verification_is_told_in_the_same_way() -> None:
    """The contract first, then every byte once, then manifest and marker."""
    script = {name: done() for name in ("verify_batch", "hold_claim", "write_manifest")}
    told = drive(verify_outputs, ASK, {"plan_verification": done(batches=1), **script})

    assert told.generations == [["plan_verification", "verify_batch", "hold_claim"], ["write_manifest"]]
    assert told.asked("hold_claim")[0]["stage"] == "verifying"


def test_inputs_that_are_staged_already_are_not_copied_again() -> None:
    """A later attempt: no batch is left, and the last step finds its own first work."""
    assert stage(0).calls == ["plan_staging", "finish_staging"]


@pytest.mark.parametrize("batches", [1, ROUND, ROUND + 1, 20 * ROUND])
def test_a_generation_is_short_however_many_batches_there_are(batches: int) -> None:
    """I18: no generation has more than sixty events (a call is two), and no ask carries the list of what is left."""
    told = stage(batches)

    assert max(2 * len(generation) + 2 for generation in told.generations) <= 60
    assert sorted(ask["batch"] for ask in told.asked("copy_batch")) == list(range(batches))
    assert all(ask["todo"] is None for ask in told.asked("copy_batch"))


def test_batches_that_failed_for_a_while_come_first_in_the_next_round() -> None:
    """ST-7: only they; after a wait, and the claim is held meanwhile."""
    told = stage(3, copy_batch=fails({1: [PASSING]}))

    assert told.generations == [
        ["plan_staging", "copy_batch", "copy_batch", "copy_batch", "hold_claim", f"wait {WAITS[0]} s"],
        ["copy_batch", "hold_claim"],
        ["finish_staging"],
    ]
    assert told.asked("copy_batch")[-1]["batch"] == 1


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        pytest.param(1, WAITS[0], id="less than our own wait"),
        pytest.param(42, 42, id="more than our own wait"),
        pytest.param(86_400, LONGEST_WAIT, id="a day: the claim would die"),
    ],
)
def test_a_round_waits_as_long_as_the_most_patient_answer_within_bounds(asked: float, waited: float) -> None:
    """ST-7: Retry-After."""
    told = stage(2, copy_batch=fails({1: [failed("throttled", transient=True, retry_after=asked)]}))

    assert f"wait {waited:g} s" in told.calls


def test_rounds_that_fail_over_and_over_are_given_up() -> None:
    """ST-8: the whole has a bound, and the failure says what it was."""
    told = stage(1, copy_batch=PASSING)

    assert told.calls.count("copy_batch") == len(WAITS) + 1
    assert "finish_staging" not in told.calls
    assert told.result["step"] == "copy_batch"
    assert told.result["failure"]["code"] == "throttled"


def test_progress_gives_the_full_patience_back() -> None:
    """Only failed rounds in a row are counted: the first batch and, when it is done, the last take all there is."""
    patience = [PASSING] * len(WAITS)
    last = len(WAITS) * ROUND + ROUND

    told = stage(last + 1, copy_batch=fails({0: patience, last: patience}))

    assert sum(call.startswith("wait") for call in told.calls) == 2 * len(WAITS)
    assert told.result == {"result": {"files": 9}}


def test_a_changed_source_ends_staging_at_once() -> None:
    """ST-1: a final failure of one batch is the story's, whatever the others did; nothing is closed."""
    told = stage(3, copy_batch=fails({2: [failed("source-changed", kind="data")]}))

    assert told.calls == ["plan_staging", "copy_batch", "copy_batch", "copy_batch"]
    assert told.result == {**failed("source-changed", kind="data"), "step": "copy_batch"}


@pytest.mark.parametrize("step", ["plan_staging", "hold_claim", "finish_staging"])
def test_a_failure_is_answered_and_not_raised(step: str) -> None:
    """The run above reads it as a value; and each failure is told with its own step."""
    told = stage(1, **{step: failed("canceled")})

    assert told.raised is None
    assert told.result == {**failed("canceled"), "step": step}
