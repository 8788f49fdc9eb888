"""`slipway why`: the card of a period in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from slipway.cli.asking import AsJson, Env, Model, Period, asking, show_json
from slipway.cli.client import Document
from slipway.cli.exits import Asked
from slipway.cli.screen import console, put, size, span, state, table, text, when

#: What Slipway would do, in words; actions are those of `slipway.decision`.
ACTIONS = {
    "nothing": "does nothing",
    "wait": "waits",
    "start": "starts a run",
    "next_attempt": "starts the next attempt",
    "roll_forward": "finishes the publication",
    "give_up": "gives the run up",
    "close_outputs": "closes outputs to readers",
    "end_jobs": "ends jobs that nobody waits for",
    "open_incident": "opens an incident",
    "resolve_incident": "resolves the incident",
    "raise_incident": "raises the incident again",
}
_STYLES = {"arrived": "green", "partial": "yellow", "waiting": "yellow", "late": "bold red", "excused": "dim"}


def why(
    model: Model,
    period: Period,
    check: Annotated[bool, typer.Option("--check", help="Exit with 4 if the period needs a person.")] = False,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Say why a period stands where it does: what blocks and since when, what Slipway does now, when it asks again."""
    with asking(env, as_json=as_json) as api:
        card = api.get("models", model, "periods", period)
    if as_json:
        show_json(card)
    else:
        put(console(), rendered(card))
    if check and needs_a_person(card):
        raise typer.Exit(Asked.PERSON)


def needs_a_person(card: Document) -> bool:
    """Whether the period has an open incident, or is late."""
    incident = card["incident"]
    return bool(incident and incident["status"] == "open") or card["timing"] == "late"


def rendered(card: Document) -> Iterator[Table | Text]:
    """All of it, the answer first."""
    yield Text.assemble(text(f"{card['model']} {card['period']}", "bold"), "  ", _standing(card))
    yield from _sentences(card)
    yield Text()
    yield _inputs(card["readiness"]["inputs"])


def _standing(card: Document) -> Text:
    if card["active"]:
        return state(card["active"]["stage"])
    if card["waived"]:
        return state("waived")
    if card["last"]:
        return state(card["last"]["state"])
    return text("ready", "green") if card["readiness"]["ready"] else text("not ready", "yellow")


def _sentences(card: Document) -> Iterator[Text]:
    decision, incident = card["decision"], card["incident"]
    if incident and incident["status"] == "open":
        yield text(f"Incident since {when(incident['opened_at'])}: {incident['code']}: {incident['message']}", "red")
        if (on_it := incident.get("acknowledged")) is not None:
            yield text(f"{on_it['by']} is on it since {when(on_it['at'])}: {on_it['reason']}", "yellow")
        yield text(f"What to do: slipway incidents {card['model']}--{card['period']}")
    if card["readiness"]["blocks"]:
        yield text(f"Blocked: {card['readiness']['blocks']}", "yellow")
    if card["due"]:
        yield _timing(card)
    yield text(f"Slipway {ACTIONS.get(decision['action'], decision['action'])}: {decision['why']}")
    again = when(decision["ask_again"]) if decision["ask_again"] else "when data land, or somebody decides"
    yield text(f"Asked again: {again}", "dim")
    for name in ("waived", "retracted", "paused"):
        if (decided := card.get(name)) is not None:
            yield text(
                f"{name.capitalize()} by {decided['by']} at {when(decided['at'])}: {decided['reason']}", "yellow"
            )
    if active := card["active"]:
        until = f"shows life until {when(active['deadline'])}"
        yield text(f"Active: {active['run']}, attempt {active['attempt']}, {active['stage']}, {until}")
    if published := card["published"]:
        yield text(f"Published: {published['run']}, at {when(published['at'])}")
    if last := card["last"]:
        yield text(f"Last run: {last['run']}, {last['state']}")
    interval = card["interval"]
    yield text(f"Period: {when(interval['start'])} to {when(interval['end'])}; version {card['version']}", "dim")


def _timing(card: Document) -> Text:
    """When the outputs are due, how that stands, and what is to be expected."""
    style = {"late": "bold red", "at-risk": "bold yellow", "on-time": "green"}.get(card["timing"], "dim")
    words = card["timing"].replace("-", " ") if card["timing"] else "nobody waits for it"
    usually = f"; usually it takes {span(card['usual_seconds'])}" if card["usual_seconds"] is not None else ""
    # Nothing is under way: what is expected holds for a run that somebody, or its data, would start now.
    comes = "it is expected" if card["active"] else "a run that began now would end"
    then = f", so {comes} at {when(card['expected'])}" if card["expected"] else ""
    return text(f"Due: {when(card['due'])}, {words}{usually}{then}", style)


def _inputs(inputs: dict[str, Document]) -> Table:
    grid = table("input", "state", "since", "files", "size", "asked again", "what is missing")
    for name, one in inputs.items():
        grid.add_row(
            text(name),
            text(one["state"], _STYLES.get(one["state"], "")),
            text(when(one["since"])),
            text(one["files"]),
            text(size(one["bytes"])),
            text(when(one["ask_again"])),
            text(one["blocks"]),
        )
    return grid
