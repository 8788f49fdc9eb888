"""Incidents as e-mail, by Azure Communication Services and the app's identity: no secret, no mailbox of a person.

Each state is a mail of its own. A lost answer may bring one twice: the `Operation-Id` is the same on every try, but the
service does not promise to take it once.

Source: Azure Communication Services REST API, Email - Send (2023-03-31): senderAddress, recipients, content,
`Operation-Id`, 202; "Authenticate to Azure Communication Services" (Entra tokens for https://communication.azure.com).
"""

from __future__ import annotations

import uuid
from typing import Any

from slipway.destinations import Email
from slipway.message import Message
from slipway.sinks.known import Known
from slipway.sinks.sender import Send, as_json, found

#: Whom a token is for.
SCOPE = "https://communication.azure.com/.default"
_NAMESPACE = uuid.UUID("5f1cf7b1-6d5b-4f0f-9e0f-0c1d9a3c7b11")


def tell(message: Message, to: Email, token: str, known: Known, send: Send) -> None:
    """Send one mail. Raises Failed unless it was accepted."""
    headers = {"Authorization": f"Bearer {token}", "Operation-Id": operation_id(message)}
    address = f"{to.url}/emails:send?api-version=2023-03-31"
    found(send(as_json("POST", address, mail(message, to, known), headers)))


def operation_id(message: Message) -> str:
    """The same for every try of one state."""
    told = f"{message.source}/{message.incident['key']}-{message.incident['revision']}"
    return str(uuid.uuid5(_NAMESPACE, told))


def mail(message: Message, to: Email, known: Known) -> dict[str, Any]:
    """The mail: the title as its subject, all that on-call needs as its text."""
    incident = message.incident
    state = "resolved" if incident["status"] == "resolved" else message.severity
    update = ", update" if known.open and incident["status"] == "open" else ""
    return {
        "senderAddress": to.sender,
        "recipients": {"to": [{"address": address} for address in to.to]},
        "content": {"subject": f"[{state}{update}] {message.title}", "plainText": message.text},
    }
