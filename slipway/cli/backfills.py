"""`slipway backfill …`: runs of many periods, planned first, then started, watched, paused, canceled."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from slipway.cli.asking import AsJson, Env, Model, asking, show_json, tell
from slipway.cli.backfill_screen import goes_on, listed, progress, rendered, standing
from slipway.cli.changes import Key, Reason, asked_reason, change, say
from slipway.cli.client import PAGE, Client, Document
from slipway.cli.client import pause as wait
from slipway.cli.exits import Asked
from slipway.cli.screen import clean, console, put, text

Backfill = Annotated[str, typer.Argument(help="A backfill's id, such as bf-0123456789.", show_default=False)]
_Text = str | None
#: Seconds between two looks: at a plan that is being made, at a backfill that goes on.
SOON, EVERY = 0.5, 2.0
#: After how many looks it is said that a plan takes long.
PATIENT = 60
ENDED = ("finished", "canceled")


def plan(
    model: Model,
    first: Annotated[_Text, typer.Option("--from", help="The first period.", show_default=False)] = None,
    last: Annotated[_Text, typer.Option("--to", help="The last period.", show_default=False)] = None,
    period: Annotated[
        list[str] | None, typer.Option("--period", help="A period, in place of a range; may be given again.")
    ] = None,
    only: Annotated[str, typer.Option("--only", help="missing, failed, outdated, or all.")] = "missing",
    parallel: Annotated[int, typer.Option("--parallel", help="How many runs at a time.")] = 4,
    order: Annotated[str, typer.Option("--order", help="Which are run first: oldest or newest.")] = "oldest",
    start: Annotated[bool, typer.Option("--start", help="Start it, too.")] = False,
    reason: Reason = None,
    key: Key = None,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Plan runs of many periods: what is good, what will run, what blocks, what it takes. Nothing runs yet."""
    asked: dict[str, Any] = {"only": only, "parallel": parallel, "order": order}
    asked |= {name: value for name, value in (("from", first), ("to", last), ("periods", period)) if value}
    name = key or str(uuid.uuid4())
    with asking(env, as_json=as_json) as api:
        why = reason or asked_reason(api.target.name)
        told = api.post("models", model, "backfills", body={**asked, "reason": why}, key=name)
        told = _planned(api, told["backfill"])
        if start and told["state"] == "planned":
            told = api.post("backfills", told["backfill"], "start", body={"reason": why}, key=f"{name}-start")
        _show(told, _periods(api, told["backfill"]), as_json=as_json)
    if told["state"] == "canceled":
        tell({"title": "Not planned", "detail": told["canceled"]["reason"]}, as_json=False)
        raise typer.Exit(Asked.REFUSED)


def list_(
    model: Annotated[_Text, typer.Option("--model", help="Of this model.")] = None,
    state: Annotated[_Text, typer.Option("--state", help="In this state: planned, running, paused, finished …")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=PAGE, help="How many at most.")] = 20,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """List backfills, the newest first."""
    with asking(env, as_json=as_json) as api:
        found = api.get("backfills", model=model, state=state, limit=limit)
    if as_json:
        show_json(found)
        return
    screen = console()
    screen.print(listed(found["backfills"], screen.width) if found["backfills"] else text("No backfill fits."))
    if found["next"]:
        typer.echo(f"There are more than {limit}: --limit, or a narrower search.", err=True)


def show(backfill: Backfill, env: Env = None, as_json: AsJson = False) -> None:
    """Show a backfill: its periods, what it takes, what people decided, how far it is."""
    with asking(env, as_json=as_json) as api:
        _show(api.get("backfills", backfill), _periods(api, backfill), as_json=as_json)


