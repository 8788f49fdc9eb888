"""SQLite as the services use it: one file, one connection, one thread, transactions that nest.

Every service of one process keeps its tables in the same file, so that a change and what follows from it (the events
it emits) commit together or not at all. WAL with ``synchronous=NORMAL`` survives the kill of the process at any
instant; only the loss of the whole machine may cost the newest transactions, and never the file's integrity.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from localcloud.faults.disk import Disk

log = logging.getLogger(__name__)

#: Seconds until a change is tried again that a database was too full or too busy for.
AGAIN = 1.0
Result = TypeVar("Result")


class Database:
    """One SQLite file, used from the thread that opened it.

    ``path`` is created when missing. Outside :meth:`transaction` each statement commits by itself. ``disk`` is asked
    before anything is written. A database that is full, or locked by somebody else for longer than 5 s, raises
    ``sqlite3.OperationalError``; nothing of the transaction has happened then. See :func:`until_stored`.
    """

    def __init__(self, path: Path, disk: Disk | None = None) -> None:
        self._disk = disk
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=5, cached_statements=512)
        self._connection.row_factory = sqlite3.Row
        self._after_commit: list[Callable[[], object]] = []
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000", "temp_store=MEMORY"):
            self._connection.execute(f"PRAGMA {pragma}")

    def script(self, sql: str) -> None:
        """Run several statements, for instance a service's ``CREATE TABLE IF NOT EXISTS``; not within a transaction."""
        self._connection.executescript(sql)

    def all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Return every row of a query."""
        return self._connection.execute(sql, values).fetchall()

    def one(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """Return the first row of a query, or None."""
        return self._connection.execute(sql, values).fetchone()  # type: ignore[no-any-return]

    def run(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Execute one statement that writes; the cursor tells ``rowcount`` and ``lastrowid``."""
        if self._connection.in_transaction:
            return self._connection.execute(sql, values)
        with self._watched():
            return self._connection.execute(sql, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all statements of the block together, or none if it raises.

        Within an open transaction this joins it: only the outermost block commits. The block must not await, because
        another task would find itself inside the transaction.
        """
        if self._connection.in_transaction:
            yield
            return
        with self._watched():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._after_commit.clear()
                self._connection.rollback()  # does nothing where SQLite has rolled back by itself
                raise
        callbacks, self._after_commit = self._after_commit, []
        for callback in callbacks:
            callback()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Meet the disk before a write, and let it know of one that found no place."""
        if self._disk is None:
            yield
            return
        self._disk.begin(self._connection)
        try:
            yield
        except sqlite3.OperationalError as problem:
            self._disk.failed(problem)
            raise

    def after_commit(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` when the open transaction commits, never if it rolls back; at once if none is open."""
        if self._connection.in_transaction:
            self._after_commit.append(callback)
        else:
            callback()

    def close(self) -> None:
        """Close the connection; the database is unusable afterwards."""
        self._connection.close()


async def until_stored(what: str, change: Callable[[], Result]) -> Result:
    """Return what ``change`` returns; while its database is full or locked it is tried again, and that is told.

    For changes that nobody else would ask for once more. ``what`` names them in the log.
    """
    while True:
        try:
            return change()
        except sqlite3.OperationalError as problem:
            log.error("%s cannot be stored now: %s", what, problem)
        await asyncio.sleep(AGAIN)
