"""Jobs without a run: they go on being ended until they are seen ended."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.cancel_job import end
from activities.effects import Ask, effect
from activities.resolve_incident import act as resolve
from slipway.azure.lake import lake
from slipway.claim import orphan_ended
from slipway.period import Period

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def end_orphans(ask: Ask) -> dict[str, Any]:
    """See `act`."""
    return act(ask)


def act(ask: Ask) -> dict[str, Any]:
    """Cancel each of the period's orphans; one that is seen ended is struck from the record.

    With the last of them goes the incident that says a job would not end, if that is what is open.
    """
    model, period = ask["model"], Period.parse(ask["period"])
    record = lake().period(model, period) or {"orphans": []}
    for job in record["orphans"]:
        if end(job):
            record = lake().change_period(model, period, lambda seen, _, job=job: orphan_ended(seen, job))  # type: ignore[misc]
    if not record["orphans"]:
        resolve(ask)
    return {"left": len(record["orphans"])}
