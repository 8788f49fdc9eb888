"""A later attempt looks at the jobs of the earlier ones: one that completed is taken over, not run again."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, claim_of, effect, leave_receipt
from activities.hold_claim import hold
from slipway import clock, paths
from slipway.azure.jobs import jobs
from slipway.azure.lake import lake
from slipway.run import RunId, job_name

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def inherit_job(ask: Ask) -> dict[str, Any]:
    """Answer the names of earlier jobs still `alive`, or take over the outputs of the one that completed.

    Taking over moves them to this attempt's place, so that the old owner's late steps meet nothing; a place that is
    taken says that it was done. Nothing is taken over while any earlier job is alive, and no receipt tells of that.
    """
    started_at = clock.now()
    claim_of(ask)
    hold(ask, "claimed")
    run, attempt = RunId.parse(ask["run"]), ask["attempt"]
    earlier = {number: job for number in range(1, attempt) if (job := jobs().own(job_name(run, number)))}
    alive = [job.name for job in earlier.values() if job.phase != "ended"]
    completed = max((number for number, job in earlier.items() if job.outcome == "completed"), default=None)
    if alive:
        return {"alive": alive, "took_over": False, "job": None}
    taken = job_name(run, completed) if completed and _take_outputs(run, completed, attempt) else None
    if taken is not None:
        hold(ask, "verifying", job=taken)
    result = {"alive": [], "took_over": taken is not None, "job": taken}
    leave_receipt(ask, "inherit_job", started_at, result)
    return result


def _take_outputs(run: RunId, completed: int, attempt: int) -> bool:
    """Move what the completed job wrote, sealed or not, from whichever attempt has it now; whether it is here then."""
    models = lake().models
    for place in (paths.work_folder, paths.outputs_folder):
        mine = place(run, attempt)
        for number in range(completed, attempt):
            if models.exists(mine):
                return True
            models.rename_folder(place(run, number), mine)
        if models.exists(mine):
            return True
    return False
