"""One episode: run the orchestrator on its history and new messages, and decide what follows.

Nothing here is stored: an episode that is lost is run again and decides the same.
Source: azure-functions-durable-extension, ``OutOfProcOrchestrationShim.cs`` and ``TaskOrchestrationShim.cs``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from localcloud.functions.durable.events import Event, EventType, Status, dump, event
from localcloud.functions.durable.history import History
from localcloud.functions.durable.store import Instance
from localcloud.functions.durable.walk import Kind, Task, Walk

log = logging.getLogger(__name__)

#: Separates an orchestrator's error text from its state in the SDK's exceptions.
_MARKER = "\n\n$OutOfProcData$:"
#: V3 of the SDK's protocol. By the two durations, the Azure Storage provider's, it splits timers of more than 6 days.
_PROTOCOL = (
    '"upperSchemaVersion":1,"upperSchemaVersionNew":2,"defaultHttpAsyncRequestSleepTimeMillseconds":30000,'
    '"longRunningTimerIntervalDuration":"3.00:00:00","maximumShortTimerDuration":"6.00:00:00"'
)


#: KB of UTF-16 that a custom status may have; more fails the instance.
_CUSTOM_STATUS_MOST = 16


class OrchestratorError(Exception):
    """The orchestrator function raised; the text is the exception's own."""


@dataclass(frozen=True)
class Ended:
    """The instance is finished. ``output`` is JSON text or None."""

    status: Status
    output: str | None


@dataclass(frozen=True)
class ContinuedAsNew:
    """The instance begins a new generation. ``input`` is JSON text; ``carried`` are events raised since."""

    input: str
    carried: list[Event]


@dataclass
class Decision:
    """What an episode leads to: events for the history, tasks to open and timers to drop, an end perhaps."""

    events: list[Event]
    tasks: list[Task] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    custom_status: str | None = None
    end: Ended | ContinuedAsNew | None = None


@dataclass
class _Answer:
    """The SDK's answer: ``error`` is set when the orchestrator raised, ``actions`` is None when the SDK itself did."""

    actions: list[dict[str, Any]] | None
    done: bool = False
    output: Any = None
    custom_status: Any = None
    error: str | None = None


#: Runs the orchestrator function called ``name`` on the text of its context; raises :class:`OrchestratorError`.
RunOrchestrator = Callable[[str, str], Awaitable[str]]
#: Says why the app has no activity or orchestrator of this name, or None.
Rejection = Callable[[Kind, str], str | None]


class EpisodeAbortedError(Exception):
    """The orchestrator did not come back in time; the episode has to be run again."""


async def run_episode(
    instance: Instance,
    history: History,
    messages: list[Event],
    now: datetime,
    run: RunOrchestrator,
    rejection: Rejection,
    refusal: str | None = None,
) -> Decision:
    """Decide what follows when ``messages`` reach ``instance`` at ``now``.

    ``refusal`` says why this host may not run the instance at all. Raises :class:`EpisodeAbortedError`.
    """
    new = [event(EventType.ORCHESTRATOR_STARTED, now), *_started_first(messages)]
    terminated = next((e for e in new if e["EventType"] == EventType.EXECUTION_TERMINATED), None)
    if terminated is not None:
        return _ended(new, now, Ended(Status.TERMINATED, dump(terminated["Input"])))
    if _suspended([*history.events, *new]):
        return Decision([*new, event(EventType.ORCHESTRATOR_COMPLETED, now)])
    unknown = refusal or rejection(Kind.CHILD, instance.name)
    if unknown is not None:
        return _ended(new, now, _failed(instance, unknown))
    answer = await _ask(instance, history, new, run)
    return _decide(instance, history, new, now, answer, rejection)


def _decide(
    instance: Instance, history: History, new: list[Event], now: datetime, answer: _Answer, rejection: Rejection
) -> Decision:
    if answer.actions is None:
        return _ended(new, now, _failed(instance, answer.error or ""))
    size = _kilobytes(answer.custom_status)
    if size > _CUSTOM_STATUS_MOST:  # the extension takes the status before it looks at the actions
        return _ended(new, now, _failed(instance, _too_large(size)))
    walk = Walk(answer.actions, rejection)
    for one in [*history.events, *new]:
        walk.apply(one)
    changed = walk.divergence()
    if changed is not None:
        return _ended(new, now, Ended(Status.FAILED, dump(changed)))
    if walk.refused is not None:  # at once: nobody is to wait a week for a timer beside it to be told
        log.error("instance %s fails: %s", instance.instance_id, walk.refused)
        return _ended(new, now, _failed(instance, walk.refused))
    tasks = [_with_instance_id(task, instance) for task in walk.new_tasks()]
    end = _end(instance, walk, answer)
    decision = _ended(new, now, end, walk.next_id) if isinstance(end, Ended) else Decision(new, end=end)
    if not isinstance(end, Ended):
        new += [_recorded(task, now) for task in tasks]
        new.append(event(EventType.ORCHESTRATOR_COMPLETED, now))
        _warn_if_apart(instance, walk, answer)
    decision.tasks, decision.cancelled = tasks, walk.cancelled
    decision.custom_status = None if answer.custom_status is None else dump(answer.custom_status)
    return decision


