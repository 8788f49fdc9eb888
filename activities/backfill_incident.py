"""The one incident of a backfill: it tells of the periods that failed, whose runs open none of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from activities.open_incident import open_and_send
from activities.resolve_incident import resolve_and_send
from slipway import paths
from slipway.azure.lake import lake
from slipway.backfill import State, failed
from slipway.backfill_view import alarm
from slipway.failure import Failure, Kind
from slipway.run import RunId
from slipway.subject import Subject

#: How a failed period stands when nobody needs to see to it any more.
SEEN_TO = ("succeeded", "waived", "retracted", "canceled")


def tell(record: dict[str, Any]) -> None:
    """Open the incident when a period has failed, say all when the backfill has ended, resolve it when it is canceled.

    Told twice it is the same; while the backfill goes on, further failures are no news.
    """
    about = Subject.of_backfill(record["model"], record["backfill"])
    if record["alarm"] is None:
        return
    if record["state"] == State.CANCELED:
        resolve_and_send(about, f"the backfill was canceled by {record['canceled']['by']}")
        lake().change_backfill(record["backfill"], _silenced)
        return
    incident = lake().incident(about)
    if record["state"] == State.FINISHED or incident is None or incident["status"] != "open":
        open_and_send(about, _facts(record))


def level(backfill: str, rows: Mapping[str, Mapping[str, str]] | None) -> None:
    """See whether the incident of a backfill that has ended is over: each failed period was published, or decided on.

    `rows`: what the listing of its model's records shows of each period; None where the model is released no more.
    """
    record, _ = lake().backfill_at(backfill)
    if record is None or record["alarm"] is None:
        return
    if rows is None or all(rows.get(text, {}).get("state") in SEEN_TO for text in failed(record)):
        by = "its failed periods were published or decided on" if rows is not None else "its model is released no more"
        resolve_and_send(Subject.of_backfill(record["model"], backfill), by)
        lake().change_backfill(backfill, _silenced)
    else:
        tell(record)


def _silenced(record: dict[str, Any] | None, _: Any) -> dict[str, Any] | None:
    return record and {**record, "alarm": None}


def _facts(record: dict[str, Any]) -> dict[str, Any]:
    """The failure of the period that was seen to fail first, and what is to be done about all of them."""
    text = record["alarm"]
    entry, id_ = record["periods"][text], record["backfill"]
    told = _recorded(RunId.parse(entry["run"])) if entry.get("run") else None
    if told is None:
        why = entry.get("why") or "nobody wrote down why"
        told = Failure(Kind.SLIPWAY, "not-recorded", f"{text} failed: {why}").to_document()
    step = f"See which and why: slipway backfill show {id_}. Mend the cause, then plan another with --only failed."
    return {**told, "message": f"{alarm(record)} {text}: {told['message']}", "first_step": step}


def _recorded(run: RunId) -> dict[str, Any] | None:
    """Why the last attempt of a run failed, and in which step; None where its record does not say."""
    seen = lake().period(run.model, run.period)
    last = seen and seen["last"]
    if not last or last["run"] != run.text:
        return None
    ended = lake().control.read(paths.attempt_record(run, last["attempt"]))
    if ended is None or not ended.data["failure"]:
        return None
    return {**ended.data["failure"], "run": run.text, "attempt": last["attempt"], "step": ended.data["step"]}
