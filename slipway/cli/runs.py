"""`slipway runs`: attempts of runs, searched."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from slipway import clock
from slipway.cli.asking import AsJson, Env, asking, show_json
from slipway.cli.client import PAGE, Client, Document
from slipway.cli.screen import WIDE, console, span, state, table, text, when
from slipway.duration import duration
from slipway.problems import BrokenRules

#: How many attempts are shown unless told.
SHOWN = 50
_Text = str | None


def runs(
    model: Annotated[_Text, typer.Option("--model", help="Of this model.")] = None,
    period: Annotated[_Text, typer.Option("--period", help="Of this period.")] = None,
    state: Annotated[_Text, typer.Option("--state", help="In this state: running, succeeded, failed …")] = None,
    cause: Annotated[_Text, typer.Option("--cause", help="By this cause: data, request, resume, backfill.")] = None,
    by: Annotated[_Text, typer.Option("--by", help="Asked for by this person.")] = None,
    since: Annotated[_Text, typer.Option("--since", help="Begun since a time, or so long ago: 6h, 2d.")] = None,
    until: Annotated[_Text, typer.Option("--until", help="Begun before a time, or so long ago.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = SHOWN,
    everything: Annotated[bool, typer.Option("--all", help="All there are, whatever --limit says.")] = False,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Search attempts of runs, the newest first; those of the last 31 days unless told."""
    wanted = {"model": model, "period": period, "state": state, "cause": cause, "by": by}
    with asking(env, as_json=as_json) as api:
        found = gathered(api, None if everything else limit, {**wanted, "since": time(since), "until": time(until)})
    if as_json:
        show_json(found)
        return
    screen = console()
    screen.print(rendered(found, screen.width) if found["attempts"] else text("No attempt fits."))
    if found["next"]:
        typer.echo(f"There are more than {limit}: --limit, --all, or a narrower search.", err=True)


def gathered(api: Client, limit: int | None, wanted: dict[str, str | None]) -> Document:
    """The attempts of as many pages as it takes, as one page. A page may be empty although there are more."""
    rows: list[Document] = []
    cursor: str | None = None
    while True:
        room = PAGE if limit is None else min(limit - len(rows), PAGE)
        page = api.get("runs", **wanted, limit=room, cursor=cursor)
        rows, cursor = rows + page["attempts"], page["next"]
        if cursor is None or len(rows) == limit:
            return {"attempts": rows, "next": cursor}


def time(given: str | None) -> str | None:
    """A time of the API's, or a duration counted back from now by this machine's clock."""
    if given is None:
        return None
    try:
        return (clock.now() - duration(given)).isoformat()
    except BrokenRules:
        return given  # the API knows what is a time, and says so


def rendered(found: Document, width: int) -> Table:
    """The attempts as a table."""
    more = ("attempt", "took", "cause", "by", "why") if width >= WIDE else ()
    grid = table("run", "state", "began", *more)
    for row in found["attempts"]:
        rest = row["attempt"], _took(row), row["cause"], row["by"], row["reason"]
        failure = text(f", {row['code']}" if row["code"] else " ")
        grid.add_row(
            text(row["run"]),
            state(row["state"]).append_text(failure),
            text(when(row["began_at"])),
            *map(text, rest[: len(more)]),
        )
    return grid


def _took(row: Document) -> str | None:
    if row["ended_at"] is None:
        return None
    began, ended = (datetime.fromisoformat(row[name]) for name in ("began_at", "ended_at"))
    return span((ended - began).total_seconds())
