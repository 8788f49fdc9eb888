"""`slipway incidents`: what needs a person, and one of them in full: the words that its receivers were told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.text import Text

from slipway.cli.asking import AsJson, Env, asking, show_json
from slipway.cli.client import PAGE, Document
from slipway.cli.screen import console, put, text, when
from slipway.subject import Subject

Key = Annotated[
    str | None,
    typer.Argument(help="One incident's key: all of it, and each remedy as a command.", show_default=False),
]


def incidents(
    key: Key = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that were resolved, too.")] = False,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show the open incidents, each with its first step, by model and period; or one in full, by its key."""
    if key is not None:
        _one(key, env, as_json=as_json)
        return
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


def _one(key: str, env: str | None, *, as_json: bool) -> None:
    with asking(env, as_json=as_json) as api:
        found = api.get("incidents", key)
    if as_json:
        show_json(found)
    else:
        put(console(), in_full(found))


def in_full(incident: Document) -> Iterator[Text]:
    """An incident as it was told: its title and how it stands, then a line each."""
    is_open = incident["status"] == "open"
    stands = f"{incident['status']}, {incident['severity']}" if is_open else incident["status"]
    yield Text.assemble(text(incident["title"], "bold"), "  ", text(stands, "red" if is_open else "green"))
    if not is_open:
        yield text(f"Resolved {when(incident['resolved_at'])} by {incident['resolved_by']}", "green")
    for line in incident["text"].splitlines():
        yield text(line)


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
            yield text(f"  → {row['first_step']} Each remedy: slipway incidents {row['key']}")
        yield Text()
