"""What faults do to processes and to databases' locks: end, stop for a while, hold."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

log = logging.getLogger(__name__)

#: Seconds that somebody who wants a lock waits for it, and that who asked for that waits to see it held.
_LOCK_WITHIN, _HELD_WITHIN = 10.0, 5.0


def end(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to processes; one that is gone already is fine."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


class Pause:
    """Processes that stand still, until so many real seconds are over or :meth:`end` is called.

    Another process, which does not sleep, lets them go on: they may be this one itself.
    """

    def __init__(self, pids: list[int], seconds: float) -> None:
        self._pids = pids
        numbers = " ".join(map(str, pids))
        self._waker = subprocess.Popen(
            ["/bin/sh", "-c", f"sleep {seconds}; kill -CONT {numbers} 2>/dev/null"], start_new_session=True
        )
        end(pids, signal.SIGSTOP)

    def end(self) -> None:
        """Let them go on now."""
        if self._waker.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._waker.pid, signal.SIGKILL)
            end(self._pids, signal.SIGCONT)
        self._waker.wait()


class Lock:
    """The write lock of the database at ``path``, held for so many real seconds by somebody else than its owner."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self._over = threading.Event()
        self._held = threading.Event()
        threading.Thread(target=self._hold, name=f"lock on {path.name}", daemon=True).start()
        self._held.wait(_HELD_WITHIN)

    def end(self) -> None:
        """Let it go now."""
        self._over.set()

    def _hold(self) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None, timeout=_LOCK_WITHIN)) as database:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as problem:
                log.warning("the lock of %s was not to be had: %s", self._path, problem)
                return
            self._held.set()
            self._over.wait(self._seconds)
            database.execute("ROLLBACK")
