"""A store's place on the disk: each write is a point, and a rule may say how many bytes more there are.

What a full disk is to programs is the error ``ENOSPC``; to users of SQLite it is ``database or disk is full``.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections import defaultdict

from localcloud.faults.points import STORES, Point
from localcloud.faults.switchboard import Faults


class Disk:
    """What is left of the disk for the store called ``name``, one of :data:`~localcloud.faults.points.STORES`."""

    def __init__(self, name: str, faults: Faults) -> None:
        assert name in STORES
        self._point = Point("disk", "Write", name)
        self._faults = faults
        self._written: defaultdict[int, int] = defaultdict(int)
        self._cap: int | None = None

    def write(self, count: int) -> None:
        """Make way for ``count`` bytes of a file; raises OSError where they find no place."""
        if not self._faults.has_rules:
            return
        self._faults.at_once(self._point)
        room = self._faults.room(self._point.name)
        if room is None:
            return
        rule, most = room
        if self._written[rule] + count > most:
            self._faults.refused(rule, self._point.name)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._written[rule] += count

    @property
    def left(self) -> int | None:
        """Bytes that still find a place; None for as many as there are."""
        room = self._faults.room(self._point.name)
        return None if room is None else max(0, room[1] - self._written[room[0]])

    def begin(self, database: sqlite3.Connection) -> None:
        """Make way for a transaction, and let the database grow as far as it may.

        Its number of pages is bounded, so that it is SQLite itself that finds no place, wherever in the transaction.
        """
        if not self._faults.has_rules and self._cap is None:
            return
        self._faults.at_once(self._point)
        room = self._faults.room(self._point.name)
        if room is None:
            if self._cap is not None:
                database.execute("PRAGMA max_page_count = 4294967294")
                self._cap = None
        elif room[0] != self._cap:
            pages, size = (database.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "page_size"))
            database.execute(f"PRAGMA max_page_count = {pages + room[1] // size}")
            self._cap = room[0]

    def failed(self, problem: Exception) -> None:
        """Note that a transaction failed, if it did so for want of place."""
        if self._cap is not None and getattr(problem, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            self._faults.refused(self._cap, self._point.name)
