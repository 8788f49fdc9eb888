"""`decide`: for one model and period, what should happen next, given what is seen. Pure; asked by every trigger.

Events, timers and people only change when this question is asked. Stuck claims, orphan jobs and retired outputs are
rows of the same table, not watchers of their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from slipway.incident import Incident, over
from slipway.period import Period
from slipway.period_record import DELIVERING, START_AGAIN, End, Record, declined, is_dead, is_quiet, unheard
from slipway.readiness import Readiness
from slipway.run import RunId

Action = Literal[
    "nothing",
    "wait",
    "start",
    "next_attempt",
    "roll_forward",
    "give_up",
    "close_outputs",
    "end_jobs",
    "open_incident",
    "resolve_incident",
    "raise_incident",
]

#: How long to wait before looking at an orphan job again.
ORPHAN_AGAIN = timedelta(minutes=1)


@dataclass(frozen=True)
class Seen:
    """All that the decision rests on. Times are aware UTC; `ends` is the period's end, `due` None where none is set."""

    now: datetime
    model: str
    period: Period
    version: str
    ends: datetime
    due: datetime | None
    in_range: bool  #: between first_period and last_period
    takes_corrections: bool  #: lies within the look-back in which a published period takes new data
    on_new_data: Literal["run", "ask", "ignore"]
    attempts: int  #: how many attempts may be made without a person
    paused: bool
    record: Record | None
    incident: Incident | None  #: the open one; None also where nothing says that it may matter
    fingerprint: str | None = None  #: of the selected inputs, when they are complete
    readiness: Readiness | None = None


@dataclass(frozen=True)
class Decision:
    """What to do, why, and when to ask again at the latest (None: when something changes)."""

    action: Action
    why: str
    ask_again: datetime | None = None
    run: str | None = None
    attempt: int | None = None


def needs_inputs(seen: Seen) -> bool:
    """Whether the answer can depend on the inputs at all: listing them is the dear part of asking."""
    return _before_inputs(seen) is None


def decide(seen: Seen) -> Decision:
    """The one question of the system. Total: any record and any readiness has an answer."""
    return _before_inputs(seen) or _by_inputs(seen)


def _before_inputs(seen: Seen) -> Decision | None:
    """What the record and the calendar alone decide; None when the inputs must be looked at."""
    if seen.record is not None and (decision := _by_record(seen, seen.record)):
        return decision
    if not seen.in_range:
        return Decision("nothing", "outside the model's first and last period")
    if seen.now < seen.ends:
        return Decision("wait", "the period has not ended", seen.ends)
    if seen.paused:
        return Decision("nothing", "the model is paused")
    return None


def _by_record(seen: Seen, record: Record) -> Decision | None:
    """What the record decides by itself: an active claim, leftovers of ended runs, a waiver, a publication."""
    if record["claim"] is not None:
        active = _active(seen, record["claim"], record["cancel"])
        if active.action != "wait":
            return active
        return _leftovers(seen, record) or _overtaken(seen, record, active)
    if leftover := _leftovers(seen, record):
        return leftover
    if record["waived"]:
        return Decision("nothing", f"waived by {record['waived']['by']}")
    if record["published"] and not seen.takes_corrections:
        return Decision("nothing", "published, and past its corrections", run=record["published"]["run"])
    return None


def _leftovers(seen: Seen, record: Record) -> Decision | None:
    """What ended runs have left to do, beside a run that is well as much as after it."""
    if untold := _untold(seen, record):
        return untold
    for retired in record["retired"]:
        if seen.now >= datetime.fromisoformat(retired["close_after"]):
            return Decision(
                "close_outputs",
                retired.get("why", "superseded, and its grace is over"),
                None,
                retired["run"],
                retired["attempt"],
            )
    if record["orphans"]:
        return Decision("end_jobs", "jobs whose run has ended may still run", seen.now + ORPHAN_AGAIN)
    return None


def _untold(seen: Seen, record: Record) -> Decision | None:
    """What the incident does not say of how the runs ended, whatever of opening and resolving was lost or came late.

    A run that is ending or on its way to readers has a step of its own that tells.
    """
    claim, last = record["claim"], record["last"]
    if seen.incident is not None:
        by = over(seen.incident, record)
        return Decision("resolve_incident", f"its incident is over: {by}") if by else None
    if record["waived"] or (claim and (claim["ending"] or claim["stage"] in DELIVERING)):
        return None
    if last and last["state"] == End.FAILED and not is_quiet(last.get("cause")):
        return Decision(
            "open_incident", f"{last['run']} failed, and no incident says so", None, last["run"], last["attempt"]
        )
    return None


