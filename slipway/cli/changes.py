"""The commands that change something: each is one request with a reason, carried out once however often it is sent."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from slipway.cli.asking import AsJson, Env, Model, Period, Run, asking, show_json
from slipway.cli.client import PAGE, Document, Refused
from slipway.cli.exits import Asked
from slipway.cli.screen import console, text, when

Reason = Annotated[
    str | None,
    typer.Option("--reason", help="Why; kept with who asked and when. Asked for on a terminal.", show_default=False),
]
Key = Annotated[
    str | None,
    typer.Option("--key", help="The Idempotency-Key of a request whose answer was lost.", show_default=False),
]


Compute = Annotated[
    str | None,
    typer.Option("--compute", help="Run the job on this compute target instead of job.yaml's.", show_default=False),
]


def rerun(
    model: Model,
    period: Period,
    reason: Reason = None,
    inputs: Annotated[
        str, typer.Option("--inputs", help="fresh, same (as the published or last run), or an earlier run's id.")
    ] = "fresh",
    definition: Annotated[
        str, typer.Option("--definition", help="released, same (as that run), or a version.")
    ] = "released",
    compute: Compute = None,
    key: Key = None,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Start a new run of a period: on fresh inputs and the released definition, or on earlier ones."""
    more = {"inputs": inputs, "definition": definition, **_given(compute=compute)}
    told = change(("models", model, "runs"), reason, key, env, as_json=as_json, period=period, **more)
    say(f"{told['run']} is started: slipway show {told['run']}", as_json=as_json)


