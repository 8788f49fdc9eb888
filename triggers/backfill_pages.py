"""The dashboard's pages of backfills: all of them, and one with its plan, how far it is, and each of its periods."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import azure.durable_functions as df
import azure.functions as func

from slipway.backfill import Of, State
from triggers.backfills import document_of, known, periods_of, search_backfills
from triggers.paging import cursor, limit
from triggers.rendering import page, shown

bp = df.Blueprint()

#: The states of periods in the order in which the bar shows them: a class for their colour, and words.
SHOWN = {
    Of.PUBLISHED: ("good", "published"),
    Of.GOOD: ("light good", "already good"),
    Of.ACTIVE: ("busy", "running"),
    Of.STARTING: ("light busy", "starting"),
    Of.FAILED: ("bad", "failed"),
    Of.SKIPPED: ("late", "skipped"),
    Of.CANCELED: ("light late", "canceled"),
    Of.BLOCKED: ("light late", "inputs missing"),
    Of.PENDING: ("none", "will run"),
}
#: What its state means for whoever waits for it; of a state that is not here, its periods say enough.
SAID = {
    State.PLANNED: "Nothing runs before somebody starts it.",
    State.PAUSED: "What runs goes on to its end, and nothing new starts before somebody resumes it.",
}
#: The bar's measures, in its own units.
WIDTH, HEIGHT = 1000, 24


@bp.function_name("page_backfills")
@bp.route("dashboard/backfills", methods=["GET"], trigger_arg_name="request")
@page
async def page_backfills(request: func.HttpRequest) -> func.HttpResponse:
    """The backfills, the newest first."""
    found = await asyncio.to_thread(search_backfills, request)
    asked = {name: value for name, value in request.params.items() if value and name != "cursor"}
    query = urlencode(asked) + "&" if asked else ""
    about: dict[str, Any] = {"found": found, "asked": asked, "query": query, "states": list(State), "words": WORDS}
    return shown("backfills.html", here="/dashboard/backfills", twin=f"/api/backfills?{query}", **about)


@bp.function_name("page_backfill")
@bp.route("dashboard/backfills/{backfill}", methods=["GET"], trigger_arg_name="request")
@page
async def page_backfill(request: func.HttpRequest) -> func.HttpResponse:
    """A backfill: what people decided, how far it is, what it takes, its periods a page at a time."""
    record, now = await asyncio.to_thread(known, request)
    state = request.params.get("state") or None
    found = document_of(record, now)
    rows = periods_of(record, state, limit(request), cursor(request))
    goes_on = found["state"] in ("planning", "running") or bool({"active", "starting"} & set(found["counts"]))
    about: dict[str, Any] = {"backfill": found, "periods": rows, "bar": bar(found["counts"]), "state": state}
    words: dict[str, Any] = {"shown": SHOWN, "said": SAID, "query": f"state={state}&" if state else ""}
    return shown("backfill.html", twin=f"/api/backfills/{found['backfill']}", goes_on=goes_on, **words, **about)


#: What is said of a period, by its state.
WORDS = {state.value: words for state, (_, words) in SHOWN.items()}


def bar(counts: Mapping[str, int]) -> dict[str, Any]:
    """How many periods stand where, as the parts of a bar: x, width, a class, words that say the same."""
    whole, parts, begin = sum(counts.values()), [], 0
    for state, (colour, words) in SHOWN.items():
        if number := counts.get(state, 0):
            x = round(WIDTH * begin / whole, 1)
            width = round(WIDTH * (begin + number) / whole - x, 1)
            parts.append({"x": x, "width": width, "class": colour, "number": number, "words": words, "state": state})
            begin += number
    return {"parts": parts, "width": WIDTH, "height": HEIGHT, "whole": whole}
