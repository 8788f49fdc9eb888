"""Runs over HTTP: start one by hand with a reason, see it, cancel it, resume it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from pydantic import Field

from activities.assess_period import released
from activities.inputs import assess_inputs, write_snapshot
from activities.start_run import started
from activities.wake import WAKE, raise_event
from slipway import paths
from slipway.azure.lake import lake
from slipway.claim import Refused, answered, ask, resume, wish_cancel
from slipway.decision import next_run
from slipway.definition import Definition
from slipway.names import InvalidName
from slipway.period import Period
from slipway.run import RunId, instance_id
from slipway.run_view import run_view
from slipway.settings import settings
from triggers.api import Principal, Problem, Reasoned, answer, body, endpoint, operator, reader

bp = df.Blueprint()
log = logging.getLogger("slipway")

#: How often a request's run number is worked out again when another run took it meanwhile.
TRIES = 5
#: How many of a run's receipts are read at a time: a run of many files has dozens.
READERS = 8


class NewRun(Reasoned):
    """What `POST /api/models/{model}/runs` takes."""

    period: str = Field(min_length=4, max_length=20)


@bp.function_name("start_run_by_hand")
@bp.route("models/{model}/runs", methods=["POST"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@endpoint
async def start_run_by_hand(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Start a new run of a period, on the inputs as they are now and the released definition.

    202 with the run; 404 unknown model; 409 beside an active run (with its id) or while inputs are missing (with what
    blocks); the same Idempotency-Key reads the same run back, and is refused (422) for another request.
    """
    who, asked = operator(request), body(request, NewRun)
    model = request.route_params["model"]
    key = idempotency_key(request)
    claim = await asyncio.to_thread(_reserve, who, model, asked, key)
    if claim["token"] == "":
        await _told(started(claim, client))
    return _accepted(claim["run"])


@bp.function_name("get_run")
@bp.route("runs/{run}", methods=["GET"], trigger_arg_name="request")
@endpoint
async def get_run(request: func.HttpRequest) -> func.HttpResponse:
    """The run: its state, its steps with their times, its links, and why it failed if it did."""
    reader(request)
    return answer(await asyncio.to_thread(_view, run_of(request)))


