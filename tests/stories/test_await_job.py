"""Waiting for a job: one look a generation, an event that only wakes, and no timer left behind."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrators.await_job import await_job
from orchestrators.steps import WAITS
from tests.stories.drive import Told, done, drive, failed

ASK = {"run": "r", "attempt": 1, "token": "t"}


def a_look(again: int = 60, *, ended: bool = False, phase: str = "running") -> dict[str, Any]:
    """Build a look at the job."""
    return done(ended=ended, look_again=0 if ended else again, clocks={"phase": phase})


ENDED = a_look(ended=True)


def wait(*looks: dict[str, Any], wakes: tuple[float | None, ...] = ()) -> Told:
    """Drive the waiting with these looks."""
    return drive(await_job, ASK, {"read_job": list(looks)}, wakes=wakes)


def test_a_job_that_ended_before_anyone_waited_is_seen_at_once() -> None:
    """WT-2: the state is read before the first wait."""
    told = wait(ENDED)

    assert told.generations == [["read_job"]]
    assert told.result["result"]["ended"] is True


def test_with_every_event_lost_the_looks_alone_see_the_end() -> None:
    """WT-1: correctness never depends on the event; each look says when the next one is."""
    told = wait(a_look(5), a_look(60), ENDED)

    assert told.generations == [["read_job", "wait 5 s"], ["read_job", "wait 60 s"], ["read_job"]]


def test_an_event_only_wakes_and_the_timer_is_taken_back() -> None:
    """WT-4, WT-11: the read decides, and the instance does not stay running for a timer nobody needs."""
    told = wait(a_look(300), a_look(300), ENDED, wakes=(1, 2))

    assert told.generations == [["read_job", "event wake"], ["read_job", "event wake"], ["read_job"]]
    assert told.left_behind == []


def test_the_clocks_go_from_look_to_look() -> None:
    """Limits are counted from what was seen first, however often the story begins anew."""
    told = wait(a_look(phase="queued"), a_look(phase="running"), ENDED)

    assert [ask.get("clocks") for ask in told.asked("read_job")] == [None, {"phase": "queued"}, {"phase": "running"}]
    assert all({**ask, "clocks": None} == {**ASK, "clocks": None} for ask in told.asked("read_job"))


@pytest.mark.parametrize("code", ["job-failed", "canceled", "claim-lost", "queued-too-long", "job-state-unknown"])
def test_whatever_ends_the_waiting_badly_is_answered_as_a_value(code: str) -> None:
    """The story above asks the lake what it means."""
    told = wait(a_look(), failed(code))

    assert told.raised is None
    assert told.result == {**failed(code), "step": "await_job"}


def test_a_lake_that_is_away_for_hours_ends_no_job() -> None:
    """SG-7: whatever it takes, in short generations; what the limits are counted from is kept."""
    told = wait(a_look(300), *[failed("unavailable", transient=True)] * 40, ENDED)

    assert told.result["result"]["ended"] is True
    assert max(map(len, told.generations)) == 2 * (len(WAITS) + 1)
    assert {tuple(ask["clocks"]) for ask in told.asked("read_job")[1:]} == {("phase",)}


def test_a_job_of_days_has_short_generations() -> None:
    """WT-9, WT-10: four hundred looks, half of them for events, and no generation above a handful of events."""
    told = wait(*[a_look(300)] * 400, ENDED, wakes=(1, None) * 200)

    assert len(told.generations) == 401
    assert max(map(len, told.generations)) == 2
    assert told.left_behind == []
