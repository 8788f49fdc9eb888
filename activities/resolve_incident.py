"""Resolving: the period is published, so its incident ends."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from activities.send_incident import try_to_send
from slipway import clock
from slipway.azure.lake import lake
from slipway.incident import resolved
from slipway.run import RunId

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def resolve_incident(ask: Ask) -> dict[str, Any]:
    """Resolve the period's incident, if one is open, durably. What the sink does not take now is sent again later."""
    run = RunId.parse(ask["run"])
    return resolve(run)


def resolve(run: RunId) -> dict[str, Any]:
    """Note the resolution by this run, then try to send it."""
    incident = lake().change_incident(run.model, run.period, lambda seen: resolved(seen, run.text, clock.now()))
    return {"sent": try_to_send(incident) if incident else False}