def _end(instance: Instance, walk: Walk, answer: _Answer) -> Ended | ContinuedAsNew | None:
    """Say how the generation ends, or None while it goes on: no end counts as long as a task is open."""
    if walk.open:
        return None
    if walk.rejected is not None:
        return _failed(instance, walk.rejected)
    if not walk.exhausted:
        return None
    if answer.error is not None:
        return _failed(instance, answer.error)
    if walk.continue_as_new is not None:
        return ContinuedAsNew(dump(walk.continue_as_new.get("input")), walk.carried)
    return Ended(Status.COMPLETED, dump(answer.output)) if answer.done else None


def _kilobytes(custom_status: Any) -> int:
    """Return the size of a custom status as the extension measures it: whole KB of its JSON in UTF-16."""
    if custom_status is None:
        return 0
    text = json.dumps(custom_status, separators=(",", ":"), ensure_ascii=False)
    return len(text.encode("utf-16-le", "surrogatepass")) // 1024


def _too_large(size: int) -> str:
    return (
        f"The UTF-16 size of the JSON-serialized payload must not exceed {_CUSTOM_STATUS_MOST} KB. "
        f"The current payload size is {size:,} KB."
    )


def _failed(instance: Instance, error: str) -> Ended:
    return Ended(Status.FAILED, dump(f"Orchestrator function '{instance.name}' failed: {error}"))


def _ended(new: list[Event], now: datetime, end: Ended, next_id: int = -1) -> Decision:
    completed = event(
        EventType.EXECUTION_COMPLETED, now, next_id, OrchestrationStatus=int(end.status), Result=end.output
    )
    return Decision([*new, completed, event(EventType.ORCHESTRATOR_COMPLETED, now)], end=end)


def _started_first(messages: list[Event]) -> list[Event]:
    """Move what arrived before ExecutionStarted behind it."""
    return sorted(messages, key=lambda message: message["EventType"] != EventType.EXECUTION_STARTED)


def _suspended(events: list[Event]) -> bool:
    for one in reversed(events):
        if one["EventType"] == EventType.EXECUTION_SUSPENDED:
            return True
        if one["EventType"] == EventType.EXECUTION_RESUMED:
            return False
    return False


def _with_instance_id(task: Task, instance: Instance) -> Task:
    """Give a sub-orchestration without an id the one derived from its parent's execution."""
    if task.kind is not Kind.CHILD or task.instance_id:
        return task
    return Task(
        task.id,
        task.kind,
        task.name,
        task.input,
        instance_id=f"{instance.execution_id}:{task.id}",
        version=task.version,
    )


def _recorded(task: Task, now: datetime) -> Event:
    if task.kind is Kind.TIMER:
        return event(EventType.TIMER_CREATED, now, task.id, FireAt=task.fire_at)
    if task.kind is Kind.CHILD:
        return event(
            EventType.CHILD_CREATED, now, task.id, Name=task.name, InstanceId=task.instance_id, Input=task.input
        )
    return event(EventType.TASK_SCHEDULED, now, task.id, Name=task.name, Version="", Input=dump([task.input]))


async def _ask(instance: Instance, history: History, new: list[Event], run: RunOrchestrator) -> _Answer:
    """Run the SDK and read its answer, also from an exception that carries the state behind a marker."""
    parent = instance.parent.instance_id if instance.parent else None
    events = ",".join([*history.texts, *(dump(e) for e in new)])
    payload = (
        f'{{"history":[{events}],"input":{instance.input},"instanceId":{dump(instance.instance_id)},'
        f'"isReplaying":false,"parentInstanceId":{dump(parent)},{_PROTOCOL}}}'
    )
    try:
        return _read(await run(instance.name, payload))
    except OrchestratorError as problem:
        text, marker, state = str(problem).partition(_MARKER)
        if not marker:
            return _Answer(actions=None, error=text)
        answer = _read(state)
        answer.error = answer.error or text
        return answer


def _read(text: str) -> _Answer:
    state = json.loads(text)
    return _Answer(
        actions=state["actions"][0] if state["actions"] else [],
        done=state["isDone"],
        output=state.get("output"),
        custom_status=state.get("customStatus"),
        error=state.get("error"),
    )


def _warn_if_apart(instance: Instance, walk: Walk, answer: _Answer) -> None:
    """Say loudly when the orchestrator believes to be past a wait in which the host still is, or it is behind it."""
    if walk.open or walk.rejected or walk.exhausted == (answer.done or answer.error is not None):
        return
    if walk.exhausted:
        log.warning(
            "instance %s: everything its orchestrator function waits for has come, but the function has not gone on, so"
            " the instance stays Running, as it would in Azure. Usual cause: an external event was raised by a name"
            " that differs in upper and lower case, which the host ignores and the SDK does not.",
            instance.instance_id,
        )
        return
    log.warning(
        "instance %s: the orchestrator function has ended, but one of its earlier waits has not, so the instance"
        " stays Running, as it would in Azure. Usual causes: a task yielded again inside another task_any or task_all,"
        " or two waits for one external event that was raised once, before the first of them.",
        instance.instance_id,
    )
