"""`slipway incidents`: what needs a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.text import Text

from slipway.cli.asking import AsJson, Env, asking, show_json
from slipway.cli.client import PAGE, Document
from slipway.cli.screen import console, put, text, when
from slipway.subject import Subject


def incidents(
    everything: Annotated[bool, typer.Option("--all", help="Those that were resolved, too.")] = False,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show the open incidents, each with its first step, by model and period."""
    with asking(env, as_json=as_json) as api:
        pages = list(api.pages("incidents", status="all" if everything else "open", limit=PAGE))
    rows = [row for page in pages for row in page["incidents"]]
    if as_json:
        show_json({"incidents": rows, "next": None})
    else:
        screen = console()
        put(screen, rendered(rows))
        if not rows:
            screen.print(text("No incident." if everything else "No open incident.", "green"))


def rendered(rows: list[Document]) -> Iterator[Text]:
    """Each incident in a few lines: where, since when and whose, what happened, what to do first."""
    for row in rows:
        is_open = row["status"] == "open"
        name = text(str(Subject.of(row)), "bold")
        loud = f"  {row['severity']}" if row["severity"] and is_open else ""
        yield Text.assemble(name, "  ", text(f"{row['kind']}/{row['code']}{loud}", "red" if is_open else "green"))
        times = f", {row['occurrences']} times" if row["occurrences"] > 1 else ""
        owner = f", {row['owner']} is called" if row["owner"] and is_open else ""
        ended = f", resolved {when(row['resolved_at'])} by {row['resolved_by']}" if not is_open else ""
        on_it = f", {row['acknowledged']['by']} is on it" if row["acknowledged"] and is_open else ""
        yield text(f"  since {when(row['opened_at'])}{times}{owner}{on_it}{ended}")
        if row["run"]:
            yield text(f"  {row['run']}")
        yield text(f"  {row['message']}")
        if is_open:
            yield text(f"  → {row['first_step']}")
        yield Text()
