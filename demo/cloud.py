"""The local Azure of the demonstration: `python -m localcloud up` in a process of its own, and ways to reach it."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from azure.core.credentials import AccessToken
from azure.identity import DefaultAzureCredential
from azure.storage.filedatalake import DataLakeServiceClient, FileSystemClient

from localcloud.client import ControlClient
from localcloud.config import Ports
from localcloud.endpoints import Endpoints, Running

PROJECT = Path(__file__).parent.parent
#: Seconds the cloud may take until it answers; a busy machine is slow to load the app.
STARTS_WITHIN, STOPS_WITHIN = 120, 30
#: What would make a program of the demonstration somebody else, or lead it elsewhere.
_FOREIGN = ("SLIPWAY_", "AZURE", "IDENTITY_", "MSI_", "LOCALCLOUD_", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


class StartError(Exception):
    """The cloud could not be started; the text says why and what to do."""


class CloudEnded(BaseException):
    """The cloud ended in the middle. No `Exception`: it comes at any moment, and the SDKs catch those to try again."""


class Cloud:
    """A cloud on a fresh `state` folder, from `with` to its end; `settings` are the app's, over localcloud.yaml's.

    On the usual ports where they are free. `keep` leaves it running at the end of a story that was told to its end.
    """

    def __init__(self, state: Path, settings: Mapping[str, str], *, keep: bool = False) -> None:
        self.state = state
        self.keep = keep
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Cloud:
        _make_room(self.state)
        log = self.state / "logs" / "up.log"
        log.parent.mkdir(parents=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, *self.command],
                cwd=PROJECT,
                env={**os.environ, **self._settings},
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C comes to the demonstration alone, which stops the cloud in order
            )
        try:
            self._await_start(self._process, log)
            signal.signal(signal.SIGCHLD, self._child_ended)
            self._trust()
        except BaseException:
            self._stop(self._process)
            raise
        return self

    def __exit__(self, kind: object, problem: object, *_: object) -> None:
        assert self._process is not None
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if isinstance(problem, Exception):
            with suppress(subprocess.TimeoutExpired):  # a dying cloud's connections end before it does
                raise _ended(self._process.pid, self._process.wait(1), self) from problem
        if not (self.keep and kind is None):
            self._stop(self._process)

    @cached_property
    def command(self) -> list[str]:
        """What starts this cloud, after the name of the Python: the same again goes on with its state."""
        return ["-m", "localcloud", "up", "--app", ".", "--state", relative(self.state), *_port_options()]

    @cached_property
    def endpoints(self) -> Endpoints:
        """Where the services answer."""
        return Running.find(self.state).endpoints

    @property
    def pid(self) -> int:
        """The process, which `kill` stops in order."""
        assert self._process is not None
        return self._process.pid

    def now(self) -> datetime:
        """Return the cloud's time, aware UTC."""
        return datetime.fromisoformat(self._control.get("/clock")["now"])

    def advance(self, duration: str) -> None:
        """Move the cloud's clock forward, e.g. by `31m`."""
        self._control.post("/clock", {"advance": duration})

    @cache  # noqa: B019 (there is one cloud, for as long as the process)
    def environment(self, principal: str) -> dict[str, str]:
        """Return the variables with which a program reaches the cloud as `principal`."""
        command = ["-m", "localcloud", "env", "--as", principal, "--json", "--state", str(self.state)]
        answer = subprocess.run([sys.executable, *command], cwd=PROJECT, capture_output=True, text=True, check=True)
        variables: dict[str, str] = json.loads(answer.stdout)
        return variables

    def run_as(self, principal: str, *arguments: str) -> str:
        """Run a Python command of this project as `principal`; return its output, or raise StartError with it."""
        variables = {**os.environ, **self.environment(principal)}
        command = [sys.executable, *arguments]
        answer = subprocess.run(command, cwd=PROJECT, env=variables, capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            raise StartError(f"{' '.join(arguments)} ended with {answer.returncode}:\n{answer.stdout}{answer.stderr}")
        return answer.stdout

    def filesystem(self, name: str, principal: str) -> FileSystemClient:
        """Return a client of a filesystem, with the credential that `principal` would have in Azure."""
        variables = self.environment(principal)
        account = DataLakeServiceClient(variables["SLIPWAY_LAKE_URL"], credential=Credential(variables))
        return account.get_file_system_client(name)

    @cached_property
    def _control(self) -> ControlClient:
        return ControlClient(self.endpoints.control)

    def _await_start(self, process: subprocess.Popen[bytes], log: Path) -> None:
        until = time.monotonic() + STARTS_WITHIN
        while not (self.state / "endpoints.json").exists():
            if process.poll() is None and time.monotonic() < until:
                time.sleep(0.05)
                continue
            raise StartError(f"The local cloud did not start (exit code {process.poll()}):\n{log.read_text()}")

    def _trust(self) -> None:
        """Let this process trust the cloud's certificates, which the SDKs look up at each request."""
        variables = self.environment("upstream")
        os.environ.update({name: variables[name] for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")})

    def _child_ended(self, *_: object) -> None:
        """Hear from the kernel that a child has ended: if it is the cloud, nothing here is worth waiting for."""
        assert self._process is not None
        code = self._process.poll()
        if code is not None:
            raise _ended(self._process.pid, code, self)

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # this end of it is no news
        process.terminate()
        try:
            process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Credential:
    """The unmodified DefaultAzureCredential of one principal, beside those of others in one process.

    It reads who it is from the environment, anew for each token; so that is what it is given. One thread at a time.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        with self._environment():
            self._credential = DefaultAzureCredential()

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return a token of the principal; see azure.core.credentials.TokenCredential."""
        with self._environment():
            return self._credential.get_token(*scopes, **options)

    @contextmanager
    def _environment(self) -> Iterator[None]:
        before = dict(os.environ)
        os.environ.update(self._variables)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def clean_environment() -> None:
    """Forget, for this process and its children, who the developer is in Azure; and ask no proxy for the loopback."""
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        del os.environ[name]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"


def _ended(pid: int, code: int, cloud: Cloud) -> CloudEnded:
    """Say how the cloud ended, and how to go on."""
    how = f"was ended by signal {-code}" if code < 0 else f"ended by itself with exit code {code}"
    return CloudEnded(
        f"The local cloud (process {pid}) {how} in the middle of the demonstration.\n"
        f"Its state is safe in {relative(cloud.state)}. Start it again, and every started run finishes, once:\n\n"
        f"    {shlex.join([relative(Path(sys.executable)), *cloud.command])}\n\n"
        f"What it said is in {relative(cloud.state / 'logs')}. `make demo` begins anew, with a fresh state."
    )


def _make_room(state: Path) -> None:
    """Remove what an earlier demonstration left. Raises StartError while a cloud runs there, or if it is another's."""
    if not state.exists() or not any(state.iterdir()):
        return
    if not (state / "lock").exists():
        raise StartError(f"{state} holds something else than a local cloud's state: name another folder with --state.")
    with (state / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = lock.read().strip()
            raise StartError(f"A local cloud runs on {state}. Stop it first: kill {owner}") from None
    shutil.rmtree(state)


def _port_options() -> list[str]:
    """Ask for any free port in place of each usual one that is taken."""
    options: list[str] = []
    for field in fields(Ports):
        port: Any = field.default
        if port is not None and not _is_free(port):
            options += [f"--{field.name.replace('_', '-')}-port", "0"]
    return options


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
            one.listen(1)
        except OSError:
            return False
    return True


def relative(path: Path) -> str:
    """Return a path as one would type it in the project's folder."""
    return str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else str(path)
