"""Verification as a story: the contract first, then every byte once in rounds, then manifest and marker."""

from __future__ import annotations

import azure.durable_functions as df

from orchestrators.rounds import in_rounds
from orchestrators.steps import Step

bp = df.Blueprint()


@bp.orchestration_trigger(context_name="context")
def verify_outputs(context: df.DurableOrchestrationContext) -> Step:
    """Check the sealed outputs against the definition and hash them; the manifest and the marker are written last."""
    return (yield from in_rounds(context, "plan_verification", "verify_batch", "write_manifest", stage="verifying"))
