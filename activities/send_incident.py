"""Sending the present state of an incident to the sink, and noting that it was taken."""

from __future__ import annotations

from typing import Any

from slipway.azure.failures import failure_of
from slipway.azure.lake import lake
from slipway.incident import offered, sent, unsent
from slipway.message import Message, message
from slipway.settings import settings
from slipway.sinks import webhook
from slipway.subject import Subject


def send(incident: dict[str, Any]) -> None:
    """Send the incident's present state if the sink has not taken it. Raises Failed when the sink does not take it now.

    The deduplication key and the event's id are the same on every try, so a lost answer opens no second incident; that
    it was offered is noted before, so that what may have been heard of is resolved aloud.
    """
    if not unsent(incident) or settings().incident_url is None:
        return
    about = Subject.of(incident)
    seen = lake().change_incident(about, lambda known, _: offered(known))
    if not unsent(seen):
        return
    taken = False
    try:
        webhook.send(webhook.event(told(seen)))
        taken = True
    finally:
        lake().change_incident(about, lambda known, _: sent(known, seen["revision"], seen["status"], taken=taken))


def told(incident: dict[str, Any]) -> Message:
    """What is told of the incident by this installation."""
    given = settings()
    return message(incident, f"slipway/{given.installation}", given.public_url, given.environment)


def try_to_send(incident: dict[str, Any]) -> bool:
    """As `send`; False when the sink does not take it now, which the reconciler finds and tries again."""
    try:
        send(incident)
    except Exception as error:
        failure_of(error)  # raises again what is no foreseen failure
        return False
    return True
