"""`slipway doctor`: is this environment well, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from slipway import clock
from slipway.checkup import Check, State, clocks, failed, ok
from slipway.cli.asking import AsJson, Env, asking, show_json
from slipway.cli.client import Client, Document, Refused, Unreachable
from slipway.cli.exits import Asked
from slipway.cli.screen import console, put, table, text

STYLES = {State.OK: "green", State.WARNING: "yellow", State.FAILED: "bold red"}


def doctor(
    everything: Annotated[bool, typer.Option("--all", help="Show what is well in full, too.")] = False,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Check an environment: settings, identity, rights, services, clocks, watchers; and say what to do.

    Exit codes: 0 nothing failed (there may be warnings), 1 refused (only operators are told), 3 the app could not be
    asked, 4 a check failed.
    """
    with asking(env, as_json=as_json) as api:
        told, code = _ask(api)
    if as_json:
        show_json(told)
    else:
        put(console(), rendered(told, everything=everything))
    raise typer.Exit(code)


def _ask(api: Client) -> tuple[Document, Asked]:
    """The app's checks, and those that only the desk can make."""
    url = api.target.url
    try:
        told = api.get("doctor")
    except Unreachable as error:
        found = f"{error.title}: {error.detail}"
        return _document([failed("app", found, "Nothing else could be checked.")]), Asked.UNREACHABLE
    except Refused as refused:
        if refused.problem.get("status") in (401, 403):
            raise
        found = f"{refused.problem['title']}: {refused.problem['detail']}"
        return _document([failed("app", found, "Mend this first: nothing else was checked.")]), Asked.PERSON
    desk = [
        ok("app", f"{url} answers"),
        clocks("clock of this machine", clock.now(), datetime.fromisoformat(told["now"]), "its clock and the app's"),
    ]
    told["checks"] = [*(one.to_document() for one in desk), *told["checks"]]
    is_bad = any(row["state"] == State.FAILED for row in told["checks"])
    return told, Asked.PERSON if is_bad else Asked.OK


def _document(checks: list[Check]) -> Document:
    return {"now": clock.now().isoformat(), "checks": [one.to_document() for one in checks], "unseen": []}


def rendered(told: Document, *, everything: bool = False) -> Iterator[Table | Text]:
    """What is wrong first, with its remedy; then what is well."""
    order = {State.FAILED: 0, State.WARNING: 1, State.OK: 2}
    rows: list[dict[str, Any]] = sorted(told["checks"], key=lambda row: order[State(row["state"])])
    shown = table("check", "", "found")
    for row in rows:
        found = row["found"] if everything or row["state"] != State.OK else _short(row["found"])
        shown.add_row(row["name"], text(row["state"], STYLES[State(row["state"])]), text(found))
        if row["remedy"]:
            shown.add_row("", "", text(f"→ {row['remedy']}"))
    yield shown
    if told["unseen"]:
        yield Text()
        yield text("What cannot be seen from here:")
        for one in told["unseen"]:
            yield text(f"  {one}")


def _short(found: str) -> str:
    return found if len(found) <= 100 else f"{found[:99]}…"
