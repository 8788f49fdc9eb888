"""The functions host as the cloud's child process: started clean, watched, told of clock and faults, ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

#: Seconds the host has for loading the app.
READY_WITHIN = 120.0
#: Seconds running functions have when the cloud stops; then the process is killed.
STOP_WITHIN = 10.0
_PROJECT = Path(__file__).parent.parent


class HostDiedError(Exception):
    """The functions host ended by itself; the text holds its last lines of output."""


class FunctionsHost:
    """One run of ``python -m localcloud.functions``; ``slot`` names the deployment slot if it is the host of one.

    ``environment`` is all that the app sees. Output goes to ``<state>/logs/functions.log`` and, with ``verbose``, to
    standard error. The pipe on the child's standard input carries commands; its end kills the child, so that it never
    outlives this process.
    """

    def __init__(
        self,
        app: Path,
        state: Path,
        port: int,
        environment: dict[str, str],
        *options: str,
        slot: str | None = None,
        verbose: bool,
    ) -> None:
        self._name = f"functions-{slot}" if slot else "functions"
        self._command = [sys.executable, "-m", "localcloud.functions", "--app", str(app), "--state", str(state)]
        self._command += ["--port", str(port), *(["--slot", slot] if slot else []), *options]
        self._environment = {**environment, "PYTHONPATH": _python_path(environment), "PYTHONUNBUFFERED": "1"}
        self._ready = (state / "slots" / slot if slot else state) / "functions.ready.json"
        self._log = state / "logs" / f"{self._name}.log"
        self._verbose = verbose
        self._last_lines: deque[str] = deque(maxlen=30)
        self._process: asyncio.subprocess.Process | None = None
        self._copying: asyncio.Task[None] | None = None

    async def start(self, greeting: str = "") -> dict[str, Any]:
        """Start the host and wait until the app is loaded; return what it says of itself, or raise HostDiedError.

        ``greeting`` is a command that it hears before anything else.
        """
        self._ready.unlink(missing_ok=True)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then stops the child in order
            limit=1024 * 1024,
        )
        self._copying = asyncio.create_task(self._copy_output(self._process))
        self.tell(greeting)
        try:
            async with asyncio.timeout(READY_WITHIN):
                return await self._readiness(self._process)
        except TimeoutError:
            await self.stop()
            raise HostDiedError(
                f"the functions host did not load the app within {READY_WITHIN:.0f} s\n{self.last_lines()}"
            ) from None

    @property
    def pid(self) -> int | None:
        """The running process, or None."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def wait(self) -> int:
        """Return the exit code (negative: the signal) once the host has ended."""
        assert self._process is not None
        code = await self._process.wait()
        if self._copying is not None:
            await self._copying
        return code

    def tell(self, command: str) -> None:
        """Send one line to the host, e.g. ``clock``."""
        if command and self._process is not None and self._process.stdin is not None and self.pid is not None:
            with suppress(ConnectionError):
                self._process.stdin.write(f"{command}\n".encode())

    def kill(self) -> None:
        """End the host as ``kill -9`` does."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)

    async def stop(self) -> None:
        """Ask the host to end; kill it when it does not."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(STOP_WITHIN):
                await self.wait()
        except TimeoutError:
            self.kill()
            await self.wait()

    def last_lines(self) -> str:
        """Return the end of the host's output."""
        return "\n".join(self._last_lines)

    async def _readiness(self, process: asyncio.subprocess.Process) -> dict[str, Any]:
        ended = asyncio.ensure_future(process.wait())
        try:
            while not self._ready.exists():
                await asyncio.wait([ended], timeout=0.05)
                if ended.done():
                    await self.wait()
                    raise HostDiedError(f"the functions host ended with code {ended.result()}\n{self.last_lines()}")
        finally:
            ended.cancel()
        ready: dict[str, Any] = json.loads(self._ready.read_text())
        return ready

    async def _copy_output(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        with self._log.open("ab", buffering=0) as file:
            async for line in process.stdout:
                file.write(line)
                self._last_lines.append(line.decode(errors="replace").rstrip())
                if self._verbose:
                    sys.stderr.write(f"{self._name} | {self._last_lines[-1]}\n")


def _python_path(environment: dict[str, str]) -> str:
    """Make this package importable for the child, wherever it was started."""
    given = environment.get("PYTHONPATH")
    return os.pathsep.join([str(_PROJECT), given] if given else [str(_PROJECT)])
