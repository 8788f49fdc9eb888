"""The commands that steer a running cloud: its clock, its events, its faults, its copies."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from localcloud.clock import parse_duration
from localcloud.eventgrid.switches import Switches
from localcloud.terminal import STATE, StateOption, control, explained, print_json, read_json

clock_app = typer.Typer(help="Show or move the cloud's clock.", invoke_without_command=True)
events_app = typer.Typer(help="Show or change what happens to events on their way.", invoke_without_command=True)
faults_app = typer.Typer(help="Switch faults on and off.", invoke_without_command=True)
copies_app = typer.Typer(help="Leave asynchronous copies in the lake pending, or complete them.", no_args_is_help=True)


@clock_app.callback()
def clock_default(context: typer.Context, state: StateOption = STATE) -> None:
    """Show the time when no command follows."""
    if context.invoked_subcommand is None:
        clock_show(state)


@clock_app.command("show")
def clock_show(state: StateOption = STATE) -> None:
    """Show the cloud's time."""
    with explained():
        print_json(control(state).get("/clock"))


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
    with explained():
        print_json(control(state).post("/clock", {"advance": duration}))


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
    with explained():
        print_json(control(state).post("/clock", {"set": when.isoformat()}))


@events_app.callback()
def events_default(context: typer.Context, state: StateOption = STATE) -> None:
    """Show switches and counters when no command follows."""
    if context.invoked_subcommand is None:
        with explained():
            print_json(control(state).get("/events"))


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


@events_app.command(
    "forge",
    epilog="""Example: python -m localcloud events forge '{"eventType": "Microsoft.Storage.BlobCreated", "data": """
    """{"api": "PutBlob"}, "subject": "/blobServices/default/containers/landing/blobs/a.csv"}'""",
)
def events_forge(
    event: Annotated[str, typer.Argument(help="An event in either schema; what it lacks is filled in.")],
    source: Annotated[str, typer.Option(help="Who tells of it: storage, aml or a topic.")] = "storage",
    state: StateOption = STATE,
) -> None:
    """Tell of something that did not happen."""
    document = read_json(event, "the event")
    with explained():
        print_json(control(state).post("/events/forged", {"source": source, "event": document}))


@copies_app.command("hold")
def copies_hold(state: StateOption = STATE) -> None:
    """Leave every asynchronous copy (Copy Blob) pending from now on, as a large one is for a while."""
    with explained():
        print_json(control(state).post("/copies", {"held": True}))


@copies_app.command("release")
def copies_release(state: StateOption = STATE) -> None:
    """Complete the copies that are pending, and later ones at once."""
    with explained():
        print_json(control(state).post("/copies", {"held": False}))


@faults_app.callback()
def faults_default(context: typer.Context, state: StateOption = STATE) -> None:
    """List the faults when no command follows."""
    if context.invoked_subcommand is None:
        faults_list(state)


@faults_app.command("list")
def faults_list(state: StateOption = STATE) -> None:
    """List the faults that are on, how often each matched and fired, the seed, and how to have the same again."""
    with explained():
        print_json(control(state).get("/faults"))


@faults_app.command(
    "add",
    epilog="""Example: python -m localcloud faults add '{"service": "storage", "operation": "PutBlob", "nth": 2, """
    """"action": {"status": 503, "headers": {"Retry-After": "1"}}}'""",
)
def faults_add(rule: Annotated[str, typer.Argument(help="A fault rule as JSON.")], state: StateOption = STATE) -> None:
    """Switch a fault on."""
    document = read_json(rule, "the rule")
    with explained():
        print_json(control(state).post("/faults", document))


@faults_app.command("clear")
def faults_clear(state: StateOption = STATE) -> None:
    """Switch all faults off."""
    with explained():
        print_json(control(state).delete("/faults"))


def _seconds(duration: str) -> float:
    try:
        return parse_duration(duration)
    except ValueError as problem:
        raise typer.BadParameter(str(problem)) from problem


def _switch(state: Path, switches: dict[str, Any]) -> None:
    with explained():
        print_json(control(state).post("/events", switches))
