"""Incidents as signed CloudEvents to a webhook.

Sources: CloudEvents 1.0, HTTP binding, structured mode; Standard Webhooks 1.0.0, symmetric signatures.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

from slipway import clock
from slipway.destinations import Webhook
from slipway.message import Message
from slipway.sinks.known import Known
from slipway.sinks.sender import Request, Send, as_json, found
from slipway.subject import Subject

#: CloudEvents types, by the state they tell.
OPENED, UPDATED, RESOLVED = "Slipway.Incident.Opened", "Slipway.Incident.Updated", "Slipway.Incident.Resolved"


def tell(message: Message, to: Webhook, secret: str, known: Known, send: Send) -> None:
    """Post the incident's present state. Raises Failed unless it was answered 2xx.

    The event's id is the webhook's id: a receiver takes the second delivery of the same id for the first.
    """
    found(send(request(event(message, known), to.url, secret, int(clock.now().timestamp()))))


def event(message: Message, known: Known) -> dict[str, Any]:
    """The CloudEvent (1.0) that tells the incident's present state; its id is the same on every try."""
    incident = message.incident
    return {
        "specversion": "1.0",
        "type": RESOLVED if incident["status"] == "resolved" else UPDATED if known.open else OPENED,
        "source": message.source,
        "id": f"{incident['key']}-{incident['revision']}",
        "time": incident["updated_at"],
        "subject": Subject.of(incident).path,
        "datacontenttype": "application/json",
        "data": message.to_document(),
    }


def request(event: dict[str, Any], url: str, secret: str, timestamp: int) -> Request:
    """The signed request that carries an event, sent at `timestamp` (seconds since 1970)."""
    unsigned = as_json("POST", url, event, kind="application/cloudevents+json")
    assert unsigned.body is not None
    signed = {
        "webhook-id": event["id"],
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, event["id"], timestamp, unsigned.body),
    }
    return Request("POST", url, unsigned.body, {**unsigned.headers, **signed})


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Sign a message as Standard Webhooks does: `v1,` and the base64 of an HMAC-SHA256 over id, time and body.

    Args:
        secret: Base64 of the key, with or without the prefix `whsec_`.
        message_id: Without a full stop, which separates the signed parts.
        timestamp: Of this sending, in seconds since 1970.
        body: Exactly the bytes sent.
    """
    if "." in message_id:
        raise ValueError(f"the webhook id {message_id} holds a full stop, which separates the signed parts")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
