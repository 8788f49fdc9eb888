"""What clients can do with instances: start, wake, control, query, purge. Semantics without HTTP.

Source: azure-functions-durable-extension, ``DurableClient.cs`` and ``HttpApiHandler.cs``; for rewind DurableTask's
``AzureTableTrackingStore.cs``.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable
from dataclasses import replace

from localcloud.functions.durable.engine import Engine
from localcloud.functions.durable.errors import (
    BadRequestError,
    GoneError,
    InstanceExistsError,
    NotFoundError,
    NothingToRestartError,
    WrongStateError,
)
from localcloud.functions.durable.events import Event, EventType, Status, dump, event
from localcloud.functions.durable.ids import problem_with_id
from localcloud.functions.durable.store import Filter, Instance
from localcloud.functions.durable.walk import Kind

log = logging.getLogger(__name__)

#: States in which a purge by filter leaves an instance alone whatever it was asked for.
_PURGEABLE = frozenset({Status.COMPLETED, Status.FAILED, Status.TERMINATED, Status.CANCELED})


class Client:
    """Operations on the instances of one task hub; each is stored when its method returns.

    ``replace_any_state`` is ``overridableExistingInstanceStates: AnyState`` of host.json.
    """

    def __init__(self, engine: Engine, *, replace_any_state: bool) -> None:
        self.engine = engine
        self._replace_any_state = replace_any_state
        self._store = engine.store

    def start(self, name: str, instance_id: str | None, input_text: str, version: str | None) -> str:
        """Start an orchestration with ``input_text`` (JSON) and return its id, a new one if none is given.

        Raises BadRequestError, or InstanceExistsError while an instance of this id is not finished.
        """
        if (unknown := self.engine.functions.rejection(Kind.CHILD, name)) is not None:
            raise BadRequestError(unknown)
        instance_id = instance_id or uuid.uuid4().hex
        if (problem := problem_with_id(instance_id)) is not None:
            raise BadRequestError(problem)
        with self._store.transaction():
            existing = self._store.instance(instance_id)
            if existing is not None and not existing.status.finished and not self._replace_any_state:
                raise InstanceExistsError(
                    f"An Orchestration instance with the status {existing.shown_status.title} already exists."
                )
            self.engine.create(instance_id, name, input_text, version)
        return instance_id

    def raise_event(self, instance_id: str, name: str, input_text: str) -> None:
        """Store an external event whose payload is the JSON ``input_text``."""
        self._send(instance_id, EventType.EVENT_RAISED, Name=name, Input=input_text)

    def terminate(self, instance_id: str, reason: str) -> None:
        """End an instance at its next message, ahead of its open tasks."""
        self._send(instance_id, EventType.EXECUTION_TERMINATED, Input=reason)

    def suspend(self, instance_id: str, reason: str) -> None:
        """Let an instance schedule nothing until it is resumed; raises WrongStateError if it is suspended."""
        self._set_suspended(instance_id, reason, suspended=True)

    def resume(self, instance_id: str, reason: str) -> None:
        """Let a suspended instance go on; raises WrongStateError if it is not suspended."""
        self._set_suspended(instance_id, reason, suspended=False)

    def rewind(self, instance_id: str, reason: str) -> None:
        """Let a failed instance go on from before its failures; failed sub-orchestrations first.

        Raises GoneError when it ended otherwise, WrongStateError while it is not finished.
        """
        instance = self.existing(instance_id)
        if instance.status.finished and instance.status is not Status.FAILED:
            raise GoneError(f"The instance is {instance.status.title}.")
        if instance.status is not Status.FAILED:
            raise WrongStateError("The rewind operation is only supported on failed orchestration instances.")
        with self._store.transaction():
            self._rewind(instance, reason)

    def restart(self, instance_id: str, *, new_id: bool) -> str:
        """Start the same orchestrator with the stored input, under a new id or the same; returns the id."""
        instance = self._store.instance(instance_id)
        if instance is None:
            raise NothingToRestartError(f"An orchestrator with the instanceId {instance_id} was not found.")
        return self.start(instance.name, None if new_id else instance_id, instance.input, instance.version)

    def purge(self, instance_id: str) -> int:
        """Delete an instance, a running one too; returns how many were deleted."""
        with self._store.transaction():
            found = self._store.instance(instance_id)
            self._store.delete(instance_id)
        return 0 if found is None else 1

    def purge_where(self, chosen: Filter, at_most: Callable[[int], int] = int) -> int:
        """Delete the chosen instances, ``at_most`` so many of so many, and return how many.

        Statuses that are not final are struck from the filter, and a filter without statuses means every status,
        running included: that is what the extension does.
        """
        chosen = replace(chosen, statuses=chosen.statuses & _PURGEABLE)
        with self._store.transaction():
            found = self._store.instances(chosen, after="", count=-1)
            found = found[: at_most(len(found))]
            for instance in found:
                self._store.delete(instance.instance_id)
        return len(found)

    def query(self, chosen: Filter, after: str, count: int) -> tuple[list[Instance], str | None]:
        """Return a page of instances by id behind ``after``, and the id to go on behind, or None at the end."""
        found = self._store.instances(chosen, after, count + 1)
        page = found[:count]
        return page, page[-1].instance_id if len(found) > count else None

    def existing(self, instance_id: str) -> Instance:
        """Return an instance; raises NotFoundError."""
        instance = self._store.instance(instance_id)
        if instance is None:
            raise NotFoundError(f"No instance with ID {instance_id} found.")
        return instance

    def history(self, instance_id: str) -> list[Event]:
        """Return the stored events of the newest generation."""
        return [json.loads(text) for text in self._store.history(instance_id)]

    def unfinished(self, instance_id: str) -> Instance:
        """Return an instance that messages can reach; raises NotFoundError or GoneError."""
        instance = self.existing(instance_id)
        if instance.status.finished:
            raise GoneError(f"The instance is {instance.status.title}.")
        return instance

    def _send(self, instance_id: str, kind: EventType, **fields: str) -> None:
        with self._store.transaction():
            self.unfinished(instance_id)
            self.engine.send(instance_id, event(kind, self.engine.clock.now(), **fields))

    def _set_suspended(self, instance_id: str, reason: str, *, suspended: bool) -> None:
        now = self.engine.clock.now()
        with self._store.transaction():
            instance = self.unfinished(instance_id)
            if instance.suspended == suspended:
                word, state = "suspend" if suspended else "resume", instance.shown_status.title
                log.warning("instance %s: Cannot %s orchestration instance in the %s state.", instance_id, word, state)
                raise WrongStateError(
                    f"Cannot {word} the orchestration instance {instance_id} because instance is in the {state} state."
                )
            self._store.set_suspended(instance_id, suspended, now)
            kind = EventType.EXECUTION_SUSPENDED if suspended else EventType.EXECUTION_RESUMED
            self.engine.send(instance_id, event(kind, now, Reason=reason))

    def _rewind(self, instance: Instance, reason: str) -> None:
        """Turn what failed into generic events, so that the failed calls are scheduled anew under the same ids."""
        now = self.engine.clock.now()
        events = self.history(instance.instance_id)
        failed = {e["TaskScheduledId"] for e in events if e["EventType"] == EventType.TASK_FAILED}
        failed_children = {e["TaskScheduledId"] for e in events if e["EventType"] == EventType.CHILD_FAILED}
        self._store.rewrite(instance.instance_id, [dump(_rewound(e, failed, reason)) for e in events])
        self._store.set_output(instance.instance_id, None)
        self._store.set_status(instance.instance_id, Status.RUNNING, now)
        for child in self._store.children(instance.instance_id):
            parent = child.parent
            if parent and parent.execution_id == instance.execution_id and parent.task_id in failed_children:
                self._rewind(child, reason)
        self.engine.rewound(instance)


def _rewound(one: Event, failed: set[int], reason: str) -> Event:
    kind = one["EventType"]
    undone = (
        kind in (EventType.TASK_FAILED, EventType.CHILD_FAILED)
        or (kind == EventType.TASK_SCHEDULED and one["EventId"] in failed)
        or (kind == EventType.EXECUTION_COMPLETED and one["OrchestrationStatus"] == Status.FAILED)
    )
    if not undone:
        return one
    kept = {key: one[key] for key in ("EventId", "IsPlayed", "Timestamp")}
    return {"EventType": int(EventType.GENERIC), **kept, "Data": f"Rewound: {EventType(kind).name}; {reason}"}
