"""Finishing the publication of an owner that died in it: one activity, which needs no instance of its own."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.announce_outputs import announce
from activities.effects import Ask, effect
from activities.publish_outputs import deliver
from activities.record_run import write_record
from activities.resolve_incident import resolve
from slipway import clock
from slipway.azure.lake import lake
from slipway.claim import DELIVERING, End, finish
from slipway.period import Period
from slipway.run import RunId

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def roll_forward(ask: Ask) -> dict[str, Any]:
    """See `act`."""
    return act(ask)


def act(ask: Ask) -> dict[str, Any]:
    """Open the gate, write pointer and record, resolve, announce, and free the period: whatever of it is left.

    What died was beyond the point of no return, so nothing is decided here; every effect finds its own first work.
    Consumers are woken by the reconciler, which sees the pointer move.
    """
    period = Period.parse(ask["period"])
    record = lake().period(ask["model"], period)
    claim = record["claim"] if record else None
    if record is None or claim is None or claim["stage"] not in DELIVERING:
        return {"rolled": False}
    run = RunId.parse(claim["run"])
    deliver(record)
    write_record(claim, End.SUCCEEDED)
    resolve(run)
    announce({"run": run.text})
    lake().change_period(
        run.model, period, lambda seen: finish(seen, run.text, claim["attempt"], End.SUCCEEDED, clock.now())
    )
    return {"rolled": True}
