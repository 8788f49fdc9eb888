"""The machine that jobs run on, seen from the service: one runner process a job, and what it tells."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import localcloud
from localcloud.aml import processes
from localcloud.aml.runner import Specification

_ROOT = Path(localcloud.__file__).parent.parent
#: Seconds that a runner is given to end its command before it is killed itself.
_PATIENCE = 10.0


@dataclass(frozen=True)
class Ending:
    """How a command ended: ``code`` as a shell gives it (negative: a signal), ``problem`` if a limit ended it."""

    code: int
    problem: str | None
    cpu_seconds: float
    peak_memory: int


class RunnerLostError(Exception):
    """The runner of a job went away without telling how the command ended."""


class Process:
    """One job's command, running under its runner."""

    def __init__(self, runner: asyncio.subprocess.Process, home: str) -> None:
        self._runner = runner
        self._home = home
        self.identities: list[processes.Identity] = [who] if (who := processes.identity(runner.pid)) else []

    @classmethod
    async def make(cls, home: str) -> Process:
        """Start a runner that waits to be told what to run; nothing of the host's environment reaches it."""
        runner = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "localcloud.aml.runner",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            cwd=_ROOT, env={"PATH": os.environ.get("PATH", os.defpath)}, start_new_session=True,
        )  # fmt: skip
        return cls(runner, home)

    async def run(
        self,
        specification: Specification,
        started: Callable[[], object],
        sampled: Callable[[float, float], object],
    ) -> Ending:
        """Run the command to its end. ``started`` is called once :attr:`identities` is complete, ``sampled`` with
        millicores and bytes of memory; raises :class:`RunnerLostError`."""  # fmt: skip
        assert self._runner.stdin is not None
        assert self._runner.stdout is not None
        self._runner.stdin.write(json.dumps(asdict(specification)).encode() + b"\n")
        async for line in self._runner.stdout:
            told = json.loads(line)
            if told["event"] == "started":
                self.identities.extend([told["process"]] if told["process"] else [])
                started()
            elif told["event"] == "sample":
                sampled(told["millicores"], told["memory"])
            else:
                return _ending(told)
        raise RunnerLostError("the process that watched over the job's command was killed")

    @property
    def command(self) -> list[int]:
        """The command's running processes: itself and all that came of it."""
        roots = [found for who in self.identities[1:] if (found := processes.find(who))]
        return [one.pid for root in roots for one in processes.tree(root)]

    async def end(self) -> None:
        """Kill the command with all that came of it, and the runner; does nothing when they have ended."""
        assert self._runner.stdin is not None
        self._runner.stdin.close()
        try:
            await asyncio.wait_for(self._runner.wait(), _PATIENCE)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._runner.pid, signal.SIGKILL)
            await self._runner.wait()
        if self._runner.returncode not in (0, 1):
            await asyncio.to_thread(processes.end_leftovers, self.identities, self._home)


def _ending(told: dict[str, Any]) -> Ending:
    code = told["code"] if told["code"] is not None else -signal.SIGKILL
    return Ending(code, told["problem"], told["cpu_seconds"], told["peak_memory"])