@bp.function_name("cancel_run")
@bp.route("runs/{run}/cancel", methods=["POST"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@endpoint
async def cancel_run(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Wish the active run ended. 202: the wish is durable, and the run ends when its job is seen ended."""
    who, asked = operator(request), body(request, Reasoned)
    run = run_of(request)
    record = await asyncio.to_thread(_wish, run, who, asked.reason)
    await _told(raise_event(client, instance_id(run, record["claim"]["attempt"], "await_job"), WAKE))
    return _accepted(run.text)


@bp.function_name("resume_run")
@bp.route("runs/{run}/resume", methods=["POST"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@endpoint
async def resume_run(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Go on with a failed or canceled run as its next attempt; a job that completed is not run again."""
    who, asked = operator(request), body(request, Reasoned)
    run = run_of(request)
    claim = await asyncio.to_thread(_resume, run, who, asked.reason)
    await _told(started(claim, client))
    return _accepted(run.text)


async def _told(telling: Awaitable[object]) -> None:
    """Tell the engine what the lake holds already, so that 202 is true whatever it answers.

    The reconciler starts a claim that nobody has reported for, and the next look at the job finds the wish.
    """
    try:
        await telling
    except Exception as error:
        log.warning("the engine was not told of a request: %r", error, extra={"action": "engine_not_told"})


def idempotency_key(request: func.HttpRequest) -> str | None:
    """The request's Idempotency-Key as the name of its record, or None. Any text of up to 200 characters is one."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= 200:
        raise Problem(400, "Malformed Idempotency-Key", "An Idempotency-Key has 1 to 200 characters.")
    return hashlib.sha256(key.encode()).hexdigest()[:40]


def _reserve(who: Principal, model: str, asked: NewRun, key: str | None) -> dict[str, Any]:
    """Give the request its run, durably, before anything starts; the claim of it, or of the run it was given before."""
    found = released(model)
    if found is None:
        raise Problem(404, "Unknown model", f"No model named {model[:60]!r} is released here.")
    period = found.definition.period(asked.period)
    given = _remember(key, {"model": model, "period": str(period), "by": who.name, "reason": asked.reason})
    if given is not None:
        return {"run": given, "token": "known"}
    cause = {"kind": "request", "by": who.name, "reason": asked.reason, "request": key}
    for _ in range(TRIES):
        claim = _try_to_reserve(found.definition, period, cause)
        if claim is not None:
            _note_run(key, claim["run"])
            return claim
    raise Problem(409, "The period is contended", f"Others keep starting runs of {model} {period}; ask again.")


def _try_to_reserve(definition: Definition, period: Period, cause: dict[str, Any]) -> dict[str, Any] | None:
    """One try: None when another run took the number meanwhile. Raises 409 beside an active run."""
    model = definition.name
    record, now = lake().period_at(model, period)
    if period.interval(definition.zone).end > now:
        raise Problem(409, "The period has not ended", f"{period} of {model} has not ended; no run starts before.")
    known = answered(record, cause["request"], cause["by"], cause["reason"], now)
    if known is not None:
        return {"run": known, "token": "known"}
    if record and record["claim"]:
        raise Problem(409, "A run is active", f"{record['claim']['run']} is active.", run=record["claim"]["run"])
    plan = _plan(definition, period, record, cause)
    try:
        return dict(lake().change_period(model, period, partial(_ask, cause["request"] or "", plan))["claim"])
    except Refused as refused:
        if refused.active:
            raise Problem(409, "A run is active", str(refused), run=refused.active) from refused
        return None


def _note_run(key: str | None, run: str) -> None:
    if key is not None:
        lake().control.update(paths.request(key), lambda seen, _: {**(seen or {}), "run": run})


def _ask(request: str, plan: dict[str, Any], seen: dict[str, Any] | None, now: datetime) -> dict[str, Any]:
    return ask(seen, request, plan, now)


def _plan(
    definition: Definition, period: Period, record: dict[str, Any] | None, cause: dict[str, Any]
) -> dict[str, Any]:
    """The run a request is given, its snapshot laid down. Raises 409 with the readiness card if inputs are missing."""
    readiness, files, fingerprint = assess_inputs(definition, period)
    if fingerprint is None:
        raise Problem(409, "Inputs are missing", readiness.blocks, readiness=readiness.to_document())
    run = next_run(definition.name, period, fingerprint, definition.version, record["numbers"] if record else {})
    write_snapshot(run, files)
    facts = {"run": run.text, "attempt": 1, "fingerprint": fingerprint, "version": definition.version}
    return {**facts, "cause": cause, "installation": settings().installation}


def _remember(key: str | None, wanted: dict[str, str]) -> str | None:
    """Hold the key to its first request; the run that one was given, if it was. Raises 422 for another request."""
    if key is None or lake().control.create(paths.request(key), wanted):
        return None
    known = lake().control.read(paths.request(key))
    if known is None or any(known.data.get(name) != value for name, value in wanted.items()):
        raise Problem(422, "Idempotency-Key used before", "This Idempotency-Key belongs to another request.")
    run: str | None = known.data.get("run")
    return run


def _wish(run: RunId, who: Principal, reason: str) -> dict[str, Any]:
    try:
        return lake().change_period(
            run.model, run.period, lambda seen, now: wish_cancel(seen, run.text, who.name, reason, now)
        )
    except Refused as refused:
        _must_exist(run)
        raise Problem(409, "Cannot be canceled", str(refused), run=refused.active) from refused


def _resume(run: RunId, who: Principal, reason: str) -> dict[str, Any]:
    cause = {"kind": "resume", "by": who.name, "reason": reason, "request": None}
    try:
        record = lake().change_period(run.model, run.period, lambda seen, now: resume(seen, run.text, cause, now))
    except Refused as refused:
        _must_exist(run)
        raise Problem(409, "Cannot be resumed", str(refused), run=refused.active) from refused
    return dict(record["claim"])


def _view(run: RunId) -> dict[str, Any]:
    record = lake().period(run.model, run.period)
    folder = f"{paths.control_folder(run)}/"
    found = lake().control.list(folder)
    below = {entry.name: entry.name.removeprefix(folder) for entry in found}
    wanted = [path for path, name in below.items() if name.startswith(("receipts/", "record-")) or name == "run.json"]
    with ThreadPoolExecutor(READERS) as pool:
        read = zip(wanted, pool.map(lake().control.read, wanted), strict=True)
        records = {path: seen.data for path, seen in read if seen}
    view = run_view(run, record, records, lake().incident(run.model, run.period))
    if view is None:
        raise _unknown(run)
    return view


def _must_exist(run: RunId) -> None:
    if lake().control.read(paths.run_file(run)) is None:
        raise _unknown(run)


def _unknown(run: RunId) -> Problem:
    return Problem(404, "Unknown run", f"No run {run} is known here.")


def run_of(request: func.HttpRequest) -> RunId:
    text = request.route_params["run"]
    try:
        return RunId.parse(text)
    except InvalidName as error:
        raise Problem(404, "Unknown run", str(error)) from error


def _accepted(run: str) -> func.HttpResponse:
    link = f"{settings().public_url or ''}/api/runs/{run}"
    return answer({"run": run, "links": {"self": link}}, 202, Location=link)
