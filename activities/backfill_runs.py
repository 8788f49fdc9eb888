"""The runs of a backfill: asked for once each, looked after, canceled with it, behind the runs that data start."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from activities.assess_period import released
from activities.inputs import assess_inputs, write_snapshot
from slipway import catalog, paths, rollup
from slipway.azure.failures import failure_of
from slipway.azure.lake import lake
from slipway.backfill import REST, Entry, Of, State, cause_of, kept, own, request_of, settled, tried, turn, under_way
from slipway.backfill_register import live_run
from slipway.catalog import Released
from slipway.decision import next_run
from slipway.failure import Failure, Kind
from slipway.invocation import Threads
from slipway.period import Period
from slipway.period_record import Refused
from slipway.run import RunId, instance_id
from slipway.selection import Only
from slipway.settings import settings
from slipway.usage import compute_of
from slipway.wishes import answered, ask, wish_cancel

log = logging.getLogger("slipway")

#: How many periods are looked at, and how many shards of the board are read, at a time.
READERS = 8


def outcomes(record: dict[str, Any], now: datetime) -> dict[str, Entry]:
    """What has become of each period that is under way: its run is asked for, goes on, or has ended."""
    with Threads(READERS) as pool:
        texts = under_way(record)
        found = pool.map(lambda text: _outcome(record, text, now), texts)
        return dict(zip(texts, found, strict=True))


def _outcome(record: dict[str, Any], text: str, now: datetime) -> Entry:
    """Of one period. Whatever goes wrong with it costs the others nothing."""
    entry: Entry = record["periods"][text]
    try:
        if entry["state"] == Of.STARTING:
            return _begun(record, text, entry)
        seen = lake().period(record["model"], Period.parse(text))
        return settled(entry, seen, Only(record["only"]))
    except Exception as error:
        failure = _failure(error)
        log.warning("%s %s: %s", record["backfill"], text, failure, extra={"action": "backfill_period_failed"})
        if entry["state"] == Of.ACTIVE:
            return entry
        if failure.transient:
            return tried(entry, str(failure), now + REST)
        return kept({**entry, "state": Of.FAILED, "why": str(failure)})


def _wish_canceled(model: str, period: Period, run: str, cause: dict[str, Any]) -> dict[str, Any]:
    return lake().change_period(model, period, lambda seen, now: wish_cancel(seen, run, cause, now))


def _failure(error: Exception) -> Failure:
    try:
        return failure_of(error)
    except Exception:
        log.exception("unforeseen", extra={"action": "unforeseen"})
        return Failure(Kind.SLIPWAY, "unforeseen", f"{type(error).__name__}: {error}", transient=True)


def _begun(record: dict[str, Any], text: str, entry: Entry) -> Entry:
    """Ask for the period's run, or read back that it was asked for before; nothing new unless the backfill runs."""
    period, model = Period.parse(text), record["model"]
    seen, now = lake().period_at(model, period)
    if run := answered(seen, request_of(record, entry), "", "", now, {}):
        return kept({**entry, "state": Of.ACTIVE, "run": run, "joined": None})
    if record["state"] != State.RUNNING:
        return kept({**entry, "state": Of.CANCELED if record["state"] == State.CANCELED else Of.PENDING})
    found = released(model)
    if found is None or found.definition.cadence is not period.cadence:
        return kept({**entry, "state": Of.SKIPPED, "why": f"no model {model} with such periods is released any more"})
    without = turn(entry, seen, Only(record["only"]), found.definition.version)
    return without or _asked_for(record, found, period, seen, entry)


def _asked_for(
    record: dict[str, Any], found: Released, period: Period, seen: dict[str, Any] | None, entry: Entry
) -> Entry:
    """Give the period its run, as a person's request would: durably, before anything starts."""
    definition = found.definition
    readiness, files, fingerprint = assess_inputs(definition, period, found)
    if fingerprint is None:
        return kept({**entry, "state": Of.SKIPPED, "why": readiness.blocks})
    numbers = seen["numbers"] if seen else {}
    run = next_run(definition.name, period, fingerprint, definition.version, numbers)
    write_snapshot(run, files)
    plan = {
        "run": run.text,
        "attempt": 1,
        "fingerprint": fingerprint,
        "version": definition.version,
        "cause": cause_of(record, entry),
        "installation": settings().installation,
    }
    request = request_of(record, entry)
    try:
        lake().change_period(definition.name, period, lambda seen, now: ask(seen, request, plan, now))
    except Refused as refused:
        if refused.active:
            return kept({**entry, "state": Of.ACTIVE, "run": refused.active, "joined": True})
        return tried(entry, str(refused))
    return kept({**entry, "state": Of.ACTIVE, "run": run.text, "joined": None})


def unheard(record: dict[str, Any], before: dict[str, Any]) -> list[dict[str, Any]]:
    """The claims of the runs that this step asked for, to have their instances started; empty tokens alone."""
    new = [text for text in own(record) if before["periods"][text]["state"] == Of.STARTING]
    claims = [(lake().period(record["model"], Period.parse(text)) or {}).get("claim") for text in new]
    return [claim for claim in claims if claim and claim["token"] == ""]


def canceled(record: dict[str, Any]) -> list[str]:
    """Wish the backfill's runs under way ended, if it was canceled with them; returns the instances to be woken.

    What is being published already goes on to be published.
    """
    if record["state"] != State.CANCELED or record["canceled"]["runs"] != "cancel":
        return []
    cause = {**record["canceled"], "request": f"backfill:{record['backfill']}"}
    instances = []
    for text in own(record):
        run = record["periods"][text].get("run")
        if run is None:
            continue
        period = Period.parse(text)
        try:
            seen = _wish_canceled(record["model"], period, run, cause)
        except Refused:
            continue
        if claim := seen["claim"]:
            instances.append(instance_id(RunId.parse(run), claim["attempt"], "await_job"))
    return instances


def goes_first(compute: str) -> str | None:
    """The run, as the board shows it, that is to have this compute before any backfill; see `live_run`."""
    models = catalog.load(lake().control).models
    shards = [paths.board(number) for number in range(rollup.SHARDS)]
    with Threads(READERS) as pool:
        boards = [board.data["models"] for board in pool.map(lake().control.read, shards) if board]
    there = [name for name, one in models.items() if compute_of(one.definition.job) == compute]
    return live_run({name: board[name] for board in boards for name in there if name in board})
