"""Ending a job: one request, one look."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from slipway.azure.failures import failure_of
from slipway.azure.jobs import jobs

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def cancel_job(ask: Ask) -> dict[str, Any]:
    """Answer `ended` if the job ended or was never there; otherwise ask the service to end it."""
    return {"ended": end(ask["job"])}


def end(job: str) -> bool:
    """Whether the job is seen ended; if not, it is asked to. A refused request is no failure: the next look tells."""
    seen = jobs().own(job)
    if seen is None or seen.phase == "ended":
        return True
    jobs().cancel(job)
    return False


def try_to_end(job: str) -> bool:
    """As `end`; False where the service cannot be asked now, which is for the next look."""
    try:
        return end(job)
    except Exception as error:
        failure_of(error)  # raises again what is no foreseen failure
        return False
