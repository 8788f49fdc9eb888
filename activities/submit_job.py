"""Submitting the attempt's job under its own name, once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, claim_of, run_step
from slipway import catalog, job, paths, waiting
from slipway.azure.jobs import jobs
from slipway.azure.lake import lake
from slipway.claim import move
from slipway.definition import Definition
from slipway.failure import Failed, Failure, Kind
from slipway.period_record import Stage
from slipway.run import RunId
from slipway.settings import settings

bp = df.Blueprint()

#: What an owner may be late with showing life beyond the limits of queueing, preparing and running.
OWNER_GRACE = timedelta(minutes=30)


@bp.activity_trigger(input_name="ask")
@run_step
def submit_job(ask: Ask) -> dict[str, Any]:
    """Note the job in the claim, then submit it. A second submit finds the first one's job.

    Fails `not-staged` (slipway) without the staged manifest, `name-taken` for a stranger's job of this name.
    """
    claim = claim_of(ask)
    run = RunId.parse(ask["run"])
    if not lake().models.exists(paths.staged_manifest(run)):
        raise Failed(
            Failure(Kind.SLIPWAY, "not-staged", f"{ask['run']} has no staged manifest: its inputs are not whole.")
        )
    definition = catalog.pinned(lake().control, run.model, claim["version"])
    filled = job.fill(
        definition.job,
        run,
        ask["attempt"],
        version=claim["version"],
        datastore=settings().models_datastore,
        compute=claim.get("compute"),
    )
    limits = limits_of(definition)
    patience = limits.queued + limits.preparing + OWNER_GRACE
    lake().change_period(
        run.model, run.period, lambda seen, now: move(seen, ask["token"], Stage.QUEUED, now + patience, job=filled.name)
    )
    submitted = jobs().submit(filled.name, filled.document, filled.tags, filled.key)
    return {"job": submitted.name, "studio": submitted.studio_url, "adopted": submitted.adopted}


def limits_of(definition: Definition) -> waiting.Limits:
    """How long the job may be queued, prepared and run: the first two by model.yaml, the last by job.yaml."""
    running = job.running_limit(definition.job)
    assert running is not None, "a definition without limits.timeout is refused at release"
    return waiting.Limits(definition.limits.queued, definition.limits.preparing, timedelta(seconds=running))
