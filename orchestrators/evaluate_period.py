"""Evaluating a period: ask what should happen, do it, and let a flood of wake-ups become one more question."""

from __future__ import annotations

import azure.durable_functions as df

from orchestrators.steps import Step, settled, step

bp = df.Blueprint()

WAKE = "wake"
#: How many decisions one evaluation carries out before it leaves the rest to the reconciler.
MOST_DECISIONS = 4


@bp.orchestration_trigger(context_name="context")
def evaluate_period(context: df.DurableOrchestrationContext) -> Step:
    """Assess, act, gather wake-ups for one settle time; ask again if there were any, else end.

    A singleton for each (model, period): starting it while it exists means waking it, and a wake that is lost does
    not matter, since the reconciler asks the same question. Work grows with settle times, not with events.
    """
    ask = context.get_input()
    woken = context.wait_for_external_event(WAKE)
    decision = None
    for _ in range(MOST_DECISIONS):
        decision = yield from step(context, "assess_period", ask)
        if decision["activity"] is not None:
            yield from step(context, decision["activity"], decision)
        if decision["activity"] is None or decision.get("ask_again") is not None:
            break
    if (yield from settled(context, woken)):
        return decision
    context.continue_as_new(ask)
    return None
