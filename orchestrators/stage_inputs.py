"""Staging as a story: folders, server-side copies in rounds, the manifest last."""

from __future__ import annotations

import azure.durable_functions as df

from orchestrators.rounds import in_rounds
from orchestrators.steps import Step

bp = df.Blueprint()


@bp.orchestration_trigger(context_name="context")
def stage_inputs(context: df.DurableOrchestrationContext) -> Step:
    """Copy the snapshot into the run's folder. The job never starts without the manifest that ends this."""
    return (yield from in_rounds(context, "plan_staging", "copy_batch", "finish_staging", stage="staging"))
