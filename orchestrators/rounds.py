"""Much work of one kind: planned once, done in bounded rounds of plain activities, closed by a last step."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from orchestrators.steps import ROUND, Step, StepFailed, fan_out, pause, step

#: The waits after rounds that failed for passing reasons, in seconds; after as many in a row the work is given up.
WAITS = (2, 10, 30, 120, 300, 300)


def in_rounds(context: df.DurableOrchestrationContext, plan: str, each: str, last: str, stage: str) -> Step:
    """Plan, then one round of batches a generation, then the last step. Answers as a story does: a result or a failure.

    The input gains `todo` (numbers of the batches left) and `failures` (failed rounds in a row), so that each
    generation's history stays short whatever the number of batches. `stage` is the claim's stage meanwhile.
    """
    ask = context.get_input()
    try:
        if "todo" not in ask:
            planned = yield from step(context, plan, ask)
            ask = {**ask, "todo": list(range(planned["batches"])), "failures": 0}
        if not ask["todo"]:
            return {"result": (yield from step(context, last, {**ask, "todo": None}))}
        left, failures = yield from _round(context, each, ask, stage)
        context.continue_as_new({**ask, "todo": left, "failures": failures})
    except StepFailed as error:
        return {"failure": error.failure, "step": error.step}


def _round(context: df.DurableOrchestrationContext, each: str, ask: dict[str, Any], stage: str) -> Step:
    """Do the next batches; returns the numbers still to do and how many rounds in a row have failed."""
    batches = ask["todo"][:ROUND]
    answers = yield from fan_out(context, each, [{**ask, "todo": None, "batch": batch} for batch in batches])
    failures = [answer["failure"] for answer in answers if "failure" in answer]
    final = next((failure for failure in failures if not failure["transient"]), None)
    if final is not None:
        raise StepFailed(each, final)
    yield from step(context, "hold_claim", {**ask, "todo": None, "stage": stage})
    if not failures:
        return ask["todo"][ROUND:], 0
    if ask["failures"] >= len(WAITS):
        raise StepFailed(each, failures[0])
    wait = max([WAITS[ask["failures"]], *(failure.get("retry_after") or 0 for failure in failures)])
    yield pause(context, wait)
    again = [batch for batch, answer in zip(batches, answers, strict=True) if "failure" in answer]
    return again + ask["todo"][ROUND:], ask["failures"] + 1
