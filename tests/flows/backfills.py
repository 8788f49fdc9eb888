"""What tests of backfills ask for and look at, over the API alone."""

from __future__ import annotations

from typing import Any

from tests.flows.yard import Yard
from tests.running import PATIENCE, eventually

REASON = {"reason": "the shop list was wrong"}


def day(number: int) -> str:
    """A day of January."""
    return f"2024-01-{number:02}"


def a_quiet_model(yard: Yard, name: str, days: dict[int, str], **made: Any) -> str:
    """A model that starts nothing by itself, with what landed on these days of January."""
    model = yard.a_model(name, **made)
    assert yard.call("POST", f"models/{model}/pause", REASON)[0] == 200
    for number, text in days.items():
        yard.land(f"{model}/{day(number)}", {"a.txt": text})
    return model


def planned(yard: Yard, model: str, last: int, key: str | None = None, **asked: Any) -> dict[str, Any]:
    """Plan a backfill of the first days of January, and wait for its plan."""
    body = {**REASON, "from": day(1), "to": day(last), **asked}
    status, told = yard.call("POST", f"models/{model}/backfills", body, {"Idempotency-Key": key} if key else {})
    assert status == 202, told
    eventually(lambda: yard.get(f"backfills/{told['backfill']}")["state"] != "planning")
    return yard.get(f"backfills/{told['backfill']}")


def said(yard: Yard, backfill: str, what: str, **more: Any) -> tuple[int, dict[str, Any]]:
    """Ask for a change of a backfill: status and answer."""
    return yard.call("POST", f"backfills/{backfill}/{what}", {**REASON, **more})


def periods(yard: Yard, backfill: str) -> dict[str, dict[str, Any]]:
    """Its periods, by name."""
    rows = yard.get(f"backfills/{backfill}/periods?limit=500")["periods"]
    return {row["period"]: row for row in rows}


def ended(yard: Yard, backfill: str, state: str = "finished", within: float = PATIENCE) -> dict[str, Any]:
    """Wait until nothing of it goes on any more; returns its document."""

    def done() -> dict[str, Any] | None:
        """Its document, once that is so."""
        told = yard.get(f"backfills/{backfill}")
        return told if told["state"] == state and not {"active", "starting"} & set(told["counts"]) else None

    found: dict[str, Any] = eventually(done, within)
    return found
