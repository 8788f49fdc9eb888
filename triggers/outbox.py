"""What a pass of the reconciler does for incidents: what time changes of them, and sending what was not taken.

All of it is seen in one listing. A destination that is down costs one request a pass, whatever waits for it, and keeps
nothing from the others; when it is back it is told the newest state of each incident, so many a pass.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from datetime import datetime

from activities.send_incident import on_its_way, send
from slipway import paths
from slipway.azure.failures import failure_from
from slipway.azure.lake import Entry, lake
from slipway.failure import Kind
from slipway.incident import raised
from slipway.settings import settings
from slipway.subject import Subject

log = logging.getLogger("slipway")

#: How many incidents one pass tries to send: a destination that comes back is not flooded.
MOST_SENT = 50


def tend(last: str, now: datetime) -> str:
    """Let what is due get louder, find new ways where routes have changed, and send what is unsent.

    `last` is the record with which the last pass ended; returns that of this one, so that what is refused for good
    blocks nothing.
    """
    entries = sorted(lake().control.list("incidents/"), key=lambda entry: entry.name)
    changed = {entry.name for entry in entries if (about := _subject(entry)) and _level(entry, about, now)}
    unsent = [entry.name for entry in entries if entry.name in changed or entry.metadata.get("unsent") == "yes"]
    begin = bisect_right(unsent, last)
    down: set[str] = set()
    for name in (unsent[begin:] + unsent[:begin])[:MOST_SENT]:
        down |= _sent(name, down)
        last = name
    return last


def _level(entry: Entry, about: Subject, now: datetime) -> bool:
    """Change an open incident whose time has come, or whose routes are not those of today; whether it did."""
    rises, digest = entry.metadata.get("rises"), settings().routing.digest
    is_due = rises is not None and datetime.fromisoformat(rises) <= now
    if entry.metadata.get("status") != "open" or (not is_due and entry.metadata.get("routing") == digest):
        return False
    lake().change_incident(about, lambda seen, at: on_its_way(raised(seen, at) or seen))
    return True


def _sent(name: str, down: set[str]) -> set[str]:
    """Send one incident to its destinations, but for those that are down; which of them are down now."""
    try:
        record = lake().control.read(name)
        failures = send(record.data, without=down) if record else {}
    except Exception as error:
        log.warning("%s was not sent: %s", name, failure_from(error), extra={"action": "incident_not_sent"})
        return set()
    return {to for to, failure in failures.items() if failure.transient and failure.kind is not Kind.SLIPWAY}


def _subject(entry: Entry) -> Subject | None:
    try:
        place = paths.parse("control", entry.name)
    except paths.PathError:
        return None
    return Subject(place.model, place.period, place.backfill, place.platform)
