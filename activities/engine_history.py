"""The engine's own history of an attempt: read from it while it is there, kept beside the run when it ends."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import azure.durable_functions as df

from slipway import paths
from slipway.azure.lake import lake
from slipway.run import RunId, instance_id
from slipway.timeline import of_attempt

#: The stories within a run that are instances of their own.
STORIES = ("stage_inputs", "await_job", "verify_outputs", "end_job")
log = logging.getLogger("slipway")


async def keep(client: df.DurableOrchestrationClient, run: RunId, attempt: int) -> None:
    """Keep what the engine knows of an attempt; its own storage may be purged or lost. Nothing fails for that."""
    try:
        found = await read(client, run, attempt)
        await asyncio.to_thread(lake().control.create, paths.engine_history(run, attempt), found)
    except Exception as error:
        log.warning("the history of %s was not kept: %r", run, error, extra={"action": "history_not_kept"})


async def read(client: df.DurableOrchestrationClient, run: RunId, attempt: int) -> dict[str, Any]:
    """What the engine knows of an attempt's instances now, as `slipway.timeline.of_attempt` documents it."""
    ids = [instance_id(run, attempt), *(instance_id(run, attempt, story) for story in STORIES)]
    found = await asyncio.gather(*(client.get_status(one, show_history=True, show_history_output=True) for one in ids))
    return of_attempt(attempt, [_document(status) for status in found if status and status.instance_id])


def _document(status: df.DurableOrchestrationStatus) -> dict[str, Any]:
    return {
        "instanceId": status.instance_id,
        "name": status.name,
        "runtimeStatus": str(getattr(status.runtime_status, "name", status.runtime_status)),
        # The SDK looks for `history` and leaves what the extension calls so as an attribute of its own.
        "historyEvents": getattr(status, "historyEvents", None) or status.history,
    }
