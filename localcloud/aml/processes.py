"""Processes told apart by number *and* start time, and ended with all that came of them.

Used by the runner of a job while it lives, and by the next start of the local cloud for what an interrupted job left.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

import psutil

#: Two readings of one process's start time differ by less (seconds); another process with its number by more.
_SAME = 0.5
#: Seconds that killed processes are given to be gone.
_PATIENCE = 5.0

Identity = list[float]


def identity(pid: int) -> Identity | None:
    """Return ``[pid, start time]`` of a running process, or None."""
    try:
        return [pid, psutil.Process(pid).create_time()]
    except psutil.NoSuchProcess:
        return None


def find(who: Identity) -> psutil.Process | None:
    """Return the process that ``who`` identifies if it still runs, never another one with the same number."""
    try:
        process = psutil.Process(int(who[0]))
        return process if abs(process.create_time() - who[1]) < _SAME else None
    except psutil.NoSuchProcess:
        return None


def tree(root: psutil.Process) -> list[psutil.Process]:
    """Return ``root`` and its descendants."""
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def with_home(home: str) -> list[psutil.Process]:
    """Return this user's processes whose ``HOME`` is ``home``: a job's own, wherever they were reparented to."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get("HOME") == home:
                found.append(process)
    return found


def end(processes: Iterable[psutil.Process]) -> None:
    """Kill processes at once and wait until they are gone."""
    killed = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
            killed.append(process)
    psutil.wait_procs(killed, timeout=_PATIENCE)


def end_leftovers(known: Iterable[Identity], home: str) -> int:
    """End what is left of a job: the ``known`` processes, their descendants, and all that have its ``home``.

    Returns how many were ended. Repeats until none is left, because a process can fork while it is looked for.
    """
    ended = 0
    while left := {*with_home(home), *(one for who in known if (found := find(who)) for one in tree(found))}:
        ended += len(left)
        end(left)
    return ended
