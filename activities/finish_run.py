"""The end of an attempt: the period is free for the next run."""

from __future__ import annotations

import asyncio
from typing import Any

import azure.durable_functions as df

from activities import engine_history
from activities.effects import Ask, effect
from activities.wake import wake, wake_backfill
from slipway.azure.lake import lake
from slipway.claim import finish
from slipway.period_record import End
from slipway.run import RunId, job_name

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@bp.durable_client_input(client_name="client")
async def finish_run(ask: Ask, client: df.DurableOrchestrationClient) -> dict[str, Any]:
    """See `end`; then ask what the period needs next: data may have changed while nothing could be done about it.

    A backfill whose run this was is told, to start the next one.
    """
    answer = await asyncio.to_thread(effect(end), ask)
    if "failure" not in answer:
        run = RunId.parse(ask["run"])
        await wake(client, run.model, run.period)
        if backfill := answer["result"].pop("backfill", None):
            await wake_backfill(client, backfill)
        await engine_history.keep(client, run, ask["attempt"])
    return answer


def end(ask: Ask) -> dict[str, Any]:
    """Clear the claim. If one of the run's jobs was not seen ended, all are noted, for the reconciler to end them.

    Answers the `backfill` that the attempt belongs to, if to one.
    """
    run = RunId.parse(ask["run"])
    orphans = tuple(job_name(run, number) for number in range(1, ask["attempt"] + 1)) if ask.get("orphaned") else ()
    record = lake().change_period(
        run.model,
        run.period,
        lambda seen, now: finish(seen, ask["run"], ask["attempt"], End(ask["state"]), now, orphans),
    )
    backfill = ((record["last"] or {}).get("cause") or {}).get("backfill")
    return {"backfill": backfill} if backfill else {}
