"""What a person can do about an incident, as commands that can be pasted into a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from slipway.failure import Kind
from slipway.incident import ASKING, LATE, WILL_NOT_END
from slipway.subject import Subject


class Remedy(NamedTuple):
    """What it is for, and the exact command. One that changes something asks for a reason on the terminal."""

    what: str
    command: str


def remedies(incident: Mapping[str, Any], environment: str | None = None) -> list[Remedy]:
    """What helps, in the order in which to try it. `environment` is the entry of environments.yaml, if there is one."""
    option = f" --env {environment}" if environment else ""
    return [
        Remedy(what, f"slipway {command}" + ("" if command.startswith("release ") else option))
        for what, command in _remedies(incident)
    ]


def _remedies(incident: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    about = Subject.of(incident)
    if about.backfill is not None:
        yield "say that you are on it", f"acknowledge {about.key}"
        yield "see which periods failed, and why", f"backfill show {about.backfill}"
        yield "if the others need not be run either", f"backfill cancel {about.backfill}"
    elif about.period is None:
        yield "say that you are on it", f"acknowledge {about.key}"
        yield "see all that is open", "incidents"
        yield "see what is wrong with the environment", "doctor"
        if incident.get("models"):
            yield "when the cause is gone, go on with all runs that failed of it", f"resume --incident {about.key}"
    else:
        yield from _of_period(incident, f"{about.model} {about.period}")


def _of_period(incident: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
    run = incident["run"]
    yield "say that you are on it", f"acknowledge {place}"
    yield "see what blocks", f"why {place}"
    if run is not None:
        yield "see what happened", f"show {run}"
        if incident["job"] is not None:
            yield "read the job's log", f"logs {run}"
    yield from _by_case(incident, place)
    if incident["code"] != WILL_NOT_END:
        yield "if nobody needs this period", f"waive {place}"


def _by_case(incident: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
    """What follows from the kind of failure; nothing for what mends itself or what only others can mend."""
    run = incident["run"]
    if incident["code"] == LATE:
        if run is not None:
            yield "if it will never end", f"cancel {run}"
    elif incident["step"] == ASKING or run is None:
        return
    elif incident["kind"] == Kind.MODEL:
        yield "after the code was mended", f"release {Subject.of(incident).model}"
        yield "and then", f"rerun {place}"
    elif incident["kind"] == Kind.DATA:
        yield "if the data are right as they are", f"rerun {place}"
    else:
        yield "when the cause is gone", f"resume {run}"
