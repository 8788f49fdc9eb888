"""Resolving: the period is published, so its incident ends."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from activities.send_incident import try_to_send
from slipway.azure.lake import lake
from slipway.incident import resolved
from slipway.period import Period
from slipway.run import RunId

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def resolve_incident(ask: Ask) -> dict[str, Any]:
    """Resolve the period's incident, if one is open, durably. What the sink does not take now is sent again later."""
    return resolve(RunId.parse(ask["run"]))


def resolve(run: RunId) -> dict[str, Any]:
    """Note the resolution by this run, then try to send it."""
    return resolve_by(run.model, run.period, run.text)


def resolve_by(model: str, period: Period, by: str) -> dict[str, Any]:
    """Note what resolved the period's incident, then try to send it."""
    incident = lake().change_incident(model, period, lambda seen, now: resolved(seen, by, now))
    return {"sent": try_to_send(incident) if incident else False}
