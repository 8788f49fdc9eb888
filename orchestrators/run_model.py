"""The story of a run: from its claim to published outputs, or to an incident."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from orchestrators.steps import WAITS, Step, StepFailed, step, story
from slipway.run import job_name

bp = df.Blueprint()


@bp.orchestration_trigger(context_name="context")
def run_model(context: df.DurableOrchestrationContext) -> Step:
    """Take one attempt of a run from its claim to published outputs, or to an incident.

    Input: run, attempt. Output: how it ended. A failed run leaves the instance Failed.
    """
    run = {**context.get_input(), "token": f"{context.instance_id}:{context.new_uuid()}"}
    claim = yield from step(context, "claim_run", run)
    if not claim["won"]:
        return {"status": "superseded", "why": claim["why"]}
    try:
        inherited = yield from inherit(context, run)
        if not inherited:
            yield from story(context, "stage_inputs", run)
            yield from step(context, "submit_job", run)
            yield from story(context, "await_job", run)
        yield from step(context, "seal_outputs", run)
        yield from story(context, "verify_outputs", run)
        yield from step(context, "grant_readers", run)
        yield from step(context, "publish_outputs", run)
    except StepFailed as error:
        # What has not passed within the step's own waits is no outage if the lake can be asked at once. If it cannot,
        # nothing failed but for that: nobody is told, and the claim's deadline hands the run on.
        waits = () if error.failure["transient"] else WAITS
        judged = yield from whatever_happens(step(context, "judge_failure", {**run, "failure": error.failure}, waits))
        if judged is None:
            raise
        ending = judged["ending"]
        if ending == "delivering":
            yield from step(context, "publish_outputs", run)
        elif ending == "lost":
            yield from end_own_job(context, run)
            return {"status": "superseded", "why": error.failure["message"]}
        else:
            yield from end_without_outputs(context, run, error, ending)
            if ending == "failed":
                raise
            return {"status": ending, "why": error.failure["message"]}
    ended = {**run, "state": "succeeded"}
    yield from step(context, "record_run", ended)
    yield from step(context, "resolve_incident", ended)
    yield from whatever_happens(step(context, "announce_outputs", ended))
    yield from step(context, "finish_run", ended)
    return {"status": "succeeded"}


def inherit(context: df.DurableOrchestrationContext, run: dict[str, Any]) -> Step:
    """See to the jobs of earlier attempts: take over one that completed, see the others ended.

    Returns whether this attempt has taken over a job's outputs, so that nothing is left to stage or to run.
    """
    if run["attempt"] == 1:
        return False
    earlier = yield from step(context, "inherit_job", run)
    for job in earlier["alive"]:
        ended = yield from story(context, "end_job", {"job": job}, f"end-{job.rsplit('-', 1)[-1]}")
        if not ended["ended"]:
            raise StepFailed("end_job", ended["failure"])
    if earlier["alive"]:
        earlier = yield from step(context, "inherit_job", run)
    return earlier["took_over"]


def end_without_outputs(
    context: df.DurableOrchestrationContext, run: dict[str, Any], error: StepFailed, ending: str
) -> Step:
    """Incident, job, record: independent steps, of which none keeps the others from being taken.

    A job that does not end, this attempt's or an earlier one's, is left to the reconciler.
    """
    told = {**run, "state": ending, "failure": error.failure, "step": error.step}
    if ending == "failed":
        yield from whatever_happens(step(context, "open_incident", told))
    ended = yield from whatever_happens(story(context, "end_job", {"job": job_name(run["run"], run["attempt"])}))
    orphaned = not (ended and ended["ended"]) or error.step == "end_job"
    yield from whatever_happens(step(context, "withdraw_rights", told))
    yield from whatever_happens(step(context, "record_run", told))
    yield from whatever_happens(step(context, "finish_run", {**told, "orphaned": orphaned}))


def end_own_job(context: df.DurableOrchestrationContext, run: dict[str, Any]) -> Step:
    """End the job of an attempt that lost its claim: it may have been submitted after the next one looked for it."""
    ended = yield from whatever_happens(story(context, "end_job", {"job": job_name(run["run"], run["attempt"])}))
    if not (ended and ended["ended"]):
        yield from whatever_happens(step(context, "finish_run", {**run, "state": "superseded", "orphaned": True}))


def whatever_happens(taken: Step) -> Step:
    """Take a step or story whose failure must not keep the next ones from being taken; returns None if it failed."""
    try:
        return (yield from taken)
    except StepFailed:
        return None
