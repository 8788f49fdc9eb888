"""The dashboard: pages rendered on the server from what the API answers."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection
from typing import Any
from urllib.parse import quote, urlencode

import azure.durable_functions as df
import azure.functions as func

from slipway import catalog
from slipway.azure.lake import lake
from slipway.period import last_ended
from triggers.curves import curves
from triggers.incidents import incident_of, subject_of
from triggers.models import Fleet, Listed
from triggers.overview import overview
from triggers.paging import cursor, limit
from triggers.periods import card_of
from triggers.rendering import FOLDER, kind, page, shown
from triggers.search import incidents, search_of
from triggers.trend import trend

bp = df.Blueprint()

ASSETS = {"style.css": "text/css", "live.js": "text/javascript"}
#: How many periods of each model the board shows at most, and what it may weigh, in bytes: people open it on a phone.
SHOWN, HEAVIEST = 7, 195_000


@bp.function_name("page_board")
@bp.route("dashboard", methods=["GET"], trigger_arg_name="request")
@page
async def page_board(request: func.HttpRequest) -> func.HttpResponse:
    """All models by period, cadence by cadence."""
    del request
    board, most = await asyncio.to_thread(_board)
    cadences: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in board["models"]:
        cadences[one["cadence"]].append({**one, "cells": {cell["period"]: cell for cell in one["periods"]}})
    columns = {
        cadence: sorted({period for one in models for period in one["cells"]}, reverse=True)[:most]
        for cadence, models in cadences.items()
    }
    kinds = [kind(cell)["class"] for one in board["models"] for cell in one["periods"]]
    totals = {"models": len(board["models"]), **{name: kinds.count(name) for name in ("bad", "late", "busy")}}
    order = ("hourly", "daily", "weekly", "monthly", "quarterly")
    ordered = sorted(cadences.items(), key=lambda item: order.index(item[0]))
    return shown("board.html", here="/dashboard", twin="/api/board", cadences=ordered, columns=columns, totals=totals)


def _board() -> tuple[dict[str, Any], int]:
    """The board, and how many periods of each model it shows."""
    fleet = Fleet()
    most = columns_that_fit(fleet.catalog.models)
    return fleet.board(most), most


def columns_that_fit(names: Collection[str]) -> int:
    """How many periods of models with these names the board shows: fewer, the more there are and the longer."""
    letters = sum(map(len, names))
    row, cell = 150 * len(names) + 2 * letters, 100 * len(names) + letters
    return SHOWN if not names else max(1, min(SHOWN, (HEAVIEST - row) // cell))


@bp.function_name("page_now")
@bp.route("dashboard/now", methods=["GET"], trigger_arg_name="request")
@page
async def page_now(request: func.HttpRequest) -> func.HttpResponse:
    """What needs a person, what is late, what is running and whether it is stuck."""
    del request
    return shown("now.html", here="/dashboard/now", twin="/api/overview", found=await asyncio.to_thread(overview))


@bp.function_name("page_model")
@bp.route("dashboard/models/{model}", methods=["GET"], trigger_arg_name="request")
@page
async def page_model(request: func.HttpRequest) -> func.HttpResponse:
    """A model: what it is, and its periods."""
    name, place = request.route_params["model"], cursor(request)
    model = await asyncio.to_thread(lambda: Fleet().model(name))
    listed = await asyncio.to_thread(Listed, name, place)
    periods, pictured = listed.page(limit(request)), listed.pictured(limit(request))
    cards = await asyncio.to_thread(_next_cards, name, periods["periods"]) if place is None else []
    pictures: dict[str, Any] = {"trend": trend(pictured), "curves": curves(pictured)}
    twin = f"/api/models/{quote(name)}"
    return shown("model.html", twin=twin, model=model, periods=periods, cards=cards, **pictures)


def _next_cards(model: str, newest: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cards of what comes next: the last ended period while it is not published, and the one under way."""
    definition = catalog.load(lake().control).definition(model)
    now = lake().period_at(model, definition.first)[1]
    under_way = last_ended(definition.cadence, now, definition.zone).shift(1)
    waiting = [definition.period(row["period"]) for row in newest[:1] if not row["published"]]
    inside = definition.first <= under_way and (definition.last is None or under_way <= definition.last)
    return [card_of(model, str(period)) for period in [*waiting, *([under_way] if inside else [])]]


@bp.function_name("page_period")
@bp.route("dashboard/models/{model}/periods/{period}", methods=["GET"], trigger_arg_name="request")
@page
async def page_period(request: func.HttpRequest) -> func.HttpResponse:
    """A period: what blocks, what Slipway would do, what is published."""
    model, period = request.route_params["model"], request.route_params["period"]
    card = await asyncio.to_thread(card_of, model, period)
    return shown("period.html", twin=f"/api/models/{quote(model)}/periods/{quote(period)}", card=card)


@bp.function_name("page_runs")
@bp.route("dashboard/runs", methods=["GET"], trigger_arg_name="request")
@page
async def page_runs(request: func.HttpRequest) -> func.HttpResponse:
    """A search for runs."""
    found = await asyncio.to_thread(search_of, request)
    asked = {name: value for name, value in request.params.items() if value and name != "cursor"}
    query = urlencode(asked) + "&" if asked else ""
    return shown("runs.html", here="/dashboard/runs", twin=f"/api/runs?{query}", found=found, asked=asked, query=query)


@bp.function_name("page_incidents")
@bp.route("dashboard/incidents", methods=["GET"], trigger_arg_name="request")
@page
async def page_incidents(request: func.HttpRequest) -> func.HttpResponse:
    """The open incidents."""
    found = await asyncio.to_thread(incidents, "open", limit(request), cursor(request))
    return shown("incidents.html", here="/dashboard/incidents", twin="/api/incidents", found=found)


@bp.function_name("page_incident")
@bp.route("dashboard/incidents/{key}", methods=["GET"], trigger_arg_name="request")
@page
async def page_incident(request: func.HttpRequest) -> func.HttpResponse:
    """An incident: what happened, what to do first, each remedy as a command, whom it concerns."""
    about = subject_of(request)
    found = await asyncio.to_thread(incident_of, about)
    return shown("incident.html", here="/dashboard/incidents", twin=f"/api/incidents/{about.key}", found=found)


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
