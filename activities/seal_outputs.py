"""Sealing: from here on the job can neither write its outputs nor read its inputs."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, claim_of, run_step
from activities.hold_claim import hold
from slipway import access, paths
from slipway.azure.lake import lake
from slipway.run import RunId

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@run_step
def seal_outputs(ask: Ask) -> dict[str, Any]:
    """Take the job's right to pass through the top of its output folder, and of its inputs."""
    claim_of(ask)
    hold(ask, "verifying")
    run = RunId.parse(ask["run"])
    lake().models.set_acl(paths.outputs_folder(run, ask["attempt"]), access.sealed())
    lake().models.set_acl(paths.inputs_folder(run), access.sealed())
    return {}
