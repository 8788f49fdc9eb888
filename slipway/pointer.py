"""The pointers that readers follow: one for each period, and one to the latest. Pure.

A pointer is overwritten by one of a greater generation alone, and never deleted: what was retracted leaves a pointer
that names no run, over which nobody who comes late can write what he was about to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipway import paths
from slipway.manifest import MANIFEST
from slipway.period import Period
from slipway.run import RunId

Pointer = dict[str, Any]


def to_outputs(claim: Mapping[str, Any]) -> Pointer:
    """The pointer to what this claim delivers."""
    run = RunId.parse(claim["run"])
    folder = paths.outputs_folder(run, claim["attempt"])
    kept = ("run", "attempt", "generation", "fingerprint", "version")
    named = {"schema": 1, "model": run.model, "period": str(run.period)}
    return {**named, **{key: claim[key] for key in kept}, "folder": folder, "manifest": f"{folder}/{MANIFEST}"}


def to_nothing(record: Mapping[str, Any]) -> Pointer:
    """The pointer that a retraction leaves: no run, a generation of its own, and who retracted it when."""
    retracted = record["retracted"]
    named = {"schema": 1, "model": record["model"], "period": record["period"], "generation": retracted["generation"]}
    nothing = dict.fromkeys(("run", "attempt", "fingerprint", "version", "folder", "manifest"))
    return {**named, **nothing, "retracted": {"by": retracted["by"], "at": retracted["at"]}}


def over_smaller(seen: Pointer | None, pointer: Pointer) -> Pointer | None:
    """The pointer, if it is newer than the one that stands; None leaves that. Its generation never decreases."""
    return pointer if seen is None or seen["generation"] < pointer["generation"] else None


def over_earlier(seen: Pointer | None, pointer: Pointer) -> Pointer | None:
    """The pointer, as the latest: if its period ends later than that of the one that stands, or if it is newer for the
    same period; and over one that names no run, whichever period that was of.

    The model's cadence may have been changed in between: of two periods that end together, the one that comes stands.
    """
    if seen is not None and seen["period"] == pointer["period"]:
        return over_smaller(seen, pointer)
    if seen is None or seen["run"] is None or Period.parse(seen["period"]).ends <= Period.parse(pointer["period"]).ends:
        return pointer
    return None


def same(one: Mapping[str, Any] | None, other: Mapping[str, Any]) -> bool:
    """Whether two pointers are one publication of one period."""
    return one is not None and all(one[key] == other[key] for key in ("period", "run", "attempt", "generation"))
