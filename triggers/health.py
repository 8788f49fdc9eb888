"""Whether the reconciler passes, for whoever watches from outside: anonymous, and no word more than that."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import azure.durable_functions as df
import azure.functions as func

from slipway import clock, paths
from slipway.azure.failures import failure_from
from slipway.azure.lake import lake
from triggers.api import answer
from triggers.overview import STALE

bp = df.Blueprint()
log = logging.getLogger("slipway")

State = Literal["ok", "stale", "unavailable"]
NEVER = datetime.min.replace(tzinfo=UTC)
#: For how long an answer is given again without looking: nobody can make the app read its lake at will.
KEPT = timedelta(seconds=5)


@bp.function_name("get_health")
@bp.route("api/health", methods=["GET"], trigger_arg_name="request")
async def get_health(request: func.HttpRequest) -> func.HttpResponse:
    """200 while the reconciler passes, 503 when its heartbeat is stale, or cannot be read. Needs no principal."""
    del request
    now = clock.now()
    if _last.state is None or not timedelta(0) <= now - _last.at < KEPT:
        _last.state, _last.at = await asyncio.to_thread(_look), now
    return answer({"status": _last.state}, 200 if _last.state == "ok" else 503)


@dataclass
class _Last:
    """What was answered last, and when it was looked up."""

    state: State | None = None
    at: datetime = NEVER


_last = _Last()


def _look() -> State:
    try:
        beat, now = lake().control.read_at(paths.heartbeat())
    except Exception as error:
        log.warning("the heartbeat cannot be read: %s", failure_from(error), extra={"action": "heartbeat_unread"})
        return "unavailable"
    return "ok" if beat and now - datetime.fromisoformat(beat.data["at"]) <= STALE else "stale"
