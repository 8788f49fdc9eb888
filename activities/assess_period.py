"""Assessing a period: look at the lake, decide, and lay down the snapshot of a run that is to start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from activities.inputs import assess_inputs, look_at_inputs, write_snapshot
from slipway import catalog, paths
from slipway.azure.lake import lake
from slipway.catalog import Released
from slipway.decision import Decision, Seen, decide, needs_inputs
from slipway.due import due_at, late
from slipway.incident import Incident
from slipway.model_state import paused
from slipway.period import Period
from slipway.period_record import End
from slipway.run import RunId
from slipway.settings import settings
from slipway.snapshot import File, fingerprint
from slipway.subject import Subject
from slipway.sweep import takes_corrections

bp = df.Blueprint()

#: Which activity carries out a decision; waiting and doing nothing need none.
ACTIVITIES = {
    "start": "start_run",
    "next_attempt": "start_run",
    "roll_forward": "roll_forward",
    "give_up": "give_up",
    "close_outputs": "close_outputs",
    "end_jobs": "end_orphans",
    "open_incident": "open_incident",
    "resolve_incident": "resolve_incident",
    "raise_incident": "report_late",
}


@bp.activity_trigger(input_name="ask")
@effect
def assess_period(ask: Ask) -> dict[str, Any]:
    """Decide what should happen for the model and period, and answer it with the activity that does it.

    A run that is to start has its snapshot in the lake when this returns: history holds its run's id, not its files.
    """
    found = released(ask["model"])
    if found is None:
        return {"activity": None, "why": f"no model {ask['model']} is released"}
    return decision_for(found, found.definition.period(ask["period"]))


def decision_for(found: Released, period: Period, at_odds: bool = False) -> dict[str, Any]:
    """The decision as one document: `activity` (None for none), why, when to ask again, and what the activity needs.

    `at_odds`: the listings show that the incident may not fit the record, so it is read whatever the record says.
    """
    seen, files = look(found, period, at_odds)
    decision = decide(seen)
    return _document(seen, decision, _plan(decision, seen, files))


def decision_of_record(model: str, period: Period) -> dict[str, Any]:
    """As `decision_for`, from the period's record alone: all that is left to do for a model that is released no more.

    What was published goes on to its readers, jobs are ended, superseded outputs closed. Nothing new is begun: a dead
    owner's run is given up.
    """
    record, now = lake().period_at(model, period)
    seen = Seen(
        now=now,
        model=model,
        period=period,
        version="",
        ends=now,
        due=None,
        in_range=False,
        takes_corrections=False,
        on_new_data="ignore",
        attempts=0,
        paused=False,
        record=record,
        incident=_open_incident(model, period),
    )
    return _document(seen, decide(seen), None)


def _document(seen: Seen, decision: Decision, plan: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "activity": ACTIVITIES.get(decision.action),
        "model": seen.model,
        "period": str(seen.period),
        "why": decision.why,
        "ask_again": decision.ask_again.isoformat() if decision.ask_again else None,
        "run": decision.run,
        "attempt": decision.attempt,
        "plan": plan,
        "takeover": decision.action == "next_attempt",
    }


def released(model: str) -> Released | None:
    """The model as it is released here, or None."""
    return catalog.load(lake().control).models.get(model)


def pause_of(model: str) -> dict[str, Any] | None:
    """Who paused the model, why and when; None for one that is not paused."""
    state = lake().control.read(paths.model_state(model))
    return paused(state.data if state else None)


def glance(found: Released, period: Period) -> Seen:
    """As `look`, to be shown: one look at the inputs, and one even where the decision would need none."""
    seen = _without_inputs(found, period)
    readiness = look_at_inputs(found.definition, period, found)
    wanted_now = readiness.ready and needs_inputs(seen)
    return replace(seen, readiness=readiness, fingerprint=fingerprint(readiness.files) if wanted_now else None)


def look(found: Released, period: Period, at_odds: bool = False) -> tuple[Seen, tuple[File, ...]]:
    """All that the decision about a period rests on, as the lake shows it now, and the selected input files.

    The inputs are looked at only if they matter; there are no files while they are not complete.
    """
    seen = _without_inputs(found, period, at_odds)
    if not needs_inputs(seen):
        return seen, ()
    readiness, files, found_fingerprint = assess_inputs(found.definition, period, found)
    return replace(seen, readiness=readiness, fingerprint=found_fingerprint), files


def _without_inputs(found: Released, period: Period, at_odds: bool = False) -> Seen:
    definition = found.definition
    record, now = lake().period_at(definition.name, period)
    is_late = late(definition, period, now, found.first_released_at)
    published, last = (record["published"], record["last"]) if record else (None, None)
    may_matter = at_odds or (is_late and not published) or (last and last["state"] != End.SUCCEEDED)
    due = due_at(definition, period)
    seen = Seen(
        now=now,
        model=definition.name,
        period=period,
        version=definition.version,
        ends=period.interval(definition.zone).end,
        due=due if due and (is_late or due > now) else None,
        in_range=definition.has(period),
        takes_corrections=takes_corrections(definition, period, now),
        on_new_data=definition.on_new_data,
        attempts=definition.limits.attempts,
        paused=False,
        record=record,
        incident=_open_incident(definition.name, period) if may_matter else None,
    )
    return replace(seen, paused=pause_of(definition.name) is not None) if needs_inputs(seen) else seen


def _open_incident(model: str, period: Period) -> Incident | None:
    incident = lake().incident(Subject.of_period(model, period))
    return incident if incident and incident["status"] == "open" else None


def _plan(decision: Decision, seen: Seen, files: tuple[File, ...]) -> dict[str, Any] | None:
    """What `start_run` reserves for a run that is new; its snapshot is written before."""
    claimed = seen.record and seen.record["claim"]
    if decision.action != "start" or claimed or decision.run is None:
        return None
    write_snapshot(RunId.parse(decision.run), files)
    return {
        "run": decision.run,
        "attempt": 1,
        "fingerprint": seen.fingerprint,
        "version": seen.version,
        "cause": {"kind": "data", "by": "slipway", "reason": decision.why, "request": None},
        "installation": settings().installation,
    }
