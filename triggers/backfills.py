"""Backfills over HTTP: plan one, look at the plan, then start, watch, pause, resume and cancel it."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

import azure.durable_functions as df
import azure.functions as func
from pydantic import ConfigDict, Field, model_validator

from activities.assess_period import released
from activities.wake import wake_backfill
from slipway import backfill, paths
from slipway.azure.lake import lake
from slipway.backfill_register import admitted
from slipway.backfill_view import periods, row_of_listing, view
from slipway.catalog import Released
from slipway.definition import Definition
from slipway.names import InvalidName, backfill_id, model_name
from slipway.period import Period
from slipway.period_record import Refused
from slipway.selection import NotEnded, SelectionError, between, listed
from slipway.settings import settings
from triggers.api import Problem, Reasoned, answer, body, endpoint, operator, reader
from triggers.paging import as_cursor, cursor, cut, limit
from triggers.requests import Answer, cause_of, idempotency_key, once
from triggers.shapes.backfills import Backfill, BackfillPeriod, BackfillPeriods, BackfillRow, Backfills

bp = df.Blueprint()

Record = dict[str, Any]
#: The largest body of a plan, in bytes: a thousand periods, named one by one.
LARGEST_PLAN = 32_768


class NewBackfill(Reasoned):
    """What `POST /api/models/{model}/backfills` takes: a range (`from`, `to`), or `periods` one by one."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["from", "to"]}, {"required": ["periods"]}]})

    from_: str | None = Field(None, alias="from", max_length=20, description="The first period.")
    to: str | None = Field(None, max_length=20, description="The last period.")
    periods: list[str] | None = Field(None, min_length=1, description="The periods, in place of a range.")
    only: Literal["missing", "failed", "outdated", "all"] = Field(
        "missing",
        description="Which of them need a run: those without a publication, whose last run failed, that are of another "
        "version than the released one, or all.",
    )
    parallel: int = Field(4, ge=1, le=100, description="How many runs it may have under way at once.")
    order: Literal["oldest", "newest"] = Field("oldest", description="Which periods are run first.")

    @model_validator(mode="after")
    def _one_of_two(self) -> NewBackfill:
        ranged = (self.from_ is not None, self.to is not None)
        if (self.periods is None) != all(ranged) or (self.periods is not None and any(ranged)):
            raise ValueError("name a range by from and to, or periods one by one")
        return self


class Cancellation(Reasoned):
    """What `POST /api/backfills/{backfill}/cancel` takes."""

    runs: Literal["cancel", "finish"] = Field("cancel", description="What becomes of its runs under way.")


