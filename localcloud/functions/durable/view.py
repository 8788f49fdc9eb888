"""Instances as the management API shows them; its history differs from the one orchestrators are given.

Source: azure-functions-durable-extension, ``HttpApiHandler.cs`` and ``DurableClient.cs`` (``ConvertFrom``).
"""

from __future__ import annotations

import json
from typing import Any

from localcloud.functions.durable.events import DISPLAY_NAMES, Event, EventType, Status
from localcloud.functions.durable.store import Instance

_LEFT_OUT = (EventType.ORCHESTRATOR_STARTED, EventType.ORCHESTRATOR_COMPLETED)
_SCHEDULED = (EventType.TASK_SCHEDULED, EventType.CHILD_CREATED)
_COMPLETED = (EventType.TASK_COMPLETED, EventType.TASK_FAILED, EventType.CHILD_COMPLETED, EventType.CHILD_FAILED)
_REMOVED = ("EventId", "IsPlayed", "TaskScheduledId", "TimerId")
_REMOVED_AT_START = ("Name", "OrchestrationInstance", "ParentInstance", "Version", "Tags")


def status_payload(instance: Instance, *, show_input: bool) -> dict[str, Any]:
    """Return an instance's status; times have whole seconds."""
    return {
        "name": instance.name,
        "instanceId": instance.instance_id,
        "runtimeStatus": instance.shown_status.title,
        "input": _value(instance.input) if show_input else None,
        "customStatus": _value(instance.custom_status),
        "output": _value(instance.output),
        "createdTime": _whole_seconds(instance.created),
        "lastUpdatedTime": _whole_seconds(instance.updated),
    }


def history_payload(events: list[Event], *, show_output: bool, show_input: bool) -> list[dict[str, Any]]:
    """Fold scheduled tasks into their completions and spell the kinds out; what is still open stays as it is.

    Outputs are shown as JSON, inputs as the text that is stored.
    """
    completed = {e["TaskScheduledId"] for e in events if e["EventType"] in _COMPLETED}
    scheduled = {e["EventId"]: e for e in events if e["EventType"] in _SCHEDULED}
    shown = [
        e
        for e in events
        if e["EventType"] not in _LEFT_OUT and not (e["EventType"] in _SCHEDULED and e["EventId"] in completed)
    ]
    return [_shown(e, scheduled, show_output=show_output, show_input=show_input) for e in shown]


def _shown(one: Event, scheduled: dict[int, Event], *, show_output: bool, show_input: bool) -> dict[str, Any]:
    kind = EventType(one["EventType"])
    fields = {key: value for key, value in one.items() if key not in _REMOVED}
    fields["EventType"] = DISPLAY_NAMES[kind]
    if kind is EventType.EXECUTION_STARTED:
        fields = {"FunctionName": one["Name"], **{k: v for k, v in fields.items() if k not in _REMOVED_AT_START}}
    elif kind in _COMPLETED and one["TaskScheduledId"] in scheduled:
        cause = scheduled[one["TaskScheduledId"]]
        fields |= {"ScheduledTime": cause["Timestamp"], "FunctionName": cause["Name"], "Input": cause["Input"]}
    elif kind in _SCHEDULED:
        fields.pop("Version", None)
    if kind is EventType.EXECUTION_COMPLETED:
        fields["OrchestrationStatus"] = Status(one["OrchestrationStatus"]).title
    if not show_input:
        fields.pop("Input", None)
    if not show_output:
        fields.pop("Result", None)
    elif "Result" in fields:
        fields["Result"] = _value(fields["Result"])
    return fields


def _value(text: str | None) -> Any:
    """Read JSON text; what is none (the reason of a termination, say) is shown as it is."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def _whole_seconds(stamped: str) -> str:
    return stamped[:19] + "Z"
