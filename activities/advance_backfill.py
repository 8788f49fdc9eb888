"""Driving a backfill one step further: its record is the wish, and the records of its periods tell how far it is."""

from __future__ import annotations

import asyncio
from typing import Any

import azure.durable_functions as df

from activities import backfill_incident, backfill_plan, backfill_runs
from activities.assess_period import released
from activities.effects import Ask, effect
from activities.start_run import started
from activities.wake import WAKE, raise_event
from slipway import paths
from slipway.azure.failures import failure_of
from slipway.azure.lake import lake
from slipway.backfill import Of, State, gave_up_planning, is_open, next_in_turn, own, progress, sent_back
from slipway.backfill_register import admitted, dismissed, shares
from slipway.period_record import Refused
from slipway.settings import settings
from slipway.usage import compute_of

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@bp.durable_client_input(client_name="client")
async def advance_backfill(ask: Ask, client: df.DurableOrchestrationClient) -> dict[str, Any]:
    """See `advance`; then start the instances of the runs that were asked for, and wake those that were canceled."""
    answer = await asyncio.to_thread(effect(advance), ask)
    told = answer.get("result")
    if told is not None:
        for claim in told.pop("claims"):
            await started(claim, client)
        for instance in told.pop("woken"):
            await raise_event(client, instance, WAKE)
    return answer


def advance(ask: Ask) -> dict[str, Any]:
    """Plan it, or see what has become of its runs and ask for as many more as it may have, a few at a time.

    `more`: whether the next step is to follow at once. Killed anywhere, the next step finds what this one did: periods
    are noted as starting before their runs are asked for, and those are asked for by the same request.
    """
    before, now = lake().backfill_at(ask["backfill"])
    done = {"more": False, "claims": [], "woken": []}
    if before is None:
        _change_register(lambda seen, _: dismissed(seen, ask["backfill"]))
        return done
    if before["state"] == State.PLANNING:
        _plan(before)
        return done
    found = backfill_runs.outcomes(before, now)
    share, held = _share({**before, "periods": {**before["periods"], **found}}, now)
    record = lake().change_backfill(before["backfill"], lambda seen, at: progress(seen, found, share, held, at))
    backfill_incident.tell(record)
    if record["state"] not in (State.RUNNING, State.PAUSED) and not is_open(record):
        _change_register(lambda seen, _: dismissed(seen, record["backfill"]))
    return {
        "more": any(entry["state"] == Of.STARTING for entry in record["periods"].values()),
        "claims": backfill_runs.unheard(record, before),
        "woken": backfill_runs.canceled(record),
    }


def _plan(record: dict[str, Any]) -> None:
    """Make the plan. What will not pass by itself ends the backfill, which then says why."""
    try:
        backfill_plan.make(record)
    except Exception as error:
        failure = failure_of(error)  # raises again what is no foreseen failure
        if failure.transient:
            raise
        why = f"it cannot be planned: {failure}"
        lake().change_backfill(record["backfill"], lambda seen, now: gave_up_planning(seen, why, now))


def _share(record: dict[str, Any], now: Any) -> tuple[int, str | None]:
    """How many runs the backfill may have under way now, and why not more, if it is held back.

    Nothing starts unless the register has it: two that share a period are never under way together.
    """
    if record["state"] not in (State.RUNNING, State.PAUSED):
        return 0, None
    known = lake().control.read(paths.started_backfills())
    register = known.data if known else None
    try:
        wanted = admitted(register, record)
        if register is None or wanted["started"] != register["started"]:
            register = _change_register(lambda seen, _: admitted(seen, record))
    except Refused as refused:
        why = str(refused)
        lake().change_backfill(record["backfill"], lambda seen, _: sent_back(seen, why))
        return 0, None
    share = shares(register, settings().backfill_runs)[record["backfill"]]
    found = released(record["model"])
    if record["state"] == State.PAUSED or not next_in_turn(record, now) or found is None:
        return share, None
    if share <= len(own(record)):
        others = f"all backfills together have {settings().backfill_runs} runs at most"
        return share, others if share < record["parallel"] else None
    live = backfill_runs.goes_first(compute_of(found.definition.job))
    return (0, f"{live} and goes first") if live else (share, None)


def _change_register(change: Any) -> dict[str, Any]:
    return lake().control.update(paths.started_backfills(), change)
