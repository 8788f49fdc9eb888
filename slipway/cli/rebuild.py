"""`slipway rebuild`: what lists show, made anew from the records that it repeats."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from slipway import paths, rollup
from slipway.azure.failures import failure_of
from slipway.azure.lake import lake
from slipway.cli.exits import Exit
from slipway.period import Period
from slipway.settings import SettingsError

#: How many records are read at a time.
READERS = 16


def rebuild(as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False) -> None:
    """Make the board and the lists of attempts anew, in the environment that the SLIPWAY_ settings name.

    They repeat what the records of periods and runs say, and decide nothing. The reconciler mends the board by itself;
    this is for lists that were lost altogether. It may be done at any time, and again.

    Exit codes: 0 done, 3 a setting is missing or wrong, 4 Azure refused or did not answer.
    """
    try:
        done = rebuild_rollups()
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(Exit.SETTINGS) from None
    except Exception as error:
        typer.echo(f"Not done. {failure_of(error)}", err=True)  # raises again what is a bug
        raise typer.Exit(Exit.REFUSED) from None
    words = f"{done['periods']} periods on the board, {done['attempts']} attempts in the lists of {done['hours']} hours"
    typer.echo(json.dumps(done) if as_json else words)


def rebuild_rollups() -> dict[str, int]:
    """Read all records and write what lists show of them; returns how many periods, attempts and hours there are."""
    control = lake().control
    boards = [control.read(paths.board(number)) for number in range(rollup.SHARDS)]
    rows: dict[str, dict[str, rollup.Facts]] = defaultdict(lambda: defaultdict(dict))
    hours: dict[Period, list[dict[str, Any]]] = defaultdict(list)
    for place, data in _records("periods/", ("period_record",)):
        rows[str(place.model)][str(place.period)] |= rollup.facts(data)
        if data["claim"] is not None and data["claim"]["token"]:
            _list(hours, rollup.attempt_row(data["claim"]))
    for place, data in _records("incidents/", ("incident",)):
        rows[str(place.model)][str(place.period)] |= rollup.incident_facts(data)
    for _, data in _records("runs/", ("attempt_record",)):
        _list(hours, rollup.attempt_row(data, data))
    for number, seen in enumerate(boards):
        before = seen.data if seen else None
        mine = {model: periods for model, periods in rows.items() if rollup.shard(model) == number}
        control.update(paths.board(number), partial(_mended, before, mine))
    for hour, listed in hours.items():
        control.update(paths.attempts(hour), partial(_with_all, listed))
    return {
        "periods": sum(len(periods) for periods in rows.values()),
        "attempts": sum(len(listed) for listed in hours.values()),
        "hours": len(hours),
    }


def _list(hours: dict[Period, list[dict[str, Any]]], row: dict[str, Any]) -> None:
    hours[rollup.hour_of(row["began_at"])].append(row)


def _mended(
    before: dict[str, Any] | None,
    rows: Mapping[str, Mapping[str, rollup.Facts]],
    now: dict[str, Any] | None,
    _: datetime,
) -> dict[str, Any] | None:
    return rollup.mended(now, before, rows)


def _with_all(rows: Iterable[dict[str, Any]], listed: dict[str, Any] | None, _: datetime) -> dict[str, Any] | None:
    for row in rows:
        listed = rollup.with_attempt(listed, row) or listed
    return listed


def _records(prefix: str, wanted: tuple[str, ...]) -> Iterator[tuple[paths.Place, dict[str, Any]]]:
    """The records below a folder whose place has one of these names, with a bar that shows how far it is."""
    control, console = lake().control, Console(stderr=True)
    entries = [entry.name for entry in control.list(prefix) if not entry.is_directory]
    named = [(name, place) for name in entries if (place := _place(name)) is not None and place.what in wanted]
    bar = partial(Progress, console=console, transient=True, disable=not console.is_terminal)
    with bar() as progress, ThreadPoolExecutor(READERS) as pool:
        read = zip(named, pool.map(control.read, (name for name, _ in named)), strict=True)
        for (_, place), record in progress.track(read, total=len(named), description=prefix):
            if record is not None:
                yield place, record.data


def _place(name: str) -> paths.Place | None:
    try:
        return paths.parse("control", name)
    except paths.PathError:
        return None
