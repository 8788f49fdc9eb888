"""What queues do: create, put, get, peek, update, delete, clear, by the cloud's clock.

Source: REST reference, Queue service. A message that was got is invisible until its time comes; whoever deletes or
updates it needs the pop receipt of the last get or update.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import uuid
from dataclasses import dataclass

from localcloud.clock import Clock
from localcloud.database import Database
from localcloud.lake.errors import StorageError
from localcloud.lake.target import check_filesystem_name

WEEK = 7 * 24 * 3600
DEFAULT_VISIBILITY = 30
MAXIMUM_MESSAGE = 64 * 1024
_FOREVER = 253402300799.0  # the last second of the year 9999, as the service writes "never"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS queue (name TEXT PRIMARY KEY, metadata TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS queue_message (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, queue TEXT NOT NULL, text TEXT NOT NULL,
    inserted REAL NOT NULL, expires REAL NOT NULL, visible REAL NOT NULL,
    receipt TEXT NOT NULL, dequeued INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS queue_message_visible ON queue_message (queue, visible);
"""


@dataclass(frozen=True)
class Message:
    """One message; times in seconds since 1970. ``receipt`` is what deleting and updating it need."""

    id: str
    text: str
    inserted: float
    expires: float
    visible: float
    receipt: str
    dequeued: int


