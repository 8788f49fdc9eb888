"""`slipway show`: a run on one screen, the failure first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from slipway.cli.asking import AsJson, Env, Run, asking, show_json
from slipway.cli.client import Document
from slipway.cli.screen import console, put, span, state, table, text, when
from slipway.metrics import words

#: How wide an attempt's timeline is, in characters, where there is room.
TIMELINE = 32
#: What stands beside it.
BESIDE = 62


def show(run: Run, env: Env = None, as_json: AsJson = False) -> None:
    """Show a run: its failure first, its steps on a timeline, its attempts, its metrics, its links."""
    with asking(env, as_json=as_json) as api:
        found = api.get("runs", run)
        history = {"timeline": [], "missing": None} if as_json else api.get("runs", run, "history")
    if as_json:
        show_json(found)
        return
    screen = console()
    put(screen, rendered(found, history["timeline"], screen.width, history.get("missing")))


def rendered(
    run: Document, history: Sequence[Document], width: int, missing: str | None = None
) -> Iterator[Table | Text]:
    """All of it, from the top of the screen. `history` is every task that was tried, by the time it began.

    `missing` says what of it could not be had.
    """
    yield Text.assemble(text(run["run"], "bold"), "  ", state(run["state"]), _wish(run))
    if run["failure"]:
        yield failure(run["failure"], run["failed_step"])
    yield _facts(run)
    for what, since in run["gone"].items():
        yield text(f"Its {what} are deleted since {when(since)}, as slipway retention says", "yellow")
    if history:
        yield Text()
        yield timeline(tasks(history), max(8, min(TIMELINE, width - BESIDE)))
    if missing:
        yield text(missing, "yellow")
    if run["attempts"]:
        yield Text()
        yield _attempts(run["attempts"])
    if run.get("metrics"):  # an older app does not answer them
        yield Text()
        yield _metrics(run["metrics"])
    yield Text()
    yield from links(run["links"])


def failure(found: Document, step: str | None) -> Text:
    """Why it failed, whose concern it is, and where."""
    where = f" in {step}" if step else ""
    return text(f"{found['kind']}/{found['code']}{where}: {found['message']}", "red")


def tasks(history: Sequence[Document]) -> list[Document]:
    """What was tried, one row for all tries and batches of a task in an attempt; an error only where the last has one.

    A row has attempt, what, times, how many there were, and the error.
    """
    rows: dict[tuple[int, str], Document] = {}
    for entry in history:
        before = rows.get((entry["attempt"], entry["what"]))
        rows[entry["attempt"], entry["what"]] = {
            "attempt": entry["attempt"],
            "what": entry["what"],
            "began_at": before["began_at"] if before else entry["began_at"],
            "ended_at": max(before["ended_at"], entry["ended_at"], key=_at) if before else entry["ended_at"],
            "times": before["times"] + 1 if before else 1,
            "error": entry["error"],
        }
    return list(rows.values())


def timeline(rows: Sequence[Document], width: int = TIMELINE) -> Table:
    """The tasks with their durations, each attempt on a scale of its own: attempts may lie days apart."""
    failed = any(row["error"] for row in rows)
    grid = table("attempt", "task", "took", "", "began", *(("failed with",) if failed else ()))
    for attempt in sorted({row["attempt"] for row in rows}):
        own = [row for row in rows if row["attempt"] == attempt]
        begins, ends = min(_at(row["began_at"]) for row in own), max(_at(row["ended_at"]) for row in own)
        for number, row in enumerate(own):
            began, ended = _at(row["began_at"]), _at(row["ended_at"])
            style = "red" if row["error"] else "cyan"
            grid.add_row(
                text(attempt if number == 0 else " "),
                text(row["what"] + (f", {row['times']} times" if row["times"] > 1 else "")),
                text(span(ended - began)),
                Text(bar(began - begins, ended - begins, ends - begins, width), style),
                text(when(row["began_at"])),
                *((text((row["error"] or " ").partition(":")[0], "red"),) if failed else ()),
            )
    return grid


def bar(begin: float, end: float, whole: float, width: int) -> str:
    """A stretch of a whole (all in seconds) as blocks on a line of `width`; never less than one."""
    scale = width / whole if whole > 0 else 0
    left = min(int(begin * scale), width - 1)
    right = max(round(end * scale), left + 1)
    return f"{' ' * left}{'█' * (right - left)}{' ' * (width - right)}"


def links(found: Document) -> Iterator[Text]:
    """Where to read on, a line each, which is not broken: links are copied. What is not there is left out."""
    longest = max(map(len, found), default=0)
    for name, link in found.items():
        if link is not None:
            line = Text.assemble(text(name.ljust(longest + 2), "dim"), text(link))
            line.no_wrap = True
            yield line


def _facts(run: Document) -> Table:
    cause = run["cause"]
    asked = f"{cause['kind']}, by {cause['by']}" + (f": {cause['reason']}" if cause.get("reason") else "")
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_row(text("model", "dim"), text(f"{run['model']} {run['period']}, version {run['version']}"))
    grid.add_row(text("attempt", "dim"), text(f"{run['attempt']}, since {when(run['since'])}"))
    grid.add_row(text("cause", "dim"), text(asked))
    if run["deadline"]:
        grid.add_row(text("deadline", "dim"), text(f"{when(run['deadline'])}, for the next sign of life"))
    if incident := run["incident"]:
        told = f"{incident['status']}, {incident['code']}, since {when(incident['opened_at'])}"
        grid.add_row(text("incident", "dim"), text(told, "red" if incident["status"] == "open" else ""))
    return grid


def _attempts(attempts: Sequence[Document]) -> Table:
    grid = table("attempt", "ended", "state", "failure", "job")
    for one in attempts:
        code = f"{one['failure']['kind']}/{one['failure']['code']}" if one["failure"] else None
        grid.add_row(
            text(one["attempt"]), text(when(one["ended_at"])), state(one["state"]), text(code), text(one["job"])
        )
    return grid


def _metrics(metrics: Document) -> Table:
    grid = table("metric", "value")
    for name, value in metrics.items():
        grid.add_row(text(name), text(words(value)))
    return grid


def _wish(run: Document) -> Text:
    return text("  to be canceled", "yellow") if run["canceling"] else Text()


def _at(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
