"""Resolving: the period's record shows that its incident is over."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from activities.send_incident import try_to_send
from slipway.azure.lake import lake
from slipway.incident import over, resolved
from slipway.period import Period
from slipway.run import RunId

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
    incident = level(model, period)
    return {"sent": try_to_send(incident) if incident else False}


def level(model: str, period: Period) -> dict[str, Any] | None:
    """Note that an open incident is over, if the record says so; returns the incident, None where none was open.

    The incident is read before the record, and only what was read is resolved: however long this sleeps in between, it
    never resolves what happened later.
    """
    incident = lake().incident(model, period)
    if incident is None or incident["status"] != "open":
        return None
    by = over(incident, lake().period(model, period))
    if by is None:
        return incident
    revision = incident["revision"]
    return lake().change_incident(model, period, lambda seen, now: resolved(seen, revision, by, now))
