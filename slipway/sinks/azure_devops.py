"""Incidents as work items of Azure DevOps.

An item is found again by its id, which is remembered, or by a tag that is the same on every try: a lost answer makes
no second item. Each time an incident is opened anew it is another item. The app's identity makes them, without a
secret: it must be a user of the organisation who may edit work items of the project.

Sources: Azure DevOps REST API 7.1, Work Items - Create, - Update (JSON Patch), Wiql - Query By Wiql; "Use service
principals and managed identities in Azure DevOps" (the resource 499b84ac-1321-427f-aa17-267ca6975798).
"""

from __future__ import annotations

import hashlib
import html
from typing import Any
from urllib.parse import quote

from slipway.destinations import AzureDevOps
from slipway.message import Message
from slipway.sinks.known import Known
from slipway.sinks.sender import Request, Send, as_json, found

#: Whom a token is for.
SCOPE = "499b84ac-1321-427f-aa17-267ca6975798/.default"
_VERSION = "api-version=7.1"
#: The longest title, in characters.
LONGEST_TITLE = 255
_PRIORITY = {"critical": 1, "error": 2, "warning": 3, "info": 4}


def tell(message: Message, to: AzureDevOps, token: str, known: Known, send: Send) -> str | None:
    """Write or make the work item; returns its id, None where there is none and nothing to be told.

    An item that people deleted is made anew while the incident is open. Raises Failed.
    """
    headers = {"Authorization": f"Bearer {token}"}
    items = f"{to.url}/_apis/wit/workitems"
    item = known.ticket or _find(message, to, headers, send)
    is_open = message.incident["status"] == "open"
    changes = _changes(message) if is_open else _closing(message, to.done)
    if item is not None and send(_patch("PATCH", f"{items}/{item}?{_VERSION}", changes, headers)).status != 404:
        return item
    if not is_open:
        return None
    new = [*changes, _set("System.Tags", f"slipway; {tag(message)}")]
    made = found(send(_patch("POST", f"{items}/${quote(to.work_item)}?{_VERSION}", new, headers)))
    return str(made.json()["id"])


def tag(message: Message) -> str:
    """What tells this opening of this incident from every other."""
    told = f"{message.source}/{message.incident['key']}@{message.incident['opened_at']}"
    return f"slipway-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def _find(message: Message, to: AzureDevOps, headers: dict[str, str], send: Send) -> str | None:
    query = f"SELECT [System.Id] FROM WorkItems WHERE [System.Tags] CONTAINS '{tag(message)}'"  # noqa: S608 - hex digits
    asked = as_json("POST", f"{to.url}/_apis/wit/wiql?$top=1&{_VERSION}", {"query": query}, headers)
    rows = found(send(asked)).json()["workItems"]
    return str(rows[0]["id"]) if rows else None


def _changes(message: Message) -> list[dict[str, Any]]:
    described = "<br>".join(html.escape(line) for line in message.text.splitlines())
    return [
        _set("System.Title", message.title[:LONGEST_TITLE]),
        _set("System.Description", described),
        _set("Microsoft.VSTS.Common.Priority", _PRIORITY[message.severity]),
    ]


def _closing(message: Message, done: str) -> list[dict[str, Any]]:
    why = html.escape(f"Resolved by {message.incident['resolved_by']}.")
    return [_set("System.State", done), _set("System.History", why)]


def _set(field: str, value: str | int) -> dict[str, Any]:
    return {"op": "add", "path": f"/fields/{field}", "value": value}


def _patch(method: str, url: str, changes: list[dict[str, Any]], headers: dict[str, str]) -> Request:
    return as_json(method, url, changes, headers, kind="application/json-patch+json")
