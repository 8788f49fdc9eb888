"""A local cloud as tests use it: the real command in a process of its own, and real credentials to reach it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest.mock import patch

from azure.core.credentials import AccessToken
from azure.identity import DefaultAzureCredential

from localcloud import environment
from localcloud.client import ControlClient
from localcloud.config import Ports, Resources
from localcloud.endpoints import Endpoints, Running
from localcloud.secrets import Secrets
from localcloud.tls import Tls
from tests.ports import free_ports

PROJECT = Path(__file__).parent.parent
#: Seconds that a test waits for what must come, a cloud's start included: the machine may be slow, or busy with others.
PATIENCE = 150.0
_ENVIRONMENT = threading.RLock()


class LocalCloud:
    """``python -m localcloud up`` on ``app`` and ``state``; the ports stay the same over restarts.

    ``tls`` is a folder with an authority to share: all clouds of one test session have the same, so that one trust
    setting serves them all. ``options`` are further arguments of ``up``, ``variables`` further environment variables.
    """

    def __init__(
        self, app: Path, state: Path, tls: Path, *options: str, variables: Mapping[str, str] | None = None
    ) -> None:
        self.app = app
        self.state = state
        self._ports = _free_ports()
        self._options = options
        self._variables = dict(variables or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.output = state.with_suffix(".log")
        shutil.copytree(tls, state / "tls", dirs_exist_ok=True)

    def start(self) -> LocalCloud:
        """Start the cloud and wait until it says that it is healthy."""
        command = [sys.executable, "-m", "localcloud", "up", "--app", str(self.app), "--state", str(self.state)]
        for name, port in self._ports.items():
            command += [f"--{name.replace('_', '-')}-port", str(port)]
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, *self._options], cwd=PROJECT, stdout=output, stderr=output, env=os.environ | self._variables
            )
        self._await_start(self._process)
        return self

    def stop(self) -> int:
        """Stop in order and return the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self._end(signal.SIGKILL)

    def wait(self, timeout: float = PATIENCE) -> int:
        """Return the exit code of a cloud that ends by itself."""
        assert self._process is not None
        return self._process.wait(timeout)

    @property
    def pid(self) -> int:
        """The process of the running cloud."""
        assert self._process is not None
        return self._process.pid

    @property
    def endpoints(self) -> Endpoints:
        """Where the services answer."""
        return Running.find(self.state).endpoints

    @property
    def control(self) -> ControlClient:
        """The control endpoint, ready to be called."""
        return ControlClient(self.endpoints.control)

    def environment(self, principal: str = "app") -> dict[str, str]:
        """Return the variables with which a program reaches this cloud as ``principal``."""
        resources, secrets = Resources.load(self.app), Secrets.load(self.state)
        return environment.of_client(principal, resources, self.endpoints, secrets, Tls(self.state / "tls"), os.environ)

    @contextmanager
    def acting_as(self, principal: str) -> Iterator[None]:
        """Be ``principal`` within the block: code that reads the environment finds what Azure would have set."""
        with patch.dict(os.environ, self.environment(principal)):
            yield

    def credential(self, principal: str) -> PrincipalCredential:
        """Return a credential of ``principal`` that works outside :meth:`acting_as` too."""
        return PrincipalCredential(self, principal)

    def token(self, principal: str, audience: str = "https://storage.azure.com") -> str:
        """Return an access token of ``principal``."""
        return self.credential(principal).get_token(f"{audience}/.default").token

    @property
    def trust(self) -> ssl.SSLContext:
        """What a client of the standard library trusts this cloud by."""
        return ssl.create_default_context(cafile=str(Tls(self.state / "tls").bundle))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command of ``python -m localcloud`` on this cloud's state."""
        command = [sys.executable, "-m", "localcloud", *arguments, "--state", str(self.state)]
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)

    def advance(self, duration: str) -> None:
        """Move the cloud's clock, e.g. by ``6h``."""
        self.control.post("/clock", {"advance": duration})

    def events(self) -> dict[str, dict[str, int]]:
        """Return the delivery counters of each subscription."""
        counters: dict[str, dict[str, int]] = self.control.get("/events")["subscriptions"]
        return counters

    def _await_start(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if process.poll() is not None:
                raise AssertionError(f"localcloud ended with {process.returncode}:\n{self.output.read_text()}")
            if self._says_it_runs(process):
                return
            time.sleep(0.05)
        self.kill()
        raise AssertionError(f"localcloud did not start within {PATIENCE} s:\n{self.output.read_text()}")

    def _says_it_runs(self, process: subprocess.Popen[bytes]) -> bool:
        path = self.state / "endpoints.json"
        try:
            document: dict[str, Any] = json.loads(path.read_text())
        except FileNotFoundError:
            return False
        return document["pid"] == process.pid

    def _end(self, number: signal.Signals) -> int:
        if self._process is None or self._process.poll() is not None:
            return 0 if self._process is None else self._process.returncode
        self._process.send_signal(number)
        return self._process.wait(PATIENCE)


class PrincipalCredential:
    """The unmodified DefaultAzureCredential, given the environment of one principal whenever it asks for a token.

    It reads the environment anew each time, so that a process has one identity; a test has several.
    """

    def __init__(self, cloud: LocalCloud, principal: str) -> None:
        self._cloud = cloud
        self._principal = principal
        with cloud.acting_as(principal):
            self._credential = DefaultAzureCredential()

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return a token for ``scopes``; threads take turns, since they share one environment."""
        with _ENVIRONMENT, self._cloud.acting_as(self._principal):
            return self._credential.get_token(*scopes, **options)


def eventually(condition: Any, within: float = PATIENCE) -> Any:
    """Return the first true answer of ``condition``; fail when there is none in time."""
    until = time.monotonic() + within
    while not (answer := condition()):
        assert time.monotonic() < until, f"not within {within} s"
        time.sleep(0.05)
    return answer


def _free_ports() -> dict[str, int]:
    names = [field.name for field in fields(Ports) if field.name != "aml_http"]
    return dict(zip(names, free_ports(len(names)), strict=True))
