"""Incidents as signed CloudEvents to a webhook.

Written with the standard library's HTTP client: it follows no redirects, has no retries of its own, and lets the
address be checked after connecting and before anything is sent, which no name server can undermine.

Sources: CloudEvents 1.0, HTTP binding, structured mode; Standard Webhooks 1.0.0, symmetric signatures.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import ipaddress
import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from slipway import clock
from slipway.failure import Failed, Failure, Kind
from slipway.message import Message
from slipway.settings import is_loopback, settings
from slipway.subject import Subject

#: Seconds for each step of the exchange. Standard Webhooks advises 15 to 30 for the whole.
TIMEOUT = 15

#: How much of an answer is read, in bytes: enough for the reason of a refusal.
ANSWER_LIMIT = 2048

#: Azure's own address for talking to its machines, public by its number alone.
_AZURE_HOST = ipaddress.ip_address("168.63.129.16")

_TRANSIENT = frozenset({408, 425, 429})


#: CloudEvents types, by the state they tell.
OPENED, UPDATED, RESOLVED = "Slipway.Incident.Opened", "Slipway.Incident.Updated", "Slipway.Incident.Resolved"


def event(message: Message) -> dict[str, Any]:
    """The CloudEvent (1.0) that tells the incident's present state; its id is the same on every try."""
    incident = message.incident
    told_open = incident["sent"]["status"] == "open"
    type_ = RESOLVED if incident["status"] == "resolved" else UPDATED if told_open else OPENED
    return {
        "specversion": "1.0",
        "type": type_,
        "source": message.source,
        "id": f"{incident['key']}-{incident['revision']}",
        "time": incident["updated_at"],
        "subject": Subject.of(incident).path,
        "datacontenttype": "application/json",
        "data": message.to_document(),
    }


def send(event: Mapping[str, Any]) -> bool:
    """Post one CloudEvent, given as its JSON, to the configured webhook; False if none is configured.

    The event's id is the webhook's id: a receiver takes the second delivery of the same id for the first.

    Raises:
        Failed: Not answered 2xx. Transient if the receiver did not answer, was busy, or failed; a redirect or any
            other refusal is permanent.
    """
    url, secret = settings().incident_url, settings().incident_secret
    if url is None or secret is None:
        return False
    body = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
    timestamp = int(clock.now().timestamp())
    headers = {
        "Content-Type": "application/cloudevents+json; charset=utf-8",
        "User-Agent": "slipway",
        "webhook-id": event["id"],
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret.get_secret_value(), event["id"], timestamp, body),
    }
    try:
        status, retry_after, answer = _post(url, body, headers)
    except (OSError, http.client.HTTPException) as error:
        raise Failed(_failure("no-answer", f"did not answer: {error}", transient=True)) from error
    if not 200 <= status < 300:
        transient = status in _TRANSIENT or status >= 500
        message = f"answered {status}: {answer}" if answer else f"answered {status}"
        raise Failed(_failure("unavailable" if transient else "rejected", message, transient, retry_after))
    return True


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


def is_refused(address: str, *, loopback_named: bool) -> bool:
    """Whether an address is never a receiver of incidents, however its name came to point there.

    Link-local ones (cloud metadata among them), unspecified, multicast and reserved ones are refused always, loopback
    unless the configured URL names it. Private ones are allowed: the URL is the operator's, and many receivers are.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip.is_loopback:
        return not loopback_named
    return ip.is_link_local or ip.is_unspecified or ip.is_multicast or ip.is_reserved or ip == _AZURE_HOST


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, float | None, str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            host, parts.port, timeout=TIMEOUT, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT)
    try:
        connection.connect()
        address = connection.sock.getpeername()[0]
        if is_refused(address, loopback_named=is_loopback(host)):
            message = f"resolves to {address}, which is no address for a receiver; correct SLIPWAY_INCIDENT_URL"
            raise Failed(_failure("rejected", message, transient=False))
        connection.request("POST", parts.path or "/", body, dict(headers))
        response = connection.getresponse()
        answer = response.read(ANSWER_LIMIT).decode(errors="replace").strip()
        return response.status, _seconds(response.headers.get("Retry-After")), answer
    finally:
        connection.close()


def _seconds(text: str | None) -> float | None:
    # A date is not worth a second clock here: without a number the sender's own back-off holds.
    return float(text) if text and text.isdecimal() else None


def _failure(code: str, what: str, transient: bool, retry_after: float | None = None) -> Failure:
    return Failure(Kind.PLATFORM, code, f"The incident webhook {what}", transient, retry_after)
