"""A period that is due while inputs are missing, or its run is not done."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from activities.open_incident import open_and_send
from slipway.failure import Failure, Kind
from slipway.period import Period
from slipway.subject import Subject

bp = df.Blueprint()

#: What to do first about a run that is under way and late.
LOOK = "Look at the run: does its job wait for compute, or run longer than usual? It is published whenever it is done."


@bp.activity_trigger(input_name="ask")
@effect
def report_late(ask: Ask) -> dict[str, Any]:
    """See `act`."""
    return act(ask)


def act(ask: Ask) -> dict[str, Any]:
    """Open the period's incident: it names what blocks. It is over when the period is published or canceled.

    `ask` is the decision; one that names a run says that it goes on past the due time.
    """
    failure = Failure(Kind.DATA, "late", ask["why"]).to_document()
    if ask.get("run"):
        failure = Failure(Kind.PLATFORM, "late", ask["why"]).to_document()
        failure |= {"run": ask["run"], "attempt": ask["attempt"], "step": None, "first_step": LOOK}
    return open_and_send(Subject.of_period(ask["model"], Period.parse(ask["period"])), failure)
