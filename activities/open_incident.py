"""An incident: durable in the lake first, sent after that."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from activities.resolve_incident import level
from activities.send_incident import on_its_way, try_to_send
from slipway import alike, catalog, paths
from slipway.azure.failures import failure_of
from slipway.azure.lake import lake
from slipway.dependencies import downstream
from slipway.due import due_at
from slipway.failure import Failure, Kind
from slipway.incident import opened
from slipway.period_record import is_quiet
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
    named = {**_standing(about), **_shadow(about, facts), **facts, **_job(facts), **about.to_document()}
    incident = lake().change_incident(about, lambda seen, now: on_its_way(opened(seen, named, now)))
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


def _shadow(about: Subject, facts: dict[str, Any]) -> dict[str, Any]:
    """In which common incident's shadow this one lies, if many models fail alike just now."""
    if about.period is None:
        return {}
    common = alike.subject((facts["kind"], facts["code"]))
    seen = lake().incident(common)
    return {"part_of": common.key} if seen and seen["status"] == "open" else {}


def _standing(about: Subject) -> dict[str, Any]:
    """Who is called, how much it matters, until when, and who waits, as the catalog says.

    Empty where the catalog does not say, which keeps no incident from being opened.
    """
    if about.model is None:
        return {}
    try:
        known = catalog.load(lake().control)
    except Exception as error:
        failure_of(error)  # raises again what is no foreseen failure
        return {}
    found = known.models.get(about.model)
    if found is None:
        return {}
    definition = found.definition
    facts = {"owner": definition.owner, "tier": definition.tier}
    if about.period is None:
        return facts
    waiting = downstream((one.definition for one in known.models.values()), about.model)
    own = about.period if about.period.cadence is definition.cadence else None
    due = due_at(definition, own) if own else None
    is_backlog = due is None or due < found.first_released_at
    return {**facts, "due": None if due is None or is_backlog else due.isoformat(), "waiting": waiting}
