"""Decisions of people about a period or a model, over HTTP: each is one change of one record, with who, why and when.

What follows from a decision is done at once, and again by the reconciler if it could not be: the record calls for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from pydantic import Field

from activities import close_outputs, resolve_incident, send_incident
from activities.assess_period import released
from activities.wake import wake
from slipway import incident, model_state, paths, period_record, wishes
from slipway.azure.failures import failure_of
from slipway.azure.lake import lake
from slipway.azure.store import Change
from slipway.manifest import MANIFEST, MARKER
from slipway.names import InvalidName, model_name
from slipway.period import Period, PeriodError
from slipway.period_record import Refused
from slipway.run import RunId
from slipway.settings import settings
from slipway.subject import Subject
from triggers.api import Problem, Reasoned, answer, body, endpoint, operator
from triggers.requests import Answer, cause_of, idempotency_key, once

bp = df.Blueprint()
log = logging.getLogger("slipway")


@bp.function_name("waive_period")
@bp.route("api/models/{model}/periods/{period}/waive", methods=["POST"], trigger_arg_name="request")
@endpoint()
async def waive_period(request: func.HttpRequest) -> func.HttpResponse:
    """Note that the period needs no run; its open incident is resolved. 409 beside an active run, or if published."""
    cause = cause_of("waive", operator(request), body(request, Reasoned), idempotency_key(request))
    model, period = await asyncio.to_thread(_known, request)

    def change(seen: dict[str, Any] | None, now: Any) -> dict[str, Any]:
        return wishes.waive(seen, model, period, cause, now)

    told = await asyncio.to_thread(_decide, "waived", model, period, cause, change)
    await asyncio.to_thread(_try, resolve_incident.act, {"model": model, "period": str(period)})
    return _done(told)


@bp.function_name("reopen_period")
@bp.route("api/models/{model}/periods/{period}/reopen", methods=["POST"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@endpoint()
async def reopen_period(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Take a waiver back, and ask what the period needs now."""
    cause = cause_of("reopen", operator(request), body(request, Reasoned), idempotency_key(request))
    model, period = await asyncio.to_thread(_known, request)
    told = await asyncio.to_thread(
        _decide, "waived", model, period, cause, lambda seen, now: wishes.reopen(seen, cause, now)
    )
    await wake(client, model, period)
    return _done(told)


@bp.function_name("retract_period")
@bp.route("api/models/{model}/periods/{period}/retract", methods=["POST"], trigger_arg_name="request")
@endpoint()
async def retract_period(request: func.HttpRequest) -> func.HttpResponse:
    """Make what is published invisible, at once. 202: it is decided for good, and what cannot be done now is done soon.

    409 while a run is active, and where nothing is published. The same data start no run by themselves after it.
    """
    cause = cause_of("retract", operator(request), body(request, Reasoned), idempotency_key(request))
    model, period = await asyncio.to_thread(_known, request)
    told = await asyncio.to_thread(
        _decide, "retracted", model, period, cause, lambda seen, now: wishes.retract(seen, cause, now)
    )
    if told["retracted"]:
        await asyncio.to_thread(_try, close_outputs.act, told["retracted"])
    return _done(told, 202)


class NewPublication(Reasoned):
    """What `POST /api/models/{model}/periods/{period}/publish` takes."""

    run: str = Field(min_length=10, max_length=120)


