"""Giving up a run whose owners died: incident, record and job, straight from the lake, without the engine's help."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.cancel_job import try_to_end
from activities.effects import Ask, effect
from activities.open_incident import open_and_send
from activities.record_run import write_record
from activities.withdraw_rights import withdraw
from slipway.azure.lake import lake
from slipway.claim import finish
from slipway.claim import give_up as give_up_claim
from slipway.failure import Failure, Kind
from slipway.period_record import End, Refused, is_quiet
from slipway.run import RunId, instance_id, job_name
from slipway.subject import Subject

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def give_up(ask: Ask) -> dict[str, Any]:
    """See `act`."""
    return act(ask)


def act(ask: Ask) -> dict[str, Any]:
    """End a dead owner's run: canceled if a person wished so, else failed, with an incident (of a backfill, without).

    The end is settled in the claim before anything is told of it. Jobs of any of its attempts that are not seen ended
    at once are noted, for the reconciler to go on ending them.
    """
    run, attempt = RunId.parse(ask["run"]), ask["attempt"]
    try:
        record = lake().change_period(
            run.model, run.period, lambda seen, now: give_up_claim(seen, run.text, attempt, now)
        )
    except Refused:
        return {"given_up": False}
    claim = record["claim"]
    state = End(claim["ending"])
    message = f"{ask['why']}; it was {claim['stage']}. Read the history of {instance_id(run, attempt)}."
    failure = Failure(Kind.SLIPWAY, "owner-died", message).to_document()
    if state == End.FAILED and not is_quiet(claim["cause"]):
        facts = {**failure, "run": run.text, "attempt": attempt, "step": claim["stage"]}
        open_and_send(Subject.of_period(run.model, run.period), facts)
    write_record(claim, state, failure, claim["stage"])
    orphans = tuple(name for number in range(1, attempt + 1) if not try_to_end(name := job_name(run, number)))
    withdraw(run, attempt)
    lake().change_period(run.model, run.period, lambda seen, now: finish(seen, run.text, attempt, state, now, orphans))
    return {"given_up": True}
