"""Where a running cloud answers: chosen before it starts, written to ``<state>/endpoints.json`` once it is healthy."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from localcloud.config import ACCOUNT, Ports
from localcloud.serving import HOST

SERVICES = ("functions", "storage", "aml", "eventgrid", "identity")


class NotRunningError(Exception):
    """There is no running cloud on a state folder."""


class PortTakenError(Exception):
    """A port cannot be had; the text names port and option."""


@dataclass(frozen=True)
class Endpoints:
    """Base addresses of the services; ``storage`` and ``storage_tls`` include the account, as path-style URLs do."""

    functions: str
    storage: str
    storage_tls: str
    aml: str
    aml_http: str | None
    eventgrid: str
    identity: str
    control: str
    slot: str | None = None

    @classmethod
    def of(cls, ports: Ports) -> Endpoints:
        """Return the addresses that belong to ``ports``."""
        return cls(
            functions=f"http://{HOST}:{ports.functions}",
            storage=f"http://{HOST}:{ports.storage}/{ACCOUNT}",
            storage_tls=f"https://{HOST}:{ports.storage_tls}/{ACCOUNT}",
            aml=f"https://{HOST}:{ports.aml}",
            aml_http=None if ports.aml_http is None else f"http://{HOST}:{ports.aml_http}",
            eventgrid=f"https://{HOST}:{ports.eventgrid}",
            identity=f"https://{HOST}:{ports.identity}",
            control=f"http://{HOST}:{ports.control}",
            slot=None if ports.slot is None else f"http://{HOST}:{ports.slot}",
        )

    def topic(self, name: str) -> str:
        """Return the address that takes events for a custom topic."""
        return f"{self.eventgrid}/topics/{name}/api/events"


@dataclass(frozen=True)
class Running:
    """What a healthy cloud tells its clients: addresses, its app, who it is and where its state lies."""

    endpoints: Endpoints
    services: tuple[str, ...]
    pid: int
    app: str
    state: str

    def save(self) -> None:
        """Write ``<state>/endpoints.json``: all of it or nothing."""
        path = Path(self.state) / "endpoints.json"
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self), indent=2))
        draft.rename(path)

    @classmethod
    def find(cls, state: Path) -> Running:
        """Read what the cloud on ``state`` wrote; raises :class:`NotRunningError` when none is alive."""
        path = state / "endpoints.json"
        if not path.exists():
            raise NotRunningError(f"no cloud runs on {state}; start it: python -m localcloud up --state {state}")
        document = json.loads(path.read_text())
        if not _lives(document["pid"]):
            raise NotRunningError(f"the cloud on {state} ended without saying so; start it: python -m localcloud up")
        endpoints = Endpoints(**document.pop("endpoints"))
        return cls(endpoints=endpoints, services=tuple(document.pop("services")), **document)

    def remove(self) -> None:
        """Say that the cloud is gone."""
        (Path(self.state) / "endpoints.json").unlink(missing_ok=True)


def settle(ports: Ports, services: Collection[str]) -> Ports:
    """Return ``ports`` with free ones in place of 0; raises :class:`PortTakenError` when one that is needed is taken.

    Those of services that are not started are nobody's concern.
    """
    chosen: dict[str, int] = {}
    held: list[socket.socket] = []
    try:
        for field in fields(ports):
            port = getattr(ports, field.name)
            if port == 0 or (port is not None and _service(field.name) in {*services, "control"}):
                held.append(_hold(field.name, port))
                chosen[field.name] = held[-1].getsockname()[1]
    finally:
        for one in held:
            one.close()
    return replace(ports, **chosen)


def _service(port: str) -> str:
    """Return the service that listens on the port of this name."""
    return "functions" if port == "slot" else port.partition("_")[0]


def _hold(name: str, port: int) -> socket.socket:
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        one.bind((HOST, port))
        one.listen(1)
    except OSError as problem:
        one.close()
        option = f"--{name.replace('_', '-')}-port"
        raise PortTakenError(
            f"port {port} on {HOST} is in use, or not allowed: {problem.strerror}.\n"
            f"Choose another with {option} N; {option} 0 takes any free one."
        ) from problem
    return one


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