@bp.function_name("publish_period")
@bp.route("api/models/{model}/periods/{period}/publish", methods=["POST"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@endpoint()
async def publish_period(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Publish an earlier run's verified outputs again: superseded or retracted ones. 202: it is decided, and follows.

    409 beside an active run, for a run without outputs that were published before, and where they are gone.
    """
    cause = cause_of("publish", operator(request), asked := body(request, NewPublication), idempotency_key(request))
    model, period = await asyncio.to_thread(_known, request)
    told = await asyncio.to_thread(_publish, model, period, asked.run, cause)
    await wake(client, model, period)
    return _done(told, 202)


@bp.function_name("acknowledge_incident")
@bp.route("api/models/{model}/periods/{period}/incident/acknowledge", methods=["POST"], trigger_arg_name="request")
@endpoint()
async def acknowledge_incident(request: func.HttpRequest) -> func.HttpResponse:
    """Note who is on the period's open incident, and tell the sink. 409 where none is open."""
    cause = cause_of("acknowledge", operator(request), body(request, Reasoned), idempotency_key(request))
    model, period = await asyncio.to_thread(_known, request)
    told = await asyncio.to_thread(acknowledge, Subject.of_period(model, period), cause)
    return _done(told)


@bp.function_name("pause_model")
@bp.route("api/models/{model}/pause", methods=["POST"], trigger_arg_name="request")
@endpoint()
async def pause_model(request: func.HttpRequest) -> func.HttpResponse:
    """Let the model start no run by itself; what is active goes on, and runs by hand are allowed."""
    cause = cause_of("pause", operator(request), body(request, Reasoned), idempotency_key(request))
    model = request.route_params["model"]
    return _done(
        await asyncio.to_thread(
            _decide_of_model, model, cause, lambda seen, now: model_state.pause(seen, model, cause, now)
        )
    )


@bp.function_name("unpause_model")
@bp.route("api/models/{model}/unpause", methods=["POST"], trigger_arg_name="request")
@endpoint()
async def unpause_model(request: func.HttpRequest) -> func.HttpResponse:
    """Take a pause back. The reconciler then asks about each of its open periods: this wakes none by itself."""
    cause = cause_of("unpause", operator(request), body(request, Reasoned), idempotency_key(request))
    model = request.route_params["model"]
    return _done(
        await asyncio.to_thread(_decide_of_model, model, cause, lambda seen, now: model_state.unpause(seen, cause, now))
    )


def _known(request: func.HttpRequest) -> tuple[str, Period]:
    """The model and period that the address names. Raises 404 for a model that is unknown.

    One that is not released any more, or cannot be read, is known by the record of its period.
    """
    model, text = request.route_params["model"], request.route_params["period"]
    found = released(model)
    if found is not None:
        return model, found.definition.period(text)
    try:
        period = Period.parse(text)
        if lake().period(model_name(model), period) is not None:
            return model, period
    except (InvalidName, PeriodError):
        pass
    raise Problem(404, "Unknown model", f"No model named {model[:60]!r} is released here.")


def _decide(what: str, model: str, period: Period, cause: dict[str, Any], change: Change) -> Answer:
    """Change the period's record, once for a request; answers how it then stands (`what`). Raises 409 if refused."""

    def act() -> Answer:
        try:
            record = lake().change_period(model, period, change)
        except Refused as refused:
            active = {"run": refused.active} if refused.active else {}
            raise Problem(409, f"Cannot be {what}", str(refused), **active) from refused
        return {"model": model, "period": str(period), what: record.get(what)}

    return once(cause, {"model": model, "period": str(period)}, act)


def _publish(model: str, period: Period, text: str, cause: dict[str, Any]) -> Answer:
    """Give the period to the run's next attempt, in `publishing`; answers the run and that attempt."""
    try:
        run = RunId.parse(text)
    except InvalidName as error:
        raise Problem(404, "Unknown run", str(error)) from error
    if (run.model, run.period) != (model, period):
        raise Problem(404, "Unknown run", f"{run} is no run of {model} {period}.")

    def act() -> Answer:
        record = lake().period(model, period)
        try:
            plan = {**_published_before(run), "cause": cause, "installation": settings().installation}
            plan["generation"] = record["generation"] if record else 0
            after = lake().change_period(model, period, lambda seen, now: wishes.publish_again(seen, plan, now))
        except Refused as refused:
            active = {"run": refused.active} if refused.active else {}
            raise Problem(409, "Cannot be published", str(refused), **active) from refused
        shown = after["claim"] or after["published"] or {}
        return {"model": model, "period": str(period), "run": run.text, "attempt": shown.get("attempt")}

    return once(cause, {"model": model, "period": str(period), "run": run.text}, act)


def _published_before(run: RunId) -> dict[str, Any]:
    """The run's last attempt whose outputs were published, as its record has it. Raises Refused where they are gone."""
    begins = f"{paths.control_folder(run)}/record-"
    records = [lake().control.read(entry.name) for entry in lake().control.list(begins)]
    if not records:
        raise Problem(404, "Unknown run", f"No run {run} is known here, or it has not ended.")
    ends = sorted((seen.data for seen in records if seen), key=lambda end: int(end["attempt"]))
    if ends[-1]["state"] != period_record.End.SUCCEEDED:
        raise Refused(f"{run} {ends[-1]['state']}: only what was verified and published can be published again")
    attempt = ends[-1]["attempt"]
    for place in (paths.outputs_folder(run, attempt), paths.closed_folder(run, attempt)):
        if all(lake().models.exists(f"{place}/{name}") for name in (MANIFEST, MARKER)):
            kept = ("run", "attempt", "job", "fingerprint", "version", "metrics")
            return {key: ends[-1][key] for key in kept if key in ends[-1]}
    raise Refused(f"the outputs of {run} are gone")


def acknowledge(about: Subject, cause: dict[str, Any]) -> Answer:
    """Note who is on the subject's open incident, and try to tell its receivers. Raises 409 where none is open."""
    named = {name: text for name, text in about.to_document().items() if text is not None}

    def act() -> Answer:
        try:
            seen = lake().change_incident(about, lambda seen, now: incident.acknowledged(seen, cause, now))
        except Refused as refused:
            raise Problem(409, "Cannot be acknowledged", str(refused)) from refused
        send_incident.try_to_send(seen)
        return {**named, "acknowledged": seen["acknowledged"]}

    return once(cause, named, act)


def _decide_of_model(model: str, cause: dict[str, Any], change: Change) -> Answer:
    """As `_decide`, of the model's own record. Raises 404 for a model that is not released."""
    if released(model) is None:
        raise Problem(404, "Unknown model", f"No model named {model[:60]!r} is released here.")

    def act() -> Answer:
        state = lake().control.update(paths.model_state(model), change, model_state.index)
        return {"model": model, "paused": model_state.paused(state or None)}

    return once(cause, {"model": model}, act)


def _try(effect: Callable[[dict[str, Any]], object], ask: dict[str, Any]) -> None:
    """Do at once what the reconciler would do, too: the decision stands whatever comes of it."""
    try:
        effect(ask)
    except Exception as error:
        log.warning("left to the reconciler: %s", failure_of(error), extra={"action": "left_to_reconcile"})


def _done(told: Answer, status: int = 200) -> func.HttpResponse:
    """The answer, with the address under which people see what was decided."""
    about = f"models/{told['model']}" + (f"/periods/{told['period']}" if "period" in told else "")
    return answer({**told, "links": {"self": f"{settings().public_url or ''}/api/{about}"}}, status)
