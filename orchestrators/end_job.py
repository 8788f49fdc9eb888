"""Ending a job: ask, and see it ended; after a limit the reconciler goes on asking."""

from __future__ import annotations

from datetime import timedelta

import azure.durable_functions as df

from orchestrators.steps import Step, StepFailed, step

bp = df.Blueprint()

#: The waits between two looks, in seconds; half an hour in all.
WAITS = (2, 5, 15, 30, 60, 120, 300, 600, 660)


@bp.orchestration_trigger(context_name="context")
def end_job(context: df.DurableOrchestrationContext) -> Step:
    """Cancel the job and wait until it is seen ended (or was never there). Answers `ended`, and why not otherwise.

    A failure to ask is not a failure of the story: the job is then handed to the reconciler like one that will not end.
    """
    ask = context.get_input()
    tries = ask.get("tries", 0)
    failure = {"kind": "platform", "code": "job-will-not-end", "transient": False, "retry_after": None}
    failure["message"] = f"{ask['job']} did not end within half an hour of being canceled"
    try:
        seen = yield from step(context, "cancel_job", ask, waits=())  # the looks are the tries
        if seen["ended"]:
            return {"result": {"ended": True}}
    except StepFailed as error:
        failure = error.failure
    if tries == len(WAITS):
        return {"result": {"ended": False, "failure": failure}}
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=WAITS[tries]))
    context.continue_as_new({**ask, "tries": tries + 1})
    return None
