"""The end of an attempt: the period is free for the next run."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from slipway import clock
from slipway.azure.lake import lake
from slipway.claim import End, finish
from slipway.run import RunId, job_name

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def finish_run(ask: Ask) -> dict[str, Any]:
    """Clear the claim. A job that was not seen ended is noted, for the reconciler to go on ending it."""
    run = RunId.parse(ask["run"])
    orphans = (job_name(run, ask["attempt"]),) if ask.get("orphaned") else ()
    lake().change_period(
        run.model,
        run.period,
        lambda seen: finish(seen, ask["run"], ask["attempt"], End(ask["state"]), clock.now(), orphans),
    )
    return {}
