"""What Event Grid keeps: open deliveries, counters, switches and webhook validations, in the shared database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from localcloud.database import Database

_TABLES = """
CREATE TABLE IF NOT EXISTS event_deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription TEXT NOT NULL,
    event TEXT NOT NULL,
    published REAL NOT NULL,
    due REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    last_attempt REAL,
    outcome TEXT NOT NULL DEFAULT '',
    dead_reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS event_deliveries_due ON event_deliveries (subscription, due);
CREATE TABLE IF NOT EXISTS event_counters (
    subscription TEXT NOT NULL, counter TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (subscription, counter)
);
CREATE TABLE IF NOT EXISTS event_switches (one INTEGER PRIMARY KEY CHECK (one = 1), document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS event_validations (
    subscription TEXT PRIMARY KEY, webhook TEXT NOT NULL, code TEXT NOT NULL, validated INTEGER NOT NULL DEFAULT 0
);
"""


class Store:
    """Rows in and out; times are seconds since the epoch by the cloud's clock."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.script(_TABLES)

    def add(self, subscription: str, event: str, published: float, due: float) -> None:
        """Keep one delivery to be made at ``due``."""
        self._database.run(
            "INSERT INTO event_deliveries (subscription, event, published, due) VALUES (?, ?, ?, ?)",
            *(subscription, event, published, due),
        )

    def due(self, subscription: str, now: float, limit: int) -> list[sqlite3.Row]:
        """Return up to ``limit`` deliveries whose time has come, the longest due first."""
        return self._database.all(
            "SELECT * FROM event_deliveries WHERE subscription = ? AND due <= ? ORDER BY due, id LIMIT ?",
            *(subscription, now, limit),
        )

    def next_due(self, subscription: str, now: float) -> float | None:
        """Return when the first delivery after ``now`` is due."""
        row = self._database.one(
            "SELECT min(due) AS due FROM event_deliveries WHERE subscription = ? AND due > ?", subscription, now
        )
        return None if row is None else row["due"]

    def open(self, limit: int) -> list[sqlite3.Row]:
        """Return up to ``limit`` deliveries of all subscriptions that are still to be made, the next first."""
        return self._database.all("SELECT * FROM event_deliveries ORDER BY due, id LIMIT ?", limit)

    def done(self, ids: Iterable[int]) -> None:
        """Forget deliveries that were made or given up."""
        for one in ids:
            self._database.run("DELETE FROM event_deliveries WHERE id = ?", one)

    def again(self, row: sqlite3.Row, now: float, outcome: str, due: float) -> None:
        """Note a failed try; the next is at ``due``."""
        self._database.run(
            "UPDATE event_deliveries SET attempts = attempts + 1, last_attempt = ?, outcome = ?, due = ? WHERE id = ?",
            *(now, outcome, due, row["id"]),
        )

    def bury(self, identifier: int, due: float, reason: str) -> None:
        """Make no further try; the dead letter is left to be written at ``due``."""
        self._database.run("UPDATE event_deliveries SET due = ?, dead_reason = ? WHERE id = ?", due, reason, identifier)

    def postpone(self, identifier: int, due: float) -> None:
        """Look at a delivery again at ``due``, without counting a try."""
        self._database.run("UPDATE event_deliveries SET due = ? WHERE id = ?", due, identifier)

    def forget_others(self, subscriptions: Iterable[str]) -> None:
        """Drop what is left of subscriptions that are no longer declared."""
        names = json.dumps(list(subscriptions))
        self._database.run(
            "DELETE FROM event_deliveries WHERE subscription NOT IN (SELECT value FROM json_each(?))", names
        )
        self._database.run(
            "DELETE FROM event_validations WHERE subscription NOT IN (SELECT value FROM json_each(?))", names
        )

    def count(self, subscription: str, counter: str, by: int = 1) -> None:
        """Add to one of a subscription's counters."""
        self._database.run(
            "INSERT INTO event_counters VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
            *(subscription, counter, by),
        )

    def counters(self) -> dict[str, dict[str, int]]:
        """Return all counters by subscription, and ``waiting``: the deliveries still to be made."""
        counters: dict[str, dict[str, int]] = {}
        for row in self._database.all("SELECT * FROM event_counters"):
            counters.setdefault(row["subscription"], {})[row["counter"]] = row["count"]
        waiting = "SELECT subscription, count(*) AS count FROM event_deliveries GROUP BY subscription"
        for row in self._database.all(waiting):
            counters.setdefault(row["subscription"], {})["waiting"] = row["count"]
        return counters

    def switches(self) -> dict[str, Any]:
        """Return the switches as they were last set."""
        row = self._database.one("SELECT document FROM event_switches")
        return {} if row is None else json.loads(row["document"])

    def set_switches(self, document: dict[str, Any]) -> None:
        """Keep the switches, so that they hold across a restart."""
        self._database.run("INSERT OR REPLACE INTO event_switches VALUES (1, ?)", json.dumps(document))

    def validation(self, subscription: str, webhook: str, code: str) -> sqlite3.Row:
        """Return the validation of a webhook, begun with ``code`` unless one for the same address exists."""
        self._database.run(
            "DELETE FROM event_validations WHERE subscription = ? AND webhook <> ?", subscription, webhook
        )
        self._database.run(
            "INSERT OR IGNORE INTO event_validations (subscription, webhook, code) VALUES (?, ?, ?)",
            *(subscription, webhook, code),
        )
        row = self._database.one("SELECT * FROM event_validations WHERE subscription = ?", subscription)
        assert row is not None
        return row

    def is_validated(self, subscription: str) -> bool:
        """Say whether the webhook of a subscription has agreed."""
        row = self._database.one("SELECT validated FROM event_validations WHERE subscription = ?", subscription)
        return row is not None and bool(row["validated"])

    def validated(self, subscription: str, code: str) -> bool:
        """Note that a webhook answered with ``code``; False when that is not the code it was given."""
        cursor = self._database.run(
            "UPDATE event_validations SET validated = 1 WHERE subscription = ? AND code = ?", subscription, code
        )
        return cursor.rowcount == 1
