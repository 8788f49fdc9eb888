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
    """Clear the claim. If one of the run's jobs was not seen ended, all are noted, for the reconciler to end them."""
    run = RunId.parse(ask["run"])
    orphans = tuple(job_name(run, number) for number in range(1, ask["attempt"] + 1)) if ask.get("orphaned") else ()
    lake().change_period(
        run.model,
        run.period,
        lambda seen: finish(seen, ask["run"], ask["attempt"], End(ask["state"]), clock.now(), orphans),
    )
    return {}
