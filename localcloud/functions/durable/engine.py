"""The engine: takes messages to instances through episodes and runs the activities they schedule.

Everything that counts is in the store before it is acted upon or acknowledged. What is in memory (who waits in line,
which timers are set, histories) is built anew from the store at each start, so that a kill costs nothing but the
repetition of activities whose results were not stored yet.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from localcloud.altered import corrupted
from localcloud.clock import Clock
from localcloud.faults.points import Point
from localcloud.faults.switchboard import Faults
from localcloud.functions.durable.activities import Activities
from localcloud.functions.durable.alarms import Alarms, TimerKey
from localcloud.functions.durable.episode import ContinuedAsNew, Decision, Ended, EpisodeAbortedError, run_episode
from localcloud.functions.durable.events import (
    DISPLAY_NAMES,
    Event,
    EventType,
    Status,
    dump,
    event,
    moment_of,
    stamp,
)
from localcloud.functions.durable.history import Histories
from localcloud.functions.durable.ids import problem_with_id
from localcloud.functions.durable.lane import Lane
from localcloud.functions.durable.store import Activity, Instance, Parent, Store
from localcloud.functions.durable.versions import Versions
from localcloud.functions.durable.walk import Kind, Task

log = logging.getLogger(__name__)

#: Seconds that running activities are given when the host stops.
GRACE = 5.0


@dataclass(frozen=True)
class Functions:
    """What the engine needs of the app.

    ``run_orchestrator(name, context)`` and ``run_activity(name, input, instance_id)`` take and return JSON texts and
    raise ``OrchestratorError`` and ``ActivityError``; ``rejection(kind, name)`` says why a function cannot be called.
    """

    run_orchestrator: Callable[[str, str], Awaitable[str]]
    run_activity: Callable[[str, str, str], Awaitable[str]]
    rejection: Callable[[Kind, str], str | None]


class Engine:
    """Runs instances until :meth:`stop`. All methods belong to the event loop's thread."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        functions: Functions,
        faults: Faults,
        *,
        versions: Versions,
        orchestrators: int,
        activities: int,
    ) -> None:
        self.store = store
        self.clock = clock
        self.functions = functions
        self._faults = faults
        self._versions = versions
        self._histories = Histories(store)
        self._instances: Lane[str] = Lane(orchestrators, self._episode)
        self._activities = Activities(store, clock, functions.run_activity, faults, activities, self.send)
        self._alarms = Alarms(clock, self._timers_due)
        self._alarm_task: asyncio.Task[None] | None = None
        self._waiters: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def start(self) -> None:
        """Take up all open work from the store."""
        for execution_id, task_id, fire_at in self.store.open_timers():
            self._alarms.set((execution_id, task_id), moment_of(fire_at))
        for key in self.store.open_activities():
            self._activities.add(key)
        for instance_id in self.store.instances_with_messages():
            self._instances.add(instance_id)
        self._alarm_task = asyncio.create_task(self._alarms.run())

    async def stop(self) -> None:
        """Start nothing more and give running activities :data:`GRACE` seconds to store their results."""
        if self._alarm_task:
            self._alarm_task.cancel()
        await asyncio.gather(self._instances.close(GRACE), self._activities.close(GRACE))

    def create(
        self, instance_id: str, name: str, input_text: str, version: str | None, parent: Parent | None = None
    ) -> None:
        """Store a new instance, which begins once the transaction commits; without a version it has the default one."""
        now = self.clock.now()
        execution_id = uuid.uuid4().hex
        version = self._versions.default if version is None else version
        instance = Instance(
            *(instance_id, name, execution_id, version, Status.PENDING, False, input_text, None, None, False),
            *(stamp(now), stamp(now), parent),
        )
        self.store.create(instance)
        self.send(instance_id, self._execution_started(instance, now))

    def send(self, instance_id: str, message: Event) -> None:
        """Store a message and let the instance take it once the open transaction commits; the fault point for that."""
        self.store.send(instance_id, self._written(instance_id, message))
        self.store.database.after_commit(lambda: self._instances.add(instance_id))

    def _written(self, instance_id: str, message: Event) -> str:
        """Return a message as it is stored; the fault point for that, which is called as histories call the message."""
        if not self._faults.has_rules:
            return dump(message)
        instance = self.store.instance(instance_id)
        kind = DISPLAY_NAMES[EventType(message["EventType"])]
        fault = self._faults.at_once(Point("functions", kind, instance.name if instance else "", instance_id))
        return corrupted(message, fault["corrupt"]) if fault and "corrupt" in fault else dump(message)

    def rewound(self, instance: Instance) -> None:
        """Run an instance whose stored history was rewritten, once the open transaction commits."""
        self._histories.forget(instance.execution_id)
        self.send(instance.instance_id, event(EventType.GENERIC, self.clock.now(), Data="Rewind"))

    async def wait_until_finished(self, instance_id: str, timeout_s: float) -> Instance | None:
        """Return the instance once it is finished or ``timeout_s`` real seconds have passed; None if there is none."""
        changed = asyncio.Event()
        self._waiters[instance_id].add(changed)
        try:
            async with asyncio.timeout(timeout_s):
                while (instance := self.store.instance(instance_id)) is not None and not instance.status.finished:
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            pass
        finally:
            self._waiters[instance_id].discard(changed)
            if not self._waiters[instance_id]:
                del self._waiters[instance_id]
        return self.store.instance(instance_id)

    # episodes

    async def _episode(self, instance_id: str) -> None:
        """Take all waiting messages into the instance's history and do what follows from them."""
        instance = self.store.instance(instance_id)
        messages = self.store.inbox(instance_id)
        if instance is None or instance.status.finished or not messages:
            return
        verdict = self._versions.verdict(instance.version)
        if verdict == "leave":
            log.warning("instance %s has version %s: left to a newer host", instance_id, instance.version)
            return
        known = (EventType.EXECUTION_STARTED, EventType.EXECUTION_TERMINATED)
        if not self._histories.of(instance).events and not any(one["EventType"] in known for _, one in messages):
            return  # the message that starts it cannot be read: the others wait behind it
        refusal = None if verdict == "run" else f"its version '{instance.version}' does not match this host's."
        point, committed = Point("functions", "EpisodeCommitted", instance.name, instance_id), asyncio.Event()
        try:
            decision = await self._decided(instance, messages, refusal)
            fault = await self._faults.before(point)
            if fault and "duplicate" in fault:
                self._lose(instance, decision, committed)
                decision = await self._decided(instance, messages, refusal)
        except EpisodeAbortedError as problem:
            log.error("instance %s: %s; its episode is run again", instance_id, problem)
            self._instances.add(instance_id)
            return
        self._store_decision(instance, decision, [position for position, _ in messages])
        committed.set()
        await self._faults.after(point)

    async def _decided(self, instance: Instance, messages: list[tuple[int, Event]], refusal: str | None) -> Decision:
        """Run the orchestrator on the messages."""
        return await run_episode(
            instance,
            self._histories.of(instance),
            [message for _, message in messages],
            self.clock.now(),
            self.functions.run_orchestrator,
            self.functions.rejection,
            refusal,
        )

    def _lose(self, instance: Instance, decision: Decision, committed: asyncio.Event) -> None:
        """Do what another host does that takes the same turn and loses: its checkpoint is rejected, its activities run.

        Their results wait until the turn is ``committed`` after all, and count if they are the first. Source:
        durabletask, ``AzureStorageOrchestrationService.cs``, which sends the messages of a turn before it writes its
        history, and puts back those that come too early.
        """
        log.warning("instance %s: the checkpoint of another host's same turn is rejected", instance.instance_id)
        for task in decision.tasks:
            if task.kind is Kind.ACTIVITY:
                stray = Activity(instance.execution_id, task.id, instance.instance_id, task.name, task.input)
                self._activities.run_beside(stray, committed)

    def _store_decision(self, instance: Instance, decision: Decision, taken: list[int]) -> None:
        """Commit an episode, unless the instance was purged or replaced meanwhile."""
        history = self._histories.of(instance)
        with self.store.transaction():
            current = self.store.instance(instance.instance_id)
            if current is None or current.execution_id != instance.execution_id:
                return
            self.store.take(instance.instance_id, taken)
            self._commit(instance, decision, len(history.texts))
        self._histories.extend(instance, decision.events)
        if decision.end is not None:
            self._histories.forget(instance.execution_id)
        for waiter in self._waiters.get(instance.instance_id, ()):
            waiter.set()

    def _commit(self, instance: Instance, decision: Decision, position: int) -> None:
        now = self.clock.now()
        self.store.append(instance.instance_id, position, [dump(e) for e in decision.events])
        if decision.custom_status is not None or instance.custom_status_set:
            self.store.set_custom_status(instance.instance_id, decision.custom_status)
        for task_id in decision.cancelled:
            self.store.close_timer(instance.execution_id, task_id)
        for task in decision.tasks:
            if task.id not in decision.cancelled:
                self._open(instance, task, now)
        if isinstance(decision.end, Ended):
            self._finish(instance, decision.end, now)
            return
        self.store.set_status(instance.instance_id, Status.RUNNING, now)
        if isinstance(decision.end, ContinuedAsNew):
            self._continue(instance, decision.end, now)

    def _open(self, instance: Instance, task: Task, now: datetime) -> None:
        """Store a new task and start it once the episode is committed."""
        key = (instance.execution_id, task.id)
        after_commit = self.store.database.after_commit
        if task.kind is Kind.CHILD:
            self._start_child(instance, task, now)
        elif task.kind is Kind.ACTIVITY:
            self.store.open(instance, task)
            after_commit(lambda: self._activities.add(key))
        else:
            self.store.open(instance, task)
            after_commit(lambda: self._alarms.set(key, moment_of(task.fire_at)))

    def _start_child(self, parent: Instance, task: Task, now: datetime) -> None:
        child_id = task.instance_id or ""
        problem = problem_with_id(child_id) or self._child_conflict(parent, child_id)
        if problem is not None:
            self.send(
                parent.instance_id,
                event(EventType.CHILD_FAILED, now, TaskScheduledId=task.id, Reason=problem, Details=""),
            )
            return
        link = Parent(parent.instance_id, parent.execution_id, task.id)
        self.create(child_id, task.name, dump(task.input), task.version, link)

    def _child_conflict(self, parent: Instance, child_id: str) -> str | None:
        grandparent = parent.parent.instance_id if parent.parent else None
        if child_id in (parent.instance_id, grandparent):
            return f"A sub-orchestration may not use the id of its own parent or grandparent: '{child_id}'."
        existing = self.store.instance(child_id)
        if existing is not None and not existing.status.finished:
            return f"An Orchestration instance with the status {existing.shown_status.title} already exists."
        return None

    def _finish(self, instance: Instance, end: Ended, now: datetime) -> None:
        self.store.set_status(instance.instance_id, end.status, now)
        self.store.set_output(instance.instance_id, end.output)
        self.store.close_all(instance.instance_id)
        self.store.empty_inbox(instance.instance_id)
        parent = instance.parent
        if parent is None:
            return
        waiting = self.store.instance(parent.instance_id)
        if waiting is not None and waiting.execution_id == parent.execution_id and not waiting.status.finished:
            self.send(parent.instance_id, _answer_to_parent(parent, end, now))

    def _continue(self, instance: Instance, end: ContinuedAsNew, now: datetime) -> None:
        """Begin the next generation before anything else that waits is looked at."""
        execution_id = uuid.uuid4().hex
        self.store.new_generation(instance.instance_id, execution_id, end.input)
        renewed = self.store.instance(instance.instance_id)
        assert renewed is not None
        messages = [self._execution_started(renewed, now), *end.carried]
        self.store.send_first(instance.instance_id, [dump(message) for message in messages])
        self.store.database.after_commit(lambda: self._instances.add(instance.instance_id))

    def _execution_started(self, instance: Instance, now: datetime) -> Event:
        return event(
            EventType.EXECUTION_STARTED,
            now,
            Name=instance.name,
            Version=instance.version,
            Input=instance.input,
            OrchestrationInstance={"InstanceId": instance.instance_id, "ExecutionId": instance.execution_id},
            ParentInstance=self._described(instance.parent),
            Tags=None,
        )

    def _described(self, parent: Parent | None) -> dict[str, Any] | None:
        if parent is None:
            return None
        instance = self.store.instance(parent.instance_id)
        return {
            "Name": instance.name if instance else None,
            "OrchestrationInstance": {"InstanceId": parent.instance_id, "ExecutionId": parent.execution_id},
            "TaskScheduleId": parent.task_id,
        }

    def _timers_due(self, keys: list[TimerKey]) -> None:
        with self.store.transaction():
            for key in keys:
                closed = self.store.close_timer(*key)
                if closed is not None:
                    instance_id, fire_at = closed
                    fired = event(EventType.TIMER_FIRED, self.clock.now(), TimerId=key[1], FireAt=fire_at)
                    self.send(instance_id, fired)


def _answer_to_parent(parent: Parent, end: Ended, now: datetime) -> Event:
    """Make the parent's event 8 or 9; a terminated child is a failed one, without details."""
    if end.status is Status.COMPLETED:
        return event(EventType.CHILD_COMPLETED, now, TaskScheduledId=parent.task_id, Result=end.output)
    reason = _text_of(end.output)
    error = reason.partition("' failed: ")[2] or reason
    details = None if end.status is Status.TERMINATED else f"Message: {error}, StackTrace: "
    return event(EventType.CHILD_FAILED, now, TaskScheduledId=parent.task_id, Reason=reason, Details=details)


def _text_of(output: str | None) -> str:
    value = json.loads(output) if output else ""
    return value if isinstance(value, str) else dump(value)
