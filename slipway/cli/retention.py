"""`slipway retention`: how long what is kept, what went, and what would go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from slipway.cli.asking import AsJson, Env, asking, show_json
from slipway.cli.client import Document
from slipway.cli.screen import console, put, size, table, text, when


def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what the next pass would delete.")] = False,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show how long each class is kept and what the last pass did; with --dry-run what would go now.

    Nothing is deleted by this command.
    """
    with asking(env, as_json=as_json) as api:
        told = api.get("retention", dry_run="yes" if dry_run else None)
    if as_json:
        show_json(told)
    else:
        put(console(), rendered(told))


def rendered(told: Document) -> Iterator[Table | Text]:
    """The classes, each with what would go of it; then the last pass."""
    dry_run = told["waiting"] is not None
    rows = table("class", "kept", *(("would go", "runs", "files", "bytes") if dry_run else ()))
    for row in told["classes"]:
        counts = [row["count"], row["runs"], row["files"]] if row["count"] is not None else ["-"] * 3
        more = [*map(str, counts), _bytes(row)] if dry_run else []
        rows.add_row(row["name"], row["kept"], *more)
    yield rows
    yield Text()
    for row in told["classes"]:
        for example in row["examples"]:
            yield text(f"{row['name']}: {example}")
    if dry_run and told["looked"] < told["waiting"]:
        yield text(f"{told['looked']} of {told['waiting']} periods were looked at: there is more than this.", "yellow")
    last = told["last"]
    if last is None:
        yield text("No pass has been made yet.")
        return
    went = ", ".join(f"{count} {name}" for name, count in sorted(last["removed"].items())) or "nothing"
    yield text(f"last pass {when(last['at'])}: {went} deleted, {last['purged']} instances purged")
    if last["left"] or last["failed"]:
        left = f"{last['left']} periods left to the next pass, {last['failed']} failures: see the app's log"
        yield text(left, "yellow")


def _bytes(row: Document) -> str:
    if row["bytes"] is None:
        return "-"
    return size(row["bytes"]) + (f" and {row['uncounted']} uncounted" if row["uncounted"] else "")
