"""Sealing: from here on the job can neither write its outputs nor read its inputs."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, claim_of, run_step
from activities.hold_claim import hold
from slipway import access, paths
from slipway.azure.lake import lake
from slipway.failure import Failed, Failure, Kind
from slipway.run import RunId

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@run_step
def seal_outputs(ask: Ask) -> dict[str, Any]:
    """Take the job's way through the top of its work folder, then move the folder to be the attempt's outputs.

    Moved, no late repetition of this or an earlier step reaches it: its path is gone. A folder that is not there was
    moved before. The job's way to its inputs ends too.
    """
    claim_of(ask)
    hold(ask, "verifying")
    run, attempt, models = RunId.parse(ask["run"]), ask["attempt"], lake().models
    models.set_acl_if_there(paths.work_folder(run, attempt), access.sealed())
    models.rename_folder(paths.work_folder(run, attempt), paths.outputs_folder(run, attempt))
    models.set_acl(paths.inputs_folder(run), access.sealed())
    if not models.exists(paths.outputs_folder(run, attempt)):
        message = f"{paths.work_folder(run, attempt)} is gone: it was removed by hand. Start the period again."
        raise Failed(Failure(Kind.PLATFORM, "outputs-gone", message))
    return {}
