"""Before the first copy: the folders, with the rights that a job needs and nobody else."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, claim_of, run_step
from activities.hold_claim import hold
from slipway import access, catalog, paths
from slipway.azure.lake import lake
from slipway.run import RunId
from slipway.settings import settings

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@run_step
def plan_staging(ask: Ask) -> dict[str, Any]:
    """Make the run's folders and the attempt's closed work folder; answer how many batches there are to copy.

    None are left when the staged manifest is there already: inputs are staged once a run, not once an attempt.
    """
    claim = claim_of(ask)
    hold(ask, "staging")
    run, models, job = RunId.parse(ask["run"]), lake().models, settings().job_principal
    for folder in (paths.model_root(run.model), paths.period_folder(run.model, run.period), paths.run_folder(run)):
        models.make_folder(folder, access.way())
    models.make_folder(paths.inputs_folder(run), access.inputs(job))
    if ask["attempt"] > 1:
        models.set_acl(paths.inputs_folder(run), access.inputs(job))  # sealed after an earlier attempt's job
    models.make_folder(paths.work_folder(run, ask["attempt"]), access.closed_outputs(job))
    for output in catalog.pinned(lake().control, run.model, claim["version"]).outputs:
        models.make_folder(paths.work_folder(run, ask["attempt"], output), access.output(job))
    if models.exists(paths.staged_manifest(run)):
        return {"batches": 0}
    index = lake().control.read(paths.snapshot_index(run))
    assert index is not None, "a snapshot is written before its run can be claimed"
    return {"batches": index.data["parts"]}
