"""What an orchestrator's actions mean for the host: which tasks are open, under which ids, and how far it has come.

The SDK answers each episode with all actions since the start of the generation. The host goes through them as the
real extension does: one action after the other, each awaited before the next is looked at; a group schedules all its
members at once. Ids are given in that order from one counter, and a retry takes its ids when a failure is met. The
SDK counts in the same way, so both agree on which completion belongs to which task.

A walk is a pure function of history and actions, computed anew in every episode. That also finds changed code: what
history says was scheduled must be what the actions schedule under the same id.

Where the SDK goes on although the extension still waits (a failed member of a ``task_all``, a second wait answered by
one early event, a timer shared by two ``task_any``, the current part of a timer of more than 6 days), this waits too.

Source: azure-functions-durable-extension, ``OutOfProcOrchestrationShim.cs``; DurableTask.Core,
``TaskOrchestrationContext.cs`` and ``RetryInterceptor.cs``.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, IntEnum
from typing import Any

from localcloud.functions.durable.events import Event, EventType, moment_of, stamp


class ActionType(IntEnum):
    """Kinds of actions the SDK sends."""

    ACTIVITY = 0
    ACTIVITY_WITH_RETRY = 1
    CHILD = 2
    CHILD_WITH_RETRY = 3
    CONTINUE_AS_NEW = 4
    TIMER = 5
    WAIT_FOR_EVENT = 6
    CALL_ENTITY = 7
    CALL_HTTP = 8
    SIGNAL_ENTITY = 9
    SCHEDULED_SIGNAL = 10
    WHEN_ANY = 11
    WHEN_ALL = 12


class Kind(Enum):
    """What a scheduled task is: the event that records it, and its name in messages."""

    ACTIVITY = (EventType.TASK_SCHEDULED, "an activity task")
    CHILD = (EventType.CHILD_CREATED, "a sub-orchestration task")
    TIMER = (EventType.TIMER_CREATED, "a timer task")

    @property
    def recorded_as(self) -> EventType:
        """The history event that stands for a scheduled task of this kind."""
        return self.value[0]


_ACTIVITIES = (ActionType.ACTIVITY, ActionType.ACTIVITY_WITH_RETRY)
_CHILDREN = (ActionType.CHILD, ActionType.CHILD_WITH_RETRY)
_RETRIED = (ActionType.ACTIVITY_WITH_RETRY, ActionType.CHILD_WITH_RETRY)
_REFUSED = {
    ActionType.CALL_ENTITY: "durable entities (call_entity)",
    ActionType.SIGNAL_ENTITY: "durable entities (signal_entity)",
    ActionType.SCHEDULED_SIGNAL: "durable entities (scheduled signals)",
    ActionType.CALL_HTTP: "durable HTTP calls (call_http)",
}
_KIND_OF_EVENT = {kind.recorded_as: kind for kind in Kind}
_SUCCEEDED = (EventType.TASK_COMPLETED, EventType.CHILD_COMPLETED)
_FAILED = (EventType.TASK_FAILED, EventType.CHILD_FAILED)


@dataclass(frozen=True)
class Task:
    """One scheduled task: an activity, a sub-orchestration or a timer."""

    id: int
    kind: Kind
    name: str = ""
    input: str = "null"
    fire_at: str = ""
    instance_id: str | None = None
    version: str | None = None


@dataclass
class _Node:
    """A place in the tree of actions that is waited for."""

    parent: _Node | None
    needed: int = 1
    done: bool = False
    action: dict[str, Any] = field(default_factory=dict)
    attempt: int = 1


class Walk:
    """The host's view of one generation, advanced by :meth:`apply` over its whole history.

    ``rejection(kind, name)`` returns why a function cannot be called, or None.
    """

    def __init__(self, actions: list[dict[str, Any]], rejection: Callable[[Kind, str], str | None]) -> None:
        self.tasks: dict[int, Task] = {}
        self.open: set[int] = set()
        self.cancelled: list[int] = []  #: timers whose action is marked as cancelled by now
        self.recorded: dict[int, Event] = {}
        self.exhausted = False  #: every action has been awaited: the orchestrator's own end counts
        self.continue_as_new: dict[str, Any] | None = None
        self.carried: list[Event] = []
        self.rejected: str | None = None
        self.refused: str | None = None  #: a feature asked for that this host does not have
        self.next_id = 0
        self._actions = actions
        self._rejection = rejection
        self._position = 0
        self._current: _Node | None = None
        self._nodes: dict[int, _Node] = {}
        self._waiting: defaultdict[str, list[_Node]] = defaultdict(list)
        self._early: defaultdict[str, deque[Event]] = defaultdict(deque)
        self._now: datetime | None = None

    def apply(self, event: Event) -> None:
        """Take in one history event, in order."""
        kind = event["EventType"]
        if kind == EventType.ORCHESTRATOR_STARTED:
            self._now = moment_of(event["Timestamp"])
        elif kind == EventType.EXECUTION_STARTED:
            self._advance()
        elif kind in _KIND_OF_EVENT:
            self.recorded[event["EventId"]] = event
        elif kind in _SUCCEEDED:
            self._completed(event["TaskScheduledId"], failed=False)
        elif kind in _FAILED:
            self._completed(event["TaskScheduledId"], failed=True)
        elif kind == EventType.TIMER_FIRED:
            self._completed(event["TimerId"], failed=False)
        elif kind == EventType.EVENT_RAISED:
            self._raised(event)

    def new_tasks(self) -> list[Task]:
        """Return the tasks that history does not have yet, by id."""
        return [self.tasks[i] for i in sorted(self.tasks) if i not in self.recorded]

    def divergence(self) -> str | None:
        """Say how history and the code's actions disagree, in the framework's words, or None."""
        for task_id, event in sorted(self.recorded.items()):
            task = self.tasks.get(task_id)
            kind = _KIND_OF_EVENT[EventType(event["EventType"])]
            name = event.get("Name") or ""
            if task is None:
                return _changed(kind, task_id, name, "the current replay execution hasn't (yet?) scheduled this task")
            if task.kind is not kind or task.name.casefold() != name.casefold():
                return _changed(
                    kind,
                    task_id,
                    name,
                    f"the current replay execution instead scheduled {_described(task)} with this ID",
                )
        return None

    def _advance(self) -> None:
        """Go on to the first action that is not done."""
        while (self._current is None or self._current.done) and not self.rejected and not self.refused:
            if self._position == len(self._actions):
                self.exhausted = True
                return
            action = self._actions[self._position]
            self._position += 1
            self._current = self._enter(action, parent=None)

    def _enter(self, action: dict[str, Any], parent: _Node | None) -> _Node:
        """Schedule what ``action`` names, depth first, left to right."""
        kind = ActionType(action["actionType"])
        node = _Node(parent, action=action)
        if kind in (ActionType.WHEN_ANY, ActionType.WHEN_ALL):
            self._enter_group(kind, node)
        elif kind is ActionType.WAIT_FOR_EVENT:
            self._wait(action["externalEventName"].casefold(), node)
        elif kind is ActionType.CONTINUE_AS_NEW:
            self.next_id += 1
            self.continue_as_new, node.done = action, True
        elif kind is ActionType.TIMER:
            self._enter_timer(node)
        elif kind in _REFUSED:
            self.refused = self.refused or f"localcloud does not support {_REFUSED[kind]}."
        else:
            self._call(node)
        return node

    def _enter_group(self, kind: ActionType, node: _Node) -> None:
        members = [self._enter(action, node) for action in node.action["compoundActions"]]
        open_members = sum(not member.done for member in members)
        if kind is ActionType.WHEN_ALL:
            node.needed, node.done = open_members, open_members == 0
        else:
            node.done = open_members < len(members) or not members

    def _enter_timer(self, node: _Node) -> None:
        """Schedule a timer; one that is marked as cancelled, be it episodes later, is over as soon as it is made."""
        task = self._schedule(node, Kind.TIMER, fire_at=stamp(moment_of(node.action["fireAt"])))
        if node.action.get("isCanceled"):
            self.open.discard(task.id)
            self.cancelled.append(task.id)
            node.done = True

    def _wait(self, name: str, node: _Node) -> None:
        if self._early[name]:
            self._early[name].popleft()
            node.done = True
        else:
            self._waiting[name].append(node)

    def _raised(self, event: Event) -> None:
        """Give an event to the newest wait for its name, else keep it for the next one."""
        if self.continue_as_new is not None:
            self.carried.append(event)
            return
        name = event["Name"].casefold()
        if self._waiting[name]:
            self._finish(self._waiting[name].pop())
        else:
            self._early[name].append(event)

    def _call(self, node: _Node) -> None:
        action = node.action
        kind = Kind.ACTIVITY if action["actionType"] in _ACTIVITIES else Kind.CHILD
        self.rejected = self.rejected or self._rejection(kind, action["functionName"])
        if self.rejected is None:
            self._schedule(
                node,
                kind,
                name=action["functionName"],
                input=action.get("input") or "null",
                instance_id=action.get("instanceId"),
                version=action.get("version"),
            )

    def _schedule(self, node: _Node, kind: Kind, **facts: Any) -> Task:
        task = Task(self.next_id, kind, **facts)
        self.next_id += 1
        self.tasks[task.id] = task
        self.open.add(task.id)
        self._nodes[task.id] = node
        return task

    def _completed(self, task_id: int, *, failed: bool) -> None:
        if task_id not in self.open:
            return
        self.open.discard(task_id)
        node, task = self._nodes[task_id], self.tasks[task_id]
        if node.action["actionType"] not in _RETRIED:
            self._finish(node)
        elif task.kind is Kind.TIMER:
            self._retry_timer_fired(node)
        elif failed:
            self._await_retry(node)
        else:
            self._finish(node)

    def _await_retry(self, node: _Node) -> None:
        """Schedule the timer that follows every failed attempt, also the last one (which is then due at once)."""
        options = node.action["retryOptions"]
        last = node.attempt >= options["maxNumberOfAttempts"]
        wait = timedelta(0) if last else timedelta(milliseconds=options["firstRetryIntervalInMilliseconds"])
        assert self._now is not None
        self._schedule(node, Kind.TIMER, fire_at=stamp(self._now + wait))

    def _retry_timer_fired(self, node: _Node) -> None:
        if node.attempt >= node.action["retryOptions"]["maxNumberOfAttempts"]:
            self._finish(node)
        else:
            node.attempt += 1
            self._call(node)

    def _finish(self, node: _Node) -> None:
        """Mark a node as done and tell the group it is in; go on when that was what was awaited."""
        node.done = True
        parent = node.parent
        if parent is None:
            self._advance()
        elif not parent.done:
            parent.needed -= 1
            if parent.needed == 0:
                self._finish(parent)


def _described(task: Task) -> str:
    return f"{task.kind.value[1]} '{task.name}'" if task.name else task.kind.value[1]


def _changed(kind: Kind, task_id: int, name: str, instead: str) -> str:
    called = f" and name '{name}'" if name else ""
    return (
        f"A previous execution of this orchestration scheduled {kind.value[1]} with sequence ID {task_id}{called}, "
        f"but {instead}. Was a change made to the orchestrator code after this instance had already started running?"
    )
