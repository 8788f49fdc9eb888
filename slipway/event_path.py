"""Whether landing events still arrive: told from runs that none had announced, and from when one came last. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from slipway.failure import Kind
from slipway.severity import Severity
from slipway.subject import Subject

#: In how many passes in a row runs must have been started that no event had announced.
SILENT_PASSES = 3
SUBJECT = Subject.of_platform("event-path-silent")


def came_since(heard: datetime, before: datetime) -> bool:
    """Whether an event came since the pass that looked around at `before`. Both are the lake's own time, whole seconds.

    One of the same second counts: it may have come after that pass, and no other would count it.
    """
    return heard >= before


def silence(before: int, unannounced: int, *, heard: bool) -> int:
    """In how many passes since the last event runs were started unannounced; a pass that started none does not count.

    `heard`: whether an event came since the pass before.
    """
    return 0 if heard else before + (unannounced > 0)


def facts() -> dict[str, Any]:
    """What the incident says; see `slipway.incident.opened`."""
    return {
        "kind": Kind.PLATFORM,
        "code": "events-silent",
        "message": f"Data landed and no event told of them, {SILENT_PASSES} passes of reconcile in a row. Runs start, "
        "but late: when the timer finds the data.",
        "severity": Severity.WARNING,
        "first_step": "Check the subscription of the lake: its state, filter, dead letters, the queue in between.",
    }
