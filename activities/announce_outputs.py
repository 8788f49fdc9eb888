"""Telling others what was published: subscribers of the topic, and the models that read it."""

from __future__ import annotations

import asyncio
from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from activities.wake import wake
from slipway import catalog, clock, paths
from slipway.azure import topic
from slipway.azure.lake import lake
from slipway.period import Period
from slipway.run import RunId

bp = df.Blueprint()

TYPE = "Slipway.Output.Published"


@bp.activity_trigger(input_name="ask")
@bp.durable_client_input(client_name="client")
async def announce_outputs(ask: Ask, client: df.DurableOrchestrationClient) -> dict[str, Any]:
    """Send `Slipway.Output.Published`, then wake the evaluation of the models that consume this one."""
    answer = await asyncio.to_thread(effect(announce), ask)
    if "failure" in answer:
        return answer
    for model, period in await asyncio.to_thread(consumers, RunId.parse(ask["run"])):
        await wake(client, model, period)
    return answer


def announce(ask: Ask) -> dict[str, Any]:
    """Send the event of what the period's record says is published. Its id is the same on every try."""
    run = RunId.parse(ask["run"])
    record = lake().period(run.model, run.period)
    published = record and record["published"]
    if not published or published["run"] != run.text:
        return {"announced": False}
    event = {
        "specversion": "1.0",
        "type": TYPE,
        "source": f"slipway/{run.model}",
        "id": f"{run}-g{published['generation']}",
        "time": published["at"],
        "subject": f"{run.model}/{run.period}",
        "data": {
            **published,
            "model": run.model,
            "period": str(run.period),
            "pointer": paths.pointer(run.model, run.period),
        },
    }
    return {"announced": topic.publish(event)}


def consumers(run: RunId) -> list[tuple[str, Period]]:
    """The models and periods whose inputs name the outputs of this model for this period."""
    return sorted(catalog.load(lake().control).index.consumers(run.model, run.period, clock.now()))
