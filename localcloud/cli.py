"""``python -m localcloud``: start a local Azure, and look at and steer one that runs.

Results go to standard output, talk to standard error; ``--json`` makes results for machines.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from localcloud import cloud, environment
from localcloud.child import HostDiedError
from localcloud.client import ControlClient, RefusedError
from localcloud.clock import Clock, parse_duration
from localcloud.config import ConfigError, Ports, Resources
from localcloud.endpoints import SERVICES, NotRunningError, PortTakenError, Running
from localcloud.eventgrid.switches import Switches
from localcloud.http import PortInUseError
from localcloud.identity.rules import Identity, UnknownPrincipalError
from localcloud.secrets import Secrets
from localcloud.tls import Tls


class Exit(IntEnum):
    """The exit codes of all commands; 2 is a wrong use of the command line."""

    FAILED = 1
    NOT_RUNNING = 3
    IN_USE = 4
    APP_DIED = 5
    UNHEALTHY = 6


_CODES = (
    "Exit codes: 0 done or stopped in order; 1 failed; 2 wrong use; 3 no cloud runs on this state folder; "
    "4 the state folder or a port is in use; 5 the functions host died or could not load the app; 6 not healthy."
)
_EXIT_OF: dict[type[Exception], Exit] = {
    NotRunningError: Exit.NOT_RUNNING,
    cloud.StateInUseError: Exit.IN_USE,
    PortTakenError: Exit.IN_USE,
    PortInUseError: Exit.IN_USE,
    HostDiedError: Exit.APP_DIED,
    cloud.UnhealthyError: Exit.UNHEALTHY,
    ConfigError: Exit.FAILED,
    RefusedError: Exit.FAILED,
    UnknownPrincipalError: Exit.FAILED,
}

app = typer.Typer(
    help=f"A local Azure for desks, demos and tests.\n\n{_CODES}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
clock_app = typer.Typer(help="Show or move the cloud's clock.", invoke_without_command=True)
events_app = typer.Typer(help="Show or change what happens to events on their way.", invoke_without_command=True)
faults_app = typer.Typer(help="Switch faults on and off.", invoke_without_command=True)
app.add_typer(clock_app, name="clock")
app.add_typer(events_app, name="events")
copies_app = typer.Typer(help="Leave asynchronous copies in the lake pending, or complete them.", no_args_is_help=True)
app.add_typer(faults_app, name="faults")
app.add_typer(copies_app, name="copies")

talk = Console(stderr=True, highlight=False)
#: Wide when nobody looks at it, so that programs read whole names.
result = Console(highlight=False, width=None if sys.stdout.isatty() else 2000)

StateOption = Annotated[
    Path, typer.Option("--state", envvar="LOCALCLOUD_STATE", help="The cloud's state folder.", file_okay=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer JSON.")]
AsOption = Annotated[str, typer.Option("--as", help="The principal, as localcloud.yaml names it.")]
STATE = Path(".localcloud")


def main() -> None:
    """Run the command line."""
    app()


def _port(name: str, default: int | None) -> Any:
    text = "off unless given" if default is None else f"default {default}"
    return typer.Option(f"--{name}-port", help=f"Port of {name}: {text}, 0 any free one.", min=0, max=65535)


PORTS = Ports()


@app.command(epilog="Example: python -m localcloud up --app . --state .localcloud --only storage,identity")
def up(
    app_folder: Annotated[Path, typer.Option("--app", help="The app's folder.", exists=True, file_okay=False)] = Path(),
    state: StateOption = STATE,
    only: Annotated[str, typer.Option(help="Start only these services, separated by commas.")] = ",".join(SERVICES),
    functions_port: Annotated[int, _port("functions", PORTS.functions)] = PORTS.functions,
    storage_port: Annotated[int, _port("storage", PORTS.storage)] = PORTS.storage,
    storage_tls_port: Annotated[int, _port("storage-tls", PORTS.storage_tls)] = PORTS.storage_tls,
    aml_port: Annotated[int, _port("aml", PORTS.aml)] = PORTS.aml,
    aml_http_port: Annotated[int | None, _port("aml-http", PORTS.aml_http)] = PORTS.aml_http,
    eventgrid_port: Annotated[int, _port("eventgrid", PORTS.eventgrid)] = PORTS.eventgrid,
    identity_port: Annotated[int, _port("identity", PORTS.identity)] = PORTS.identity,
    control_port: Annotated[int, _port("control", PORTS.control)] = PORTS.control,
    enforce_keys: Annotated[bool, typer.Option("--enforce-keys", help="Demand function keys, as Azure does.")] = False,
    principal: Annotated[
        str | None, typer.Option(help="Who a request without a token is: a principal, or none for nobody (401).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Drives what faults leave to chance.")] = 0,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the functions host's output.")] = False,
) -> None:
    """Start the cloud and the app in it, and keep them running until Ctrl-C."""
    ports = Ports(
        functions_port,
        storage_port,
        storage_tls_port,
        aml_port,
        aml_http_port,
        eventgrid_port,
        identity_port,
        control_port,
    )
    folder = state.resolve()
    options = cloud.Options(
        app_folder.resolve(), folder, ports, _services(only), enforce_keys, principal, verbose=verbose, seed=seed
    )
    with _explained():
        _log_to(folder / "logs")
        asyncio.run(cloud.run(options, _show_running))
    talk.print("Stopped.")


@app.command("env", epilog='Example: eval "$(python -m localcloud env --as analyst)"')
def show_environment(who: AsOption = "app", state: StateOption = STATE, as_json: JsonOption = False) -> None:
    """Print what a program needs in its environment in order to reach the cloud as somebody."""
    with _explained():
        running = Running.find(state.resolve())
        folder, resources = Path(running.state), Resources.load(Path(running.app))
        secrets, tls = Secrets.load(folder), Tls(folder / "tls")
        Identity(resources, secrets, Clock(folder / "clock")).caller(who)
        variables = environment.of_client(who, resources, running.endpoints, secrets, tls, dict(os.environ))
    if as_json:
        print(json.dumps(variables, indent=2))
        return
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")


@app.command(epilog="Example: python -m localcloud token --as developer --resource api://slipway")
def token(
    who: AsOption,
    resource: Annotated[str, typer.Option(help="The audience of the token.")] = "https://storage.azure.com",
    state: StateOption = STATE,
) -> None:
    """Print an access token of a principal, valid for an hour of the cloud's clock."""
    with _explained():
        running = Running.find(state.resolve())
        folder = Path(running.state)
        identity = Identity(Resources.load(Path(running.app)), Secrets.load(folder), Clock(folder / "clock"))
        print(identity.token(who, resource))


