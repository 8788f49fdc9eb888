"""Runs over HTTP: start one by hand with a reason, see it, cancel it, resume it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from activities.assess_period import released
from activities.inputs import write_snapshot
from activities.start_run import act as start_reserved
from activities.wake import WAKE, raise_event, wake
from slipway import catalog, paths
from slipway.azure.lake import lake
from slipway.catalog import Released
from slipway.decision import next_run
from slipway.invocation import Threads
from slipway.names import InvalidName
from slipway.period import Period
from slipway.period_record import Refused
from slipway.run import RunId, instance_id
from slipway.run_view import run_view, worth_reading
from slipway.settings import settings
from slipway.subject import Subject
from slipway.wishes import answered, ask, disown, resume, wish_cancel
from triggers.api import Problem, Reasoned, answer, body, endpoint, operator, reader
from triggers.choices import NewRun, Resumption, choose, inputs_of, must_have_compute
from triggers.requests import Answer, cause_of, idempotency_key, once

bp = df.Blueprint()
#: How the engine calls an orchestration that may still do something.
_UNDER_WAY = (
    df.OrchestrationRuntimeStatus.Running,
    df.OrchestrationRuntimeStatus.Pending,
    df.OrchestrationRuntimeStatus.ContinuedAsNew,
    df.OrchestrationRuntimeStatus.Suspended,
)
log = logging.getLogger("slipway")

#: How often a request's run number is worked out again when another run took it meanwhile.
TRIES = 5
#: How many of a run's receipts are read at a time: an attempt has a dozen that are worth reading.
READERS = 8


@bp.function_name("start_run_by_hand")
@bp.route("api/models/{model}/runs", methods=["POST"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@endpoint()
async def start_run_by_hand(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Start a new run of a period: on the inputs as they are now and the released definition, or on earlier ones.

    202 with the run; 404 unknown model, run or version; 409 beside an active run (with its id) or while inputs are
    missing (with what blocks); 422 for a compute target that is not there. The same Idempotency-Key reads the same run
    back, and is refused (422) for another request.
    """
    cause = cause_of("request", operator(request), asked := body(request, NewRun), idempotency_key(request))
    given = await asyncio.to_thread(_start, request.route_params["model"], asked, cause)
    await _told(start_reserved(given, client))
    return _accepted(given["run"])


@bp.function_name("get_run")
@bp.route("api/runs/{run}", methods=["GET"], trigger_arg_name="request")
@endpoint()
async def get_run(request: func.HttpRequest) -> func.HttpResponse:
    """The run: its state, its steps with their times, its links, and why it failed if it did."""
    reader(request)
    return answer(await asyncio.to_thread(view_of, run_of(request)))


