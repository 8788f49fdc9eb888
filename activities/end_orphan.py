"""A job without a run: it goes on being ended until it is seen ended."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.cancel_job import end
from activities.effects import Ask, effect
from slipway.azure.lake import lake
from slipway.claim import orphan_ended
from slipway.period import Period

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def end_orphan(ask: Ask) -> dict[str, Any]:
    """See `act`."""
    return act(ask)


def act(ask: Ask) -> dict[str, Any]:
    """Cancel the job; once it is seen ended, strike it from the period's record."""
    ended = end(ask["job"])
    if ended:
        lake().change_period(ask["model"], Period.parse(ask["period"]), lambda seen: orphan_ended(seen, ask["job"]))
    return {"ended": ended}
