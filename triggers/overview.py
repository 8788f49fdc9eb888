"""What needs a person, what is late, running or stuck, over HTTP: the page that on-call keeps open."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from slipway import paths
from slipway.azure.lake import lake
from slipway.invocation import Threads
from slipway.period import Period
from slipway.period_record import Stage, is_dead, unheard
from slipway.run import RunId
from slipway.timing import Timing
from triggers import search
from triggers.api import answer, endpoint, reader
from triggers.models import Fleet
from triggers.shapes.models import LatePeriod, Overview, Running

bp = df.Blueprint()

#: A reconciler whose last pass ended longer ago has something that needs a look: it passes every minute or two.
STALE = timedelta(minutes=15)
#: How many periods of each model are looked at for lateness.
NEWEST = 14
#: How many open incidents are shown; a list of their own has all.
MOST_INCIDENTS = 100
READERS = 16
_ACTIVE = frozenset(Stage)


@bp.function_name("get_overview")
@bp.route("api/overview", methods=["GET"], trigger_arg_name="request")
@endpoint()
async def get_overview(request: func.HttpRequest) -> func.HttpResponse:
    """What is running and whether it shows life, what is late, which incidents are open, which models are paused."""
    reader(request)
    return answer(await asyncio.to_thread(overview))


def overview() -> dict[str, Any]:
    """All of it: the board, and the records of what is active and of open incidents; a request for each of those."""
    fleet = Fleet()
    beat = lake().control.read(paths.heartbeat())
    reconciled_at = datetime.fromisoformat(beat.data["at"]) if beat else None
    with Threads(READERS) as pool:
        running = [row for row in pool.map(lambda pair: _running(*pair), _active(fleet)) if row]
    return Overview(
        now=fleet.now,
        reconciled_at=reconciled_at,
        reconcile_stale=reconciled_at is None or fleet.now - reconciled_at > STALE,
        running=sorted(running, key=lambda row: (row.stuck is None, row.since)),
        late=list(_late(fleet)),
        incidents=search.incidents("open", MOST_INCIDENTS, None)["incidents"],
        paused=sorted(_paused()),
    ).model_dump(mode="json")


def _active(fleet: Fleet) -> Iterator[tuple[str, Period]]:
    """The periods with an active run, of those that the board keeps."""
    for found, period, facts in fleet.rows():
        if facts.get("state") in _ACTIVE:
            yield found.definition.name, period


def _running(model: str, period: Period) -> Running | None:
    record, now = lake().period_at(model, period)
    claim = record["claim"] if record else None
    if record is None or claim is None:
        return None  # it ended meanwhile
    stuck = None
    if is_dead(claim, now):
        stuck = "its owner has shown no life in time; the next pass of the reconciler goes on with it, or ends it"
    elif unheard(claim, now):
        stuck = "its orchestration has not reported yet; it is started again"
    return Running(
        model=model,
        period=str(period),
        run=RunId.parse(claim["run"]).text,
        attempt=claim["attempt"],
        stage=claim["ending"] or claim["stage"],
        since=claim["since"],
        deadline=claim["deadline"],
        stuck=stuck,
        canceling=record["cancel"] is not None,
    )


def _late(fleet: Fleet) -> Iterator[LatePeriod]:
    """The newest periods that are late or at risk of it, without those that have an incident."""
    for found in fleet.catalog.models.values():
        for row in fleet.newest(found, NEWEST):
            if row.timing in (Timing.LATE, Timing.AT_RISK) and row.incident is None:
                yield LatePeriod(**row.model_dump(), model=found.definition.name, owner=found.definition.owner)


def _paused() -> Iterator[str]:
    for entry in lake().control.list("models/"):
        if entry.metadata.get("paused") == "yes":
            yield entry.name.rpartition("/")[2].removesuffix(".json")
