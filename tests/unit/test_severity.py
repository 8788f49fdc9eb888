"""How loud incidents are, by tier, kind of failure and time to the due time."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.failure import Kind
from slipway.severity import NEAR, Severity, rises_at, severity
from tests.unit.builders import NOON

HOUR = timedelta(hours=1)
EARLY, CLOSE, PAST = NOON + 5 * HOUR, NOON + HOUR, NOON - HOUR


@pytest.mark.parametrize(
    ("tier", "kind", "due", "expected"),
    [
        (1, "model", None, "error"),
        (1, "model", EARLY, "error"),
        (1, "model", CLOSE, "critical"),
        (1, "model", PAST, "critical"),
        (2, "platform", None, "warning"),
        (2, "platform", EARLY, "warning"),
        (2, "platform", CLOSE, "error"),
        (2, "platform", PAST, "error"),
        (3, "model", EARLY, "info"),
        (3, "model", CLOSE, "info"),
        (3, "model", PAST, "warning"),
        (1, "data", EARLY, "warning"),
        (1, "data", PAST, "critical"),
        (2, "data", CLOSE, "warning"),
        (3, "data", None, "info"),
        (3, "slipway", None, "warning"),
        (1, "slipway", PAST, "critical"),
    ],
)
def test_the_table(tier: int, kind: str, due: datetime | None, expected: str) -> None:
    """At noon: with five hours left, one, and an hour late."""
    assert severity(tier, kind, due, NOON) == expected


tiers, kinds = st.integers(1, 3), st.sampled_from([kind.value for kind in Kind])
moments = st.timedeltas(-timedelta(days=2), timedelta(days=2)).map(lambda span: NOON + span)


@given(tiers, kinds, moments, st.timedeltas(timedelta(0), timedelta(days=3)))
def test_time_never_lowers_it_and_rises_at_tells_when_it_rises(
    tier: int, kind: str, now: datetime, later: timedelta
) -> None:
    """IN-4: whoever asks again at that moment finds it louder, and no earlier."""
    before, after = severity(tier, kind, NOON, now), severity(tier, kind, NOON, now + later)
    rises = rises_at(tier, kind, NOON, before)

    assert after.rank >= before.rank
    assert (after.rank > before.rank) is (rises is not None and now + later >= rises)


@given(kinds, moments | st.none(), moments)
def test_a_higher_tier_is_never_quieter(kind: str, due: datetime | None, now: datetime) -> None:
    """Tier 1 matters most."""
    ranks = [severity(tier, kind, due, now).rank for tier in (1, 2, 3)]
    assert ranks == sorted(ranks, reverse=True)


def test_the_order_of_words() -> None:
    """From what can wait to what cannot."""
    assert [one.value for one in sorted(Severity, key=lambda one: one.rank)] == ["info", "warning", "error", "critical"]
    assert NEAR == 4 * HOUR
