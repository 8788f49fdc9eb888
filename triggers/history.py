"""The history of a run over HTTP: everything that was tried, in order, with how it ended."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from activities.engine_history import read
from slipway import paths
from slipway.azure.lake import lake
from slipway.timeline import timeline
from triggers.api import answer, endpoint, reader
from triggers.runs import Look, look_at, run_of
from triggers.shapes.runs import History

bp = df.Blueprint()


#: Seconds that the engine has to tell what it knows.
ENGINE_SECONDS = 5.0
log = logging.getLogger("slipway")


@bp.function_name("get_run_history")
@bp.route("api/runs/{run}/history", methods=["GET"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@endpoint()
async def get_run_history(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Every task of the run's attempts: when, which try, how it ended; by the engine, and by receipts."""
    reader(request)
    return answer(await history_of(await asyncio.to_thread(look_at, run_of(request)), client))


async def history_of(look: Look, client: df.DurableOrchestrationClient) -> dict[str, Any]:
    """The history of a run. Where the engine does not tell, it says so, and receipts tell what was done."""
    kept = await asyncio.to_thread(_kept, look)
    rest = [number for number in range(1, look.view["attempt"] + 1) if number not in look.kept]
    asked, missing = await _asked(look, rest, client)
    entries = timeline(look.view["steps"], [*kept, *asked])
    told = History(run=look.run.text, state=look.view["state"], missing=missing, timeline=entries)
    return told.model_dump(mode="json")


async def _asked(
    look: Look, attempts: list[int], client: df.DurableOrchestrationClient
) -> tuple[list[dict[str, Any]], str | None]:
    """What the engine knows of these attempts, and what to say of those where it does not answer."""
    try:
        found = asyncio.gather(*(read(client, look.run, attempt) for attempt in attempts))
        return await asyncio.wait_for(found, ENGINE_SECONDS), None
    except Exception as error:
        log.warning("the engine was not asked of %s: %r", look.run, error, extra={"action": "engine_not_asked"})
        several = f"attempts {', '.join(map(str, attempts))}" if len(attempts) > 1 else f"attempt {attempts[0]}"
        return [], f"The engine did not answer: of {several} only what was done is told, by its receipts."


def _kept(look: Look) -> list[dict[str, Any]]:
    """What was kept of the attempts that have ended; the engine is not asked of them again."""
    records = (lake().control.read(paths.engine_history(look.run, number)) for number in sorted(look.kept))
    return [record.data for record in records if record]
