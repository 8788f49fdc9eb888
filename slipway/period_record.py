"""The record of a period: what it holds, what its words mean, what is read of it. Pure.

The record of (model, period) is the fence of the whole system: who runs (`slipway.claim`), what people decided
(`slipway.wishes`), what is published. Times are aware UTC, stored as ISO 8601.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from slipway.period import Period

Record = dict[str, Any]

#: A reserved claim whose instance has not reported by then is started again; the start is idempotent.
START_AGAIN = timedelta(seconds=30)
#: A time to be asked about that has come in any case.
LONG_AGO = datetime.min.replace(tzinfo=UTC).isoformat()
#: How many answered requests a record remembers.
REMEMBERED_REQUESTS = 50


class Stage(StrEnum):
    """Where a claimed run stands; also the words in which people are told."""

    CLAIMED = "claimed"
    STAGING = "staging"
    QUEUED = "queued"
    RUNNING = "running"
    VERIFYING = "verifying"
    PUBLISHING = "publishing"
    PUBLISHED = "published"


class End(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    SUPERSEDED = "superseded"


#: From here on the outputs are on their way to readers: a cancel is refused, and whoever finds it finishes it.
DELIVERING = (Stage.PUBLISHING, Stage.PUBLISHED)


class Refused(Exception):
    """The record does not allow the change. `active` is the run in the way, where one is."""

    def __init__(self, why: str, active: str | None = None) -> None:
        super().__init__(why)
        self.active = active


def new_record(model: str, period: Period) -> Record:
    """The record of a period of which nobody has written one yet."""
    return {
        "schema": 1,
        "model": model,
        "period": str(period),
        "claim": None,
        "published": None,
        "last": None,
        "generation": 0,
        "numbers": {},
        "asked": [],
        "cancel": None,
        "waived": None,
        "retracted": None,
        "declined": {},
        "retired": [],
        "orphans": [],
    }


def closed(record: Record | None, run: str, attempt: int) -> Record:
    """A retired set is closed for good."""
    assert record is not None
    kept = [set_ for set_ in record["retired"] if (set_["run"], set_["attempt"]) != (run, attempt)]
    return {**record, "retired": kept}


def orphan_ended(record: Record | None, job: str) -> Record:
    """A job without a run was seen ended."""
    assert record is not None
    return {**record, "orphans": [name for name in record["orphans"] if name != job]}


def declined(record: Mapping[str, Any], fingerprint: str) -> str | None:
    """Why nothing is run unasked from these inputs, if a person decided against what came of them.

    It holds until a run of other inputs, or one that a person starts, is published.
    """
    why: str | None = record.get("declined", {}).get(fingerprint)
    return why


def lost(record: Mapping[str, Any] | None, run: str, what: str) -> str | None:
    """Since when a run's `inputs` or `outputs` are gone by retention (see `slipway.retention.mark`), if they are."""
    since: str | None = (record or {}).get("gone", {}).get(run, {}).get(what)
    return since


def said(cause: Mapping[str, Any], now: datetime) -> Record:
    """Who decided, why, and when."""
    return {"by": cause["by"], "reason": cause["reason"], "at": now.isoformat()}


def remember(record: Record, what: str, cause: Mapping[str, Any], now: datetime, **facts: Any) -> Record:
    """The record that remembers what a person asked of it: who, why, when, and by which request."""
    known = {"what": what, "request": cause["request"] or "", **said(cause, now), **facts}
    return {**record, "asked": [*record["asked"], known][-REMEMBERED_REQUESTS:]}


def was_asked(record: Record, what: str, request: str | None) -> bool:
    """Whether this very request was carried out before, whatever others have changed since."""
    return bool(request) and any(
        (known.get("what", "start"), known["request"]) == (what, request) for known in record["asked"]
    )


def is_quiet(cause: Mapping[str, Any] | None) -> bool:
    """Whether a run that was started for this cause opens no incident when it fails: its backfill's incident lists it.

    A failure of the same run that a person resumed is that person's, and no longer quiet.
    """
    return cause is not None and cause["kind"] == "backfill"


def is_dead(claim: Mapping[str, Any], now: datetime) -> bool:
    """Whether the owner failed to show life by the deadline it set itself."""
    return now >= datetime.fromisoformat(claim["deadline"])


def index(record: Record) -> dict[str, str]:
    """What a listing of the records shows, so that the reconciler need not read each: ASCII, a few dozen bytes.

    `open`: 'claim' while a run is active, 'no' when there is nothing to do, else 'yes'. `ask`: when to ask again.
    `failed`: 'yes' if the attempt that ended last failed, so that an incident is open; 'quiet' if none is needed.
    `kept`: when retention looked, when it must look again ('-' for never), and a digest of the ages it went by.
    """
    claim = record["claim"]
    asks = [] if claim is None else [claim["deadline"]] if claim["token"] else [_unheard(claim).isoformat()]
    asks += [set_["close_after"] for set_ in record["retired"]]
    if record["orphans"]:
        asks.append(record["last"]["at"] if record["last"] else LONG_AGO)
    done = record["waived"] or (record["published"] and not claim)
    facts = {"open": "claim" if claim else "no" if done else "yes"}
    if record["last"] and record["last"]["state"] == End.FAILED and not record["waived"]:
        facts["failed"] = "quiet" if is_quiet(record["last"].get("cause")) else "yes"
    if looked := record.get("retention"):
        facts["kept"] = f"{looked['at']} {looked['again'] or '-'} {looked['ages']}"
    return {**facts, "ask": min(asks)} if asks else facts


def unheard(claim: Mapping[str, Any], now: datetime) -> bool:
    """Whether the claim was reserved and its instance has not reported in time."""
    return claim["token"] == "" and now >= _unheard(claim)


def _unheard(claim: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(claim["since"]) + START_AGAIN


def claim_in(record: Record | None) -> Record | None:
    """The claim of whoever is active, if anybody is."""
    return record["claim"] if record else None


def check_idle(record: Record) -> None:
    """Raise Refused beside an active run."""
    if claim := record["claim"]:
        raise Refused(f"{claim['run']} is active", claim["run"])


def check_has(record: Record | None, run: str, what: str) -> None:
    """Raise Refused if the run's `inputs` or `outputs` are gone: see `lost`."""
    if since := lost(record, run, what):
        raise Refused(f"the {what} of {run} were deleted on {since[:10]}, by their age: ask for a new run")


def check_open(record: Record) -> None:
    """Raise Refused for a waived period."""
    if waived := record["waived"]:
        raise Refused(f"{record['period']} is waived by {waived['by']}: reopen it first")