@bp.function_name("cancel_run")
@bp.route("api/runs/{run}/cancel", methods=["POST"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@endpoint()
async def cancel_run(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Wish the active run ended. 202: the wish is durable, and the run ends when its job is seen ended."""
    cause = cause_of("cancel", operator(request), body(request, Reasoned), idempotency_key(request))
    run = run_of(request)
    await asyncio.to_thread(once, cause, {"run": run.text}, partial(_cancel, run, cause))
    await _told(_wake_waiting(run, client))
    return _accepted(run.text)


@bp.function_name("resume_run")
@bp.route("api/runs/{run}/resume", methods=["POST"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@endpoint()
async def resume_run(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Go on with a failed or canceled run as its next attempt; a job that completed is not run again."""
    cause = cause_of("resume", operator(request), asked := body(request, Resumption), idempotency_key(request))
    run = run_of(request)
    about = {"run": run.text, **({"compute": asked.compute} if asked.compute else {})}
    given = await asyncio.to_thread(once, cause, about, partial(_resume, run, asked.compute, cause))
    await _told(start_reserved(given, client))
    return _accepted(run.text)


@bp.function_name("take_over_run")
@bp.route("api/runs/{run}/take-over", methods=["POST"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@endpoint()
async def take_over_run(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Go on without the active run's orchestration, which is known to be gone. 409 while the engine says that it runs.

    Else the reconciler does so when the time has passed that the orchestration had set itself, which may take hours.
    """
    cause = cause_of("take-over", operator(request), body(request, Reasoned), idempotency_key(request))
    run = run_of(request)
    await _must_be_gone(run, client)
    await asyncio.to_thread(once, cause, {"run": run.text}, partial(_take_over, run, cause))
    await _told(wake(client, run.model, run.period))
    return _accepted(run.text)


async def _must_be_gone(run: RunId, client: df.DurableOrchestrationClient) -> None:
    """Raise 409 where the engine has the run's orchestration under way; an engine that does not answer has not."""
    record = await asyncio.to_thread(lake().period, run.model, run.period)
    claim = record["claim"] if record else None
    if claim is None or claim["run"] != run.text:
        return
    instance = instance_id(run, claim["attempt"])
    try:
        status = (await client.get_status(instance)).runtime_status
    except Exception as error:
        log.warning("the engine was not asked of %s: %r", instance, error, extra={"action": "engine_not_asked"})
        return
    if status in _UNDER_WAY:
        raise Problem(409, "Cannot be taken over", f"Its orchestration {instance} is {status.name}; cancel it instead.")


async def _wake_waiting(run: RunId, client: df.DurableOrchestrationClient) -> None:
    """Wake the active attempt of the run, which waits for its job."""
    record = await asyncio.to_thread(lake().period, run.model, run.period)
    if record and record["claim"] and record["claim"]["run"] == run.text:
        await raise_event(client, instance_id(run, record["claim"]["attempt"], "await_job"), WAKE)


async def _told(telling: Awaitable[object]) -> None:
    """Tell the engine what the lake holds already, so that 202 is true whatever it answers.

    The reconciler starts a claim that nobody has reported for, and the next look at the job finds the wish.
    """
    try:
        await telling
    except Exception as error:
        log.warning("the engine was not told of a request: %r", error, extra={"action": "engine_not_told"})


def _start(model: str, asked: NewRun, cause: dict[str, Any]) -> Answer:
    """Give the request its run, durably, before anything starts; or answer the one that it was given before."""
    found = released(model)
    if found is None:
        raise Problem(404, "Unknown model", f"No model named {model[:60]!r} is released here.")
    period = found.definition.period(asked.period)
    choices = asked.model_dump(exclude={"reason", "period"}, exclude_defaults=True)
    about = {"model": model, "period": str(period), **choices}
    return once(cause, about, partial(_reserve, found, period, asked, cause, choices))


def _reserve(found: Released, period: Period, asked: NewRun, cause: dict[str, Any], choices: dict[str, Any]) -> Answer:
    for _ in range(TRIES):
        if run := _try_to_reserve(found, period, asked, cause, choices):
            return {"run": run}
    what = f"{found.definition.name} {period}"
    raise Problem(409, "The period is contended", f"Others keep starting runs of {what}; ask again.")


def _try_to_reserve(
    found: Released, period: Period, asked: NewRun, cause: dict[str, Any], choices: dict[str, Any]
) -> str | None:
    """One try: the run, or None when another took the number meanwhile. Raises 409 beside an active run."""
    model = found.definition.name
    record, now = lake().period_at(model, period)
    if period.interval(found.definition.zone).end > now:
        raise Problem(409, "The period has not ended", f"{period} of {model} has not ended; no run starts before.")
    known = answered(record, cause["request"], cause["by"], cause["reason"], now, choices)
    if known is not None:
        return known
    if record and record["claim"]:
        raise Problem(409, "A run is active", f"{record['claim']['run']} is active.", run=record["claim"]["run"])
    if record and record["waived"]:
        by = record["waived"]["by"]
        raise Problem(409, "The period is waived", f"{by} decided that {period} needs no run; reopen it first.")
    plan = {**_plan(found, period, record, asked, cause), "choices": choices}
    try:
        lake().change_period(model, period, partial(_ask, cause["request"] or "", plan))
        return str(plan["run"])
    except Refused as refused:
        if refused.active:
            raise Problem(409, "A run is active", str(refused), run=refused.active) from refused
        return None


def _ask(request: str, plan: dict[str, Any], seen: dict[str, Any] | None, now: datetime) -> dict[str, Any]:
    return ask(seen, request, plan, now)


def _plan(
    found: Released, period: Period, record: dict[str, Any] | None, asked: NewRun, cause: dict[str, Any]
) -> dict[str, Any]:
    """The run a request is given, its snapshot laid down. Raises 409 with the readiness card if inputs are missing."""
    choice = choose(found, period, record, asked)
    files, fingerprint = inputs_of(choice, period)
    version = choice.definition.version
    run = next_run(found.definition.name, period, fingerprint, version, record["numbers"] if record else {})
    write_snapshot(run, files)
    plan = {
        "run": run.text,
        "attempt": 1,
        "fingerprint": fingerprint,
        "version": version,
        "cause": {**cause, **choice.facts},
        "installation": settings().installation,
        "compute": choice.compute,
    }
    # Without it the next pass would find other inputs than the published ones, and run those over what was chosen.
    passed_over = bool(choice.facts.keys() - {"compute"})
    return {**plan, "chosen": f"{run} was asked for in their place by {cause['by']}" if passed_over else None}


def _cancel(run: RunId, cause: dict[str, Any]) -> Answer:
    try:
        lake().change_period(run.model, run.period, lambda seen, now: wish_cancel(seen, run.text, cause, now))
    except Refused as refused:
        _must_exist(run)
        raise Problem(409, "Cannot be canceled", str(refused), run=refused.active) from refused
    return {"run": run.text}


def _take_over(run: RunId, cause: dict[str, Any]) -> Answer:
    try:
        lake().change_period(run.model, run.period, lambda seen, now: disown(seen, run.text, cause, now))
    except Refused as refused:
        _must_exist(run)
        raise Problem(409, "Cannot be taken over", str(refused), run=refused.active) from refused
    return {"run": run.text}


def _resume(run: RunId, compute: str | None, cause: dict[str, Any]) -> Answer:
    if compute:
        _must_have_compute(run, compute)
    try:
        lake().change_period(run.model, run.period, lambda seen, now: resume(seen, run.text, cause, now, compute))
    except Refused as refused:
        _must_exist(run)
        raise Problem(409, "Cannot be resumed", str(refused), run=refused.active) from refused
    return {"run": run.text}


def _must_have_compute(run: RunId, compute: str) -> None:
    known = lake().control.read(paths.run_file(run))
    if known is None:
        raise _unknown(run)
    must_have_compute(catalog.pinned(lake().control, run.model, known.data["version"]), compute)


@dataclass(frozen=True)
class Look:
    """A run as it stands: as people are shown it, its period's record, the attempts whose engine's history is kept."""

    run: RunId
    view: dict[str, Any]
    record: dict[str, Any] | None
    kept: frozenset[int]


def look_at(run: RunId) -> Look:
    """Look at a run, in the lake alone. Raises 404 for one that is not known."""
    control, record = lake().control, lake().period(run.model, run.period)
    listed = {entry.name: entry.modified for entry in control.list(f"{paths.control_folder(run)}/")}
    wanted, batches = worth_reading(run, listed)
    with Threads(READERS) as pool:
        read = zip(wanted, pool.map(control.read, wanted), strict=True)
        records = {path: seen.data for path, seen in read if seen}
    view = run_view(run, record, records, lake().incident(Subject.of_period(run.model, run.period)), batches)
    if view is None:
        raise _unknown(run)
    kept = (number for number in range(1, view["attempt"] + 1) if paths.engine_history(run, number) in listed)
    return Look(run, view, record, frozenset(kept))


def view_of(run: RunId) -> dict[str, Any]:
    """The run as people are shown it. Raises 404 for one that is not known."""
    return look_at(run).view


def _must_exist(run: RunId) -> None:
    if lake().control.read(paths.run_file(run)) is None:
        raise _unknown(run)


def _unknown(run: RunId) -> Problem:
    return Problem(404, "Unknown run", f"No run {run} is known here.")


def run_of(request: func.HttpRequest) -> RunId:
    """The run that the address names. Raises 404 for a text that is no run's id."""
    text = request.route_params["run"]
    try:
        return RunId.parse(text)
    except InvalidName as error:
        raise Problem(404, "Unknown run", str(error)) from error


def _accepted(run: str) -> func.HttpResponse:
    link = f"{settings().public_url or ''}/api/runs/{run}"
    return answer({"run": run, "links": {"self": link}}, 202, Location=link)
