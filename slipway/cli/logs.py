"""`slipway logs`: what a run's job printed, also while it still prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from slipway.cli.asking import AsJson, Env, Run, asking, show_json
from slipway.cli.client import Client, Document, Refused, pause
from slipway.cli.screen import clean

#: The states in which Azure ML's jobs print nothing any more.
OVER = ("Completed", "Failed", "Canceled")
#: Seconds between two looks.
EVERY = 2.0


@dataclass
class Reader:
    """Which lines of a growing log are new. A run that goes on with its next attempt has another job, and another log.

    The last line of a job that still prints may be half a line: it is held back until it was seen unchanged, and
    printed again if it grew nevertheless.
    """

    job: str | None = None
    line: int = 1  #: the number of the next line that is new
    held: str | None = None
    printed: str | None = None  #: the last line that was

    def new(self, log: Document) -> tuple[int, Sequence[str]]:
        """How many lines were missed, gone from the log's end before they were read, and the new ones."""
        first, lines = log["first_line"], log["lines"]
        if log["job"] != self.job:
            self.job, self.line, self.held, self.printed = log["job"], first, None, None
        if 0 <= self.line - 1 - first < len(lines) and lines[self.line - 1 - first] != self.printed:
            self.line -= 1
        fresh = lines[max(0, self.line - first) :]
        whole = log["state"] in OVER or (len(fresh) == 1 and fresh[0] == self.held)
        if fresh and not whole:
            fresh, self.held = fresh[:-1], fresh[-1]
        missed = max(0, first - self.line) if fresh else 0
        if fresh:
            self.line, self.printed = self.line + missed + len(fresh), fresh[-1]
        return missed, fresh


def logs(
    run: Run,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")] = False,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Print the last 1,000 lines of a run's job, secrets taken out; with --follow also those to come.

    With --follow and --json each line is a document with the lines that are new.
    """
    with asking(env, as_json=as_json) as api:
        if follow:
            _follow(api, run, as_json=as_json)
            return
        log = api.get("runs", run, "log")
    if as_json:
        show_json(log)
    else:
        _print(log["lines"])


def _follow(api: Client, run: str, *, as_json: bool) -> None:
    reader, state = Reader(), ""
    while state not in OVER:
        if state:
            pause(EVERY)
        log = _seen(api, run)
        if log is None:
            state = "not submitted"
            continue
        state = log["state"]
        missed, lines = reader.new(log)
        if missed:
            typer.echo(f"({missed} lines came too fast to be read)", err=True)
        if as_json and lines:
            typer.echo(json.dumps({**log, "first_line": reader.line - len(lines), "lines": lines}))
        elif lines:
            _print(lines)
    typer.echo(f"{reader.job}: {state}", err=True)


def _seen(api: Client, run: str) -> Document | None:
    """The log; None while the run is active and its job not submitted."""
    try:
        return api.get("runs", run, "log")
    except Refused as refused:
        # Only an active run has a deadline; one that ended without a job never has a log.
        if refused.problem.get("title") != "No log" or api.get("runs", run)["deadline"] is None:
            raise
        return None


def _print(lines: Sequence[str]) -> None:
    for line in lines:
        typer.echo(clean(line))
