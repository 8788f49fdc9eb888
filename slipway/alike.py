"""Many models that fail alike: one incident of the platform, in whose shadow their own are recorded and not told. Pure.

What is common is the kind and code of the failure. It is told as one when so many models came to fail of it within an
hour, names all that joined, and is over when fewer than half as many are left: those are then told by themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from slipway.incident import Incident
from slipway.severity import Severity
from slipway.subject import Subject

#: Within how long the models must have begun to fail.
WINDOW = timedelta(hours=1)
#: What the names of common incidents begin with.
PREFIX = "many-"
#: How many models the message names; the record has them all.
MOST_NAMED = 25
FIRST_STEP = "Look for what these models share: the source of their data, compute, identity, a release."

#: Kind and code of a failure.
Cause = tuple[str, str]


@dataclass(frozen=True)
class Failing:
    """An open incident of a period, as the listing shows it. `is_known`: some destination has taken it."""

    about: Subject
    cause: Cause
    since: datetime
    part_of: str | None
    is_known: bool


def subject(cause: Cause) -> Subject:
    """What the common incident is about."""
    return Subject.of_platform(f"{PREFIX}{cause[0]}-{cause[1]}"[:63].rstrip("-"))


def common(
    failing: Iterable[Failing], going_on: Collection[Subject], enough: int, now: datetime
) -> dict[Cause, list[str]]:
    """The causes that are told as one, each with its models, by name.

    `going_on` are the common incidents that are open; `enough` is how many models it takes to open one.
    """
    models: dict[Cause, set[str]] = defaultdict(set)
    new: dict[Cause, set[str]] = defaultdict(set)
    for one in failing:
        models[one.cause].add(str(one.about.model))
        if now - one.since <= WINDOW:
            new[one.cause].add(str(one.about.model))
    return {
        cause: sorted(names)
        for cause, names in models.items()
        if len(new[cause]) >= enough or (subject(cause) in going_on and 2 * len(names) >= enough)
    }


def facts(cause: Cause, models: Collection[str], before: Incident | None) -> dict[str, Any]:
    """What the common incident says; see `slipway.incident.opened`. Models that joined stay named while it is open."""
    joined = before["models"] if before and before["status"] == "open" else []
    named = sorted({*joined, *models})
    rest = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return {
        "kind": cause[0],
        "code": cause[1],
        "message": f"{len(named)} models fail alike: {', '.join(named[:MOST_NAMED])}{rest}",
        "models": named,
        "severity": Severity.CRITICAL,
        "first_step": FIRST_STEP,
    }


def to_quieten(failing: Iterable[Failing], causes: Mapping[Cause, Any]) -> dict[Subject, Cause]:
    """The incidents to be recorded in the shadow of a common one: those of which nobody has heard."""
    return {one.about: one.cause for one in failing if one.cause in causes and not one.part_of and not one.is_known}


def to_tell(failing: Iterable[Failing], causes: Mapping[Cause, Any]) -> list[Subject]:
    """The incidents that are left when the common one is over, or that fail of something else by now."""
    shadows = {subject(cause).key for cause in causes}
    return [
        one.about
        for one in failing
        if one.part_of and (one.part_of not in shadows or one.part_of != subject(one.cause).key)
    ]
