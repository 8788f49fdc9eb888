"""Reconciling: on a timer, the question of every trigger is asked wherever something may have changed.

Holds no rule of its own: `slipway.sweep` says where to look, `decide` what to do. With every event lost, this alone
brings the same outputs.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from activities import (
    close_outputs,
    end_orphans,
    give_up,
    open_incident,
    report_late,
    resolve_incident,
    roll_forward,
    start_run,
)
from activities.assess_period import decision_for, list_folders
from activities.send_incident import try_to_send
from slipway import catalog, clock, paths
from slipway.azure.failures import failure_of
from slipway.azure.lake import Entry, lake
from slipway.catalog import Catalog
from slipway.due import late
from slipway.listing import Folder
from slipway.period import Period
from slipway.readiness import wanted
from slipway.settings import settings
from slipway.sweep import digest, must_ask, open_periods

bp = df.Blueprint()
log = logging.getLogger("slipway")

Pair = tuple[str, Period]

#: What one model may cost a pass: seconds, and failures in a row. The rest of it waits for the next pass.
MODEL_SECONDS, MODEL_FAILURES = 60.0, 3
#: How long a whole pass may take, in seconds: well below the function's own limit.
PASS_SECONDS = 600.0
#: How many decisions in a row a pass carries out for one period.
MOST_DECISIONS = 4
#: How many incidents one pass tries to send: a sink that comes back is not flooded.
MOST_SENT = 50

ACTS = {
    "roll_forward": roll_forward.act,
    "give_up": give_up.act,
    "close_outputs": close_outputs.act,
    "end_orphans": end_orphans.act,
    "open_incident": open_incident.act,
    "resolve_incident": resolve_incident.act,
    "report_late": report_late.act,
}


@bp.function_name("reconcile")
@bp.timer_trigger(arg_name="timer", schedule="%SLIPWAY_RECONCILE_SCHEDULE%", run_on_startup=False, use_monitor=True)
@bp.durable_client_input(client_name="client")
async def reconcile(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Make one pass. A second one beside it does no harm: all it does is asked and answered by compare-and-swap.

    A pass that was missed while the app was down is made at start-up (the monitor's past-due run), others are not.
    """
    del timer
    started = clock.now()
    sight = await asyncio.to_thread(look_around)
    asked = await ask_all(sight, client)
    await asyncio.to_thread(close_pass, sight, asked, started)


@dataclass
class Sight:
    """What a pass sees before it asks: which pairs to ask, and what to remember once they were."""

    catalog: Catalog
    pairs: list[Pair] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)  #: place to digest, as this pass found it
    readers: dict[str, set[Pair]] = field(default_factory=dict)  #: place to who reads it
    asks: dict[str, str] = field(default_factory=dict)  #: pair to when time alone calls for the question
    known: dict[str, str] = field(default_factory=dict)  #: what the last pass remembered of the places


def look_around() -> Sight:
    """List each folder of each open period once for all models, and find where the question must be asked."""
    control = lake().control
    sight = Sight(catalog.load(control))
    memory, now = control.read_at(paths.listings())
    sight.known, asks = (memory.data["digests"], memory.data["asks"]) if memory else ({}, {})
    due = {pair for pair, moment in asks.items() if datetime.fromisoformat(moment) <= now}
    sight.asks = {pair: moment for pair, moment in asks.items() if pair not in due}
    incidents = {entry.name for entry in control.list("incidents/") if entry.metadata.get("status") == "open"}
    open_: list[Pair] = []
    wants: set[Pair] = set()
    for name, found in sight.catalog.models.items():
        records = _records(name)
        states = {text: entry.metadata for text, entry in records.items()}
        for period in open_periods(found.definition, states, now):
            open_.append((name, period))
            state = states.get(str(period))
            if record := records.get(str(period)):
                # What happened to the period itself is news like any: a run that ended may have had new data waiting.
                sight.digests[record.name], sight.readers[record.name] = record.etag, {(name, period)}
            unpublished = state is None or state.get("open") == "yes"
            overdue = unpublished and late(found.definition, period, now, found.first_released_at)
            reported = paths.incident(name, period) in incidents
            if must_ask(state, now) or _text((name, period)) in due or (overdue and not reported):
                wants.add((name, period))
    _look_at_places(sight, open_)
    changed = {place for place, found in sight.digests.items() if found != sight.known.get(place, digest(()))}
    wants |= {pair for place in changed for pair in sight.readers[place]}
    sight.pairs = sorted(wants)
    return sight


