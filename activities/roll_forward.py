"""Finishing the publication of an owner that died in it: one activity, which needs no instance of its own."""

from __future__ import annotations

import logging
from typing import Any

import azure.durable_functions as df

from activities.announce_outputs import announce
from activities.effects import Ask, effect, leave_receipt
from activities.open_incident import open_and_send
from activities.publish_outputs import deliver
from activities.record_run import write_record
from activities.resolve_incident import act as resolve
from slipway import clock
from slipway.azure.failures import failure_of
from slipway.azure.lake import lake
from slipway.claim import finish
from slipway.period import Period
from slipway.period_record import DELIVERING, End
from slipway.run import RunId
from slipway.subject import Subject

bp = df.Blueprint()
log = logging.getLogger("slipway")


@bp.activity_trigger(input_name="ask")
@effect
def roll_forward(ask: Ask) -> dict[str, Any]:
    """See `act`."""
    return act(ask)


def act(ask: Ask) -> dict[str, Any]:
    """Open the gate, write pointer and record, resolve, announce, and free the period: whatever of it is left.

    What died was beyond the point of no return, so nothing is decided here; every effect finds its own first work.
    Consumers are woken by the reconciler, which sees the pointer move. What keeps failing until a person acts (a reader
    that the settings no longer know, outputs that were deleted) is the period's incident, and goes on being tried.
    """
    period = Period.parse(ask["period"])
    record = lake().period(ask["model"], period)
    claim = record["claim"] if record else None
    if record is None or claim is None or claim["stage"] not in DELIVERING:
        return {"rolled": False}
    run = RunId.parse(claim["run"])
    started_at = clock.now()
    try:
        delivered = deliver(record)
        if claim.get("again"):
            leave_receipt({"run": run.text, "attempt": claim["attempt"]}, "publish_outputs", started_at, delivered)
        write_record(claim, End.SUCCEEDED)
    except Exception as error:
        failure = failure_of(error)  # raises again what is no foreseen failure
        if not failure.transient:
            facts = {**failure.to_document(), "run": run.text, "attempt": claim["attempt"], "step": "roll_forward"}
            open_and_send(Subject.of_period(run.model, run.period), facts)
        raise
    resolve(ask)
    _try_to_announce(run)
    lake().change_period(
        run.model, period, lambda seen, now: finish(seen, run.text, claim["attempt"], End.SUCCEEDED, now)
    )
    return {"rolled": True}


def _try_to_announce(run: RunId) -> None:
    """Announce; a topic that takes no event must not keep the period from being free: the pointer is the truth."""
    try:
        announce({"run": run.text})
    except Exception as error:
        log.warning("%s was not announced: %s", run, failure_of(error), extra={"action": "announce_failed"})
