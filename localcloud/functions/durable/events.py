"""History events and instance states, as the Durable Task framework numbers and spells them.

Source: DurableTask.Core, ``History/EventType.cs`` and ``OrchestrationStatus.cs``.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

#: One history event as the SDK reads it: EventType, EventId, IsPlayed, Timestamp and the kind's own fields.
Event = dict[str, Any]


class EventType(IntEnum):
    """Kinds of history events this engine writes."""

    EXECUTION_STARTED = 0
    EXECUTION_COMPLETED = 1
    EXECUTION_TERMINATED = 3
    TASK_SCHEDULED = 4
    TASK_COMPLETED = 5
    TASK_FAILED = 6
    CHILD_CREATED = 7
    CHILD_COMPLETED = 8
    CHILD_FAILED = 9
    TIMER_CREATED = 10
    TIMER_FIRED = 11
    ORCHESTRATOR_STARTED = 12
    ORCHESTRATOR_COMPLETED = 13
    EVENT_RAISED = 15
    GENERIC = 17
    EXECUTION_SUSPENDED = 19
    EXECUTION_RESUMED = 20


#: The kinds that answer a task of one execution; every other message is for whichever execution there is.
ANSWERS = (
    EventType.TASK_COMPLETED,
    EventType.TASK_FAILED,
    EventType.CHILD_COMPLETED,
    EventType.CHILD_FAILED,
    EventType.TIMER_FIRED,
)

#: How a status answer spells the kinds.
DISPLAY_NAMES = {
    EventType.EXECUTION_STARTED: "ExecutionStarted",
    EventType.EXECUTION_COMPLETED: "ExecutionCompleted",
    EventType.EXECUTION_TERMINATED: "ExecutionTerminated",
    EventType.TASK_SCHEDULED: "TaskScheduled",
    EventType.TASK_COMPLETED: "TaskCompleted",
    EventType.TASK_FAILED: "TaskFailed",
    EventType.CHILD_CREATED: "SubOrchestrationInstanceCreated",
    EventType.CHILD_COMPLETED: "SubOrchestrationInstanceCompleted",
    EventType.CHILD_FAILED: "SubOrchestrationInstanceFailed",
    EventType.TIMER_CREATED: "TimerCreated",
    EventType.TIMER_FIRED: "TimerFired",
    EventType.ORCHESTRATOR_STARTED: "OrchestratorStarted",
    EventType.ORCHESTRATOR_COMPLETED: "OrchestratorCompleted",
    EventType.EVENT_RAISED: "EventRaised",
    EventType.GENERIC: "GenericEvent",
    EventType.EXECUTION_SUSPENDED: "ExecutionSuspended",
    EventType.EXECUTION_RESUMED: "ExecutionResumed",
}


class Status(IntEnum):
    """States of an instance; :attr:`title` is how the API spells them."""

    RUNNING = 0
    COMPLETED = 1
    CONTINUED_AS_NEW = 2
    FAILED = 3
    CANCELED = 4
    TERMINATED = 5
    PENDING = 6
    SUSPENDED = 7

    @property
    def title(self) -> str:
        """The state's name in answers and filters, e.g. ``ContinuedAsNew``."""
        return "".join(word.capitalize() if word != "AS" else "As" for word in self.name.split("_"))

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to the instance by itself."""
        return self in FINISHED


FINISHED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED, Status.TERMINATED})
STATUS_BY_TITLE = {status.title: status for status in Status}


def stamp(moment: datetime) -> str:
    """Write an aware moment as history does: UTC with six fraction digits and ``Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment_of(text: str) -> datetime:
    """Read an ISO 8601 moment; one without a zone is taken as UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def event(kind: EventType, now: datetime, event_id: int = -1, **fields: Any) -> Event:
    """Make a history event of ``kind`` that happened at ``now``."""
    return {"EventType": int(kind), "EventId": event_id, "IsPlayed": False, "Timestamp": stamp(now), **fields}


def dump(value: Any) -> str:
    """Write JSON compactly; the form in which events and values are stored.

    In ASCII: half a surrogate pair, which a file name that is no UTF-8 has in Python, could not be stored otherwise.
    """
    return json.dumps(value, separators=(",", ":"))
