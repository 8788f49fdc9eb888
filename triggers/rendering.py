"""How pages are made: templates filled on the server, headers that let nothing in, and problems as pages.

Every page works without script. One module, `live.js`, keeps the parts of a page current that say `data-live`.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import azure.functions as func
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from slipway import clock
from slipway.metrics import words
from slipway.names import InvalidName
from slipway.period import PeriodError
from triggers.api import OPERATOR, Principal, Problem, packed, problem_of, reader
from triggers.operations import OPERATIONS
from triggers.trend import size, span

FOLDER = Path(__file__).parent.parent / "dashboard"
#: Nothing of another origin, no frame around it, forms to the app alone. Source: Content Security Policy Level 3.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: What the changes that pages ask for are called, by the names of their functions.
NOTES = {operation.name: operation.summary for operation in OPERATIONS if operation.body}
Page = Callable[..., Awaitable[func.HttpResponse]]
_ENDED = {"succeeded": ("good", "✓"), "failed": ("bad", "✕"), "canceled": ("", "∅"), "superseded": ("", "»")}
_QUIET = {"waived": "○", "retracted": "↶"}


#: Who looks, and which change brought them here.
_asking: ContextVar[Principal | None] = ContextVar("asking", default=None)
_done: ContextVar[str] = ContextVar("done", default="")


def page(handler: Page) -> Page:
    """Ask who looks, and answer what the handler raises as a page that says it."""

    @functools.wraps(handler)
    async def answered(request: func.HttpRequest, **bindings: Any) -> func.HttpResponse:
        try:
            _asking.set(reader(request))
            _done.set(request.params.get("done", ""))
            return await packed(request, await handler(request, **bindings))
        except Problem as problem:
            return said(problem)
        except (InvalidName, PeriodError) as error:
            return said(Problem(404, "There is no such thing", str(error)))
        except Exception as error:
            return said(problem_of(error))

    return answered


def said(problem: Problem, back: str = "") -> func.HttpResponse:
    """The page that says a problem, with a link `back` to where it can be mended, if there is such a place."""
    return shown("problem.html", problem.status, problem=problem, back=back)


def shown(template: str, status: int = 200, *, here: str = "", twin: str = "", **found: Any) -> func.HttpResponse:
    """A page. `here` is its place among those of the header, `twin` the address of its JSON."""
    who = _asking.get()
    about: dict[str, Any] = {
        "here": here,
        "twin": twin,
        "now": clock.now(),
        "who": who,
        "done": _done.get(),
        "notes": NOTES,
    }
    about["may"] = bool(who and OPERATOR in who.roles)
    text = _templates.get_template(template).render(**about, **found)
    return func.HttpResponse(text, status_code=status, mimetype="text/html", charset="utf-8", headers=HEADERS)


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
    made.globals["new_key"] = lambda: uuid.uuid4().hex
    made.filters |= {"kind": kind, "moment": moment, "short": short, "seconds": seconds}
    made.filters |= {"span": span, "size": size, "words": words}
    return made


_templates = _environment()