@app.command("ls", epilog="Example: python -m localcloud ls landing/flights/2013-01/")
def list_files(
    path: Annotated[str, typer.Argument(help="A folder; the first part is the filesystem.")] = "",
    state: StateOption = STATE,
    as_json: JsonOption = False,
) -> None:
    """List a folder of the lake."""
    with _explained():
        folder = _control(state).get(f"/files/{path.strip('/')}")
    if as_json:
        print(json.dumps(folder, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for head in ("name", "bytes", "modified", "permissions"):
        table.add_column(head, justify="right" if head == "bytes" else "left")
    for one in folder["entries"]:
        name, length = (f"{one['name']}/", "") if one["is_directory"] else (one["name"], str(one["length"]))
        table.add_row(name, length, one["modified"], one["permissions"])
    result.print(table)
    if folder["more"]:
        talk.print("There are more than are shown here.")


@app.command("get", epilog="Example: python -m localcloud get landing/planes/planes.csv -o planes.csv")
def get_file(
    path: Annotated[str, typer.Argument(help="A file; the first part is the filesystem.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where to; standard output if left out.")
    ] = None,
    state: StateOption = STATE,
) -> None:
    """Copy a file out of the lake."""
    with _explained():
        chunks = _control(state).download(path.strip("/"))
        first = next(chunks, b"")  # a refusal shows here, before a file is made
        with output.open("wb") if output else os.fdopen(os.dup(1), "wb") as file:
            file.write(first)
            file.writelines(chunks)


@app.command(epilog="Example: python -m localcloud status --json")
def status(state: StateOption = STATE, as_json: JsonOption = False) -> None:
    """Say whether every service of the running cloud answers; exit code 6 if not."""
    with _explained():
        health = _control(state).get("/health")
    if as_json:
        print(json.dumps(health, indent=2))
    else:
        table = Table(box=None, pad_edge=False)
        table.add_column("service")
        table.add_column("address")
        table.add_column("health")
        for one in health["services"]:
            table.add_row(one["name"], one["address"], one["problem"] or "answers")
        result.print(table)
    if not health["healthy"]:
        raise typer.Exit(Exit.UNHEALTHY)


@clock_app.callback()
def clock_default(context: typer.Context, state: StateOption = STATE) -> None:
    """Show the time when no command follows."""
    if context.invoked_subcommand is None:
        clock_show(state)


@clock_app.command("show")
def clock_show(state: StateOption = STATE) -> None:
    """Show the cloud's time."""
    with _explained():
        _print_json(_control(state).get("/clock"))


@clock_app.command(
    "advance",
    epilog="Example: python -m localcloud clock advance 6h",
    context_settings={"ignore_unknown_options": True},  # -1h is a duration
)
def clock_advance(
    duration: Annotated[str, typer.Argument(help="90, 45s, 30m, 6h, 2d or 1h30m; -1h moves it back.")],
    state: StateOption = STATE,
) -> None:
    """Move the clock forward; what was due meanwhile happens now."""
    try:
        parse_duration(duration)
    except ValueError as problem:
        raise typer.BadParameter(str(problem)) from problem
    with _explained():
        _print_json(_control(state).post("/clock", {"advance": duration}))


@clock_app.command("set", epilog="Example: python -m localcloud clock set 2013-02-01T00:00:00Z")
def clock_set(
    moment: Annotated[str, typer.Argument(help="ISO 8601; without a zone it is UTC.")], state: StateOption = STATE
) -> None:
    """Set the clock."""
    try:
        when = datetime.fromisoformat(moment)
    except ValueError as problem:
        raise typer.BadParameter(f"{moment!r} is no time like 2013-02-01T00:00:00Z") from problem
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    with _explained():
        _print_json(_control(state).post("/clock", {"set": when.isoformat()}))


@events_app.callback()
def events_default(context: typer.Context, state: StateOption = STATE) -> None:
    """Show switches and counters when no command follows."""
    if context.invoked_subcommand is None:
        with _explained():
            _print_json(_control(state).get("/events"))


@events_app.command("off")
def events_off(state: StateOption = STATE) -> None:
    """Drop every event from now on (they are counted)."""
    _switch(state, {"off": True})


@events_app.command("on")
def events_on(state: StateOption = STATE) -> None:
    """Treat events as Azure does: all switches back to their defaults, what was held is delivered."""
    _switch(state, Switches().document())


@events_app.command("duplicate", epilog="Example: python -m localcloud events duplicate 3")
def events_duplicate(
    times: Annotated[int, typer.Argument(help="How often each is delivered in all.", min=1, max=100)],
    state: StateOption = STATE,
) -> None:
    """Deliver each event several times."""
    _switch(state, {"duplicate": times})


@events_app.command("shuffle", epilog="Example: python -m localcloud events shuffle 5s")
def events_shuffle(
    within: Annotated[str, typer.Argument(help="The longest delay by chance.")] = "2s",
    seed: Annotated[int, typer.Option(help="Drives the chance.")] = 0,
    state: StateOption = STATE,
) -> None:
    """Deliver events out of order: each is delayed by a seeded chance."""
    _switch(state, {"shuffle": _seconds(within), "seed": seed})


@events_app.command("delay", epilog="Example: python -m localcloud events delay 1h")
def events_delay(
    duration: Annotated[str, typer.Argument(help="By the cloud's clock.")], state: StateOption = STATE
) -> None:
    """Deliver events late."""
    _switch(state, {"delay": _seconds(duration)})


@events_app.command("retry-unauthorized")
def events_retry_unauthorized(state: StateOption = STATE) -> None:
    """Try again after a webhook's 401 or 403, as an older page of the documentation said; today they are final."""
    _switch(state, {"retry_unauthorized": True})


@events_app.command("hold")
def events_hold(state: StateOption = STATE) -> None:
    """Keep all events back until they are released."""
    _switch(state, {"hold": True})


@events_app.command("release")
def events_release(state: StateOption = STATE) -> None:
    """Deliver what was held."""
    _switch(state, {"hold": False})


@copies_app.command("hold")
def copies_hold(state: StateOption = STATE) -> None:
    """Leave every asynchronous copy (Copy Blob) pending from now on, as a large one is for a while."""
    with _explained():
        _print_json(_control(state).post("/copies", {"held": True}))


@copies_app.command("release")
def copies_release(state: StateOption = STATE) -> None:
    """Complete the copies that are pending, and later ones at once."""
    with _explained():
        _print_json(_control(state).post("/copies", {"held": False}))


@faults_app.callback()
def faults_default(context: typer.Context, state: StateOption = STATE) -> None:
    """List the faults when no command follows."""
    if context.invoked_subcommand is None:
        faults_list(state)


@faults_app.command("list")
def faults_list(state: StateOption = STATE) -> None:
    """List the faults that are on, with how often each matched and fired."""
    with _explained():
        _print_json(_control(state).get("/faults"))


@faults_app.command(
    "add",
    epilog="""Example: python -m localcloud faults add '{"service": "storage", "operation": "PutBlob", "nth": 2, """
    """"action": {"status": 503, "headers": {"Retry-After": "1"}}}'""",
)
def faults_add(rule: Annotated[str, typer.Argument(help="A fault rule as JSON.")], state: StateOption = STATE) -> None:
    """Switch a fault on."""
    try:
        document = json.loads(rule)
    except ValueError as problem:
        raise typer.BadParameter(f"the rule is not JSON: {problem}") from problem
    with _explained():
        _print_json(_control(state).post("/faults", document))


@faults_app.command("clear")
def faults_clear(state: StateOption = STATE) -> None:
    """Switch all faults off."""
    with _explained():
        _print_json(_control(state).delete("/faults"))


def _services(only: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in only.split(",") if name.strip())
    unknown = set(names) - set(SERVICES)
    if unknown or not names:
        raise typer.BadParameter(
            f"--only: no service {', '.join(sorted(unknown)) or 'named'}; known: {', '.join(SERVICES)}"
        )
    return names


def _seconds(duration: str) -> float:
    try:
        return parse_duration(duration)
    except ValueError as problem:
        raise typer.BadParameter(str(problem)) from problem


def _switch(state: Path, switches: dict[str, Any]) -> None:
    with _explained():
        _print_json(_control(state).post("/events", switches))


def _control(state: Path) -> ControlClient:
    return ControlClient(Running.find(state.resolve()).endpoints.control)


def _print_json(document: object) -> None:
    print(json.dumps(document, indent=2))


def _show_running(running: Running) -> None:
    table = Table(box=None, pad_edge=False, title="localcloud is up", title_justify="left")
    table.add_column("service")
    table.add_column("address")
    for name in SERVICES:
        if name in running.services:
            table.add_row(name, getattr(running.endpoints, name))
        if name == "storage" and name in running.services:
            table.add_row("storage (TLS)", running.endpoints.storage_tls)
    if running.endpoints.aml_http:
        table.add_row("aml (http)", running.endpoints.aml_http)
    table.add_row("state page", running.endpoints.control)
    talk.print(table)
    talk.print(f"State in {running.state}. Stop with Ctrl-C.")


def _log_to(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shape = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(filename=folder / "localcloud.log", level=logging.INFO, format=shape)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn the foreseen failures into one message and their exit code."""
    try:
        yield
    except tuple(_EXIT_OF) as problem:
        _fail(str(problem), _EXIT_OF[type(problem)])


def _fail(message: str, code: Exit) -> NoReturn:
    print(f"localcloud: {message}", file=sys.stderr)
    raise typer.Exit(code)
