"""A period that is due while inputs are missing."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from activities.open_incident import open_and_send
from slipway.failure import Failure, Kind
from slipway.period import Period
from slipway.subject import Subject

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def report_late(ask: Ask) -> dict[str, Any]:
    """See `act`."""
    return act(ask)


def act(ask: Ask) -> dict[str, Any]:
    """Open the period's incident: it names what blocks. It is over when the period is published or canceled."""
    failure = Failure(Kind.DATA, "late", ask["why"]).to_document()
    return open_and_send(Subject.of_period(ask["model"], Period.parse(ask["period"])), failure)