def _records(model: str) -> dict[str, Entry]:
    folder = f"{paths.period_records(model)}/"
    listed = lake().control.list(folder)
    return {entry.name.removeprefix(folder).removesuffix(".json"): entry for entry in listed}


def _look_at_places(sight: Sight, open_: Iterable[Pair]) -> None:
    """Digest every folder and every pointer that an open period reads."""
    readers: dict[Folder, set[Pair]] = defaultdict(set)
    pointers: dict[Pair, set[Pair]] = defaultdict(set)
    for model, period in open_:
        for want in wanted(sight.catalog.models[model].definition, period):
            if want.folder is not None:
                readers[want.folder].add((model, period))
            elif want.producer is not None and want.period is not None:
                pointers[want.producer[0], want.period].add((model, period))
    for folder, listing in list_folders(readers).items():
        sight.digests[str(folder)] = digest(listing.entries)
        sight.readers[str(folder)] = readers[folder]
    etags = {entry.name: entry.etag for model in {model for model, _ in pointers} for entry in _published(model)}
    for (model, period), who in pointers.items():
        place = paths.pointer(model, period)
        sight.digests[place] = etags.get(place, digest(()))
        sight.readers[place] = who


def _published(model: str) -> Iterable[Any]:
    return lake().models.list(f"{paths.published_folder(model)}/")


async def ask_all(sight: Sight, client: df.DurableOrchestrationClient) -> set[Pair]:
    """Ask about each pair and act on the answer, within each model's budget; returns the pairs that were settled."""
    settled: set[Pair] = set()
    spent: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    began = clock.now()
    for pair in sight.pairs:
        model = pair[0]
        over = spent[model] > MODEL_SECONDS or failures[model] >= MODEL_FAILURES
        if over or (clock.now() - began).total_seconds() > PASS_SECONDS:
            continue
        before = clock.now()
        try:
            sight.asks.pop(_text(pair), None)
            again = await ask_about(sight.catalog, pair, client)
            settled.add(pair)
            if again is not None:
                sight.asks[_text(pair)] = again
        except Exception as error:
            failures[model] += 1
            log.warning("%s: %s", _text(pair), failure_of(error), extra={"action": "evaluation_failed", "model": model})
        spent[model] += (clock.now() - before).total_seconds()  # type: ignore[assignment]
    return settled


async def ask_about(known: Catalog, pair: Pair, client: df.DurableOrchestrationClient) -> str | None:
    """Decide and act until there is nothing more to do; returns when to ask again, if time alone will call for it."""
    model, period = pair
    decision: dict[str, Any] = {"ask_again": None}
    for _ in range(MOST_DECISIONS):
        decision = await asyncio.to_thread(decision_for, known.models[model], period)
        if decision["activity"] == "start_run":
            await start_run.act(decision, client)
        elif decision["activity"] is not None:
            await asyncio.to_thread(ACTS[decision["activity"]], decision)
        if decision["activity"] is None or decision["ask_again"] is not None:
            break
    again: str | None = decision["ask_again"]
    return again


def close_pass(sight: Sight, settled: set[Pair], started: datetime) -> None:
    """Remember what was seen of the places whose readers were all settled, send what is unsent, leave the heartbeat."""
    left = set(sight.pairs) - settled
    seen = {
        place: sight.known.get(place, "") if sight.readers[place] & left else found
        for place, found in sight.digests.items()
    }
    # An empty digest is remembered by its absence: thousands of folders wait for their data.
    digests = {place: found for place, found in seen.items() if found != digest(())}
    for pair in left:
        sight.asks.setdefault(_text(pair), started.isoformat())
    lake().control.update(paths.listings(), lambda *_: {"schema": 1, "digests": digests, "asks": sight.asks})
    _send_unsent()
    beat = {"at": clock.now().isoformat(), "started_at": started.isoformat(), "installation": settings().installation}
    counts = {"asked": len(settled), "left": len(left), "places": len(sight.digests)}
    lake().control.update(paths.heartbeat(), lambda *_: {"schema": 1, **beat, **counts})


def _send_unsent() -> None:
    listed = lake().control.list("incidents/")
    unsent = [entry.name for entry in listed if entry.metadata.get("unsent") == "yes"][:MOST_SENT]
    for name in unsent:
        incident = lake().control.read(name)
        if incident is not None and not try_to_send(incident.data):
            return  # the sink is down: the next pass tries again


def _text(pair: Pair) -> str:
    return f"{pair[0]}/{pair[1]}"
