"""`slipway logs`: what a run's job printed, also while it still prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from slipway.cli.asking import AsJson, Env, Run, asking, show_json
from slipway.cli.client import Client, Document, Refused, pause
from slipway.cli.screen import clean, size

#: Seconds between two looks.
EVERY = 2.0
#: How many lines an answer has at most; where it has as many, the next ones are there already.
FULL = 1000


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
        _print_end(log)
        _print([log["unfinished"]] if log.get("unfinished") else [])  # an older app does not answer it


def _follow(api: Client, run: str, *, as_json: bool) -> None:
    """Print whole lines, each once, from the end of the log on until the job has ended and all was read."""
    place: str | None = None
    while True:
        log = _seen(api, run, place)
        if log is not None:
            if as_json and log["lines"]:
                typer.echo(json.dumps(log))
            elif not as_json:
                _print_end(log) if place is None else _print(log["lines"])
            place = log.get("next")
            if place is None:
                typer.echo(f"{log['job']}: {log['state']}", err=True)
                return
        if log is None or len(log["lines"]) < FULL:
            pause(EVERY)


def _seen(api: Client, run: str, place: str | None) -> Document | None:
    """The log from a place on; None while the run is active and its job not submitted."""
    try:
        return api.get("runs", run, "log", cursor=place)
    except Refused as refused:
        # Only an active run has a deadline; one that ended without a job never has a log.
        if refused.problem.get("title") != "No log" or api.get("runs", run)["deadline"] is None:
            raise
        return None


def _print_end(log: Document) -> None:
    """The end of a log; where it is only that, a word of it goes to stderr."""
    if log.get("begins"):
        shown, whole = size(log["bytes"] - log["begins"]), size(log["bytes"])
        typer.echo(f"(the last {shown} of {whole}; all of it is in the studio)", err=True)
    _print(log["lines"])


def _print(lines: Sequence[str]) -> None:
    for line in lines:
        typer.echo(clean(line))
