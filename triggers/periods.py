"""A period over HTTP: is it ready, what blocks, what was published."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from activities.assess_period import glance, pause_of, released
from slipway import paths, rollup
from slipway.azure.lake import lake
from slipway.decision import decide
from slipway.due import due_at
from slipway.period import Period
from slipway.subject import Subject
from slipway.timing import expected, timing, usual
from triggers.api import Problem, answer, endpoint, reader

bp = df.Blueprint()

#: What the card shows of the period's incident.
INCIDENT = ("key", "status", "code", "message", "opened_at", "acknowledged")


@bp.function_name("get_period")
@bp.route("api/models/{model}/periods/{period}", methods=["GET"], trigger_arg_name="request")
@endpoint()
async def get_period(request: func.HttpRequest) -> func.HttpResponse:
    """The readiness card of a period: each input, what blocks, what Slipway would do now, what is published."""
    reader(request)
    return answer(await asyncio.to_thread(card_of, request.route_params["model"], request.route_params["period"]))


def card_of(model: str, text: str) -> dict[str, Any]:
    """The card of a period. Raises 404 for a model that is not released."""
    found = released(model)
    if found is None:
        raise Problem(404, "Unknown model", f"No model named {model[:60]!r} is released here.")
    period = found.definition.period(text)
    seen = glance(found, period)
    decision, readiness = decide(seen), seen.readiness
    assert readiness is not None, "a glance looks at the inputs"
    record, incident = seen.record, lake().incident(Subject.of_period(model, period))
    shown = ("run", "attempt", "stage", "deadline")
    takes = _usual(model)
    facts = rollup.facts(record)
    expected_at = expected(facts, seen.ends, seen.now, takes)
    return {
        "model": model,
        "period": str(period),
        "interval": _interval(found.definition.zone, period),
        "version": found.definition.version,
        "readiness": readiness.to_document(),
        "decision": {"action": decision.action, "why": decision.why, "ask_again": decision.ask_again},
        "active": {key: record["claim"][key] for key in shown} if record and record["claim"] else None,
        "published": record["published"] if record else None,
        "last": record["last"] if record else None,
        "due": _text(due_at(found.definition, period)),
        "timing": timing(found.definition, period, facts, seen.now, found.first_released_at, expected_at),
        "expected": _text(expected_at),
        "usual_seconds": takes.total_seconds() if takes else None,
        "waived": record["waived"] if record else None,
        "retracted": record.get("retracted") if record else None,
        "paused": pause_of(model),
        "incident": incident and {key: incident.get(key) for key in INCIDENT},
    }


def _usual(model: str) -> timedelta | None:
    """How long the model usually takes, as the board shows of its newest periods."""
    board = lake().control.read(paths.board(rollup.shard(model)))
    rows: dict[str, rollup.Facts] = board.data["models"].get(model, {}) if board else {}
    return usual(rows.values())


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _interval(zone: Any, period: Period) -> dict[str, str]:
    interval = period.interval(zone)
    return {"start": interval.start.isoformat(), "end": interval.end.isoformat()}
