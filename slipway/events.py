"""Event Grid's notices, in the Event Grid schema and in CloudEvents 1.0, reduced to what Slipway takes from them. Pure.

An event is a hint: from a storage event only the path is taken, from a workspace event only the run's name. Nothing
of a payload is stored as fact. Sources: Event Grid event schemas for Blob Storage and for Azure Machine Learning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: What a storage account announces that can change what lies in a landing folder. A rename's subject is where it went.
LANDING_TYPES = frozenset(
    f"Microsoft.Storage.{name}"
    for name in (
        "BlobCreated",
        "BlobDeleted",
        "BlobRenamed",
        "DirectoryRenamed",
        "DirectoryCreated",
        "DirectoryDeleted",
    )
)
JOB_TYPES = frozenset(f"Microsoft.MachineLearningServices.{name}" for name in ("RunCompleted", "RunStatusChanged"))

_SUBJECT = re.compile(
    r"/blobServices/default/containers/(?P<filesystem>[a-z0-9$-]{3,63})/blobs/(?P<path>.+)", re.DOTALL
)
_JOB = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}")
#: Event Grid's largest event. A message above it is none of Event Grid's.
LARGEST = 1_048_576


class EventError(ValueError):
    """The event is none that this app understands; the message says what it breaks."""


@dataclass(frozen=True)
class Event:
    """What both schemas have in common."""

    type: str
    subject: str
    data: Mapping[str, Any]


def parse_message(text: str) -> list[Event | EventError]:
    """Read a queue message: one event or an array of them, as JSON. A bad member never costs the good ones."""
    if len(text) > LARGEST:
        return [EventError(f"a message of {len(text)} characters is larger than any event")]
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        return [EventError(f"the message is not JSON: {error}")]
    return [_event(member) for member in (document if isinstance(document, list) else [document])]


def _event(member: object) -> Event | EventError:
    try:
        return parse(member)
    except EventError as error:
        return error


def parse(document: object) -> Event:
    """Read one event object of either schema. Raises EventError."""
    if not isinstance(document, dict):
        raise EventError(f"an event is an object, not {type(document).__name__}")
    type_ = document.get("type") if "specversion" in document else document.get("eventType")
    subject, data = document.get("subject"), document.get("data")
    if not isinstance(type_, str) or not isinstance(subject, str):
        raise EventError("an event has a type and a subject, both texts")
    return Event(type_, subject, data if isinstance(data, dict) else {})


def landed(event: Event) -> tuple[str, str] | None:
    """The (filesystem, path) a storage event speaks of, or None for a type that changes no landing.

    Raises EventError when the type is right and the subject is not a path.
    """
    if event.type not in LANDING_TYPES:
        return None
    match = _SUBJECT.fullmatch(event.subject)
    if match is None:
        raise EventError(f"the subject {event.subject[:200]!r} names no path in a filesystem")
    return match["filesystem"], match["path"]


def job(event: Event) -> str | None:
    """The name of the job a workspace event speaks of, or None for any other event. Raises EventError."""
    if event.type not in JOB_TYPES:
        return None
    name = event.data.get("runId")
    if not isinstance(name, str) or _JOB.fullmatch(name) is None:
        raise EventError("the event names no job: data.runId is missing or no job's name")
    return name
