"""Incidents as cards in Teams, by a workflow with the trigger "When a Teams webhook request is received".

A message cannot be changed by who sent it: each state is a message of its own. The workflow's address is a key by
itself, so the whole of it is the secret.

Sources: Microsoft Learn, "Create incoming webhooks with Workflows for Microsoft Teams", "Types of cards" (a message
with one attachment of type application/vnd.microsoft.card.adaptive); Adaptive Cards 1.4, RichTextBlock, FactSet,
Action.OpenUrl.
"""

from __future__ import annotations

from typing import Any

from slipway.destinations import Teams
from slipway.message import Message, waiting
from slipway.sinks.known import Known
from slipway.sinks.sender import Send, as_json, found

#: Adaptive Cards' own colours, by severity.
_COLOURS = {"critical": "Attention", "error": "Attention", "warning": "Warning", "info": "Default"}


def tell(message: Message, to: Teams, secret: str, known: Known, send: Send) -> None:
    """Post one card. Raises Failed unless it was accepted."""
    del to
    found(send(as_json("POST", secret, posted(message, known))))


def posted(message: Message, known: Known) -> dict[str, Any]:
    """The message: one card with what happened, what to do first, the commands and links."""
    incident = message.incident
    is_open = incident["status"] == "open"
    state = "" if not known.open else "Update: "
    title = f"{state}{message.title}" if is_open else f"Resolved: {message.title}"
    colour = _COLOURS[message.severity] if is_open else "Good"
    facts = {
        "Severity": message.severity,
        "Owner": incident.get("owner"),
        "Due": incident.get("due"),
        "Waiting": waiting(incident),
        "First": incident["first_step"] if is_open else None,
        "On it": incident["acknowledged"]["by"] if incident.get("acknowledged") else None,
        "Resolved by": incident.get("resolved_by"),
    }
    body: list[dict[str, Any]] = [
        _as_it_is(title, weight="Bolder", size="Medium", color=colour),
        *(_as_it_is(line) for line in incident["message"].splitlines()),
        {"type": "FactSet", "facts": [{"title": name, "value": value} for name, value in facts.items() if value]},
    ]
    if is_open:
        body += [_as_it_is(f"{one.command}  # {one.what}", fontType="Monospace") for one in message.remedies]
    links = {**message.links, **({"job": incident["log"]} if incident.get("log") else {})}
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
        "actions": [{"type": "Action.OpenUrl", "title": name, "url": link} for name, link in links.items()][:6],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _as_it_is(line: str, **look: str) -> dict[str, Any]:
    """A line that is not read as Markdown, as a TextBlock is: a model's own error could look like a link."""
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": line, **look}]}
