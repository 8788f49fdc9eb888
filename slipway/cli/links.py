"""`slipway open`: where to read on about a run or a period."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from slipway.cli.asking import AsJson, Env, asking, show_json, tell
from slipway.cli.client import Client, Document
from slipway.cli.exits import Asked
from slipway.cli.screen import console, put
from slipway.cli.show import links


def open_links(
    what: Annotated[str, typer.Argument(metavar="RUN|MODEL/PERIOD", help="A run's id, or a model and a period.")],
    browser: Annotated[bool, typer.Option("--browser", help="Open the job's page in Azure ML's studio.")] = False,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Print the links of a run, or of a period's active, published or last run: job, studio, folders, pointer."""
    with asking(env, as_json=as_json) as api:
        run = _run_of(api, what)
        found = api.get("runs", run) if run else None
    problem = {"title": "No run", "detail": f"Nobody has run {what} yet."}
    if found is not None:
        _show(found, as_json=as_json)
        problem = {"title": "No page", "detail": f"{run} has no page in Azure ML's studio yet."}
    # Only https: a text of others must not start another program.
    page = str(found["links"]["studio"] or "") if found else ""
    if found is None or (browser and not page.startswith("https://")):
        tell(problem, as_json=as_json and found is None)
        raise typer.Exit(Asked.REFUSED)
    if browser:
        webbrowser.open(page)


def _run_of(api: Client, what: str) -> str | None:
    model, slash, period = what.partition("/")
    if not slash:
        return what
    card = api.get("models", model, "periods", period)
    return next((card[name]["run"] for name in ("active", "published", "last") if card[name]), None)


def _show(run: Document, *, as_json: bool) -> None:
    if as_json:
        show_json({"run": run["run"], "links": run["links"]})
    else:
        put(console(), links({"run": run["run"], **run["links"]}))
