"""What people decided of a model: paused by whom and why, until it is taken back."""

from __future__ import annotations

from slipway.model_state import pause, paused, unpause
from tests.unit.builders import NOON, by


def test_a_pause_says_who_why_and_when_and_stands_until_it_is_taken_back() -> None:
    """Twice is no change, whoever says it again; what was decided is remembered."""
    state = pause(None, "flight-delay", by("ann", "the source moves"), NOON)

    assert paused(state) == {"by": "ann", "reason": "the source moves", "at": NOON.isoformat()}
    assert pause(state, "flight-delay", by("bob"), NOON) is state
    after = unpause(state, by("bob"), NOON)
    assert paused(after) is None
    assert unpause(after, by("bob"), NOON) is after
    assert after is not None
    assert [(known["what"], known["by"]) for known in after["asked"]] == [("pause", "ann"), ("unpause", "bob")]


def test_a_model_of_which_nothing_was_decided_is_not_paused() -> None:
    """It has no record, and unpausing it makes none."""
    assert paused(None) is None
    assert unpause(None, by("ann"), NOON) is None


def test_a_request_that_comes_again_late_undoes_nothing_that_was_decided_since() -> None:
    """RR-1."""
    state = unpause(pause(None, "flight-delay", by("ann", request="key"), NOON), by("bob", request="other"), NOON)

    assert pause(state, "flight-delay", by("ann", request="key"), NOON) is state
