"""The two event schemas, how they are checked and how one becomes the other.

Sources: Azure Event Grid event schema, its table of properties; CloudEvents v1.0 schema with Azure Event Grid. An event
is kept as it was published and converted only when a subscription asks for the other schema.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

Event = dict[str, Any]

EVENT_GRID = "EventGridSchema"
CLOUD_EVENTS = "CloudEventSchemaV1_0"
CONTENT_TYPES = {
    EVENT_GRID: "application/json; charset=utf-8",
    CLOUD_EVENTS: "application/cloudevents+json; charset=utf-8",
}
CLOUD_EVENTS_BATCH = "application/cloudevents-batch+json; charset=utf-8"

_EVENT_GRID_REQUIRED = ("id", "subject", "eventType", "eventTime")
_CLOUD_EVENTS_REQUIRED = ("id", "source", "type", "specversion")
_CLOUD_EVENTS_KNOWN = {
    *_CLOUD_EVENTS_REQUIRED,
    "subject",
    "time",
    "data",
    "data_base64",
    "datacontenttype",
    "dataschema",
}


def is_cloud_event(event: Event) -> bool:
    """Say whether ``event`` is a CloudEvent; anything else is read as Event Grid's own schema."""
    return "specversion" in event


def missing(event: object, topic: str) -> str | None:
    """Return what makes ``event`` unacceptable to the topic with the resource id ``topic``, or None."""
    if not isinstance(event, dict):
        return "each event is a JSON object"
    required = _CLOUD_EVENTS_REQUIRED if is_cloud_event(event) else _EVENT_GRID_REQUIRED
    if absent := [name for name in required if event.get(name) is None]:
        return f"the event lacks {', '.join(absent)}"
    if strange := [name for name in required if not isinstance(event[name], str)]:
        return f"{strange[0]} is a text"
    return _contradiction(event, topic)


def _contradiction(event: Event, topic: str) -> str | None:
    """Return which value of a complete event cannot be; what Event Grid stamps may be sent only as it stamps it."""
    if is_cloud_event(event):
        fixed, time = {"specversion": "1.0"}, "time"
        if "data" in event and "data_base64" in event:
            return "it has both data and data_base64"
    else:
        fixed, time = {"topic": topic, "metadataVersion": "1"}, "eventTime"
    for name, value in fixed.items():
        if event.get(name) not in (None, value):
            return f"{name} is {value}, not {event[name]}"
    try:
        datetime.fromisoformat(str(event.get(time) or "1970-01-01T00:00:00Z"))
    except ValueError:
        return f"{time} is a time such as 2026-01-31T12:00:00Z, not {event[time]}"
    return None


def event_type(event: Event) -> str:
    """Return the event's type in either schema."""
    return str(event.get("type" if is_cloud_event(event) else "eventType", ""))


def subject(event: Event) -> str:
    """Return the event's subject; a CloudEvent need not have one."""
    return str(event.get("subject") or "")


def convert(event: Event, schema: str, accepted: str) -> Event:
    """Return ``event`` in ``schema``; one that does not say when it happened has happened when it was ``accepted``."""
    if is_cloud_event(event) == (schema == CLOUD_EVENTS):
        return event
    return _to_cloud_event(event) if schema == CLOUD_EVENTS else _to_event_grid(event, accepted)


def body(events: list[Event], schema: str, *, batched: bool) -> tuple[str, bytes]:
    """Return content type and body of a delivery of events in ``schema``. Only an unbatched CloudEvent is no array."""
    if schema == CLOUD_EVENTS and not batched:
        return CONTENT_TYPES[schema], json.dumps(events[0]).encode()
    content_type = CLOUD_EVENTS_BATCH if schema == CLOUD_EVENTS else CONTENT_TYPES[schema]
    return content_type, json.dumps(events).encode()


def _to_cloud_event(event: Event) -> Event:
    return {
        "source": event["topic"],
        "subject": event["subject"],
        "type": event["eventType"],
        "time": event["eventTime"],
        "id": event["id"],
        "data": event.get("data"),
        "specversion": "1.0",
    }


def _to_event_grid(event: Event, accepted: str) -> Event:
    """Azure refuses this direction; here it is allowed, and extension attributes go under ``data`` unseen: dropped."""
    return {
        "id": event["id"],
        "topic": event["source"],
        "subject": subject(event),
        "eventType": event["type"],
        "eventTime": event.get("time") or accepted,
        "data": event.get("data", event.get("data_base64")),
        "dataVersion": "",
        "metadataVersion": "1",
    }
