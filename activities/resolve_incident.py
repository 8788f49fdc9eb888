"""Resolving: the period's record shows that its incident is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from activities.send_incident import try_to_send
from slipway.azure.lake import lake
from slipway.incident import over, resolved
from slipway.period import Period
from slipway.run import RunId
from slipway.subject import Subject

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def resolve_incident(ask: Ask) -> dict[str, Any]:
    """See `act`."""
    return act(ask)


def act(ask: Ask) -> dict[str, Any]:
    """Resolve the period's incident, if one is open and over, durably. What the sink does not take is sent later.

    `ask` is a run, or a decision, which names model and period.
    """
    run = None if "period" in ask else RunId.parse(ask["run"])
    model, period = (run.model, run.period) if run else (ask["model"], Period.parse(ask["period"]))
    incident = level(Subject.of_period(model, period))
    return {"sent": try_to_send(incident) if incident else False}


def resolve_and_send(about: Subject, by: str) -> dict[str, Any]:
    """Resolve the subject's incident, if one is open, and try to send that. `by`: what ended it, in a few words.

    For a subject whose watcher sees that it is over: a backfill, the platform.
    """
    incident = _resolve(about, lambda _: by)
    return {"sent": try_to_send(incident) if incident else False}


def level(about: Subject) -> dict[str, Any] | None:
    """Note that a period's open incident is over, if the record says so; returns it, None where none was open.

    An incident of another subject stays as it is: whoever watches that resolves it.
    """
    model, period = about.model, about.period
    if model is None or period is None:
        return None
    return _resolve(about, lambda incident: over(incident, lake().period(model, period)))


def _resolve(about: Subject, judge: Callable[[dict[str, Any]], str | None]) -> dict[str, Any] | None:
    """The incident, resolved if `judge` says by what; None where none was open.

    It is read before it is judged, and only what was read is resolved: however long this sleeps in between, it never
    resolves what happened later.
    """
    incident = lake().incident(about)
    if incident is None or incident["status"] != "open":
        return None
    by = judge(incident)
    if by is None:
        return incident
    revision = incident["revision"]
    return lake().change_incident(about, lambda seen, now: resolved(seen, revision, by, now))
