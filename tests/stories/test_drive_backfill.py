"""Driving a backfill: steps while more follow, then one settle time; short generations, however many periods."""

from __future__ import annotations

from typing import Any

from orchestrators.drive_backfill import MOST_STEPS, drive_backfill
from tests.stories.drive import Told, done, drive, failed

ASK = {"backfill": "bf-0123456789"}
MORE, LAST = done(more=True), done(more=False)


def driven(*steps: dict[str, Any], wakes: tuple[float | None, ...] = ()) -> Told:
    """Drive the story with these answers of its steps."""
    return drive(drive_backfill, ASK, {"advance_backfill": list(steps)}, wakes=wakes)


def test_it_ends_when_its_runs_are_under_way() -> None:
    """It waits for no run: each wakes it when it ends."""
    told = driven(MORE, LAST)

    assert told.generations == [["advance_backfill", "advance_backfill", "wait 2 s"]]
    assert told.left_behind == []


def test_a_flood_of_ends_becomes_one_more_look() -> None:
    """Eight runs that end at once are one step, not eight."""
    told = driven(LAST, LAST, wakes=(1, None))

    assert told.generations[0] == ["advance_backfill", "event wake", "wait 1 s"]
    assert len(told.generations) == 2
    assert told.left_behind == []


def test_a_thousand_periods_have_short_generations() -> None:
    """BF-1, I14: as many as a backfill may be for, four a step."""
    told = driven(*[MORE] * 250, LAST)

    assert len(told.asked("advance_backfill")) == 251
    assert max(map(len, told.generations)) <= MOST_STEPS + 1
    assert all(ask == ASK for ask in told.asked("advance_backfill"))


def test_a_step_that_fails_for_good_leaves_it_to_the_reconciler() -> None:
    """The instance is failed, and history says so; the next pass starts another."""
    told = driven(failed("access"))

    assert told.raised is not None
    assert told.calls == ["advance_backfill"]