def _active(seen: Seen, claim: dict[str, Any], cancel: dict[str, Any] | None) -> Decision:
    run, attempt = claim["run"], claim["attempt"]
    deadline = datetime.fromisoformat(claim["deadline"])
    if not is_dead(claim, seen.now):
        if unheard(claim, seen.now):
            return Decision("start", "claimed, but its orchestration has not reported", deadline, run, attempt)
        again = min(deadline, seen.now + START_AGAIN) if claim["token"] == "" else deadline
        return Decision("wait", f"{run} is {claim['stage']}", again, run, attempt)
    if claim["stage"] in DELIVERING:
        cause = f"{run} is published again" if claim.get("again") else f"its owner died while {claim['stage']}"
        return Decision("roll_forward", cause, None, run, attempt)
    if why := _hopeless(seen, claim, cancel):
        return Decision("give_up", why, None, run, attempt)
    return Decision("next_attempt", f"its owner died while {claim['stage']}", None, run, attempt)


def _overtaken(seen: Seen, record: Record, active: Decision) -> Decision:
    """What an active run that is well is worth when its outputs are due: they are late, whatever comes of it.

    Of a backfill's run somebody knows already, and of a period that is waived nobody wants to.
    """
    claim = record["claim"]
    if seen.due is None or record["published"] or claim["stage"] in DELIVERING or claim["ending"]:
        return active
    if record["waived"] or is_quiet(claim.get("cause")):
        return active
    if seen.now < seen.due:
        return replace(active, ask_again=min(seen.due, active.ask_again or seen.due))
    if seen.incident is None:
        why = f"due {seen.due:%Y-%m-%d %H:%M}Z, and {active.why}"
        return Decision("raise_incident", why, active.ask_again, claim["run"], claim["attempt"])
    return active


def _hopeless(seen: Seen, claim: dict[str, Any], cancel: dict[str, Any] | None) -> str | None:
    """Why a dead owner's run is not tried again, if it is not."""
    if claim["ending"] is not None:
        return f"its owner died while it was ending as {claim['ending']}"
    if cancel is not None:
        return f"canceled by {cancel['by']}, and its owner died"
    return f"{claim['automatic']} attempts died" if claim["automatic"] >= seen.attempts else None


def _by_inputs(seen: Seen) -> Decision:
    assert seen.readiness is not None, "the inputs must be looked at for this answer"
    if seen.fingerprint is None:
        return _not_ready(seen, seen.readiness)
    record = seen.record or {"published": None, "last": None, "numbers": {}}
    published, last = record["published"], record["last"]
    again = seen.readiness.ask_again
    if published and published["fingerprint"] == seen.fingerprint:
        return Decision("nothing", f"{published['run']} is published from these inputs", again, published["run"])
    if why := declined(record, seen.fingerprint):
        return Decision("nothing", f"{why}; start a run by hand, or correct the data", again)
    if last and last["fingerprint"] == seen.fingerprint and last["state"] != End.SUPERSEDED:
        how = "was canceled" if last["state"] == End.CANCELED else last["state"]
        why = f"{last['run']} {how} with these inputs; a person may resume it"
        return Decision("nothing", why, again, last["run"])
    if published and seen.on_new_data != "run":
        return Decision("nothing", f"new data; on_new_data is {seen.on_new_data}", again, published["run"])
    run = next_run(seen.model, seen.period, seen.fingerprint, seen.version, record["numbers"])
    return Decision("start", "its inputs are complete" if not published else "its inputs changed", None, run.text, 1)


def next_run(model: str, period: Period, fingerprint: str, version: str, numbers: Mapping[str, int]) -> RunId:
    """The id of the next run of this work: numbered on when a person asks again, or earlier data return."""
    key8 = hashlib.sha256(f"{fingerprint}\n{version}".encode()).hexdigest()[:8]
    return RunId(model, period, key8, numbers.get(key8, 0) + 1)


def _not_ready(seen: Seen, readiness: Readiness) -> Decision:
    asks = [moment for moment in (readiness.ask_again, seen.due) if moment is not None and moment > seen.now]
    again = min(asks, default=None)
    overdue = seen.due is not None and seen.now >= seen.due
    unpublished = not (seen.record and seen.record["published"])
    if overdue and unpublished and seen.incident is None:
        return Decision("raise_incident", f"due {seen.due:%Y-%m-%d %H:%M}Z, and {readiness.blocks}", again)
    return Decision("wait", readiness.blocks, again)
