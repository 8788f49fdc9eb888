"""Bounded concurrency without polling: keys wait in line, at most so many are worked on at once."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from localcloud.database import AGAIN

log = logging.getLogger(__name__)

Key = TypeVar("Key", bound=Hashable)


class Lane(Generic[Key]):
    """Works on keys, first come first served, ``limit`` at a time, each key by one worker only.

    A key added while it is worked on is worked on once more afterwards; so is one whose work met a store that is full
    or locked, a little later.
    """

    def __init__(self, limit: int, work: Callable[[Key], Awaitable[None]]) -> None:
        self._limit = limit
        self._work = work
        self._waiting: dict[Key, None] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._again: set[Key] = set()
        self._closed = False

    def add(self, key: Key) -> None:
        """Put ``key`` in line; from the event loop's thread."""
        if key in self._running:
            self._again.add(key)
        else:
            self._waiting[key] = None
            self._pump()

    async def close(self, grace: float) -> None:
        """Start nothing more; give what runs ``grace`` seconds, then abandon it."""
        self._closed = True
        if self._running:
            await asyncio.wait(self._running.values(), timeout=grace)
        for task in self._running.values():
            task.cancel()

    def _pump(self) -> None:
        while self._waiting and len(self._running) < self._limit and not self._closed:
            key = next(iter(self._waiting))
            del self._waiting[key]
            self._running[key] = asyncio.create_task(self._run(key))

    async def _run(self, key: Key) -> None:
        try:
            await self._work(key)
        except sqlite3.OperationalError as problem:
            log.error("%s cannot be worked on now: %s; it is tried again", key, problem)
            self._again.add(key)
            await asyncio.sleep(AGAIN)
        except Exception:
            log.exception("unexpected error while working on %s", key)
        finally:
            del self._running[key]
            if key in self._again:
                self._again.discard(key)
                self._waiting[key] = None
            self._pump()
