"""Driving a backfill: step by step, until its runs are under way; their ends wake it again. It lives for moments."""

from __future__ import annotations

import azure.durable_functions as df

from orchestrators.steps import Step, settled, step

bp = df.Blueprint()

WAKE = "wake"
#: How many steps one generation takes, so that its history stays short whatever the number of periods.
MOST_STEPS = 8


@bp.orchestration_trigger(context_name="context")
def drive_backfill(context: df.DurableOrchestrationContext) -> Step:
    """Take steps while more follow at once, gather wake-ups for one settle time; look again after any, else end.

    A singleton for each backfill: starting it while it exists means waking it. It waits for no run: each wakes it when
    it ends, and the reconciler does where that was lost.
    """
    ask = context.get_input()
    woken = context.wait_for_external_event(WAKE)
    told = {"more": True}
    for _ in range(MOST_STEPS):
        told = yield from step(context, "advance_backfill", ask)
        if not told["more"]:
            break
    if told["more"]:
        context.continue_as_new(ask)
        return None
    if (yield from settled(context, woken)):
        return told
    context.continue_as_new(ask)
    return None
