"""What all commands of the command line share: exit codes, options, output."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from localcloud import cloud
from localcloud.child import HostDiedError
from localcloud.client import ControlClient, RefusedError
from localcloud.config import ConfigError
from localcloud.endpoints import NotRunningError, PortTakenError, Running
from localcloud.eventgrid.switches import SwitchError
from localcloud.faults.rules import FaultError
from localcloud.identity.rules import UnknownPrincipalError
from localcloud.ownership import InUseError
from localcloud.serving import PortInUseError


class Exit(IntEnum):
    """The exit codes of all commands; 2 is a wrong use of the command line."""

    FAILED = 1
    NOT_RUNNING = 3
    IN_USE = 4
    APP_DIED = 5
    UNHEALTHY = 6


CODES = (
    "Exit codes: 0 done or stopped in order; 1 failed; 2 wrong use; 3 no cloud runs on this state folder; "
    "4 the state folder or a port is in use; 5 the functions host died or could not load the app; 6 not healthy."
)
_EXIT_OF: dict[type[Exception], Exit] = {
    NotRunningError: Exit.NOT_RUNNING,
    InUseError: Exit.IN_USE,
    PortTakenError: Exit.IN_USE,
    PortInUseError: Exit.IN_USE,
    HostDiedError: Exit.APP_DIED,
    cloud.UnhealthyError: Exit.UNHEALTHY,
    ConfigError: Exit.FAILED,
    FaultError: Exit.FAILED,
    SwitchError: Exit.FAILED,
    RefusedError: Exit.FAILED,
    UnknownPrincipalError: Exit.FAILED,
}

talk = Console(stderr=True, highlight=False)
#: Wide when nobody looks at it, so that programs read whole names.
result = Console(highlight=False, width=None if sys.stdout.isatty() else 2000)

StateOption = Annotated[
    Path, typer.Option("--state", envvar="LOCALCLOUD_STATE", help="The cloud's state folder.", file_okay=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer JSON.")]
AsOption = Annotated[str, typer.Option("--as", help="The principal, as localcloud.yaml names it.")]
STATE = Path(".localcloud")


@contextmanager
def explained() -> Iterator[None]:
    """Turn the foreseen failures into one message and their exit code."""
    try:
        yield
    except tuple(_EXIT_OF) as problem:
        print(f"localcloud: {problem}", file=sys.stderr)
        raise typer.Exit(_EXIT_OF[type(problem)]) from None


def control(state: Path) -> ControlClient:
    """Return a client of the cloud that runs on a state folder."""
    return ControlClient(Running.find(state.resolve()).endpoints.control)


def print_json(document: object) -> None:
    """Print a result for machines, and for people who read JSON."""
    print(json.dumps(document, indent=2))


def read_json(text: str, what: str) -> Any:
    """Read a JSON argument; raises BadParameter."""
    try:
        return json.loads(text)
    except ValueError as problem:
        raise typer.BadParameter(f"{what} is not JSON: {problem}") from problem
