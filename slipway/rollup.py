"""What lists show, gathered so that a page of them costs a handful of requests: the board and the lists of attempts.

The board has a row for each of a model's newest periods; it lies in a few shards, by model. A list of attempts has a
row for each attempt that began within one hour. Both only repeat what records say: they are written after the record,
may be lost, and are made good by the reconciler or made anew from the records. Nothing is decided by them. Pure.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from slipway.period import Cadence, Period, containing
from slipway.period_record import Record, is_quiet
from slipway.run import RunId

UTC_ZONE = ZoneInfo("UTC")
#: A few facts as text, as a blob's metadata hold them.
Facts = dict[str, str]

#: How many shards the board has: a handful of requests show it, and few writers meet in one.
SHARDS = 8
#: How many periods of each model the board keeps, the newest ones.
KEPT = 60
#: The facts of a period's row, as its record's metadata and the board have them.
FACTS = ("state", "run", "attempt", "at", "published", "used", "cause")
#: Those that a period's incident adds.
INCIDENT_FACTS = ("incident", "incident_at")


def facts(record: Record | None) -> Facts:
    """What people see of a period at a glance; empty where nobody has run it.

    `state` is the stage of an active run, else how the last one ended, `retracted` or `waived`; `run` and `published`
    are the ends of run ids (`<key8>-<r>`) that follow model and period; `at` is when the attempt began, or ended;
    `used` is what the published run took (see `slipway.usage`); `cause` is there for the active run of a
    backfill alone: other runs go ahead of it.
    """
    if record is None:
        return {}
    claim, last, published = record["claim"], record["last"], record["published"]
    shown = claim or last
    found = {"published": _tail(published["run"])} if published else {}
    if published and published.get("used"):
        found["used"] = published["used"]
    if shown is not None:
        state = (claim["ending"] or claim["stage"]) if claim else last["state"]
        at = claim["since"] if claim else last["at"]
        found |= {"state": str(state), "run": _tail(shown["run"]), "attempt": str(shown["attempt"]), "at": at}
    if claim and is_quiet(claim.get("cause")):
        found["cause"] = "backfill"
    for decided in ("retracted", "waived"):
        if record.get(decided) and not claim and not published:
            found |= {"state": decided, "at": record[decided]["at"]}
    return found


def incident_facts(incident: Mapping[str, Any] | None) -> Facts:
    """What the board shows of a period's incident: the code and since when, while it is open."""
    if incident is None or incident["status"] != "open":
        return {}
    return {"incident": incident["code"], "incident_at": incident["opened_at"]}


def shard(model: str) -> int:
    """The shard of the board that holds a model."""
    return zlib.crc32(model.encode()) % SHARDS


def with_facts(board: Record | None, model: str, period: Period, found: Facts, names: Iterable[str]) -> Record | None:
    """The shard with these facts of a period in the place of those called `names`; None where it says so already.

    A period that is older than all that are kept leaves no trace.
    """
    models = (board or {}).get("models", {})
    row = models.get(model, {}).get(str(period), {})
    wanted = {**{name: value for name, value in row.items() if name not in set(names)}, **found}
    rows = _newest({**models.get(model, {}), str(period): wanted})
    return None if rows == models.get(model, {}) else {"schema": 1, "models": {**models, model: rows}}


def mended(board: Record | None, before: Record | None, listed: Mapping[str, Mapping[str, Facts]]) -> Record | None:
    """The shard as a listing of all its models' records has it; None where it says so already.

    `before` is the shard as it was read before the listing began: a row that somebody changed since then is newer than
    the listing, and stays.
    """
    known, was = ((one or {}).get("models", {}) for one in (board, before))
    models = {}
    for model in listed:
        now, then, rows = known.get(model, {}), was.get(model, {}), listed[model]
        untouched = {text for text in {*now, *rows} if now.get(text) == then.get(text)}
        merged = {text: (rows if text in untouched else now).get(text, {}) for text in {*now, *rows}}
        models[model] = _newest(merged)
    return None if board is not None and known == models else {"schema": 1, "models": models}


def _newest(rows: Mapping[str, Facts]) -> dict[str, Facts]:
    """The newest periods that have anything to show. Those of a cadence that the model has no more go first."""
    shown = [text for text, row in rows.items() if row]
    by_cadence: dict[Cadence, list[Period]] = {}
    for text in shown:
        period = Period.parse(text)
        by_cadence.setdefault(period.cadence, []).append(period)
    groups = sorted(by_cadence.values(), key=lambda periods: max(rows[str(one)].get("at", "") for one in periods))
    ordered = [period for group in groups for period in sorted(group)]
    return {str(period): dict(rows[str(period)]) for period in ordered[-KEPT:]}


def hour_of(began_at: str) -> Period:
    """The hour (UTC) whose list holds an attempt that began then (ISO 8601)."""
    return containing(Cadence.HOURLY, datetime.fromisoformat(began_at), UTC_ZONE)


def attempt_row(holder: Mapping[str, Any], end: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The row of an attempt: `holder` is its claim, or the record of its end; `end` that record, once it has ended."""
    failure = end["failure"] if end else None
    return {
        "run": holder["run"],
        "attempt": holder["attempt"],
        "cause": holder["cause"]["kind"],
        "by": holder["cause"]["by"],
        "reason": holder["cause"]["reason"],
        "version": holder["version"],
        "began_at": holder["since"],
        "state": end["state"] if end else "active",
        "ended_at": end["ended_at"] if end else None,
        "code": failure["code"] if failure else None,
    }


def with_attempt(listed: Record | None, row: Mapping[str, Any]) -> Record | None:
    """The list with this attempt in it; None where it says so already. What has ended never becomes active again."""
    name, rows = f"{row['run']}-a{row['attempt']}", (listed or {}).get("attempts", {})
    before = rows.get(name)
    if before == row or (before and before["state"] != "active" and row["state"] == "active"):
        return None
    return {"schema": 1, "attempts": {**rows, name: dict(row)}}


def _tail(run: str) -> str:
    parsed = RunId.parse(run)
    return f"{parsed.key8}-{parsed.r}"