@bp.function_name("plan_backfill")
@bp.route("api/models/{model}/backfills", methods=["POST"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@endpoint()
async def plan_backfill(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Plan a backfill; nothing runs before it is started. 202: it is asked for, and planned within moments.

    404 unknown model; 400 for periods that no backfill can be for; 409 for one that has not ended, or that is in a
    backfill under way (with its id).
    """
    cause = cause_of(
        "plan backfill", operator(request), asked := body(request, NewBackfill, LARGEST_PLAN), idempotency_key(request)
    )
    told = await asyncio.to_thread(_plan, request.route_params["model"], asked, cause)
    await wake_backfill(client, told["backfill"])
    return await asyncio.to_thread(_accepted, told["backfill"])


@bp.function_name("get_backfills")
@bp.route("api/backfills", methods=["GET"], trigger_arg_name="request")
@endpoint("model", "state", "limit", "cursor")
async def get_backfills(request: func.HttpRequest) -> func.HttpResponse:
    """The backfills, the newest first, by model and state."""
    reader(request)
    return answer(await asyncio.to_thread(search_backfills, request))


@bp.function_name("get_backfill")
@bp.route("api/backfills/{backfill}", methods=["GET"], trigger_arg_name="request")
@endpoint()
async def get_backfill(request: func.HttpRequest) -> func.HttpResponse:
    """A backfill: its plan, what people decided, how far it is. Its ETag is for `If-Match`."""
    reader(request)
    record, now = await asyncio.to_thread(known, request)
    return answer(document_of(record, now), ETag=_etag(record))


@bp.function_name("get_backfill_periods")
@bp.route("api/backfills/{backfill}/periods", methods=["GET"], trigger_arg_name="request")
@endpoint("state", "limit", "cursor")
async def get_backfill_periods(request: func.HttpRequest) -> func.HttpResponse:
    """Its periods, earliest first, a page at a time: what each needs, or what became of it."""
    reader(request)
    record, _ = await asyncio.to_thread(known, request)
    return answer(periods_of(record, request.params.get("state"), limit(request), cursor(request)))


@bp.function_name("start_backfill")
@bp.route("api/backfills/{backfill}/start", methods=["POST"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@endpoint()
async def start_backfill(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Start a planned backfill. 409 while another one is under way with one of its periods (with its id)."""
    return await _command(request, client, "start backfill", Reasoned, lambda _: _start)


@bp.function_name("pause_backfill")
@bp.route("api/backfills/{backfill}/pause", methods=["POST"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@endpoint()
async def pause_backfill(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Start nothing new; its runs under way go on."""
    return await _command(request, client, "pause backfill", Reasoned, lambda _: _changed(backfill.pause))


@bp.function_name("resume_backfill")
@bp.route("api/backfills/{backfill}/resume", methods=["POST"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@endpoint()
async def resume_backfill(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """Go on after a pause."""
    return await _command(request, client, "resume backfill", Reasoned, lambda _: _changed(backfill.resume))


@bp.function_name("cancel_backfill")
@bp.route("api/backfills/{backfill}/cancel", methods=["POST"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@endpoint()
async def cancel_backfill(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """End a backfill for good; its runs under way are canceled, or left to finish."""

    def cancel(asked: Cancellation) -> Act:
        return _changed(lambda seen, cause, now: backfill.cancel(seen, asked.runs, cause, now))

    return await _command(request, client, "cancel backfill", Cancellation, cancel)


Change = Callable[[Record, dict[str, Any], datetime], Record]
#: Carries out a command: the backfill's id, the cause, and what must hold of the record (raises 412 where it does not).
Act = Callable[[str, dict[str, Any], Callable[[Record], None]], None]


async def _command(
    request: func.HttpRequest, client: df.DurableOrchestrationClient, kind: str, shape: Any, act: Callable[[Any], Act]
) -> func.HttpResponse:
    """Change what is wished of a backfill, once for a request, and tell its driver. 202: the wish is durable."""
    cause = cause_of(kind, operator(request), asked := body(request, shape), idempotency_key(request))
    id_, expected = _id(request), request.headers.get("If-Match")

    def carried_out() -> Answer:
        try:
            act(asked)(id_, cause, lambda record: _must_match(record, expected))
        except Refused as refused:
            other = {"other": refused.active} if refused.active else {}
            raise Problem(409, "The backfill does not allow it", f"{refused}.", backfill=id_, **other) from refused
        return {"backfill": id_}

    about = {"backfill": id_, **asked.model_dump(exclude={"reason"})}
    await asyncio.to_thread(once, cause, about, carried_out)
    await wake_backfill(client, id_)
    return await asyncio.to_thread(_accepted, id_)


def _changed(change: Change) -> Act:
    def act(id_: str, cause: dict[str, Any], must_match: Callable[[Record], None]) -> None:
        def changed(seen: Record | None, now: datetime) -> Record:
            if seen is None:
                raise _unknown(id_)
            must_match(seen)
            return change(seen, cause, now)

        lake().change_backfill(id_, changed)

    return act


def _start(id_: str, cause: dict[str, Any], must_match: Callable[[Record], None]) -> None:
    """Enter it where those under way stand, then wish it started: of two that share a period only one gets so far.

    If this is cut short between the two, its driver takes the entry back (see `is_stale`).
    """
    seen, _ = lake().backfill_at(id_)
    if seen is not None and seen["state"] == backfill.State.PLANNED:
        must_match(seen)
        entered = {**seen, "state": backfill.State.RUNNING}
        lake().control.update(paths.started_backfills(), lambda known, _: admitted(known, entered))
    _changed(backfill.start)(id_, cause, must_match)


def _plan(model: str, asked: NewBackfill, cause: dict[str, Any]) -> Answer:
    """Write the backfill's record once, to be planned by its driver; or answer the one that was written before."""
    found = released(model)
    if found is None:
        raise Problem(404, "Unknown model", f"No model named {model[:60]!r} is released here.")
    about = {"model": model, **asked.model_dump(by_alias=True, exclude={"reason"})}
    return once(cause, about, lambda: _write(found, asked, cause))


def _write(found: Released, asked: NewBackfill, cause: dict[str, Any]) -> Answer:
    register, now = lake().control.read_at(paths.started_backfills())
    facts = {
        "model": found.definition.name,
        "periods": _periods(found.definition, asked, now),
        "only": asked.only,
        "order": asked.order,
        "parallel": asked.parallel,
    }
    key = cause["request"]
    id_ = f"bf-{hashlib.sha256(key.encode()).hexdigest()[:10] if key else secrets.token_hex(5)}"
    try:
        admitted(register.data if register else None, backfill.new(id_, facts, cause, now))
    except Refused as refused:
        raise Problem(409, "Another backfill is under way", f"{refused}.", backfill=refused.active) from refused
    lake().change_backfill(id_, lambda seen, now: None if seen else backfill.new(id_, facts, cause, now))
    return {"backfill": id_}


def _periods(definition: Definition, asked: NewBackfill, now: datetime) -> list[Period]:
    try:
        if asked.periods is not None:
            return listed(definition, asked.periods, now)
        return between(definition, str(asked.from_), str(asked.to), now)
    except SelectionError as error:
        raise Problem(409 if isinstance(error, NotEnded) else 400, error.title, str(error)) from error


def search_backfills(request: func.HttpRequest) -> dict[str, Any]:
    """A page of backfills, from one listing: no record is read. Raises 400 for a filter that is none."""
    model, state, count, place = (*_filters(request), limit(request), cursor(request))
    folder = "backfills/bf-"
    rows = []
    for entry in lake().control.list(folder):
        shown = entry.metadata
        if (model is None or shown["model"] == model) and (state is None or shown["state"] == state):
            rows.append(row_of_listing(paths.parse("control", entry.name).backfill or "", shown))
    rows.sort(key=_place, reverse=True)
    if place is not None:
        rows = [row for row in rows if _place(row) < place]
    more = as_cursor(_place(rows[count - 1])) if len(rows) > count else None
    found = [BackfillRow(**row) for row in rows[:count]]
    return Backfills(backfills=found, next=more).model_dump(mode="json")


def _filters(request: func.HttpRequest) -> tuple[str | None, str | None]:
    model, state = request.params.get("model") or None, request.params.get("state") or None
    if state is not None and state not in tuple(backfill.State):
        raise Problem(400, "Malformed state", f"state is one of {', '.join(backfill.State)}.")
    return model_name(model) if model else None, state


def _place(row: dict[str, Any]) -> str:
    return f"{row['at']}~{row['backfill']}"


def known(request: func.HttpRequest) -> tuple[Record, datetime]:
    """The record of the backfill that the address names, and the lake's time. Raises 404."""
    id_ = _id(request)
    record, now = lake().backfill_at(id_)
    if record is None:
        raise _unknown(id_)
    return record, now


def document_of(record: Record, now: datetime) -> dict[str, Any]:
    """The backfill as the API answers it."""
    base, id_ = settings().public_url or "", record["backfill"]
    links = {"self": f"{base}/api/backfills/{id_}", "periods": f"{base}/api/backfills/{id_}/periods"}
    return Backfill(**view(record, now, settings().backfill_runs), links=links).model_dump(mode="json")


def periods_of(record: Record, state: str | None, count: int, place: str | None) -> dict[str, Any]:
    """A page of a backfill's periods, those in a state if one is named. Raises 400 for a state that is none."""
    if state and state not in tuple(backfill.Of):
        raise Problem(400, "Malformed state", f"state is one of {', '.join(backfill.Of)}.")
    rows, more = cut([row for row in periods(record) if not state or row["state"] == state], count, place)
    shown = [BackfillPeriod(**row) for row in rows]
    facts = {"backfill": record["backfill"], "model": record["model"]}
    return BackfillPeriods(**facts, periods=shown, next=more).model_dump(mode="json")


def _accepted(id_: str) -> func.HttpResponse:
    record, now = lake().backfill_at(id_)
    if record is None:
        raise _unknown(id_)
    document = document_of(record, now)
    return answer(document, 202, Location=document["links"]["self"], ETag=_etag(record))


def _etag(record: Record) -> str:
    """The name of the record's present state: every write of it has another."""
    return f'"{record["writer"]}"'


def _must_match(record: Record, expected: str | None) -> None:
    if expected not in (None, "*", _etag(record)):
        what = f"{record['backfill']} is {record['state']} and has changed since {expected[:60]!r} was read"
        raise Problem(412, "The backfill has changed", f"{what}; look at it, and ask again.", etag=_etag(record))


def _id(request: func.HttpRequest) -> str:
    try:
        return backfill_id(request.route_params["backfill"])
    except InvalidName as error:
        raise Problem(404, "Unknown backfill", str(error)) from error


def _unknown(id_: str) -> Problem:
    return Problem(404, "Unknown backfill", f"No backfill {id_} is known here.")
