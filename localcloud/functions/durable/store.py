"""Instances, histories and open work in SQLite.

Every method is one step of a transaction that the caller opens; a promise (a 202, a result taken) is given only after
its commit. Messages to an instance wait in its inbox until an episode has taken them into its history.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from localcloud.database import Database
from localcloud.functions.durable.events import ANSWERS, Event, Status, stamp
from localcloud.functions.durable.walk import Kind, Task

log = logging.getLogger(__name__)

_TABLES = """
CREATE TABLE IF NOT EXISTS instances (
    instance_id TEXT PRIMARY KEY, name TEXT NOT NULL, execution_id TEXT NOT NULL, version TEXT NOT NULL,
    status INTEGER NOT NULL, suspended INTEGER NOT NULL DEFAULT 0, input TEXT NOT NULL, output TEXT,
    custom_status TEXT, custom_status_set INTEGER NOT NULL DEFAULT 0, created TEXT NOT NULL, updated TEXT NOT NULL,
    parent_instance TEXT, parent_execution TEXT, parent_task INTEGER
);
CREATE INDEX IF NOT EXISTS instances_by_status ON instances (status);
CREATE TABLE IF NOT EXISTS history (
    instance_id TEXT NOT NULL, position INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (instance_id, position)
);
CREATE TABLE IF NOT EXISTS inbox (
    instance_id TEXT NOT NULL, position INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (instance_id, position)
);
CREATE TABLE IF NOT EXISTS activities (
    execution_id TEXT NOT NULL, task_id INTEGER NOT NULL, instance_id TEXT NOT NULL, name TEXT NOT NULL,
    input TEXT NOT NULL, PRIMARY KEY (execution_id, task_id)
);
CREATE TABLE IF NOT EXISTS timers (
    execution_id TEXT NOT NULL, task_id INTEGER NOT NULL, instance_id TEXT NOT NULL, fire_at TEXT NOT NULL,
    PRIMARY KEY (execution_id, task_id)
);
"""


@dataclass(frozen=True)
class Parent:
    """Who waits for an instance: the parent's instance and execution, and the id of its task."""

    instance_id: str
    execution_id: str
    task_id: int


@dataclass(frozen=True)
class Instance:
    """One orchestration instance. ``input``, ``output`` and ``custom_status`` are JSON texts; times are UTC stamps."""

    instance_id: str
    name: str
    execution_id: str
    version: str
    status: Status
    suspended: bool
    input: str
    output: str | None
    custom_status: str | None
    custom_status_set: bool
    created: str
    updated: str
    parent: Parent | None

    @property
    def shown_status(self) -> Status:
        """The state as clients see it: suspension hides whether it is running or pending."""
        return Status.SUSPENDED if self.suspended and not self.status.finished else self.status


@dataclass(frozen=True)
class Activity:
    """An activity that is scheduled and has no stored result yet; ``input`` is JSON text."""

    execution_id: str
    task_id: int
    instance_id: str
    name: str
    input: str


@dataclass(frozen=True)
class Filter:
    """Which instances a query or purge is about; None and an empty set mean no restriction. Moments are stamps."""

    created_from: str | None = None
    created_to: str | None = None
    statuses: frozenset[Status] = frozenset()
    prefix: str = ""

    def where(self) -> tuple[str, list[Any]]:
        """Return the SQL condition and its values."""
        conditions, values = ["1"], []
        if self.created_from:
            conditions.append("created >= ?")
            values.append(self.created_from)
        if self.created_to:
            conditions.append("created <= ?")
            values.append(self.created_to)
        if self.prefix:
            conditions.append("substr(instance_id, 1, ?) = ?")
            values += [len(self.prefix), self.prefix]
        if self.statuses:
            conditions.append(f"({_SHOWN_STATUS}) IN ({','.join('?' * len(self.statuses))})")
            values += [int(status) for status in self.statuses]
        return " AND ".join(conditions), values


#: SQL for :attr:`Instance.shown_status`.
_SHOWN_STATUS = (
    f"CASE WHEN suspended AND status IN ({int(Status.RUNNING)}, {int(Status.PENDING)})"
    f" THEN {int(Status.SUSPENDED)} ELSE status END"
)
_INSTANCE_TABLES = ("instances", "history", "inbox", "activities", "timers")


