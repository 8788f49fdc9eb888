"""What a pass of the reconciler does for incidents: what time and others change of them, and sending what is unsent.

All of it is seen in one listing. A destination that is down costs one request a pass, whatever waits for it, and keeps
nothing from the others; when it is back it is told the newest state of each incident, so many a pass.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from datetime import datetime

from activities import open_incident, resolve_incident
from activities.send_incident import on_its_way, send
from slipway import alike, paths
from slipway.azure.failures import failure_from
from slipway.azure.lake import lake
from slipway.azure.store import Change
from slipway.failure import Kind
from slipway.incident import part_of, raised
from slipway.listing import Entry
from slipway.settings import settings
from slipway.subject import Subject

log = logging.getLogger("slipway")

#: How many incidents one pass tries to send: a destination that comes back is not flooded.
MOST_SENT = 50


def tend(last: str, now: datetime) -> str:
    """Tell many that fail alike as one, let what is due get louder, find new ways, and send what is unsent.

    `now` is when the pass looked around: what was written since may be over already, which only the next pass can see,
    and whoever wrote it is sending it. `last` is the record with which the last pass ended; returns that of this one,
    so that what is refused for good blocks nothing.
    """
    entries = sorted(lake().control.list("incidents/"), key=lambda entry: entry.name)
    still_open = [(about, entry) for entry in entries if _is_open(entry) and (about := _subject(entry))]
    changed = _escalate(still_open, now)
    changed |= {entry.name for about, entry in still_open if entry.modified < now and _level(entry, about, now)}
    waiting = {entry.name for entry in entries if entry.modified < now and entry.metadata.get("unsent") == "yes"}
    unsent = sorted(changed | waiting)
    begin = bisect_right(unsent, last)
    down: set[str] = set()
    for name in (unsent[begin:] + unsent[:begin])[:MOST_SENT]:
        down |= _sent(name, down)
        last = name
    return last


def _escalate(still_open: list[tuple[Subject, Entry]], now: datetime) -> set[str]:
    """Open, update and end the common incidents of models that fail alike; returns the records that this changed."""
    failing = [_failing(about, entry.metadata, now) for about, entry in still_open if about.period is not None]
    going_on = {about for about, _ in still_open if (about.platform or "").startswith(alike.PREFIX)}
    causes = alike.common(failing, going_on, settings().alike_models, now)
    for cause, models in causes.items():
        about = alike.subject(cause)
        open_incident.open_and_send(about, alike.facts(cause, models, lake().incident(about)))
    for about in going_on - {alike.subject(cause) for cause in causes}:
        resolve_incident.resolve_and_send(about, "so many models fail alike no more")
    quiet = {about: alike.subject(cause).key for about, cause in alike.to_quieten(failing, causes).items()}
    changed = {**dict.fromkeys(alike.to_tell(failing, causes)), **quiet}
    for about, key in changed.items():
        _take_part(about, key)
    return {paths.incident(about) for about in changed}


def _take_part(about: Subject, key: str | None) -> None:
    """Let an incident be told by the common one of this key, or by itself."""
    _change(about, lambda known, _: part_of(known, key))


def _change(about: Subject, change: Change) -> None:
    """Change an incident and find its ways; what cannot be changed now is the next pass's, and keeps no other."""
    try:
        lake().change_incident(about, lambda seen, now: on_its_way(change(seen, now) or seen))
    except Exception as error:
        log.warning("%s was not changed: %s", about, failure_from(error), extra={"action": "incident_not_changed"})


def _failing(about: Subject, shown: dict[str, str], now: datetime) -> alike.Failing:
    since = datetime.fromisoformat(shown["incident_at"]) if "incident_at" in shown else now
    cause = (shown.get("kind", "slipway"), shown.get("code", "unforeseen"))
    return alike.Failing(about, cause, since, shown.get("part_of"), shown.get("known") == "yes")


def _is_open(entry: Entry) -> bool:
    return entry.metadata.get("status") == "open"


def _level(entry: Entry, about: Subject, now: datetime) -> bool:
    """Change an open incident whose time has come, or whose routes are not those of today; whether it did."""
    rises, digest = entry.metadata.get("rises"), settings().routing.digest
    is_due = rises is not None and datetime.fromisoformat(rises) <= now
    if not is_due and entry.metadata.get("routing") == digest:
        return False
    _change(about, raised)
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
