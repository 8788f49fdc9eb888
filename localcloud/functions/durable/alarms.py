"""Durable timers in memory: wakes at the next due moment of the cloud's clock, also when the clock is moved."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from datetime import datetime
from functools import partial

from localcloud.clock import Clock
from localcloud.database import until_stored

#: A timer is known by its execution and task id.
TimerKey = tuple[str, int]


class Alarms:
    """Calls ``ring`` with all timers that have become due; a timer that was cancelled may ring too."""

    def __init__(self, clock: Clock, ring: Callable[[list[TimerKey]], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._due: list[tuple[datetime, TimerKey]] = []
        self._earlier = asyncio.Event()

    def set(self, key: TimerKey, when: datetime) -> None:
        """Let ``key`` ring at ``when`` (aware)."""
        heapq.heappush(self._due, (when, key))
        if self._due[0][1] == key:
            self._earlier.set()

    async def run(self) -> None:
        """Ring for ever, until cancelled."""
        while True:
            await self._wait()
            now = self._clock.now()
            ready = []
            while self._due and self._due[0][0] <= now:
                ready.append(heapq.heappop(self._due)[1])
            if ready:
                await until_stored(f"{len(ready)} timers that are due", partial(self._ring, ready))

    async def _wait(self) -> None:
        """Return when the first timer is due, or when an earlier one was set."""
        self._earlier.clear()
        waits = [asyncio.create_task(self._earlier.wait())]
        if self._due:
            waits.append(asyncio.create_task(self._clock.sleep_until(self._due[0][0])))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