class Store:
    """The engine's tables in ``database``."""

    def __init__(self, database: Database) -> None:
        self.database = database
        database.script(_TABLES)

    def transaction(self) -> Any:
        """Open a transaction; see :meth:`localcloud.database.Database.transaction`."""
        return self.database.transaction()

    # instances

    def instance(self, instance_id: str) -> Instance | None:
        """Return the instance, or None."""
        row = self.database.one("SELECT * FROM instances WHERE instance_id = ?", instance_id)
        return _instance(row) if row else None

    def instances(self, chosen: Filter, after: str, count: int) -> list[Instance]:
        """Return up to ``count`` instances by id, beginning behind the id ``after``."""
        where, values = chosen.where()
        sql = f"SELECT * FROM instances WHERE instance_id > ? AND {where} ORDER BY instance_id LIMIT ?"  # noqa: S608
        return [_instance(row) for row in self.database.all(sql, after, *values, count)]

    def create(self, instance: Instance) -> None:
        """Store a new instance in place of an old one of its id."""
        self.delete(instance.instance_id)
        parent = instance.parent
        self.database.run(
            "INSERT INTO instances (instance_id, name, execution_id, version, status, input, created, updated,"
            " parent_instance, parent_execution, parent_task) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(instance.instance_id, instance.name, instance.execution_id, instance.version, int(instance.status)),
            *(instance.input, instance.created, instance.updated),
            *((parent.instance_id, parent.execution_id, parent.task_id) if parent else (None, None, None)),
        )

    def delete(self, instance_id: str) -> None:
        """Delete an instance and all that belongs to it."""
        for table in _INSTANCE_TABLES:
            self.database.run(f"DELETE FROM {table} WHERE instance_id = ?", instance_id)  # noqa: S608

    def set_status(self, instance_id: str, status: Status, now: datetime) -> None:
        """Note the state an instance has reached."""
        sql = "UPDATE instances SET status = ?, updated = ? WHERE instance_id = ?"
        self.database.run(sql, int(status), stamp(now), instance_id)

    def set_suspended(self, instance_id: str, suspended: bool, now: datetime) -> None:
        """Note that clients see the instance as suspended, or no longer."""
        sql = "UPDATE instances SET suspended = ?, updated = ? WHERE instance_id = ?"
        self.database.run(sql, int(suspended), stamp(now), instance_id)

    def set_custom_status(self, instance_id: str, custom_status: str | None) -> None:
        """Note the custom status (JSON text) that this generation has set, or taken back."""
        sql = "UPDATE instances SET custom_status = ?, custom_status_set = 1 WHERE instance_id = ?"
        self.database.run(sql, custom_status, instance_id)

    def set_output(self, instance_id: str, output: str | None) -> None:
        """Note an instance's output (JSON text)."""
        self.database.run("UPDATE instances SET output = ? WHERE instance_id = ?", output, instance_id)

    def new_generation(self, instance_id: str, execution_id: str, input_text: str) -> None:
        """Begin anew under the same id: empty history, new execution and input.

        What answers the old execution's tasks and still waits is dropped: the new one numbers its tasks from 0 again.
        """
        self.database.run("DELETE FROM history WHERE instance_id = ?", instance_id)
        answers = ", ".join(str(int(kind)) for kind in ANSWERS)
        kind = "CASE WHEN json_valid(event) THEN json_extract(event, '$.EventType') END"
        sql = f"DELETE FROM inbox WHERE instance_id = ? AND {kind} IN ({answers})"  # noqa: S608
        self.database.run(sql, instance_id)
        sql = "UPDATE instances SET execution_id = ?, input = ?, custom_status_set = 0 WHERE instance_id = ?"
        self.database.run(sql, execution_id, input_text, instance_id)

    # history and inbox

    def history(self, instance_id: str) -> list[str]:
        """Return the events of the newest generation as JSON texts, in order."""
        rows = self.database.all("SELECT event FROM history WHERE instance_id = ? ORDER BY position", instance_id)
        return [row["event"] for row in rows]

    def append(self, instance_id: str, position: int, events: Iterable[str]) -> None:
        """Append events (JSON texts) to a history that has ``position`` of them."""
        for offset, text in enumerate(events):
            self.database.run("INSERT INTO history VALUES (?, ?, ?)", instance_id, position + offset, text)

    def rewrite(self, instance_id: str, events: Iterable[str]) -> None:
        """Put other events in the place of a whole history."""
        self.database.run("DELETE FROM history WHERE instance_id = ?", instance_id)
        self.append(instance_id, 0, events)

    def send(self, instance_id: str, message: str) -> None:
        """Put a message (JSON text) behind those that wait for the instance."""
        sql = "INSERT INTO inbox SELECT ?, coalesce(max(position), 0) + 1, ? FROM inbox WHERE instance_id = ?"
        self.database.run(sql, instance_id, message, instance_id)

    def send_first(self, instance_id: str, messages: list[str]) -> None:
        """Put messages (JSON texts), in their order, before those that wait for the instance."""
        sql = "INSERT INTO inbox SELECT ?, coalesce(min(position), 0) - 1, ? FROM inbox WHERE instance_id = ?"
        for message in reversed(messages):
            self.database.run(sql, instance_id, message, instance_id)

    def inbox(self, instance_id: str) -> list[tuple[int, Event]]:
        """Return the waiting messages with their positions, in order.

        One that cannot be read is left where it is and told of each time, as a control queue does with it for ever.
        Source: durabletask, issues 842 and 1040.
        """
        rows = self.database.all(
            "SELECT position, event FROM inbox WHERE instance_id = ? ORDER BY position", instance_id
        )
        return [(row["position"], event) for row in rows if (event := _message(instance_id, row["event"])) is not None]

    def take(self, instance_id: str, positions: Iterable[int]) -> None:
        """Remove messages."""
        for position in positions:
            self.database.run("DELETE FROM inbox WHERE instance_id = ? AND position = ?", instance_id, position)

    def empty_inbox(self, instance_id: str) -> None:
        """Drop all that waits for an instance."""
        self.database.run("DELETE FROM inbox WHERE instance_id = ?", instance_id)

    def instances_with_messages(self) -> list[str]:
        """Return the ids for which messages wait."""
        return [row["instance_id"] for row in self.database.all("SELECT DISTINCT instance_id FROM inbox")]

    # open work

    def open(self, instance: Instance, task: Task) -> None:
        """Store a scheduled activity or timer as open."""
        key = (instance.execution_id, task.id, instance.instance_id)
        if task.kind is Kind.ACTIVITY:
            self.database.run("INSERT INTO activities VALUES (?, ?, ?, ?, ?)", *key, task.name, task.input)
        else:
            self.database.run("INSERT INTO timers VALUES (?, ?, ?, ?)", *key, task.fire_at)

    def close_all(self, instance_id: str) -> None:
        """Drop all open activities and timers of an instance: nobody waits for them any more."""
        self.database.run("DELETE FROM activities WHERE instance_id = ?", instance_id)
        self.database.run("DELETE FROM timers WHERE instance_id = ?", instance_id)

    def activity(self, execution_id: str, task_id: int) -> Activity | None:
        """Return an open activity, or None if nobody waits for it any more."""
        row = self.database.one(
            "SELECT * FROM activities WHERE execution_id = ? AND task_id = ?", execution_id, task_id
        )
        return Activity(**row) if row else None

    def close_activity(self, execution_id: str, task_id: int) -> bool:
        """Remove an open activity; False when it was not open, so that a result counts once."""
        sql = "DELETE FROM activities WHERE execution_id = ? AND task_id = ?"
        return self.database.run(sql, execution_id, task_id).rowcount > 0

    def close_timer(self, execution_id: str, task_id: int) -> tuple[str, str] | None:
        """Remove an open timer; returns its instance's id and ``fire_at``, or None when it was not open."""
        sql = "DELETE FROM timers WHERE execution_id = ? AND task_id = ? RETURNING instance_id, fire_at"
        row = self.database.one(sql, execution_id, task_id)
        return (row["instance_id"], row["fire_at"]) if row else None

    def open_activities(self) -> list[tuple[str, int]]:
        """Return the keys of all open activities, those of older instances first."""
        sql = "SELECT execution_id, task_id FROM activities ORDER BY rowid"
        return [(row["execution_id"], row["task_id"]) for row in self.database.all(sql)]

    def open_timers(self) -> list[tuple[str, int, str]]:
        """Return execution id, task id and ``fire_at`` of all open timers."""
        rows = self.database.all("SELECT execution_id, task_id, fire_at FROM timers")
        return [(row["execution_id"], row["task_id"], row["fire_at"]) for row in rows]

    def children(self, instance_id: str) -> list[Instance]:
        """Return the instances whose parent is ``instance_id``."""
        rows = self.database.all("SELECT * FROM instances WHERE parent_instance = ?", instance_id)
        return [_instance(row) for row in rows]


def _message(instance_id: str, text: str) -> Event | None:
    try:
        message: Event = json.loads(text)
        return message if isinstance(message["EventType"], int) else None
    except (ValueError, KeyError, TypeError):
        log.error("instance %s: a message cannot be read and is left in its queue: %.200s", instance_id, text)
        return None


def _instance(row: Any) -> Instance:
    parent = (
        Parent(row["parent_instance"], row["parent_execution"], row["parent_task"]) if row["parent_instance"] else None
    )
    return Instance(
        instance_id=row["instance_id"],
        name=row["name"],
        execution_id=row["execution_id"],
        version=row["version"],
        status=Status(row["status"]),
        suspended=bool(row["suspended"]),
        input=row["input"],
        output=row["output"],
        custom_status=row["custom_status"],
        custom_status_set=bool(row["custom_status_set"]),
        created=row["created"],
        updated=row["updated"],
        parent=parent,
    )
