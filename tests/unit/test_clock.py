"""The app's one clock."""

import time
from datetime import UTC, datetime

import pytest

from slipway import clock


def test_it_tells_aware_utc() -> None:
    """Nobody has to guess the zone of a moment."""
    assert clock.now().tzinfo is UTC


def test_it_follows_the_process_time_that_a_simulation_replaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a simulated cloud sets the time, the app lives in it."""
    monkeypatch.setattr(time, "time", lambda: 1_356_998_400.0)

    assert clock.now() == datetime(2013, 1, 1, tzinfo=UTC)
