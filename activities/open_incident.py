"""An incident: durable in the lake first, sent after that."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from activities.resolve_incident import level
from activities.send_incident import try_to_send
from slipway import catalog, paths
from slipway.azure.failures import failure_of
from slipway.azure.lake import lake
from slipway.claim import is_quiet
from slipway.failure import Failure, Kind
from slipway.incident import opened
from slipway.run import RunId, parse_job_name
from slipway.subject import Subject

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def open_incident(ask: Ask) -> dict[str, Any]:
    """See `act`."""
    return act(ask)


def act(ask: Ask) -> dict[str, Any]:
    """Open the incident of a failed run, or add to the one that is open. `ask`: the run, its failure and step.

    Where they are not told, as by the reconciler, the attempt's record tells them. A sink that does not take it now is
    told again by the reconciler: the run is not held up. A run of a backfill is told by the backfill's own incident.
    """
    run, attempt = RunId.parse(ask["run"]), ask["attempt"]
    if is_quiet(_holder(run, attempt).get("cause")):
        return {"incident": None, "sent": False}
    told = ask if ask.get("failure") else _recorded(run, attempt)
    facts = {**told["failure"], "run": run.text, "attempt": attempt, "step": told["step"]}
    return open_and_send(Subject.of_period(run.model, run.period), facts)


def open_and_send(about: Subject, facts: dict[str, Any]) -> dict[str, Any]:
    """Write the intent, then try to send it. `facts` as `slipway.incident.opened` takes them, but for subject and job.

    The same facts twice are no change and nothing is sent again; others update the open incident. What was over by the
    time it was written is resolved at once, before anyone is told.
    """
    named = {"owner": _owner(about.model), **facts, **_job(facts), **about.to_document()}
    incident = lake().change_incident(about, lambda seen, now: opened(seen, named, now))
    incident = level(about) or incident
    return {"incident": incident["key"], "sent": try_to_send(incident)}


def _recorded(run: RunId, attempt: int) -> dict[str, Any]:
    record = lake().control.read(paths.attempt_record(run, attempt))
    if record is not None and record.data["failure"]:
        return record.data
    failure = Failure(Kind.SLIPWAY, "not-recorded", f"Attempt {attempt} of {run} failed and left no record of why.")
    return {"failure": failure.to_document(), "step": None}


def _job(facts: dict[str, Any]) -> dict[str, Any]:
    """The attempt's job, own or taken over, and the address of its log; neither where none was submitted."""
    if facts.get("run") is None:
        return {}
    run, attempt = RunId.parse(facts["run"]), facts["attempt"]
    holder = _holder(run, attempt)
    if holder.get("job") is None:
        return {}
    submitted = lake().control.read(paths.receipt(run, "submit_job", parse_job_name(holder["job"])[1]))
    return {"job": holder["job"], "log": submitted.data["result"].get("studio") if submitted else None}


def _holder(run: RunId, attempt: int) -> dict[str, Any]:
    """What is known of an attempt: its claim, else the record of its end; empty where there is neither."""
    record = lake().period(run.model, run.period)
    claim: dict[str, Any] | None = record and record["claim"]
    if claim is not None and (claim["run"], claim["attempt"]) == (run.text, attempt):
        return claim
    ended = lake().control.read(paths.attempt_record(run, attempt))
    return ended.data if ended else {}


def _owner(model: str | None) -> str | None:
    """Who is called; None where the catalog does not say, which keeps no incident from being opened."""
    if model is None:
        return None
    try:
        known = catalog.load(lake().control).models.get(model)
    except Exception as error:
        failure_of(error)  # raises again what is no foreseen failure
        return None
    return known.definition.owner if known else None
