"""The register of the backfills that are under way: no two of one model share a period, all share the compute. Pure.

One record for the environment. It is changed when a backfill is started, paused, resumed and has ended, and read once a
step; nothing of a backfill starts that does not stand in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from slipway.backfill import State
from slipway.period import Period
from slipway.period_record import Record, Refused, Stage
from slipway.selection import spans

#: The stages of a run that will need a node in a moment, or waits for one.
AHEAD = (Stage.CLAIMED, Stage.STAGING, Stage.QUEUED)


def admitted(register: Record | None, record: Record) -> Record:
    """The register of what is under way, with this backfill. Raises Refused for a period that another one has.

    `active` of the refusal is the other's id. Until it stands here nothing of a backfill starts.
    """
    known: dict[str, Any] = dict((register or {}).get("started", {}))
    mine = _spans(record)
    for id_, other in known.items():
        if id_ == record["backfill"] or other["model"] != record["model"]:
            continue
        if shared := _shared(mine, [(a, b) for a, b in other["spans"]]):
            how = "under way" if other["runs"] else "paused"
            remedy = "let it end or cancel it, or leave out its periods"
            raise Refused(f"{id_} is {how} with {shared} of {record['model']}: {remedy}", id_)
    known[record["backfill"]] = {
        "model": record["model"],
        "spans": [list(row) for row in mine],
        "parallel": record["parallel"],
        "runs": record["state"] == State.RUNNING,
        "at": record["started"]["at"] if record["started"] else record["at"],
    }
    return {"schema": 1, "started": known}


def dismissed(register: Record | None, id: str) -> Record | None:  # noqa: A002
    """The register without a backfill that has ended; None where it is not in it."""
    known = (register or {}).get("started", {})
    if id not in known:
        return None
    return {"schema": 1, "started": {name: one for name, one in known.items() if name != id}}


def is_stale(entry: Mapping[str, Any] | None, state: str | None) -> bool:
    """Whether what the register has of a backfill (None: nothing) was left from before its present state."""
    return entry is not None and (
        state not in (State.RUNNING, State.PAUSED) or entry["runs"] != (state == State.RUNNING)
    )


def shares(register: Record | None, limit: int) -> dict[str, int]:
    """How many runs each backfill may have under way, `limit` in all: one by one, in turn, up to what each asks for.

    Whoever came first has the first; one that is paused has none.
    """
    known = (register or {}).get("started", {})
    left = {id_: one["parallel"] for id_, one in sorted(known.items(), key=lambda item: item[1]["at"]) if one["runs"]}
    given = dict.fromkeys(known, 0)
    while limit > 0 and any(left.values()):
        for id_ in [id_ for id_, wanted in left.items() if wanted][:limit]:
            given[id_] += 1
            left[id_] -= 1
            limit -= 1
    return given


def live_run(models: Mapping[str, Mapping[str, Mapping[str, str]]]) -> str | None:
    """The first run that goes ahead of backfills, with its stage, in words; None where there is none.

    `models`: what the board shows of the newest periods of each model that runs on the compute in question. A run that
    no backfill started goes ahead from its claim on until its job has a node.
    """
    for model, rows in models.items():
        for text, row in rows.items():
            if row.get("state") in AHEAD and row.get("cause") != "backfill":
                return f"{model} {text} is {row['state']}"
    return None


def _spans(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    periods = sorted(Period.parse(text) for text in record["periods"])
    return [(str(first), str(last)) for first, last in spans(periods)]


def _shared(mine: Sequence[tuple[str, str]], others: Iterable[tuple[str, str]]) -> str | None:
    """The first period that lies in both; texts of one cadence are ordered like their periods."""
    for first, last in others:
        for begin, end in mine:
            if Period.parse(first).cadence is Period.parse(begin).cadence and begin <= last and first <= end:
                return max(first, begin)
    return None
