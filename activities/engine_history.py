"""The engine's own history of an attempt: read from it while it is there, kept beside the run when it ends."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

import azure.durable_functions as df

from slipway import paths
from slipway.azure.lake import lake
from slipway.run import RunId, instance_id
from slipway.timeline import of_attempt

#: The stories within a run that are instances of their own.
STORIES = ("stage_inputs", "await_job", "verify_outputs", "end_job")
#: The states in which an instance has ended; no other is ever purged.
ENDED = (
    df.OrchestrationRuntimeStatus.Completed,
    df.OrchestrationRuntimeStatus.Failed,
    df.OrchestrationRuntimeStatus.Terminated,
    df.OrchestrationRuntimeStatus.Canceled,
)
#: Before any instance was created.
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
#: How long one purge may take, in seconds; what it has deleted by then is gone, the rest goes with the next.
PURGE_SECONDS = 200.0
log = logging.getLogger("slipway")


async def keep(client: df.DurableOrchestrationClient, run: RunId, attempt: int) -> None:
    """Keep what the engine knows of an attempt; its own storage may be purged or lost. Nothing fails for that."""
    try:
        found = await read(client, run, attempt)
        await asyncio.to_thread(lake().control.create, paths.engine_history(run, attempt), found)
    except Exception as error:
        log.warning("the history of %s was not kept: %r", run, error, extra={"action": "history_not_kept"})


async def purge(client: df.DurableOrchestrationClient, until: datetime) -> int:
    """Delete from the engine what was created before `until` and has ended; how many instances went.

    The states are named: without any, the engine would take running ones too. Source: Durable Functions HTTP API,
    Purge Instance Histories.
    """
    gone = await asyncio.wait_for(client.purge_instance_history_by(BEGINNING, until, list(ENDED)), PURGE_SECONDS)
    return int(gone.instances_deleted)


async def keep_ended(client: df.DurableOrchestrationClient, run: RunId, attempt: int) -> None:
    """Keep what was not kept when the attempt ended, before it is purged. Raises where that cannot be done.

    One that goes on is left to its end, and one that the engine does not know any more to its receipts.
    """
    if await asyncio.to_thread(lake().control.exists, paths.engine_history(run, attempt)):
        return
    status = await client.get_status(instance_id(run, attempt))
    if status and status.instance_id and status.runtime_status in ENDED:
        found = await read(client, run, attempt)
        await asyncio.to_thread(lake().control.create, paths.engine_history(run, attempt), found)


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
