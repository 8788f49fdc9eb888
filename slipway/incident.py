"""Incidents: one for each (model, period), opened by failure or lateness, resolved by publication. Pure.

The record in the lake is the outbox: it holds the state that people should see (`status`, with a `revision` that grows
with every change), the revision that the sink has taken, and the last one it was offered: an answer may have been
lost. What is sent is the state as it is now, never a queue of messages, so a recovery can overtake the alarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from slipway.failure import redact

Incident = dict[str, Any]

#: CloudEvents types, by the state they tell.
OPENED, UPDATED, RESOLVED = "Slipway.Incident.Opened", "Slipway.Incident.Updated", "Slipway.Incident.Resolved"

#: What the sink has taken (revision, status) and was last offered (revision), before anything was sent.
NEVER_SENT = {"revision": 0, "status": None, "offered": 0}

#: What to do first, by kind of failure.
FIRST_STEPS = {
    "data": "Have the owner of the input named below correct the landing; corrected data start a new run unasked.",
    "model": "Read the job's log; mend the model's code, release it, and start the period again by hand.",
    "platform": "Check quota, compute, storage and identity as named below; then resume the run.",
    "slipway": "Read the run's history; this is a fault of Slipway itself, or of whoever changed its folders.",
}


def key(model: str, period: str) -> str:
    """The deduplication key: the same for every message about one period."""
    return f"{model}--{period}"


def opened(incident: Incident | None, facts: Mapping[str, Any], now: datetime) -> Incident:
    """The incident after a failure: opened, opened again, or updated by a retry.

    `facts`: model, period, owner, kind, code, message, and where there is one run, attempt, step, job, log. The same
    failure of the same attempt told twice is no change.
    """
    told = {name: facts.get(name) for name in ("kind", "code", "run", "attempt", "step", "job", "log", "owner")}
    told["message"] = redact(str(facts["message"]))
    if (
        incident is not None
        and incident["status"] == "open"
        and all(incident[name] == value for name, value in told.items())
    ):
        return incident
    before = incident or {"revision": 0, "sent": dict(NEVER_SENT), "occurrences": 0, "opened_at": None}
    is_open = before.get("status") == "open"
    return {
        **before,
        **told,
        "schema": 1,
        "model": facts["model"],
        "period": facts["period"],
        "key": key(facts["model"], facts["period"]),
        "status": "open",
        "first_step": FIRST_STEPS[str(facts["kind"])],
        "opened_at": before["opened_at"] if is_open else now.isoformat(),
        "resolved_at": None,
        "resolved_by": None,
        "updated_at": now.isoformat(),
        "occurrences": before["occurrences"] + 1 if is_open else 1,
        "revision": before["revision"] + 1,
    }


def resolved(incident: Incident | None, by: str, now: datetime) -> Incident | None:
    """The incident after `by` (a run's id) was published; None where there is nothing to resolve."""
    if incident is None or incident["status"] != "open":
        return None
    changed = {"status": "resolved", "resolved_at": now.isoformat(), "resolved_by": by, "updated_at": now.isoformat()}
    return {**incident, **changed, "revision": incident["revision"] + 1}


def offered(incident: Incident | None) -> Incident | None:
    """The incident before its present state is sent: from here on the sink may know it, whatever it answers.

    None where nothing is to be sent, or this state was offered before.
    """
    if incident is None or not unsent(incident) or incident["sent"]["offered"] == incident["revision"]:
        return None
    return {**incident, "sent": {**incident["sent"], "offered": incident["revision"]}}


def sent(incident: Incident | None, revision: int, status: str) -> Incident | None:
    """The incident after the sink took the state of this revision; an older revision than the last taken is no news."""
    if incident is None or revision <= incident["sent"]["revision"]:
        return None
    return {**incident, "sent": {**incident["sent"], "revision": revision, "status": status}}


def unsent(incident: Incident) -> bool:
    """Whether the sink has yet to be told. A failure that was resolved before anyone heard of it is never told."""
    told = incident["sent"]
    if incident["revision"] <= told["revision"]:
        return False
    may_be_open = told["status"] == "open" or told["offered"] > told["revision"]
    return bool(incident["status"] == "open" or may_be_open)


def event(incident: Incident, source: str, links: Mapping[str, str]) -> dict[str, Any]:
    """The CloudEvent (1.0) that tells the incident's present state; its id is the same on every try."""
    told_open = incident["sent"]["status"] == "open"
    type_ = RESOLVED if incident["status"] == "resolved" else UPDATED if told_open else OPENED
    shown = {name: value for name, value in incident.items() if name not in ("sent", "writer", "schema")}
    return {
        "specversion": "1.0",
        "type": type_,
        "source": source,
        "id": f"{incident['key']}-{incident['revision']}",
        "time": incident["updated_at"],
        "subject": f"{incident['model']}/{incident['period']}",
        "datacontenttype": "application/json",
        "data": {**shown, "title": title(incident), "links": dict(links)},
    }


def title(incident: Incident) -> str:
    """One line for a list of incidents."""
    message = incident["message"].splitlines()[0] if incident["message"] else incident["code"]
    return f"{incident['model']} {incident['period']}: {message[:160]}"


def index(incident: Incident) -> dict[str, str]:
    """What a listing of incidents shows as metadata."""
    return {"status": incident["status"], "unsent": "yes" if unsent(incident) else "no"}