class Queues:
    """All queues of the account."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        database.script(_SCHEMA)

    def exists(self, queue: str) -> bool:
        """Tell whether there is a queue of that name."""
        return self._database.one("SELECT 1 FROM queue WHERE name = ?", queue) is not None

    def create(self, queue: str, metadata: dict[str, str]) -> bool:
        """Make a queue; False when it existed with the same metadata, QueueAlreadyExists when with others."""
        check_filesystem_name(queue)
        with self._database.transaction():
            if self.exists(queue):
                if self.metadata(queue) != metadata:
                    raise StorageError("QueueAlreadyExists", f"The queue '{queue}' exists with other metadata.")
                return False
            self._database.run("INSERT INTO queue VALUES (?, ?)", queue, json.dumps(metadata))
            return True

    def delete(self, queue: str) -> None:
        """Delete a queue with its messages."""
        with self._database.transaction():
            self._require(queue)
            self._database.run("DELETE FROM queue_message WHERE queue = ?", queue)
            self._database.run("DELETE FROM queue WHERE name = ?", queue)

    def page(self, prefix: str, after: str, limit: int) -> tuple[list[tuple[str, dict[str, str]]], str | None]:
        """Return a page of (name, metadata) by name, and where the next one goes on."""
        rows = self._database.all(
            "SELECT name, metadata FROM queue WHERE name > ? AND substr(name, 1, ?) = ? ORDER BY name LIMIT ?",
            after, len(prefix), prefix, limit + 1,
        )  # fmt: skip
        page = [(row["name"], json.loads(row["metadata"])) for row in rows[:limit]]
        return page, page[-1][0] if len(rows) > limit else None

    def metadata(self, queue: str) -> dict[str, str]:
        """Return a queue's metadata."""
        row = self._database.one("SELECT metadata FROM queue WHERE name = ?", queue)
        if row is None:
            raise StorageError("QueueNotFound", f"The specified queue '{queue}' does not exist.")
        return dict(json.loads(row["metadata"]))

    def set_metadata(self, queue: str, metadata: dict[str, str]) -> None:
        """Replace a queue's metadata."""
        with self._database.transaction():
            self._require(queue)
            self._database.run("UPDATE queue SET metadata = ? WHERE name = ?", json.dumps(metadata), queue)

    def count(self, queue: str) -> int:
        """Return how many messages a queue holds, visible or not."""
        row = self._database.one(
            "SELECT count(*) AS messages FROM queue_message WHERE queue = ? AND expires > ?", queue, self._clock.time()
        )
        assert row is not None
        return int(row["messages"])

    def put(self, queue: str, text: str, *, delay: int = 0, lifetime: int = WEEK) -> Message:
        """Add a message that becomes visible after ``delay`` seconds and is gone after ``lifetime`` (-1 = never)."""
        if len(text.encode()) > MAXIMUM_MESSAGE:
            raise StorageError("RequestBodyTooLarge", f"A message has at most {MAXIMUM_MESSAGE} bytes.")
        if lifetime != -1 and lifetime < 1:
            raise StorageError("OutOfRangeQueryParameterValue", f"messagettl is -1 or at least 1, not {lifetime}.")
        _check_delay(delay)
        now = self._clock.time()
        expires = _FOREVER if lifetime == -1 else now + lifetime
        if now + delay >= expires:
            raise StorageError("OutOfRangeQueryParameterValue", "visibilitytimeout must be less than messagettl.")
        with self._database.transaction():
            self._require(queue)
            self._remove_expired(queue, now)
            row = self._database.one(
                "INSERT INTO queue_message (id, queue, text, inserted, expires, visible, receipt, dequeued)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, 0) RETURNING *",
                str(uuid.uuid4()), queue, text, now, expires, now + delay, _receipt(),
            )  # fmt: skip
        assert row is not None
        return _message(row)

    def get(self, queue: str, count: int, visibility: int) -> list[Message]:
        """Take up to ``count`` visible messages, the oldest first, and hide them for ``visibility`` seconds."""
        _check_count(count)
        if not 1 <= visibility <= WEEK:
            raise StorageError(
                "OutOfRangeQueryParameterValue", f"visibilitytimeout is 1 to {WEEK} s, not {visibility}."
            )
        now = self._clock.time()
        taken = []
        with self._database.transaction():
            self._require(queue)
            self._remove_expired(queue, now)
            for row in self._visible(queue, now, count):
                changed = self._database.one(
                    "UPDATE queue_message SET visible = ?, receipt = ?, dequeued = dequeued + 1"
                    " WHERE ordinal = ? RETURNING *",
                    now + visibility, _receipt(), row["ordinal"],
                )  # fmt: skip
                assert changed is not None
                taken.append(_message(changed))
        return taken

    def peek(self, queue: str, count: int) -> list[Message]:
        """Return up to ``count`` visible messages and leave them as they are."""
        _check_count(count)
        self._require(queue)
        return [_message(row) for row in self._visible(queue, self._clock.time(), count)]

    def update(self, queue: str, message: str, receipt: str, text: str | None, visibility: int) -> Message:
        """Change a taken message's text, and when it becomes visible again; the receipt is a new one."""
        _check_delay(visibility)
        with self._database.transaction():
            row = self._taken(queue, message, receipt)
            changed = self._database.one(
                "UPDATE queue_message SET text = coalesce(?, text), visible = ?, receipt = ?"
                " WHERE ordinal = ? RETURNING *",
                text, self._clock.time() + visibility, _receipt(), row["ordinal"],
            )  # fmt: skip
        assert changed is not None
        return _message(changed)

    def remove(self, queue: str, message: str, receipt: str) -> None:
        """Delete a message that was taken with ``receipt``."""
        with self._database.transaction():
            row = self._taken(queue, message, receipt)
            self._database.run("DELETE FROM queue_message WHERE ordinal = ?", row["ordinal"])

    def clear(self, queue: str) -> None:
        """Delete all messages of a queue."""
        with self._database.transaction():
            self._require(queue)
            self._database.run("DELETE FROM queue_message WHERE queue = ?", queue)

    def put_message(self, queue: str, text: str) -> None:
        """Add a message for another service of this process, within its transaction if one is open."""
        self.put(queue, text)

    def _visible(self, queue: str, now: float, count: int) -> list[sqlite3.Row]:
        return self._database.all(
            "SELECT * FROM queue_message WHERE queue = ? AND visible <= ? AND expires > ? ORDER BY ordinal LIMIT ?",
            queue, now, now, count,
        )  # fmt: skip

    def _taken(self, queue: str, message: str, receipt: str) -> sqlite3.Row:
        self._require(queue)
        row = self._database.one("SELECT * FROM queue_message WHERE queue = ? AND id = ?", queue, message)
        if row is None or row["expires"] <= self._clock.time():
            raise StorageError("MessageNotFound", f"The specified message '{message}' does not exist.")
        if row["receipt"] != receipt:
            raise StorageError(
                "PopReceiptMismatch", "The specified pop receipt did not match the pop receipt of the message."
            )
        return row

    def _require(self, queue: str) -> None:
        if not self.exists(queue):
            raise StorageError("QueueNotFound", f"The specified queue '{queue}' does not exist.")

    def _remove_expired(self, queue: str, now: float) -> None:
        self._database.run("DELETE FROM queue_message WHERE queue = ? AND expires <= ?", queue, now)


def _check_count(count: int) -> None:
    if not 1 <= count <= 32:
        raise StorageError("OutOfRangeQueryParameterValue", f"numofmessages is 1 to 32, not {count}.")


def _check_delay(seconds: int) -> None:
    if not 0 <= seconds <= WEEK:
        raise StorageError("OutOfRangeQueryParameterValue", f"visibilitytimeout is 0 to {WEEK} s, not {seconds}.")


def _receipt() -> str:
    return base64.b64encode(uuid.uuid4().bytes).decode()


def _message(row: sqlite3.Row) -> Message:
    return Message(*(row[name] for name in ("id", "text", "inserted", "expires", "visible", "receipt", "dequeued")))
