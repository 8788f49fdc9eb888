"""Incidents as PagerDuty alerts: trigger, acknowledge, resolve, under one deduplication key for ever.

PagerDuty answers 202 when it has taken an event, 400 for one that is malformed, 429 when there are too many and 5xx
when it failed; the last two are tried again later. A further trigger of an open alert updates it, severity included; an
acknowledgement or resolution of an alert that it does not know is dropped, so nothing is lost by sending it twice.

Source: PagerDuty developer documentation, "Events API v2 Overview" (response codes, 512 KB) and "Send an Alert Event"
(fields, their lengths, de-duplication, actions).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from slipway.destinations import PagerDuty
from slipway.message import Message
from slipway.sinks.known import Known
from slipway.sinks.sender import Send, as_json, found
from slipway.subject import Subject

#: The longest summary and key, in characters.
LONGEST_SUMMARY, LONGEST_KEY = 1024, 255


def tell(message: Message, to: PagerDuty, secret: str, known: Known, send: Send) -> None:
    """Send what brings the alert into the incident's present state. Raises Failed unless all of it was accepted."""
    del known
    for event in events(message, secret):
        found(send(as_json("POST", to.url, event)))


def events(message: Message, routing_key: str) -> Iterator[dict[str, Any]]:
    """The events, in order: a resolution, or a trigger, and an acknowledgement where somebody is on it."""
    incident = message.incident
    about = {"routing_key": routing_key, "dedup_key": dedup_key(message)}
    if incident["status"] == "resolved":
        yield {**about, "event_action": "resolve"}
        return
    yield {**about, "event_action": "trigger", **_alert(message)}
    if incident.get("acknowledged"):
        yield {**about, "event_action": "acknowledge"}


def dedup_key(message: Message) -> str:
    """The key of the alert: the installation's and the incident's, so that two environments never meet in one."""
    return f"{message.source}/{message.incident['key']}"[:LONGEST_KEY]


def _alert(message: Message) -> dict[str, Any]:
    incident = message.incident
    return {
        "payload": {
            "summary": message.title[:LONGEST_SUMMARY],
            "source": message.source,
            "severity": message.severity,
            "timestamp": incident["opened_at"],
            "component": str(Subject.of(incident)),
            "group": incident.get("owner") or "slipway",
            "class": f"{incident['kind']}/{incident['code']}",
            "custom_details": message.to_document(),
        },
        "links": [{"href": link, "text": name} for name, link in _links(message)],
        "client": "Slipway",
        **({"client_url": message.links["incident"]} if message.links else {}),
    }


def _links(message: Message) -> Iterator[tuple[str, str]]:
    yield from message.links.items()
    if message.incident.get("log"):
        yield "job in Azure ML studio", message.incident["log"]
