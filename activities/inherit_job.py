"""A later attempt looks at the jobs of the earlier ones: one that completed is taken over, not run again."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, claim_of, run_step
from activities.hold_claim import hold
from slipway import paths
from slipway.azure.jobs import jobs
from slipway.azure.lake import lake
from slipway.run import RunId, job_name

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@run_step
def inherit_job(ask: Ask) -> dict[str, Any]:
    """Answer the names of earlier jobs still `alive`, or take over the outputs of the one that completed.

    Taking over renames its output folder to this attempt's, so that the old owner's late writes meet nothing; a
    target that exists says that it was done. Nothing is taken over while any earlier job is alive.
    """
    claim_of(ask)
    run, attempt = RunId.parse(ask["run"]), ask["attempt"]
    earlier = [job for number in range(attempt - 1, 0, -1) if (job := jobs().read(job_name(run, number)))]
    alive = [job.name for job in earlier if job.phase != "ended"]
    completed = next((job.name for job in earlier if job.outcome == "completed"), None)
    took_over = not alive and completed is not None and _take_outputs(run, attempt)
    if took_over:
        hold(ask, "verifying", job=completed)
    return {"alive": alive, "took_over": took_over, "job": completed if took_over else None}


def _take_outputs(run: RunId, attempt: int) -> bool:
    mine = paths.outputs_folder(run, attempt)
    if lake().models.exists(mine):
        return True
    return any(
        lake().models.rename_folder(paths.outputs_folder(run, number), mine) for number in range(attempt - 1, 0, -1)
    )
