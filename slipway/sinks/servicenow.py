"""Incidents as ServiceNow incidents, by the Table API.

A ticket is found again by its sys_id, which is remembered, or by `correlation_id`, which is the same on every try: a
lost answer makes no second ticket. Each time an incident is opened anew it is another ticket.

Source: ServiceNow REST API reference, Table API (`/api/now/table/{table}`, sysparm_query, sysparm_fields,
sysparm_limit; 201 with `result.sys_id`); Incident table, `state` 6 Resolved, `urgency` and `impact` 1 high to 3 low.
"""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

from slipway.destinations import ServiceNow
from slipway.message import Message
from slipway.sinks.known import Known
from slipway.sinks.sender import Request, Send, as_json, found

#: `urgency` and `impact` by severity.
_URGENCY = {"critical": "1", "error": "1", "warning": "2", "info": "3"}
_IMPACT = {"critical": "1", "error": "2", "warning": "2", "info": "3"}
#: The longest `short_description`, in characters.
LONGEST_TITLE = 160


def tell(message: Message, to: ServiceNow, secret: str, known: Known, send: Send) -> str | None:
    """Write or make the ticket; returns its sys_id, None where there is none and nothing to be told.

    A ticket that people deleted is made anew while the incident is open. Raises Failed.
    """
    headers = {"Accept": "application/json", "Authorization": _basic(to.user, secret)}
    table = f"{to.url}/api/now/table/incident"
    ticket = known.ticket or _find(message, table, headers, send)
    is_open = message.incident["status"] == "open"
    fields = _fields(message) if is_open else _closing(message, to.close_code)
    if ticket is not None and send(as_json("PATCH", f"{table}/{ticket}", fields, headers)).status != 404:
        return ticket
    if not is_open:
        return None
    new = fields | {"correlation_id": correlation_id(message), "correlation_display": "Slipway"}
    return str(found(send(as_json("POST", table, new, headers))).json()["result"]["sys_id"])


def correlation_id(message: Message) -> str:
    """What tells this opening of this incident from every other, at most 100 characters in nearly every case."""
    return f"{message.source}/{message.incident['key']}@{message.incident['opened_at'][:19]}"


def _find(message: Message, table: str, headers: dict[str, str], send: Send) -> str | None:
    query = {"sysparm_query": f"correlation_id={correlation_id(message)}"}
    query |= {"sysparm_fields": "sys_id", "sysparm_limit": "1"}
    rows = found(send(Request("GET", f"{table}?{urlencode(query)}", None, headers))).json()["result"]
    return str(rows[0]["sys_id"]) if rows else None


def _fields(message: Message) -> dict[str, Any]:
    severity = message.severity
    return {
        "short_description": message.title[:LONGEST_TITLE],
        "description": message.text,
        "urgency": _URGENCY[severity],
        "impact": _IMPACT[severity],
    }


def _closing(message: Message, close_code: str) -> dict[str, Any]:
    return {"state": "6", "close_code": close_code, "close_notes": f"Resolved by {message.incident['resolved_by']}."}


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
