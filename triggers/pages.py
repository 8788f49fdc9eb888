"""The dashboard: pages rendered on the server from what the API answers; they work without script."""

from __future__ import annotations

import asyncio
import functools
import gzip
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import azure.durable_functions as df
import azure.functions as func
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from slipway import clock
from slipway.azure.failures import failure_of
from slipway.names import InvalidName
from slipway.period import PeriodError
from triggers.api import Problem, reader
from triggers.gantt import bars
from triggers.history import history_of
from triggers.models import Fleet, periods_of
from triggers.paging import cursor, limit
from triggers.periods import card_of
from triggers.run_files import log_of, outputs_of
from triggers.runs import run_of, view_of
from triggers.search import Wanted, incidents, search

bp = df.Blueprint()

FOLDER = Path(__file__).parent.parent / "dashboard"
ASSETS = {"style.css": "text/css"}
#: Nothing of another origin, no script at all, no frame around it. Source: Content Security Policy Level 3.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
#: How many periods of each model the board shows: with 200 models the page stays below 200 KB.
SHOWN = 7
#: How many of a run's files a page shows.
FILES = 50
_ENDED = {"succeeded": ("good", "✓"), "failed": ("bad", "✕"), "canceled": ("", "∅"), "superseded": ("", "»")}
_QUIET = {"waived": "○", "retracted": "↶"}

Page = Callable[..., Awaitable[func.HttpResponse]]


def page(handler: Page) -> Page:
    """Answer what the handler raises as a page that says it."""

    @functools.wraps(handler)
    async def answered(request: func.HttpRequest, **bindings: Any) -> func.HttpResponse:
        try:
            reader(request)
            return _packed(request, await handler(request, **bindings))
        except Problem as problem:
            return _page("problem.html", problem.status, problem=problem)
        except (InvalidName, PeriodError) as error:
            return _page("problem.html", 404, problem=Problem(404, "There is no such thing", str(error)))
        except Exception as error:
            problem = Problem(503, "A service did not answer as it should", str(failure_of(error)))
            return _page("problem.html", 503, problem=problem)

    return answered


