"""Jobs without a run: they go on being ended until they are seen ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import azure.durable_functions as df

from activities.cancel_job import try_to_end
from activities.effects import Ask, effect
from activities.open_incident import open_and_send
from activities.resolve_incident import act as resolve
from slipway.azure.lake import lake
from slipway.failure import Failure, Kind
from slipway.incident import WILL_NOT_END
from slipway.period import Period
from slipway.period_record import Record, orphan_ended
from slipway.subject import Subject

bp = df.Blueprint()

#: How long a job may take to end after its run, before a person is called. Most were asked for half an hour by then.
PATIENCE = timedelta(minutes=15)


@bp.activity_trigger(input_name="ask")
@effect
def end_orphans(ask: Ask) -> dict[str, Any]:
    """See `act`."""
    return act(ask)


def act(ask: Ask) -> dict[str, Any]:
    """Cancel each of the period's orphans; one that is seen ended is struck from the record.

    Where one goes on running although its run did not fail, that is the period's incident, until the last has ended.
    """
    model, period = ask["model"], Period.parse(ask["period"])
    about = Subject.of_period(model, period)
    seen, now = lake().period_at(model, period)
    record = seen or {"orphans": []}
    for job in record["orphans"]:
        if try_to_end(job):
            record = lake().change_period(model, period, lambda seen, _, job=job: orphan_ended(seen, job))  # type: ignore[misc]
    if not record["orphans"]:
        resolve(ask)
    elif _is_patience_over(record, now) and not _is_open(lake().incident(about)):
        message = f"{', '.join(record['orphans'])} goes on running after being canceled; it is canceled every minute."
        open_and_send(about, Failure(Kind.PLATFORM, WILL_NOT_END, message).to_document())
    return {"left": len(record["orphans"])}


def _is_patience_over(record: Record, now: datetime) -> bool:
    """A job that was left beside a run that goes on was asked for long before it was left."""
    last = record["last"]
    return last is None or now >= datetime.fromisoformat(last["at"]) + PATIENCE


def _is_open(incident: dict[str, Any] | None) -> bool:
    return incident is not None and incident["status"] == "open"
