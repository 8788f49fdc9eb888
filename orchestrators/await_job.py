"""Waiting for a job: a sparse poll beside an event that only wakes. One look a generation."""

from __future__ import annotations

from datetime import timedelta

import azure.durable_functions as df

from orchestrators.steps import WAITS, Step, StepFailed, pause, step

bp = df.Blueprint()

#: What `job_changed` and a cancel raise. The event is a wake-up, lost or doubled without harm; the read decides.
WAKE = "wake"


@bp.orchestration_trigger(context_name="context")
def await_job(context: df.DurableOrchestrationContext) -> Step:
    """Read the job and the wishes; unless it ended, wait for an event or the next look, and begin anew.

    `clocks` (what the limits are counted from) passes from look to look. Ends with the job completed, or with the
    failure: it failed, was canceled, or passed the limit of being queued, prepared, run or unknown. What fails for a
    while is the lake, which is no failure of the job: it is waited for, and whoever took the claim meanwhile has it.
    """
    ask = context.get_input()
    try:
        look = yield from step(context, "read_job", ask)
    except StepFailed as error:
        if not error.failure["transient"]:
            return {"failure": error.failure, "step": "await_job"}
        yield pause(context, WAITS[-1])
        context.continue_as_new(ask)
        return None
    if look["ended"]:
        return {"result": look}
    woken = context.wait_for_external_event(WAKE)
    next_look = context.create_timer(context.current_utc_datetime + timedelta(seconds=look["look_again"]))
    winner = yield context.task_any([woken, next_look])
    if winner == woken and not next_look.is_completed:  # both may come in one episode
        next_look.cancel()
    context.continue_as_new({**ask, "clocks": look["clocks"]})
    return None
