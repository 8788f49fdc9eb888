"""What fault rules have matched and struck, in all processes of one cloud, across the death of any of them.

Counts lie in a mapped file (``<state>/faults.counts``) in which every process has cells of its own, so that none waits
for another; what struck is a line each of ``<state>/logs/faults.jsonl``, written before it is carried out.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections import deque
from itertools import islice
from pathlib import Path
from typing import Any

#: The processes that count: the cloud itself, the functions host, and the host of the slot.
COUNTERS = ("cloud", "functions", "slot")
#: Rules that one run of a cloud can count.
MOST_RULES = 4096
_CELL = struct.Struct("=qq")
_SIZE = len(COUNTERS) * MOST_RULES * _CELL.size
#: Bytes of the log's end in which the newest entries are looked for.
_TAIL = 256 * 1024


class Ledger:
    """The ledger in the folder ``state`` as ``process`` keeps it; without a folder it is this object's alone.

    The cloud itself begins it anew: its rules are gone when it starts, and their numbers are given again.
    """

    def __init__(self, state: Path | None = None, process: str = "cloud") -> None:
        self.process = process
        self._own = COUNTERS.index(process)
        self._ended: set[str] = set()
        self._recent: deque[dict[str, Any]] = deque(maxlen=1000)
        self._log = None if state is None else state / "logs" / "faults.jsonl"
        if state is None or self._log is None:
            self._counts = mmap.mmap(-1, _SIZE)
            return
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.touch()
        self._read_to = self._log.stat().st_size
        self._counts = _mapped(state / "faults.counts")
        if process == "cloud":
            self._counts[:] = bytes(_SIZE)

    def match(self, rule: int) -> int:
        """Count one match of a rule and return how many there were in all processes."""
        self._add(rule, matched=1, struck=0)
        return self.counts(rule)[0]

    def counts(self, rule: int) -> tuple[int, int]:
        """Return how often a rule matched and struck."""
        cells = [_CELL.unpack_from(self._counts, self._offset(process, rule)) for process in range(len(COUNTERS))]
        return sum(cell[0] for cell in cells), sum(cell[1] for cell in cells)

    def hear(self, version: int) -> None:
        """Say that this process goes by this version of the rules. Rules count from 1, so the first cell is free."""
        _CELL.pack_into(self._counts, self._offset(self._own, 0), version, 0)

    def heard(self, process: str) -> int:
        """Return the version of the rules that a process goes by."""
        version: int = _CELL.unpack_from(self._counts, self._offset(COUNTERS.index(process), 0))[0]
        return version

    def note(self, rule: int, entry: dict[str, Any]) -> None:
        """Count that a rule struck, and keep what it did."""
        self._add(rule, matched=0, struck=1)
        entry = {**entry, "process": self.process, "pid": os.getpid()}
        self._recent.append(entry)
        self._write(entry)

    def tell_end(self, rule: int, process: str) -> None:
        """Say that a rule is about to end a process, so that its end is known to be wanted."""
        self._write({"fault": rule, "ends": process})

    def newest(self, count: int) -> list[dict[str, Any]]:
        """Return up to ``count`` of what struck last, the newest first; what struck in earlier runs is among it."""
        if self._log is None:
            return list(self._recent)[: -count - 1 : -1]
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - _TAIL))
            lines = file.read().splitlines()
        entries = (entry for line in reversed(lines) if (entry := _read(line)) and "ends" not in entry)
        return list(islice(entries, count))

    def ended(self, process: str) -> bool:
        """Say whether a fault has ended ``process`` since this was last asked."""
        if self._log is None:
            return False
        with self._log.open("rb") as file:
            file.seek(self._read_to)
            lines = file.read().splitlines()
            self._read_to = file.tell()
        self._ended |= {entry["ends"] for line in lines if (entry := _read(line)) and "ends" in entry}
        has_ended = process in self._ended
        self._ended.discard(process)
        return has_ended

    def _write(self, entry: dict[str, Any]) -> None:
        if self._log is None:
            return
        file = os.open(self._log, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, json.dumps(entry).encode() + b"\n")  # in one piece: other processes append too
        finally:
            os.close(file)

    def _add(self, rule: int, *, matched: int, struck: int) -> None:
        offset = self._offset(self._own, rule)
        before = _CELL.unpack_from(self._counts, offset)
        _CELL.pack_into(self._counts, offset, before[0] + matched, before[1] + struck)

    def _offset(self, process: int, rule: int) -> int:
        return (process * MOST_RULES + rule) * _CELL.size


def _mapped(path: Path) -> mmap.mmap:
    with path.open("a+b") as file:
        file.truncate(_SIZE)
        return mmap.mmap(file.fileno(), _SIZE)


def _read(line: bytes) -> dict[str, Any] | None:
    """Read one entry; None for what a kill left half written, or the middle of a line."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
