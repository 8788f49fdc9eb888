"""One look at the job, and at what people wish."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, claim_of, effect
from activities.submit_job import OWNER_GRACE, limits_of
from slipway import catalog, clock, paths
from slipway.azure.job_details import job_details
from slipway.azure.jobs import Job, jobs
from slipway.azure.lake import lake
from slipway.claim import move
from slipway.failure import Failed, Failure
from slipway.period_record import Stage
from slipway.run import RunId
from slipway.waiting import Limits, canceled_unasked, look, patience

bp = df.Blueprint()

#: The longest wait that a service may ask for between two looks, in seconds: people's wishes are seen by looking, too.
LONGEST_WAIT = 900


@bp.activity_trigger(input_name="ask")
@effect
def read_job(ask: Ask) -> dict[str, Any]:
    """Read the attempt's job: `ended` when it completed, else when to look again and the `clocks` for that look.

    Fails with what ended the job otherwise, `canceled` when a person wished so, `claim-lost` when another attempt took
    over. A state that cannot be read is no end: it is waited out within its own limit.
    """
    claim = claim_of(ask)
    run = RunId.parse(ask["run"])
    limits = limits_of(catalog.pinned(lake().control, run.model, claim["version"]))
    job, wait = _read(claim["job"])
    clocks = ask.get("clocks") or {}
    seen = look(job, clocks, limits, clock.now())
    if seen.failure is not None:
        raise Failed(_explained(seen.failure, claim["job"], limits))
    if job is None or not job.responding:
        _show_patience(ask, claim)
    elif seen.ended:
        _write_receipt(ask, job, seen.clocks)
    elif job.phase != clocks.get("phase", "queued"):  # what is queued at first has its time from submit_job
        stage = Stage.RUNNING if job.phase == "running" else Stage(claim["stage"])
        _show_phase(ask, stage, patience(seen.clocks, limits) + OWNER_GRACE)
    return {"ended": seen.ended, "look_again": max(seen.look_again, wait), "clocks": seen.clocks}


def _read(name: str) -> tuple[Job | None, float]:
    """The job, None when it could not be read now, and how many seconds the service wants to be left alone for."""
    try:
        return jobs().read(name), 0
    except Failed as error:
        if not error.failure.transient:
            raise
        return None, min(error.failure.retry_after or 0, LONGEST_WAIT)


def _explained(failure: Failure, name: str, limits: Limits) -> Failure:
    """The failure with what the run history knows better than the looks: the error's text, and how long the job ran."""
    if failure.code == "job-failed":
        return replace(failure, message=f"{name} failed: {job_details().error(name)}")
    if failure.code == "job-canceled":
        return canceled_unasked(job_details().ran(name), limits)
    return failure


def _show_patience(ask: Ask, claim: dict[str, Any]) -> None:
    """The owner lives, although it cannot learn how its job does: its limit for that outlasts the job's own."""
    run, deadline = RunId.parse(ask["run"]), datetime.fromisoformat(claim["deadline"])
    lake().change_period(
        run.model,
        run.period,
        lambda seen, now: move(seen, ask["token"], Stage(claim["stage"]), max(deadline, now + OWNER_GRACE)),
    )


def _show_phase(ask: Ask, stage: Stage, deadline: datetime) -> None:
    """The job is in another phase, with a limit of its own: queued anew, when it lost its node, it has all its time."""
    run = RunId.parse(ask["run"])
    lake().change_period(run.model, run.period, lambda seen, _: move(seen, ask["token"], stage, deadline))


def _write_receipt(ask: Ask, job: Job, clocks: dict[str, Any]) -> None:
    """The job's own times, as the timeline of the run shows them."""
    run = RunId.parse(ask["run"])
    submitted = lake().control.read(paths.receipt(run, "submit_job", ask["attempt"]))
    began = datetime.fromisoformat(submitted.data["ended_at"]) if submitted else job.created_at
    result = {"job": job.name, "started_at": job.started_at and job.started_at.isoformat(), "studio": job.studio_url}
    receipt = {
        "step": "await_job",
        "attempt": ask["attempt"],
        "batch": None,
        "started_at": (began or job.read_at).isoformat(),
        "ended_at": max(began or job.read_at, job.ended_at or job.read_at).isoformat(),
        "result": {**result, "clocks": clocks},
    }
    lake().control.create(paths.receipt(run, "await_job", ask["attempt"]), receipt)
