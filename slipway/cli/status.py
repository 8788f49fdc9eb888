"""`slipway status`: the board, all models by period."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from slipway.cli.asking import AsJson, Env, asking, show_json
from slipway.cli.client import Document
from slipway.cli.exits import Asked
from slipway.cli.screen import STYLES, WIDE, clean, console, put, state, table, text, when
from slipway.period import Cadence
from slipway.subject import Subject

#: What stands for each state on the board; what is under way has one mark.
MARKS = {
    "succeeded": "✓",
    "failed": "✗",
    "canceled": "⊘",
    "superseded": "»",
    "retracted": "⊖",
    "waived": "~",
    "none": "·",
}
UNDER_WAY = "▸"
#: What is added to the mark of a period that needs a person, or may soon.
INCIDENT, LATE, AT_RISK = "!", "L", "R"


@dataclass(frozen=True)
class Concern:
    """A period that needs a person: it has an open incident, or is late."""

    model: str
    owner: str
    row: Document


def status(
    periods: Annotated[int | None, typer.Option("--periods", help="How many periods of each model, up to 60.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Exit with 4 if something needs a person.")] = False,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Show all models by period: states, open incidents, lateness, the newest period first.

    What needs a person is listed below the board: periods, and what concerns many of them.
    """
    with asking(env, as_json=as_json) as api:
        board = api.get("board", periods=periods)
        common = list(in_common(api.get("overview"))) if check or not as_json else []
    if as_json:
        show_json(board)
    else:
        screen = console()
        put(screen, rendered(board, screen.width))
        put(screen, common)
        screen.print(text(f"{api.target.name} at {when(board['now'])}", "dim"))
    if check and (common or concerns(board)):
        raise typer.Exit(Asked.PERSON)


def concerns(board: Document) -> list[Concern]:
    """The periods that need a person, by model, the newest first."""
    return [
        Concern(model["model"], model["owner"], row)
        for model in board["models"]
        for row in model["periods"]
        if row["incident"] or row["late"]
    ]


def in_common(overview: Document) -> Iterator[Text]:
    """What needs a person and is about no single period: a line each."""
    if overview["reconcile_stale"]:
        since = when(overview["reconciled_at"])
        yield text(f"The reconciler is silent since {since}: slipway doctor says what it finds", "bold red")
    for row in overview["incidents"]:
        if not row["period"]:
            where = f"slipway incidents {row['key']}"
            yield text(f"{Subject.of(row)}  {row['code']}: {row['message']}  → {where}", "bold red")


def rendered(board: Document, width: int) -> Iterator[Table | Text]:
    """The board as a grid for each cadence, what the marks mean, and what needs a person."""
    if not board["models"]:
        yield text("No model is released here.")
        return
    for cadence in Cadence:
        if rows := [model for model in board["models"] if model["cadence"] == cadence]:
            yield _grid(cadence, rows, width)
            yield Text()
    yield _legend(row for model in board["models"] for row in model["periods"])
    if found := concerns(board):
        yield Text()
        yield _concerned(found, width)


def cell(row: Document) -> Text:
    """A period in two characters: the mark of its state, and whether it needs a person."""
    mark = Text(MARKS.get(row["state"], UNDER_WAY), style=STYLES.get(row["state"], "cyan"))
    if row["incident"]:
        return mark.append(INCIDENT, style="bold red")
    if row["timing"] == "at-risk":
        return mark.append(AT_RISK, style="yellow")
    return mark.append(LATE, style="bold yellow") if row["late"] else mark


def _grid(cadence: Cadence, models: list[Document], width: int) -> Table:
    """The models of one cadence: they share their periods' names. Of columns, as many as fit, the newest first."""
    periods = sorted({row["period"] for model in models for row in model["periods"]}, reverse=True)
    room = width - max(len(cadence), *(len(model["model"]) for model in models))
    grid, above = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim"), ""
    grid.add_column(f"\n{cadence}", no_wrap=True)
    shown = []
    for period in periods:
        whole, short = _halves(period)
        head = whole if whole != above else ""
        room -= max(len(head), len(short), 2) + 1
        if room < 0:
            break
        grid.add_column(f"{head}\n{short}", no_wrap=True)
        shown.append(period)
        above = whole
    for model in models:
        cells = {row["period"]: cell(row) for row in model["periods"]}
        grid.add_row(text(model["model"]), *(cells.get(period, Text()) for period in shown))
    return grid


def _halves(period: str) -> tuple[str, str]:
    """A period's name as the part that neighbours share, and its own: `2013-01-31T06Z` is `2013-01-31` and `06`."""
    whole, _, short = period.rstrip("Z").rpartition("T" if "T" in period else "-")
    return clean(whole), clean(short)


def _legend(rows: Iterable[Document]) -> Text:
    """What the marks on this board mean."""
    seen = list(rows)
    states = {row["state"] for row in seen}
    told = [(mark, name) for name, mark in MARKS.items() if name in states]
    told += [(UNDER_WAY, "under way")] if states - set(MARKS) else []
    told += [(INCIDENT, "open incident")] if any(row["incident"] for row in seen) else []
    told += [(LATE, "late")] if any(row["late"] and not row["incident"] for row in seen) else []
    told += [(AT_RISK, "at risk")] if any(row["timing"] == "at-risk" and not row["incident"] for row in seen) else []
    return text("   ".join(f"{mark} {name}" for mark, name in told), "dim")


def _concerned(found: list[Concern], width: int) -> Table:
    more = ("was due", "owner", "last run") if width >= WIDE else ("was due",)
    grid = table("needs a person", "period", "state", "incident", *more)
    for one in found:
        row = one.row
        rest = text(one.owner), text(row["run"])
        grid.add_row(
            text(one.model),
            text(row["period"]),
            state(row["state"]),
            text(row["incident"], "bold red"),
            text(when(row["due"]) if row["late"] else None, "bold yellow"),
            *rest[: len(more) - 1],
        )
    return grid
