"""Runs one command and never outlives the local cloud: ``python -m localcloud.aml.runner``.

It reads one line of JSON from its standard input, starts the command in a session of its own, and tells on its standard
output, a line of JSON each, ``started``, ``sample`` and ``ended``. The end of its standard input means that the parent
asks for the end or is dead, for whatever reason: then the command and everything that came of it is killed at once.
Everything is killed, too, when the command has ended and left something running.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from localcloud.aml import processes

_PR_SET_CHILD_SUBREAPER = 36
#: Seconds between two measurements: short at first, so that short jobs are measured too.
_FIRST_INTERVAL, _INTERVAL, _FIRST_SAMPLES = 0.1, 1.0, 20
_CHUNK = 65536


@dataclass(frozen=True)
class Specification:
    """What to run. ``log`` takes standard output and error, up to ``log_bytes``; ``memory_bytes`` is each process's
    address space (0: no limit), ``output_bytes`` what may lie in the folder ``outputs``, ``file_bytes`` how large any
    file may grow (None: no limit)."""  # fmt: skip

    command: str
    folder: str
    environment: dict[str, str]
    log: str
    log_bytes: int
    outputs: str
    output_bytes: int
    memory_bytes: int
    file_bytes: int | None = None


class Measure:
    """Adds up what the processes of a job use."""

    def __init__(self) -> None:
        self.cpu_seconds = 0.0
        self.peak_memory = 0
        self._looked = time.monotonic()

    def take(self, alive: list[psutil.Process]) -> dict[str, float]:
        """Measure now: processor use since the last time in millicores, memory in bytes (shared pages count twice)."""
        cpu, memory = _children_seconds(), 0
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess), process.oneshot():
                cpu += sum(process.cpu_times()[:4])
                memory += process.memory_info().rss
        now = time.monotonic()
        used = max(0.0, cpu - self.cpu_seconds) / max(now - self._looked, 0.001)
        self._looked, self.cpu_seconds = now, max(cpu, self.cpu_seconds)
        self.peak_memory = max(self.peak_memory, memory)
        return {"millicores": used * 1000, "memory": memory}


def main() -> None:
    """Run what standard input says, until it has ended or is ended."""
    line = sys.stdin.buffer.readline()
    if not line:
        return
    specification = Specification(**json.loads(line))
    _adopt_orphans()
    # Opened before the command could put a link in its place.
    log = Path(specification.log).open("wb", buffering=0)  # noqa: SIM115 (its thread closes it)
    command = _start(specification)
    _say("started", process=processes.identity(command.pid))
    threading.Thread(target=_end_with_parent, args=(command, specification), daemon=True).start()
    assert command.stdout is not None
    logger = threading.Thread(target=_write_log, args=(command.stdout, log, specification.log_bytes), daemon=True)
    logger.start()
    measure = Measure()
    problem = _watch(command, specification, measure)
    _end_all(command, specification)
    logger.join()
    last = measure.take([])
    biggest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    peak = max(measure.peak_memory, biggest)
    if not measure.peak_memory:  # too short to have been measured on its way
        _say("sample", millicores=last["millicores"], memory=peak)
    _say("ended", code=command.returncode, problem=problem, cpu_seconds=measure.cpu_seconds, peak_memory=peak)


def _start(specification: Specification) -> subprocess.Popen[bytes]:
    shell = shutil.which("bash") or "/bin/sh"
    return subprocess.Popen(
        [shell, "-c", specification.command],
        cwd=specification.folder,
        env=specification.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        # No other thread runs yet, so code between fork and exec is safe.
        preexec_fn=lambda: _limit(specification.memory_bytes, specification.file_bytes),  # noqa: PLW1509
    )


def _limit(memory_bytes: int, file_bytes: int | None) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    if file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))


def _watch(command: subprocess.Popen[bytes], specification: Specification, measure: Measure) -> str | None:
    """Measure until the command has ended; kill it and return why if it writes more than it may."""
    count = 0
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            command.wait(_FIRST_INTERVAL if count < _FIRST_SAMPLES else _INTERVAL)
        if command.returncode is None:
            _say("sample", **measure.take(processes.tree(psutil.Process(command.pid))))
        if _size(Path(specification.outputs)) > specification.output_bytes:
            return f"the outputs are larger than {specification.output_bytes} bytes"
        if command.returncode is not None:
            return None
        count += 1


def _size(folder: Path) -> int:
    """Return how many bytes lie below ``folder``; what vanishes meanwhile does not count."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(root, name)).st_size  # noqa: PTH118 (a job may write 100,000 files)
    return total


def _write_log(output: IO[bytes], log: IO[bytes], limit: int) -> None:
    left = limit
    with log:
        while chunk := os.read(output.fileno(), _CHUNK):
            log.write(chunk[: max(0, left)])
            if left >= 0 and len(chunk) > left:
                log.write(f"\n[the log ends here: it is longer than {limit} bytes]\n".encode())
            left -= len(chunk)


def _end_with_parent(command: subprocess.Popen[bytes], specification: Specification) -> None:
    while os.read(0, _CHUNK):
        pass
    _end_all(command, specification)
    os._exit(1)


def _end_all(command: subprocess.Popen[bytes], specification: Specification) -> None:
    """Kill the command and all that came of it, in whatever session it hid; again until nothing is left."""
    while left := psutil.Process().children(recursive=True):
        processes.end(left)
    if sys.platform != "linux":  # elsewhere orphans do not come back to this process
        processes.end_leftovers([], specification.environment["HOME"])
    with contextlib.suppress(subprocess.TimeoutExpired):
        command.wait(1)


def _adopt_orphans() -> None:
    """Become the parent of descendants that lose theirs, so that none can slip away; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _children_seconds() -> float:
    """Return the processor seconds of the descendants that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def _say(event: str, **facts: Any) -> None:
    """Tell the parent; once it is dead, nobody listens and the end is near."""
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
