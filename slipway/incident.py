"""Incidents: one for each subject, opened by failure or lateness, resolved when its record shows it over. Pure.

A subject is a period of a model, a backfill, or the platform (see `slipway.subject`). Steps open and resolve a period's
incident, some of them late, some never; the period's record alone says whether it is over (`over`). Whoever opens it
compares the two afterwards, and `decide` compares them again: what was lost or overtaken is levelled. The incident of a
backfill or of the platform is opened and resolved by whoever watches that, in the same words each time it looks.

The incident in the lake is the outbox: it holds the state that people should see (`status`, with a `revision` that
grows with every change), the destinations it goes `to`, and of each the revision that it has taken, and the last one it
was offered: an answer may have been lost. What is sent is the state as it is now, never a queue of messages, so a
recovery can overtake the alarm. A receiver that knows two revisions goes by the greater.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from slipway.destinations import Routing
from slipway.failure import redact
from slipway.period_record import End, Record, Refused, Stage, said
from slipway.severity import USUAL_TIER, Severity, rises_at, severity
from slipway.subject import Subject

Incident = dict[str, Any]

#: What a destination has taken (revision, status, ticket) and was last offered (revision), before anything was sent.
NEVER_TOLD = {"revision": 0, "status": None, "offered": 0, "ticket": None}

#: The codes of the incidents that tell of no failed run: an input is missing at the due time; a job goes on running.
LATE, WILL_NOT_END = "late", "job-will-not-end"
#: The step of an incident that says: what this period needs cannot even be told. Whoever can tell again resolves it.
ASKING = "assess_period"

#: What to do first, by kind of failure.
FIRST_STEPS = {
    "data": "Have the owner of the input named below correct the landing; corrected data start a new run unasked.",
    "model": "Read the job's log; mend the model's code, release it, and start the period again by hand.",
    "platform": "Check quota, compute, storage and identity as named below; then resume the run.",
    "slipway": "Read the run's history; this is a fault of Slipway itself, or of whoever changed its folders.",
}


def opened(incident: Incident | None, facts: Mapping[str, Any], now: datetime) -> Incident:
    """The incident after a failure: opened, opened again, or updated by a retry.

    `facts`: the subject (see `Subject.to_document`), owner, kind, code, message, transient, and where there is one run,
    attempt, step, job, log (an address); the model's `tier`, when its outputs are `due`, and the models that are
    `waiting` for them; `models` that fail alike; `part_of`, the key of an incident in whose shadow this one lies.
    `first_step` and `severity` in place of the usual ones. The same failure of the same attempt told twice is no
    change, nor is an earlier attempt's told late.
    """
    told = {name: facts.get(name) for name in ("kind", "code", "run", "attempt", "step", "job", "log", "owner")}
    told |= {name: redact(str(facts[name])) for name in ("message", "log") if facts.get(name)}
    told["tried"] = _tried(facts)
    told["first_step"] = facts.get("first_step") or FIRST_STEPS[str(facts["kind"])]
    if facts.get("severity"):
        told["severity"] = str(facts["severity"])
    if incident is not None and incident["status"] == "open":
        overtaken = incident["run"] and incident["run"] == told["run"] and incident["attempt"] > told["attempt"]
        if overtaken or all(incident.get(name) == value for name, value in told.items()):
            return incident
    before = incident or {"revision": 0, "to": [], "told": {}, "occurrences": 0, "opened_at": None}
    is_open = before.get("status") == "open"
    begun = {"code": told["code"], "step": told["step"], "message": told["message"], "at": now.isoformat()}
    return {
        **before,
        **_standing(facts, now),
        **told,
        "first": (before.get("first") if is_open else None) or begun,
        "schema": 1,
        **Subject.of(facts).to_document(),
        "key": Subject.of(facts).key,
        "status": "open",
        "opened_at": before["opened_at"] if is_open else now.isoformat(),
        "resolved_at": None,
        "resolved_by": None,
        "acknowledged": before.get("acknowledged") if is_open else None,
        "updated_at": now.isoformat(),
        "occurrences": before["occurrences"] + 1 if is_open else 1,
        "revision": before["revision"] + 1,
    }


def _standing(facts: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """How much the failure matters: to whom, until when, and so how loud it is told."""
    tier, due = facts.get("tier") or USUAL_TIER, facts.get("due")
    loud = severity(tier, facts["kind"], _moment(due), now)
    others = {"waiting": list(facts.get("waiting") or ()), "models": list(facts.get("models") or ())}
    return {"tier": tier, "due": due, **others, "part_of": facts.get("part_of"), "severity": loud.value}


def raised(incident: Incident | None, now: datetime) -> Incident | None:
    """The incident after time has raised its severity, which is told as an update; None where it has not."""
    if incident is None or incident["status"] != "open" or not incident.get("due"):
        return None
    loud = severity(incident["tier"], incident["kind"], _moment(incident["due"]), now)
    if loud.rank <= Severity(incident["severity"]).rank:
        return None
    changed = {"severity": loud.value, "updated_at": now.isoformat(), "revision": incident["revision"] + 1}
    return {**incident, **changed}


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _tried(facts: Mapping[str, Any]) -> str | None:
    """What was tried before a person is called; None where there is nothing to try."""
    if facts.get("attempt") is None:
        return None
    again = ", its last step again until its tries were used up" if facts.get("transient") else ""
    return f"{facts['attempt']} attempt{'s' if facts['attempt'] > 1 else ''} of this run{again}"


def acknowledged(incident: Incident | None, cause: Mapping[str, Any], now: datetime) -> Incident:
    """The incident after a person said to be on it: it stays open, and what happens next changes nothing of that.

    The same person's same words again are no change; another person takes it over. Raises Refused where none is open.
    """
    if incident is None or incident["status"] != "open":
        raise Refused("no incident is open")
    told = said(cause, now)
    before = incident.get("acknowledged")
    if before and (before["by"], before["reason"]) == (told["by"], told["reason"]):
        return incident
    return {**incident, "acknowledged": told, "updated_at": now.isoformat(), "revision": incident["revision"] + 1}


def over(incident: Incident, record: Record | None) -> str | None:
    """What ended the incident: the run that was published, or a few words. None while the record calls for it.

    It does while the attempt that ended last, or is ending, has failed; while outputs are on their way, since whoever
    delivers them tells; while a job without a run is left, if that is what it says; until the question is answered, if
    it says that it fails; and if it says that inputs are late, until the period is published or its run canceled.
    """
    claim, last = (record["claim"], record["last"]) if record else (None, None)
    end: Record | None = last
    if claim and claim["stage"] == Stage.PUBLISHED:
        end = {"run": claim["run"], "state": End.SUCCEEDED}
    elif claim and claim["ending"]:
        end = {"run": claim["run"], "state": claim["ending"]}
    if incident["step"] == ASKING or (incident["code"] == WILL_NOT_END and record and record["orphans"]):
        return None
    if record and record["waived"]:
        return f"waived by {record['waived']['by']}"
    if (end and end["state"] == End.FAILED) or (claim and claim["stage"] == Stage.PUBLISHING):
        return None
    if incident["code"] == LATE and not (record and record["published"]):
        missed_since = end is last is not None and last["at"] <= incident["opened_at"]
        return f"{end['run']} was canceled" if end and end["state"] == End.CANCELED and not missed_since else None
    if incident["code"] == WILL_NOT_END or end is None:
        return "no job is left and nothing has failed"
    return str(end["run"]) if end["state"] == End.SUCCEEDED else f"{end['run']} was {end['state']}"


def resolved(incident: Incident | None, revision: int, by: str, now: datetime) -> Incident | None:
    """The incident after it was seen to be over at this revision; None where a later one says something else."""
    if incident is None or incident["status"] != "open" or incident["revision"] != revision:
        return None
    changed = {"status": "resolved", "resolved_at": now.isoformat(), "resolved_by": by, "updated_at": now.isoformat()}
    return {**incident, **changed, "revision": revision + 1}


def at_odds(incident: Mapping[str, str] | None, record: Mapping[str, str] | None) -> bool:
    """Whether what the listings show of incident and record (see both `index`) may not fit: `decide` must be asked."""
    shown, known = incident or {}, record or {}
    if shown.get("status") != "open":
        return known.get("failed") == "yes"
    if shown.get("code") == LATE:
        return known.get("open", "yes") != "yes"
    return "failed" not in known


def part_of(incident: Incident | None, key: str | None) -> Incident | None:
    """The open incident in the shadow of the one with this key, or out of any; None where that changes nothing.

    In a shadow it is recorded, and not told by itself. Whoever has heard of it goes on hearing.
    """
    if incident is None or incident["status"] != "open" or incident.get("part_of") == key:
        return None
    return {**incident, "part_of": key}


def routed(incident: Incident | None, routing: Routing) -> Incident | None:
    """The incident with the destinations that it goes to by these routes, as it is now; None stays None.

    One that it went to before, and does so no more, is told on as long as it knows of it.
    """
    if incident is None:
        return None
    to = [] if incident.get("part_of") else routing.of(incident)
    return {**incident, "to": to, "routing": routing.digest}


def told(incident: Incident, name: str) -> dict[str, Any]:
    """What a destination has taken: `revision`, `status`, the revision last `offered`, and its `ticket`."""
    known: dict[str, Any] = incident.get("told", {}).get(name, NEVER_TOLD)
    return known


def unsent(incident: Incident) -> list[str]:
    """The destinations that have yet to be told the present state, by name.

    A failure that was resolved before a destination heard of it is never told there.
    """
    return [name for name in sorted({*incident.get("to", ()), *incident.get("told", {})}) if _is_unsent(incident, name)]


def _is_unsent(incident: Incident, name: str) -> bool:
    known = told(incident, name)
    if incident["revision"] <= known["revision"]:
        return False
    if incident["status"] == "open":
        return name in incident.get("to", ()) or known["status"] == "open"
    return bool(known["status"] == "open" or known["offered"] > known["revision"])  # an answer may have been lost


def offered(incident: Incident | None, name: str) -> Incident | None:
    """The incident before its present state is sent: from here on the destination may know it, whatever it answers.

    None where nothing is to be sent, or this state was offered before.
    """
    if incident is None or not _is_unsent(incident, name) or told(incident, name)["offered"] == incident["revision"]:
        return None
    return _noted(incident, name, offered=incident["revision"])


def sent(
    incident: Incident | None, name: str, revision: int, status: str, *, taken: bool = True, ticket: str | None = None
) -> Incident | None:
    """The incident after the state of this revision was sent, and `taken` by the destination or left without an answer.

    If it has taken a later state meanwhile, nobody knows which of the two reached it last: the present state gets a
    new revision and is told again. The `ticket` that it gave is remembered until the resolution was taken.
    """
    if incident is None or revision == told(incident, name)["revision"]:
        return None
    kept = {"ticket": ticket if status == "open" else None} if taken else {}
    before = told(incident, name)
    if revision < before["revision"]:
        believed = "open" if "open" in (status, before["status"]) else status
        return {**_noted(incident, name, status=believed, **kept), "revision": incident["revision"] + 1}
    return _noted(incident, name, revision=revision, status=status, **kept) if taken else None


def _noted(incident: Incident, name: str, **facts: Any) -> Incident:
    """The incident with these facts about a destination. `offered` never lies behind what was taken."""
    return {**incident, "told": {**incident.get("told", {}), name: {**told(incident, name), **facts}}}


def index(incident: Incident) -> dict[str, str]:
    """What a listing of incidents shows as metadata; `rises` is when time alone will raise the severity next."""
    shown = {
        "status": incident["status"],
        "code": incident["code"],
        "unsent": "yes" if unsent(incident) else "no",
        "routing": incident.get("routing", ""),
        "kind": incident["kind"],
        "known": "yes" if any(told(incident, name)["status"] == "open" for name in incident.get("told", {})) else "no",
    }
    if incident.get("part_of"):
        shown["part_of"] = incident["part_of"]
    if incident["status"] == "open" and incident.get("due"):
        loud, due = Severity(incident["severity"]), _moment(incident["due"])
        if rises := rises_at(incident["tier"], incident["kind"], due, loud):
            shown["rises"] = rises.isoformat()
    return shown
