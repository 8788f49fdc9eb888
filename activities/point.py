"""Pointers in the lake: written when something is published, and turned away from what was retracted."""

from __future__ import annotations

from typing import Any

from slipway import paths
from slipway.azure.lake import lake
from slipway.failure import Failed, Failure, Kind
from slipway.period import Period, PeriodError
from slipway.pointer import Pointer, over_earlier, over_smaller, same


def point(pointer: Pointer) -> None:
    """Let the period's pointer say this, and the latest one, where it is the latest. Twice is as good as once.

    Fails `pointer-ahead` when a newer one stands. Whether this one still stands is looked up again behind each read of
    the latest: it may have been retracted while its writer slept.
    """
    model, period = pointer["model"], Period.parse(pointer["period"])
    stands = lake().models.update(paths.pointer(model, period), lambda seen, _: over_smaller(seen, pointer))
    if not same(stands, pointer):
        message = f"The pointer of {model} {period} names {stands['run']}, with generation {stands['generation']}."
        raise Failed(Failure(Kind.SLIPWAY, "pointer-ahead", message))
    lake().models.update(paths.latest(model), lambda seen, _: over_earlier(seen, pointer) if _stands(pointer) else None)


def point_away(nothing: Pointer) -> None:
    """Let the period's pointer name no run, unless something newer is published by now."""
    where = paths.pointer(nothing["model"], Period.parse(nothing["period"]))
    lake().models.update(where, lambda seen, _: over_smaller(seen, nothing))


def fall_back(model: str) -> None:
    """Let the latest pointer be that of the latest period that is published still; one of no run, where none is.

    It is looked at again after each change: what it then named may have been retracted, or published, meanwhile.
    """
    while (seen := lake().models.read(paths.latest(model))) and _instead(model, seen.data):
        lake().models.update(paths.latest(model), lambda seen, _: _instead(model, seen))


def _instead(model: str, seen: dict[str, Any] | None) -> Pointer | None:
    """What the latest pointer should say in place of what it says; None where that is right."""
    if seen is None or (seen["run"] and _stands(seen)):
        return None
    for period in sorted(_pointed(model), key=lambda one: (one.ends, one.text), reverse=True):
        found = lake().models.read(paths.pointer(model, period))
        if found is not None and found.data["run"]:
            return found.data
    own = lake().models.read(paths.pointer(model, Period.parse(seen["period"])))
    return own.data if own and seen["run"] else None


def _stands(pointer: dict[str, Any]) -> bool:
    own = lake().models.read(paths.pointer(pointer["model"], Period.parse(pointer["period"])))
    return same(own.data if own else None, pointer)


def _pointed(model: str) -> set[Period]:
    """The periods that have a pointer."""
    found = set()
    for entry in lake().models.list(f"{paths.published_folder(model)}/"):
        try:
            found.add(Period.parse(entry.name.rpartition("/")[2].removesuffix(".json")))
        except PeriodError:  # latest.json names no period
            continue
    return found
