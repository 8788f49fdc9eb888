"""A backfill as people are shown it: counts, a row in a listing, the document, what its incident says. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from statistics import median
from typing import Any
from urllib.parse import quote, unquote

from slipway.backfill import UNDER_WAY, Of, State, failed, is_open

#: How many failed periods an incident names.
NAMED = 20
#: How much of a reason a listing shows.
LONGEST_SHOWN = 160
#: What the document says as the record has it.
_SAME = ("order", "parallel", "version", "planned_at", "estimate", "held", "started", "paused", "canceled")


def counts(record: Mapping[str, Any]) -> dict[str, int]:
    """How many periods stand where; they add up to all of them."""
    found = Counter(str(entry["state"]) for entry in record["periods"].values())
    return {str(state): found[state] for state in Of if found[state]}


def alarm(record: Mapping[str, Any]) -> str | None:
    """What its one incident says; None where there is nothing to say. Constant while it goes on."""
    texts, number = sorted(failed(record)), len(record["periods"])
    if record["alarm"] is None or record["state"] == State.CANCELED:
        return None
    if record["state"] != State.FINISHED:
        return f"{record['alarm']} failed, the first of {number} periods; the others go on."
    more = f" and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return f"{len(texts)} of {number} periods failed: {', '.join(texts[:NAMED])}{more}."


def index(record: Mapping[str, Any]) -> dict[str, str]:
    """What a listing of the backfills shows of one: a row, as ASCII texts that fit into a blob's metadata."""
    facts = {
        **_row(record),
        "counts": ",".join(f"{name}:{number}" for name, number in counts(record).items()),
        "by": quote(record["by"]),
        "reason": quote(record["reason"][:LONGEST_SHOWN]),
        "open": "yes" if is_open(record) else "no",
    }
    facts |= {"ended_at": record["ended_at"]} if record["ended_at"] else {}
    return facts | ({"alarm": "yes"} if record["alarm"] else {})


def row_of_listing(id: str, shown: Mapping[str, str]) -> dict[str, Any]:  # noqa: A002 - the field's word
    """The row of a backfill, read back from what a listing shows (see `index`)."""
    pairs = (pair.split(":") for pair in shown["counts"].split(","))
    return {
        "backfill": id,
        **{name: shown[name] for name in ("model", "state", "only", "first", "last", "at")},
        "counts": {name: int(number) for name, number in pairs},
        "by": unquote(shown["by"]),
        "reason": unquote(shown["reason"]),
        "ended_at": shown.get("ended_at"),
    }


def view(record: Mapping[str, Any], now: datetime, limit: int) -> dict[str, Any]:
    """The backfill without its periods. `finishes_at`: when the last run ends, if it goes on (or is started) now.

    `limit`: how many runs all backfills together may have under way.
    """
    facts = {name: record[name] for name in ("backfill", "by", "reason", "ended_at", *_SAME)}
    return {**facts, **_row(record), "counts": counts(record), "finishes_at": _finishes_at(record, now, limit)}


def periods(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each of its periods, earliest first."""
    shown = ("state", "why", "run")
    return [
        {"period": text, **{name: entry.get(name) for name in shown}, "joined": bool(entry.get("joined"))}
        for text, entry in sorted(record["periods"].items())
    ]


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    texts = sorted(record["periods"])
    facts = {name: record[name] for name in ("model", "only", "at")}
    return {**facts, "state": str(record["state"]), "first": texts[0], "last": texts[-1]}


def _finishes_at(record: Mapping[str, Any], now: datetime, limit: int) -> datetime | None:
    """By what its newest runs took, else those before it; a run that is under way is taken to be half done.

    Its own know how long a run waits for its turn on the compute, with so many of them beside each other.
    """
    based_on = (record["estimate"] or {}).get("based_on") or {}
    run_seconds = median(record["took"]) if record.get("took") else based_on.get("run_seconds")
    if record["state"] not in (State.PLANNED, State.RUNNING) or run_seconds is None:
        return None
    states = [entry["state"] for entry in record["periods"].values()]
    runs = states.count(Of.PENDING) + sum(state in UNDER_WAY for state in states) / 2
    rounds = max(runs / min(record["parallel"], limit), min(runs, 1))
    return now + timedelta(seconds=round(rounds * run_seconds))
