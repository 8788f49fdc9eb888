"""Starting a run: the period is given to it by compare-and-swap, then its instance is started."""

from __future__ import annotations

import asyncio
from typing import Any

import azure.durable_functions as df

from activities.assess_period import pause_of
from activities.effects import Ask, effect
from activities.wake import start
from slipway.azure.lake import lake
from slipway.claim import reserve, succeed_dead_owner
from slipway.period_record import Refused
from slipway.run import RunId, instance_id

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@bp.durable_client_input(client_name="client")
async def start_run(ask: Ask, client: df.DurableOrchestrationClient) -> dict[str, Any]:
    """See `act`."""
    answer = await asyncio.to_thread(effect(reserved), ask)
    if answer.get("result"):
        answer["result"] = await started(answer["result"], client)
    return answer


async def act(ask: Ask, client: df.DurableOrchestrationClient) -> dict[str, Any]:
    """Carry out the decision to start, or to go on as the next attempt. A claim that others hold is left to them."""
    run = await asyncio.to_thread(reserved, ask)
    return await started(run, client) if run else {}


def reserved(ask: Ask) -> dict[str, Any]:
    """The claim of the run to start; empty when the record does not allow it (any more).

    `ask` is a decision: with `plan` to reserve a new run, with `takeover` to pass a dead owner's run to its next
    attempt, with neither to start the instance of a claim that has not reported. A model that was paused since the
    decision starts nothing: the look at its inputs may have taken minutes.
    """
    run = RunId.parse(ask["run"])
    try:
        if ask.get("plan"):
            if pause_of(run.model):
                return {}
            record = lake().change_period(run.model, run.period, lambda seen, now: reserve(seen, ask["plan"], now))
        elif ask.get("takeover"):
            record = lake().change_period(
                run.model, run.period, lambda seen, now: succeed_dead_owner(seen, run.text, ask["attempt"], now)
            )
        else:
            record = lake().period(run.model, run.period) or {}
    except Refused:
        return {}
    claim = record.get("claim")
    return claim if claim and claim["run"] == run.text and claim["token"] == "" else {}


async def started(claim: dict[str, Any], client: df.DurableOrchestrationClient) -> dict[str, Any]:
    """Start the instance of a reserved claim. One that is running already is as good; a finished one never took it."""
    run, attempt = RunId.parse(claim["run"]), claim["attempt"]
    await start(client, "run_model", instance_id(run, attempt), {"run": run.text, "attempt": attempt})
    return {"started": instance_id(run, attempt)}
