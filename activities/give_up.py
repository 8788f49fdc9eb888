"""Giving up a run whose owners died: incident, record and job, straight from the lake, without the engine's help."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.cancel_job import end
from activities.effects import Ask, effect
from activities.open_incident import open_and_send
from activities.record_run import write_record
from slipway import clock
from slipway.azure.failures import failure_of
from slipway.azure.lake import lake
from slipway.claim import DELIVERING, End, finish, is_dead
from slipway.failure import Failure, Kind
from slipway.period import Period
from slipway.run import RunId, job_name

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def give_up(ask: Ask) -> dict[str, Any]:
    """See `act`."""
    return act(ask)


def act(ask: Ask) -> dict[str, Any]:
    """End a dead owner's run: canceled if a person wished so, else failed, with an incident.

    Jobs of any of its attempts that are not seen ended at once are noted, for the reconciler to go on ending them.
    """
    period, now = Period.parse(ask["period"]), clock.now()
    record = lake().period(ask["model"], period)
    claim = record["claim"] if record else None
    if record is None or claim is None or not is_dead(claim, now) or claim["stage"] in DELIVERING:
        return {"given_up": False}
    run, state = RunId.parse(claim["run"]), End.CANCELED if record["cancel"] else End.FAILED
    message = f"{ask['why']}: the last one died while {claim['stage']}. Read the history of {run}-a{claim['attempt']}."
    failure = Failure(Kind.SLIPWAY, "owner-died", message).to_document()
    if state == End.FAILED:
        open_and_send(
            run.model, period, {**failure, "run": run.text, "attempt": claim["attempt"], "step": claim["stage"]}
        )
    write_record(claim, state, failure, claim["stage"])
    orphans = tuple(name for number in range(1, claim["attempt"] + 1) if not _ended(name := job_name(run, number)))
    lake().change_period(
        run.model, period, lambda seen: finish(seen, run.text, claim["attempt"], state, clock.now(), orphans)
    )
    return {"given_up": True}


def _ended(job: str) -> bool:
    try:
        return end(job)
    except Exception as error:
        failure_of(error)  # raises again what is no foreseen failure
        return False
