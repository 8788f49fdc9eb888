"""Evaluating a period: ask what should happen, do it, and let a flood of wake-ups become one more question."""

from __future__ import annotations

from datetime import timedelta

import azure.durable_functions as df

from orchestrators.steps import Step, step

bp = df.Blueprint()

WAKE = "wake"
#: How long further wake-ups are gathered before the question is asked again.
SETTLE = timedelta(seconds=2)
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
    until = context.current_utc_datetime + SETTLE
    settled = context.create_timer(until)
    winner = yield context.task_any([woken, settled])
    if winner == settled:
        return decision
    # A timer of its own for what is left: one that lost a race is not awaited again, the extension would not see it.
    if not settled.is_completed:
        settled.cancel()
    yield context.create_timer(until)
    context.continue_as_new(ask)
    return None
