"""An incident: durable in the lake first, sent after that."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from activities.send_incident import try_to_send
from slipway import catalog
from slipway.azure.lake import lake
from slipway.incident import opened
from slipway.period import Period
from slipway.run import RunId, job_name

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def open_incident(ask: Ask) -> dict[str, Any]:
    """Open the incident of a failed run, or add to the one that is open. `ask`: the run, its failure and step.

    A sink that does not take it now is told again by the reconciler: the run is not held up.
    """
    run = RunId.parse(ask["run"])
    facts = {**ask["failure"], "run": run.text, "attempt": ask["attempt"], "step": ask["step"]}
    return open_and_send(run.model, run.period, {**facts, "job": job_name(run, ask["attempt"])})


def open_and_send(model: str, period: Period, facts: dict[str, Any]) -> dict[str, Any]:
    """Write the intent, then try to send it. `facts` as `slipway.incident.opened` takes them, but for the names."""
    known = catalog.load(lake().control).models.get(model)
    named = {**facts, "model": model, "period": str(period), "owner": known.definition.owner if known else None}
    incident = lake().change_incident(model, period, lambda seen, now: opened(seen, named, now))
    return {"incident": incident["key"], "sent": try_to_send(incident)}
