"""A backfill as a terminal shows it: what it is, its periods in rows that can be scanned, what it takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from rich.table import Table
from rich.text import Text

from slipway.cli.client import Document
from slipway.cli.screen import WIDE, span, table, text, when

#: What is said of a period, by its state, and its colour.
WORDS = {
    "pending": ("will run", "cyan"),
    "blocked": ("inputs missing", "yellow"),
    "starting": ("starting", "cyan"),
    "active": ("running", "cyan"),
    "good": ("already good", "dim"),
    "published": ("published", "green"),
    "failed": ("failed", "bold red"),
    "canceled": ("canceled", "yellow"),
    "skipped": ("skipped", "yellow"),
}
STATES = {
    "planning": "cyan",
    "planned": "cyan",
    "running": "cyan",
    "paused": "yellow",
    "finished": "green",
    "canceled": "yellow",
}
#: What comes next, by state.
NEXT = {"planning": "show", "planned": "start", "running": "watch", "paused": "resume"}
#: The states of periods that nothing more will happen to.
DONE = ("good", "published", "failed", "canceled", "skipped")


def rendered(backfill: Document, rows: list[Document], width: int) -> Iterator[Table | Text]:
    """All of it: what it is for, its periods, what it takes, what comes next."""
    name = backfill["backfill"]
    state = text(backfill["state"], STATES.get(backfill["state"], ""))
    yield Text.assemble(text(f"{name} of {backfill['model']}", "bold"), "  ", state)
    yield text(f"{_where(backfill)}  ({spoken(backfill)})")
    yield text(f"by {backfill['by']} at {when(backfill['at'])}: {backfill['reason']}", "dim")
    yield from _decisions(backfill)
    if backfill["held"]:
        yield text(f"Held back: {backfill['held']}", "yellow")
    yield Text()
    yield _periods(rows, width)
    yield Text()
    yield from _estimate(backfill)
    if backfill["state"] in NEXT:
        yield text(f"slipway backfill {NEXT[backfill['state']]} {name}")


def spoken(backfill: Document) -> str:
    """What it is for, in a few words."""
    whole = f"{backfill['first']} to {backfill['last']}" if backfill["first"] != backfill["last"] else backfill["first"]
    return f"{backfill['only']} of {whole}, {backfill['parallel']} at a time, {backfill['order']} first"


def summed(counts: Document) -> str:
    """How many periods stand where."""
    return ", ".join(f"{counts[state]} {words}" for state, (words, _) in WORDS.items() if counts.get(state))


def _where(backfill: Document) -> str:
    """Where its periods stand; as long as its plan is being made, nobody knows of any."""
    if backfill["state"] == "planning":
        return f"{sum(backfill['counts'].values())} periods are being looked at"
    return summed(backfill["counts"])


def progress(counts: Document) -> tuple[int, int]:
    """How many periods are done with, and of how many."""
    return sum(number for state, number in counts.items() if state in DONE), sum(counts.values())


def goes_on(backfill: Document) -> bool:
    """Whether a run of it, or one that it awaits, is under way."""
    return bool({"active", "starting"} & set(backfill["counts"]))


def standing(backfill: Document) -> str:
    """How it stands in one line: where its periods are, what it waits for, and which command makes it go on."""
    name, state, counts = backfill["backfill"], backfill["state"], _where(backfill)
    held = f"; held back: {backfill['held']}" if backfill["held"] else ""
    if state == "planned":
        return f"{name} is planned and not started{held}: slipway backfill start {name}"
    if state == "paused":
        return f"paused by {backfill['paused']['by']}: {counts}; it goes on with: slipway backfill resume {name}"
    rest = "; what runs goes on to its end" if state == "canceled" and goes_on(backfill) else ""
    return f"{state}: {counts}{held}{rest}"


def listed(rows: Iterable[Document], width: int) -> Table:
    """Backfills as a table."""
    more = ("by", "why") if width >= WIDE else ()
    grid = table("backfill", "model", "state", "periods", "asked for", *more)
    for row in rows:
        rest = text(row["by"]), text(row["reason"])
        grid.add_row(
            text(row["backfill"]),
            text(row["model"]),
            text(row["state"], STATES.get(row["state"], "")),
            text(summed(row["counts"])),
            text(when(row["at"])),
            *rest[: len(more)],
        )
    return grid


def _periods(rows: list[Document], width: int) -> Table:
    """Neighbours that stand alike share a row: of two years, what differs is seen."""
    more = ("run",) if width >= WIDE else ()
    grid = table("periods", "number", "", "why", *more)
    for state, group in groupby(rows, key=lambda row: row["state"]):
        alike = list(group)
        first, last = alike[0]["period"], alike[-1]["period"]
        words, style = WORDS.get(state, (state, ""))
        reasons = sorted({row["why"] for row in alike if row["why"]})
        why = (reasons[0] + (f", and {len(reasons) - 1} more" if len(reasons) > 1 else "")) if reasons else ""
        runs = [row["run"] for row in alike if row["run"]]
        run = runs[0] if len(runs) == 1 else f"{len(runs)} runs" if runs else ""
        grid.add_row(
            text(first if first == last else f"{first} to {last}"),
            text(len(alike)),
            text(words, style),
            text(why or " "),
            *(text(run or " ") for _ in more),
        )
    return grid


def _decisions(backfill: Document) -> Iterator[Text]:
    for what in ("started", "paused", "canceled"):
        if said := backfill[what]:
            runs = f" ({said['runs']} its runs)" if "runs" in said else ""
            yield text(f"{what} by {said['by']} at {when(said['at'])}{runs}: {said['reason']}", "dim")


def _estimate(backfill: Document) -> Iterator[Text]:
    """What it takes, and what nobody knows."""
    estimate = backfill["estimate"]
    if estimate is None:
        return
    told = [f"{estimate['runs']} run{'s' if estimate['runs'] != 1 else ''} on {estimate['compute']}"]
    if estimate["seconds"] is not None:
        told.append(f"about {span(estimate['seconds'])}")
    if estimate["node_hours"] is not None:
        told.append(f"{estimate['node_hours']:g} node-hours")
    if money := estimate["money"]:
        told.append(f"{money['amount']:.2f} {money['currency']}")
    based_on = estimate["based_on"]
    past = f"{based_on['runs']} published run{'s' if based_on['runs'] != 1 else ''}" if based_on else ""
    by = f", by the median of {past}" if based_on else ""
    yield text(f"Planned: {', '.join(told)}{by}.")
    for unknown in estimate["unknown"]:
        yield text(f"Not known: {unknown}.", "dim")
    if backfill["finishes_at"] and backfill["state"] == "running":
        yield text(f"The last run ends at about {when(backfill['finishes_at'])}.")
