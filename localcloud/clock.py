"""One clock for every service of the local cloud, which can be set and advanced."""

from __future__ import annotations

import asyncio
import mmap
import re
import struct
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

_OFFSET = struct.Struct("d")
#: Captured here because the functions host replaces ``time.time`` by ``Clock.time`` in its own process.
_real_time = time.time
_DURATION = re.compile(r"(-)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")
#: A waiter looks again at least this often (seconds), so that a laptop that slept is noticed.
_LONGEST_WAIT = 60.0


class Clock:
    """Real time plus an offset, shared between processes through the mapped file at ``path``.

    Moving the clock wakes the waiters of this process at once. Another process sees the new time at once too,
    but wakes its own waiters only when it calls :meth:`changed`.
    """

    def __init__(self, path: Path) -> None:
        self._offset = _map(path)
        self._waiters: set[asyncio.Future[None]] = set()
        self._listeners: list[Callable[[], None]] = []

    @property
    def offset(self) -> float:
        """Seconds by which this clock is ahead of real time."""
        return float(_OFFSET.unpack_from(self._offset)[0])

    def time(self) -> float:
        """Seconds since the epoch, like ``time.time()``."""
        return _real_time() + self.offset

    def now(self) -> datetime:
        """Return the current moment, aware, in UTC."""
        return datetime.fromtimestamp(self.time(), UTC)

    def advance(self, seconds: float) -> None:
        """Move the clock by ``seconds`` (negative: back) and wake who waits."""
        self._move_to(self.offset + seconds)

    def set(self, when: datetime) -> None:
        """Move the clock to ``when`` (aware) and wake who waits."""
        if when.tzinfo is None:
            raise ValueError(f"the clock cannot be set to {when.isoformat()}: give a time zone, e.g. a final Z")
        self._move_to(when.timestamp() - _real_time())

    def changed(self) -> None:
        """Tell the waiters and listeners of this process that the offset moved; callable from any thread."""
        for waiter in list(self._waiters):
            waiter.get_loop().call_soon_threadsafe(_wake, waiter)
        for listener in self._listeners:
            listener()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after each move of the clock, in the thread that moved it."""
        self._listeners.append(listener)

    async def sleep_until(self, when: datetime) -> None:
        """Return once ``now() >= when``, also when the clock is moved meanwhile."""
        while (remaining := when.timestamp() - self.time()) > 0:
            await self._wait(min(remaining, _LONGEST_WAIT))

    async def sleep(self, seconds: float) -> None:
        """Return once this clock has gone on by ``seconds``."""
        await self.sleep_until(datetime.fromtimestamp(self.time() + seconds, UTC))

    async def _wait(self, seconds: float) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait([waiter], timeout=seconds)
        finally:
            self._waiters.discard(waiter)

    def _move_to(self, offset: float) -> None:
        _OFFSET.pack_into(self._offset, 0, offset)
        self.changed()


def parse_duration(text: str) -> float:
    """Return the seconds of ``90``, ``45s``, ``30m``, ``6h``, ``2d``, ``1h30m`` or ``-1h``; raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()[1:]):
        raise ValueError(f"{text!r} is no duration; write 90, 45s, 30m, 6h, 2d, 1h30m or -1h")
    sign, days, hours, minutes, seconds = match.groups()
    total = int(days or 0) * 86400 + int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0)
    return -total if sign else total


def _map(path: Path) -> mmap.mmap:
    """Map the eight bytes of the offset, making the file when it is new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if path.stat().st_size < _OFFSET.size:
            file.write(_OFFSET.pack(0.0))
            file.flush()
        return mmap.mmap(file.fileno(), _OFFSET.size)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