def watch(
    backfill: Backfill,
    check: Annotated[bool, typer.Option("--check", help="Exit with 4 unless every run was published.")] = False,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Follow a backfill until it has ended and none of its runs goes on, then show what became of each period.

    One that was not started is shown as it is, and ends the command with 4: a person has to start it.
    """
    with asking(env, as_json=as_json) as api:
        told = _followed(api, backfill)
        _show(told, _periods(api, backfill), as_json=as_json)
    if told["state"] == "planned":
        typer.echo(clean(standing(told)), err=True)
        raise typer.Exit(Asked.PERSON)
    if check and (told["state"] == "canceled" or {"failed", "canceled", "skipped"} & set(told["counts"])):
        raise typer.Exit(Asked.PERSON)


def start(backfill: Backfill, reason: Reason = None, key: Key = None, env: Env = None, as_json: AsJson = False) -> None:
    """Start a backfill that was planned."""
    change(("backfills", backfill, "start"), reason, key, env, as_json=as_json)
    say(f"{backfill} is started: slipway backfill watch {backfill}", as_json=as_json)


def pause(backfill: Backfill, reason: Reason = None, key: Key = None, env: Env = None, as_json: AsJson = False) -> None:
    """Start nothing new of a backfill for now; its runs under way go on."""
    change(("backfills", backfill, "pause"), reason, key, env, as_json=as_json)
    say(f"{backfill} is paused: slipway backfill resume {backfill}", as_json=as_json)


def resume(
    backfill: Backfill, reason: Reason = None, key: Key = None, env: Env = None, as_json: AsJson = False
) -> None:
    """Go on with a backfill that was paused."""
    change(("backfills", backfill, "resume"), reason, key, env, as_json=as_json)
    say(f"{backfill} goes on: slipway backfill watch {backfill}", as_json=as_json)


def cancel(
    backfill: Backfill,
    runs: Annotated[
        str, typer.Option("--runs", help="What becomes of its runs under way: cancel or finish.")
    ] = "cancel",
    reason: Reason = None,
    key: Key = None,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """End a backfill for good. What was published stays."""
    change(("backfills", backfill, "cancel"), reason, key, env, as_json=as_json, runs=runs)
    say(f"{backfill} is canceled: slipway backfill show {backfill}", as_json=as_json)


#: The commands by name, in the order of the help.
COMMANDS: dict[str, Callable[..., None]] = {
    "plan": plan,
    "start": start,
    "list": list_,
    "show": show,
    "watch": watch,
    "pause": pause,
    "resume": resume,
    "cancel": cancel,
}


def _planned(api: Client, backfill: str) -> Document:
    """Wait for the plan: moments, unless its model reads very many files."""
    screen, looks = Console(stderr=True), 0
    with screen.status("planning …") if screen.is_terminal else screen:
        while (told := api.get("backfills", backfill))["state"] == "planning":
            if (looks := looks + 1) == PATIENT:
                screen.print(text(f"Its plan takes long. To leave, and look later: slipway backfill show {backfill}"))
            wait(SOON)
    return told


def _periods(api: Client, backfill: str) -> list[Document]:
    return [row for page in api.pages("backfills", backfill, "periods", limit=PAGE) for row in page["periods"]]


def _show(backfill: Document, rows: list[Document], *, as_json: bool) -> None:
    if as_json:
        show_json({**backfill, "periods": rows})
    else:
        screen = console()
        put(screen, rendered(backfill, rows, screen.width))


def _followed(api: Client, backfill: str) -> Document:
    """Look until it has ended, or turns out not to have been started; says each change, on a terminal by a bar."""
    screen, last = Console(stderr=True), ""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(clean(backfill))
        while True:
            told = api.get("backfills", backfill)
            done, total = progress(told["counts"])
            bar.update(task, total=total, completed=done, description=f"{clean(backfill)} {told['state']}")
            if told["state"] == "planned" or (told["state"] in ENDED and not goes_on(told)):
                return told
            if (line := standing(told)) != last:
                # Beside the bar, only what it does not show: that it waits, and for what.
                if not screen.is_terminal or told["state"] == "paused" or told["held"]:
                    bar.console.print(text(line))
                last = line
            wait(EVERY)