def resume(
    run: Annotated[str | None, typer.Argument(help="A run's id.", show_default=False)] = None,
    incident: Annotated[
        str | None,
        typer.Option("--incident", help="In place of a run: all that failed of this incident.", show_default=False),
    ] = None,
    reason: Reason = None,
    compute: Compute = None,
    key: Key = None,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a failed or canceled run as its next attempt, with the same inputs and definition.

    With --incident, the key of many models that fail alike, with each run that still stands failed of that cause. What
    one of them refuses keeps no other; then the exit code is 1.
    """
    if (run is None) == (incident is None):
        raise typer.BadParameter("name a run, or an incident with --incident.")
    if incident is not None:
        _resume_all(incident, reason, compute, key, env, as_json=as_json)
        return
    assert run is not None, "one of the two is given"
    change(("runs", run, "resume"), reason, key, env, as_json=as_json, **_given(compute=compute))
    say(f"{run} goes on: slipway show {run}", as_json=as_json)


def _resume_all(
    incident: str, reason: str | None, compute: str | None, key: str | None, env: str | None, *, as_json: bool
) -> None:
    """Resume what failed alike, one after the other: each is a change of its own, under a key of its own."""
    with asking(env, as_json=as_json) as api:
        common = api.get("incidents", incident)
        pages = api.pages("incidents", status="open", limit=PAGE)
        runs = of_the_same_cause(common, [row for page in pages for row in page["incidents"]])
        why, name = reason or asked_reason(api.target.name), key or str(uuid.uuid4())
        resumed, refused = list[str](), list[Document]()
        for run in runs:
            try:
                body = {**_given(compute=compute), "reason": why}
                api.post("runs", run, "resume", body=body, key=f"{name}-{run}"[-200:])
            except Refused as problem:
                refused.append({**problem.problem, "run": run})
                say(f"{run} is refused: {problem.problem['detail']}", as_json=as_json)
            else:
                resumed.append(run)
                say(f"{run} goes on: slipway show {run}", as_json=as_json)
    say(f"{len(resumed)} of {len(runs)} runs go on", as_json=as_json)
    if as_json:
        show_json({"resumed": resumed, "refused": refused})
    if refused:
        raise typer.Exit(Asked.REFUSED)


def of_the_same_cause(common: Document, rows: Iterable[Document]) -> list[str]:
    """The runs of the open incidents that a common one stands for: its models, and its kind and code; or its own."""
    if not common.get("models"):
        return [common["run"]] if common["run"] else []
    cause = (common["kind"], common["code"])
    alike = (row for row in rows if row["model"] in common["models"] and (row["kind"], row["code"]) == cause)
    return [row["run"] for row in alike if row["run"]]


def cancel(run: Run, reason: Reason = None, key: Key = None, env: Env = None, as_json: AsJson = False) -> None:
    """Wish an active run ended. It is canceled once its job was seen ended."""
    change(("runs", run, "cancel"), reason, key, env, as_json=as_json)
    say(f"{run} will be canceled once its job has ended: slipway show {run}", as_json=as_json)


def take_over(run: Run, reason: Reason = None, key: Key = None, env: Env = None, as_json: AsJson = False) -> None:
    """Go on with an active run whose orchestration is known to be gone: the engine's storage was lost, say.

    A job that has completed is taken over; one that still runs is ended, and run anew.
    """
    change(("runs", run, "take-over"), reason, key, env, as_json=as_json)
    say(f"{run} goes on as its next attempt: slipway show {run}", as_json=as_json)


def waive(
    model: Model, period: Period, reason: Reason = None, key: Key = None, env: Env = None, as_json: AsJson = False
) -> None:
    """Decide that a period needs no run. Its incident is resolved, and nothing starts until it is reopened."""
    told = change(("models", model, "periods", period, "waive"), reason, key, env, as_json=as_json)
    say(f"{model} {period} is waived{_by(told['waived'])}", as_json=as_json)


def reopen(
    model: Model, period: Period, reason: Reason = None, key: Key = None, env: Env = None, as_json: AsJson = False
) -> None:
    """Take a waiver back, and ask at once what the period needs."""
    change(("models", model, "periods", period, "reopen"), reason, key, env, as_json=as_json)
    say(f"{model} {period} is open: slipway why {model} {period}", as_json=as_json)


def retract(
    model: Model, period: Period, reason: Reason = None, key: Key = None, env: Env = None, as_json: AsJson = False
) -> None:
    """Make what is published of a period invisible to its readers, for good; a new run may publish again."""
    told = change(("models", model, "periods", period, "retract"), reason, key, env, as_json=as_json)
    say(f"{model} {period} is retracted{_by(told['retracted'])}", as_json=as_json)


def publish(
    model: Model,
    period: Period,
    run: Run,
    reason: Reason = None,
    key: Key = None,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Publish again what an earlier run gave: outputs that were superseded or retracted. No job runs."""
    change(("models", model, "periods", period, "publish"), reason, key, env, as_json=as_json, run=run)
    say(f"{run} will be published again: slipway show {run}", as_json=as_json)


def acknowledge(
    model: Annotated[str, typer.Argument(help="A model's name, or an incident's key.", show_default=False)],
    period: Annotated[
        str | None, typer.Argument(help="A period; none after an incident's key.", show_default=False)
    ] = None,
    reason: Reason = None,
    key: Key = None,
    env: Env = None,
    as_json: AsJson = False,
) -> None:
    """Say that you are on an open incident, of a period or by its key; the receiver of incidents is told."""
    name = f"{model}--{period}" if period is not None else model
    told = change(("incidents", name, "acknowledge"), reason, key, env, as_json=as_json)
    say(f"The incident {name} is acknowledged{_by(told['acknowledged'])}", as_json=as_json)


def pause(model: Model, reason: Reason = None, key: Key = None, env: Env = None, as_json: AsJson = False) -> None:
    """Let a model start no run by itself; what is active goes on, and people may start runs."""
    told = change(("models", model, "pause"), reason, key, env, as_json=as_json)
    say(f"{model} is paused{_by(told['paused'])}", as_json=as_json)


def unpause(model: Model, reason: Reason = None, key: Key = None, env: Env = None, as_json: AsJson = False) -> None:
    """Take a pause back. Open periods are asked about within a pass of reconcile."""
    change(("models", model, "unpause"), reason, key, env, as_json=as_json)
    say(f"{model} is not paused any more", as_json=as_json)


def change(
    way: tuple[str, ...], reason: str | None, key: str | None, env: str | None, *, as_json: bool, **more: Any
) -> Document:
    """Send the request; with `as_json` its answer is printed."""
    with asking(env, as_json=as_json) as api:
        # Whoever is about to change something is told where before, not after.
        told = api.post(*way, body={**more, "reason": reason or asked_reason(api.target.name)}, key=key)
    if as_json:
        show_json(told)
    return told


def _given(**options: str | None) -> dict[str, str]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def asked_reason(where: str) -> str:
    """The reason, from whoever sits at the terminal. A script has to give it."""
    if sys.stdin.isatty():
        typer.echo(f"Why ({where})? ", err=True, nl=False)  # typer's own prompt would write into the results
        if given := sys.stdin.readline().strip():
            return given
    raise typer.BadParameter("a change needs a reason.", param_hint="'--reason'")


def _by(decided: Document | None) -> str:
    """Who decided, which may have been another person before: the first decision stands."""
    return f", by {decided['by']} at {when(decided['at'])}: {decided['reason']}" if decided else ""


def say(words: str, *, as_json: bool) -> None:
    """Print a line about what was changed, for people."""
    if not as_json:
        console().print(text(words))
