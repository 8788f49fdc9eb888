"""Sending the present state of an incident to the sink, and noting that it was taken."""

from __future__ import annotations

from typing import Any

from slipway.azure.failures import failure_of
from slipway.azure.lake import lake
from slipway.incident import event, sent, unsent
from slipway.period import Period
from slipway.settings import settings
from slipway.sinks import webhook


def send(incident: dict[str, Any]) -> None:
    """Send the incident if the sink has not taken its present state. Raises Failed when the sink does not take it.

    The deduplication key and the event's id are the same on every try, so a lost answer opens no second incident.
    """
    if not unsent(incident):
        return
    source = f"slipway/{settings().installation}"
    if not webhook.send(event(incident, source, links(incident))):
        return
    lake().change_incident(
        incident["model"],
        Period.parse(incident["period"]),
        lambda seen: sent(seen, incident["revision"], incident["status"]),
    )


def try_to_send(incident: dict[str, Any]) -> bool:
    """As `send`; False when the sink does not take it now, which the reconciler finds and tries again."""
    try:
        send(incident)
    except Exception as error:
        failure_of(error)  # raises again what is no foreseen failure
        return False
    return True


def links(incident: dict[str, Any]) -> dict[str, str]:
    """Where a person reads on, in the app's own API."""
    base = settings().public_url
    if base is None:
        return {}
    found = {"readiness": f"{base}/api/models/{incident['model']}/periods/{incident['period']}"}
    return {**found, "run": f"{base}/api/runs/{incident['run']}"} if incident.get("run") else found
