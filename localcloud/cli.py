"""``python -m localcloud``: start a local Azure, and look at and steer one that runs.

Results go to standard output, talk to standard error; ``--json`` makes results for machines.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from localcloud import cloud, environment, steering
from localcloud.clock import Clock
from localcloud.config import Ports, Resources
from localcloud.endpoints import SERVICES, Running
from localcloud.faults.rules import Rule
from localcloud.identity.rules import Identity
from localcloud.secrets import Secrets
from localcloud.terminal import (
    CODES,
    STATE,
    AsOption,
    Exit,
    JsonOption,
    StateOption,
    control,
    explained,
    read_json,
    result,
    talk,
)
from localcloud.tls import Tls

app = typer.Typer(
    help=f"A local Azure for desks, demos and tests.\n\n{CODES}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(steering.clock_app, name="clock")
app.add_typer(steering.events_app, name="events")
app.add_typer(steering.faults_app, name="faults")
app.add_typer(steering.copies_app, name="copies")


def main() -> None:
    """Run the command line."""
    app()


def _port(name: str, default: int | None) -> Any:
    text = "off unless given" if default is None else f"default {default}"
    return typer.Option(f"--{name}-port", help=f"Port of {name}: {text}, 0 any free one.", min=0, max=65535)


PORTS = Ports()
SLOT_PORT = 7072


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
    slot: Annotated[
        str | None, typer.Option(help="Start the host of this deployment slot too, with an engine store of its own.")
    ] = None,
    slot_port: Annotated[int, _port("slot", SLOT_PORT)] = SLOT_PORT,
    seed: Annotated[int, typer.Option(help="Drives what faults and event switches leave to chance.")] = 0,
    fault: Annotated[
        list[str] | None, typer.Option(help="A fault rule as JSON that is on from the first moment; may be repeated.")
    ] = None,
    events: Annotated[str, typer.Option(help="Event switches as JSON, set at the start.")] = "{}",
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
        slot_port if slot else None,
    )
    rules = [read_json(text, "the rule of --fault") for text in fault or ()]
    switches, services = read_json(events, "--events"), _services(only)
    with explained():
        options = cloud.Options(
            app=app_folder.resolve(),
            state=state.resolve(),
            ports=ports,
            only=services,
            enforce_keys=enforce_keys,
            principal=principal,
            verbose=verbose,
            seed=seed,
            slot=slot,
            faults=tuple(map(Rule.parse, rules)),
            events=switches,
        )
        _log_to(options.state / "logs")
        asyncio.run(cloud.run(options, _show_running))
    talk.print("Stopped.")


@app.command("env", epilog='Example: eval "$(python -m localcloud env --as analyst)"')
def show_environment(who: AsOption = "app", state: StateOption = STATE, as_json: JsonOption = False) -> None:
    """Print what a program needs in its environment in order to reach the cloud as somebody."""
    with explained():
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
    with explained():
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
    with explained():
        folder = control(state).get(f"/files/{path.strip('/')}")
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
    with explained():
        chunks = control(state).download(path.strip("/"))
        first = next(chunks, b"")  # a refusal shows here, before a file is made
        with output.open("wb") if output else os.fdopen(os.dup(1), "wb") as file:
            file.write(first)
            file.writelines(chunks)


@app.command(epilog="Example: python -m localcloud status --json")
def status(state: StateOption = STATE, as_json: JsonOption = False) -> None:
    """Say whether every service of the running cloud answers; exit code 6 if not."""
    with explained():
        health = control(state).get("/health")
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


def _services(only: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in only.split(",") if name.strip())
    unknown = set(names) - set(SERVICES)
    if unknown or not names:
        raise typer.BadParameter(
            f"--only: no service {', '.join(sorted(unknown)) or 'named'}; known: {', '.join(SERVICES)}"
        )
    return names


def _show_running(running: Running) -> None:
    table = Table(box=None, pad_edge=False, title="localcloud is up", title_justify="left")
    table.add_column("service")
    table.add_column("address")
    for name in SERVICES:
        if name in running.services:
            table.add_row(name, getattr(running.endpoints, name))
        if name == "functions" and running.endpoints.slot:
            table.add_row("its slot", running.endpoints.slot)
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
