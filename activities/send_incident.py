"""Sending the present state of an incident to its destinations, and noting which has taken it."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from slipway.azure.credential import credential
from slipway.azure.failures import failure_from
from slipway.azure.lake import lake
from slipway.failure import Failure, Kind
from slipway.incident import offered, routed, sent, told, unsent
from slipway.message import Message, message
from slipway.settings import settings
from slipway.sinks.known import Known
from slipway.sinks.tell import tell
from slipway.subject import Subject

log = logging.getLogger("slipway")

Incident = dict[str, Any]


def send(incident: Incident, without: Collection[str] = ()) -> dict[str, Failure]:
    """Tell each destination the incident's present state if it has not taken it; returns the failures, by destination.

    One that fails keeps no other from being told. `without` are left out, as if nothing were to be sent to them.
    """
    failures = {}
    for name in unsent(incident):
        if name not in without:
            try:
                _send_to(name, incident)
            except Exception as error:
                failures[name] = failure_from(error)
                foreseen = failures[name].kind is not Kind.SLIPWAY
                log.log(
                    logging.WARNING if foreseen else logging.ERROR,
                    "%s was not sent to %s: %s",
                    incident["key"],
                    name,
                    failures[name],
                    exc_info=None if foreseen else error,
                    extra={"action": "incident_not_sent"},
                )
    return failures


def try_to_send(incident: Incident) -> bool:
    """As `send`; False when a destination does not take it now, which the reconciler finds and tries again."""
    return not send(incident)


def shown(incident: Incident) -> Message:
    """What is told of the incident by this installation."""
    given = settings()
    return message(incident, f"slipway/{given.installation}", given.public_url, given.environment)


def on_its_way(incident: Incident | None) -> Incident | None:
    """The incident with the destinations that this environment's routes give it."""
    return routed(incident, settings().routing)


def _send_to(name: str, incident: Incident) -> None:
    """Tell one destination.

    Key, event id and ticket are the same on every try, so a lost answer opens no second incident; that it was offered
    is noted before, so that what may have been heard of is resolved aloud. A destination that the settings do not know
    any more has nobody to be told.
    """
    about, to = Subject.of(incident), settings().destinations.get(name)
    seen = lake().change_incident(about, lambda known, _: offered(known, name))
    if name not in unsent(seen):
        return
    taken, ticket = False, None
    try:
        if to is None:
            log.warning("%s is no destination any more", name, extra={"action": "destination_gone"})
        else:
            before = told(seen, name)
            known = Known(before["status"] == "open", before["ticket"])
            ticket = tell(shown(seen), to, known, lambda scope: credential().get_token(scope).token)
        taken = True
    finally:
        lake().change_incident(
            about,
            lambda known, _: sent(known, name, seen["revision"], seen["status"], taken=taken, ticket=ticket),
        )
