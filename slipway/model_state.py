"""What people decided of a whole model: whether it is paused. Pure changes, each one compare-and-swap.

A paused model starts no run by itself. What is active goes on, and people may start runs by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from slipway.period_record import remember, said, was_asked

State = dict[str, Any]


def pause(state: State | None, model: str, cause: Mapping[str, Any], now: datetime) -> State:
    """Note that the model starts no run by itself. The first pause stands."""
    state = state or {"schema": 1, "model": model, "paused": None, "asked": []}
    if state["paused"] or was_asked(state, "pause", cause["request"]):
        return state
    return remember({**state, "paused": said(cause, now)}, "pause", cause, now)


def unpause(state: State | None, cause: Mapping[str, Any], now: datetime) -> State | None:
    """Take a pause back; no change for a model that is not paused."""
    if state is None or not state["paused"] or was_asked(state, "unpause", cause["request"]):
        return state
    return remember({**state, "paused": None}, "unpause", cause, now)


def paused(state: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Who paused the model, why and when; None for one that is not paused."""
    found: dict[str, Any] | None = state["paused"] if state else None
    return found


def index(state: State) -> dict[str, str]:
    """What a listing of the models' records shows."""
    return {"paused": "yes" if state["paused"] else "no"}
