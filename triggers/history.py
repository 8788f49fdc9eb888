"""The history of a run over HTTP: everything that was tried, in order, with how it ended."""

from __future__ import annotations

import asyncio
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from activities.engine_history import read
from slipway import paths
from slipway.azure.lake import lake
from slipway.run import RunId
from slipway.timeline import timeline
from triggers.api import answer, endpoint, reader
from triggers.runs import run_of, view_of
from triggers.shapes import History

bp = df.Blueprint()


@bp.function_name("get_run_history")
@bp.route("api/runs/{run}/history", methods=["GET"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@endpoint()
async def get_run_history(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Every task of the run's attempts: when, which try, how it ended; by the engine, and by receipts."""
    reader(request)
    return answer(await history_of(run_of(request), client))


async def history_of(run: RunId, client: df.DurableOrchestrationClient) -> dict[str, Any]:
    """The history of a run. Raises 404 for one that is not known."""
    view = await asyncio.to_thread(view_of, run)
    attempts = range(1, view["attempt"] + 1)
    kept = await asyncio.to_thread(lambda: [_kept(run, attempt) for attempt in attempts])
    engines = [one or await read(client, run, attempt) for attempt, one in zip(attempts, kept, strict=True)]
    entries = timeline(view["steps"], engines)
    return History(run=run.text, state=view["state"], timeline=entries).model_dump(mode="json")


def _kept(run: RunId, attempt: int) -> dict[str, Any] | None:
    record = lake().control.read(paths.engine_history(run, attempt))
    return record.data if record else None
