"""One door to every destination: which module puts a message into its words, and by what it says who it is."""

from __future__ import annotations

from collections.abc import Callable

from slipway.destinations import AzureDevOps, Destination, Email, PagerDuty, ServiceNow, Teams, Webhook
from slipway.message import Message
from slipway.settings import secret
from slipway.sinks import azure_devops, email, pagerduty, servicenow, teams, webhook
from slipway.sinks.known import Known
from slipway.sinks.sender import Send, send


def tell(message: Message, to: Destination, known: Known, token: Callable[[str], str], send: Send = send) -> str | None:
    """Tell a destination the incident's present state; returns the ticket that it keeps, where it keeps any.

    `token` gives a token of the app's identity for a scope. Raises Failed when the destination does not take it now.
    """
    match to:
        case Webhook():
            webhook.tell(message, to, secret(to.secret), known, send)
        case PagerDuty():
            pagerduty.tell(message, to, secret(to.secret), known, send)
        case ServiceNow():
            return servicenow.tell(message, to, secret(to.secret), known, send)
        case AzureDevOps():
            return azure_devops.tell(message, to, token(azure_devops.SCOPE), known, send)
        case Teams():
            teams.tell(message, to, secret(to.secret), known, send)
        case Email():
            email.tell(message, to, token(email.SCOPE), known, send)
    return None