def _packed(request: func.HttpRequest, response: func.HttpResponse) -> func.HttpResponse:
    """The page as gzip for who takes that, since the host sends answers as they are: a tenth of the bytes."""
    if "gzip" not in request.headers.get("Accept-Encoding", ""):
        return response
    packed = gzip.compress(response.get_body(), mtime=0)
    headers = {**HEADERS, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return func.HttpResponse(packed, status_code=response.status_code, mimetype="text/html", headers=headers)


@bp.function_name("page_board")
@bp.route("dashboard", methods=["GET"], trigger_arg_name="request")
@page
async def page_board(request: func.HttpRequest) -> func.HttpResponse:
    """All models by period, cadence by cadence."""
    del request
    board = await asyncio.to_thread(lambda: Fleet().board(SHOWN))
    cadences: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in board["models"]:
        cadences[one["cadence"]].append({**one, "cells": {cell["period"]: cell for cell in one["periods"]}})
    columns = {
        cadence: sorted({period for one in models for period in one["cells"]}, reverse=True)[:SHOWN]
        for cadence, models in cadences.items()
    }
    kinds = [kind(cell)["class"] for one in board["models"] for cell in one["periods"]]
    totals = {"models": len(board["models"]), **{name: kinds.count(name) for name in ("bad", "late", "busy")}}
    order = ("hourly", "daily", "weekly", "monthly", "quarterly")
    shown = sorted(cadences.items(), key=lambda item: order.index(item[0]))
    return _page("board.html", here="/dashboard", twin="/api/board", cadences=shown, columns=columns, totals=totals)


@bp.function_name("page_model")
@bp.route("dashboard/models/{model}", methods=["GET"], trigger_arg_name="request")
@page
async def page_model(request: func.HttpRequest) -> func.HttpResponse:
    """A model: what it is, and its periods."""
    name = request.route_params["model"]
    model = await asyncio.to_thread(lambda: Fleet().model(name))
    periods = await asyncio.to_thread(periods_of, name, cursor(request), limit(request))
    return _page("model.html", twin=f"/api/models/{quote(name)}", model=model, periods=periods)


@bp.function_name("page_period")
@bp.route("dashboard/models/{model}/periods/{period}", methods=["GET"], trigger_arg_name="request")
@page
async def page_period(request: func.HttpRequest) -> func.HttpResponse:
    """A period: what blocks, what Slipway would do, what is published."""
    model, period = request.route_params["model"], request.route_params["period"]
    card = await asyncio.to_thread(card_of, model, period)
    return _page("period.html", twin=f"/api/models/{quote(model)}/periods/{quote(period)}", card=card)


@bp.function_name("page_run")
@bp.route("dashboard/runs/{run}", methods=["GET"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@page
async def page_run(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """A run: its failure first, what happened when, what it gave, what its job printed."""
    run = run_of(request)
    view = await asyncio.to_thread(view_of, run)
    history = await history_of(run, client)
    outputs = await _if_there(lambda: outputs_of(run, FILES, None)) or {"files": []}
    log = await _if_there(lambda: log_of(run))
    found = {"run": view, "history": history, "bars": bars(history["timeline"]), "outputs": outputs, "log": log}
    return _page("run.html", twin=f"/api/runs/{run}", **found)


@bp.function_name("page_runs")
@bp.route("dashboard/runs", methods=["GET"], trigger_arg_name="request")
@page
async def page_runs(request: func.HttpRequest) -> func.HttpResponse:
    """A search for runs."""
    found = await asyncio.to_thread(lambda: search(Wanted.of(request), limit(request), cursor(request)))
    asked = {name: value for name, value in request.params.items() if value and name != "cursor"}
    query = urlencode(asked) + "&" if asked else ""
    return _page("runs.html", here="/dashboard/runs", twin=f"/api/runs?{query}", found=found, asked=asked, query=query)


@bp.function_name("page_incidents")
@bp.route("dashboard/incidents", methods=["GET"], trigger_arg_name="request")
@page
async def page_incidents(request: func.HttpRequest) -> func.HttpResponse:
    """The open incidents."""
    found = await asyncio.to_thread(incidents, "open", limit(request), cursor(request))
    return _page("incidents.html", here="/dashboard/incidents", twin="/api/incidents", found=found)


@bp.function_name("page_asset")
@bp.route("dashboard/assets/{name}", methods=["GET"], trigger_arg_name="request")
async def page_asset(request: func.HttpRequest) -> func.HttpResponse:
    """A style sheet; it is the same for everybody."""
    name = request.route_params["name"]
    if name not in ASSETS:
        return func.HttpResponse(status_code=404)
    body = await asyncio.to_thread((FOLDER / "assets" / name).read_bytes)
    headers = {"Cache-Control": "max-age=300", "X-Content-Type-Options": "nosniff"}
    return func.HttpResponse(body, mimetype=ASSETS[name], headers=headers)


async def _if_there(find: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    try:
        return await asyncio.to_thread(find)
    except Problem:
        return None


def kind(row: Mapping[str, Any]) -> dict[str, str]:
    """How a period's row is shown: a class for its colour, a sign, and the words that say the same."""
    state, overdue = row["state"], {"late": ", late", "at-risk": ", at risk"}.get(row["timing"], "")
    if state in _ENDED:
        colour, sign = _ENDED[state]
        if row["late"] and colour != "bad":
            colour = "late"
        return {"class": colour, "sign": sign, "words": f"{state}{overdue}"}
    if state in _QUIET:
        return {"class": "", "sign": _QUIET[state], "words": state}
    if state == "none":
        return {
            "class": "late" if row["late"] else "",
            "sign": "!" if row["late"] else "·",
            "words": f"not run{overdue}",
        }
    return {"class": "busy", "sign": "▸", "words": f"{state}{overdue}"}


def moment(time: str | datetime | None) -> str:
    """A time as people read it, in UTC."""
    if not time:
        return ""
    found = datetime.fromisoformat(time) if isinstance(time, str) else time
    return f"{found.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def short(period: str) -> str:
    """A period as the head of a narrow column: days and hours without their year."""
    return period[5:] if len(period) > len("2024-W01") else period


def seconds(entry: Mapping[str, Any]) -> str:
    """How long a task took."""
    lasted = datetime.fromisoformat(entry["ended_at"]) - datetime.fromisoformat(entry["began_at"])
    return f"{lasted.total_seconds():.1f}"


def _environment() -> Environment:
    loader = FileSystemLoader(FOLDER / "templates")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"kind": kind, "moment": moment, "short": short, "seconds": seconds}
    return made


_templates = _environment()


def _page(template: str, status: int = 200, *, here: str = "", twin: str = "", **found: Any) -> func.HttpResponse:
    text = _templates.get_template(template).render(here=here, twin=twin, now=clock.now(), **found)
    return func.HttpResponse(text, status_code=status, mimetype="text/html", charset="utf-8", headers=HEADERS)
