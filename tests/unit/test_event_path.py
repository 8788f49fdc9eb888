"""Whether landing events still arrive, as far as what they should have announced tells."""

from __future__ import annotations

from datetime import timedelta

import pytest

from slipway.event_path import SILENT_PASSES, came_since, facts, silence
from slipway.incident import opened
from slipway.subject import Subject
from tests.unit.builders import NOON


@pytest.mark.parametrize(
    ("passes", "silent"),
    [
        pytest.param([(1, False)] * SILENT_PASSES, True, id="TR-10 each pass finds what none announced"),
        pytest.param([(1, False), (0, False), (3, False), (0, False), (1, False)], True, id="quiet ones between"),
        pytest.param([(0, False)] * 50, False, id="nothing lands"),
        pytest.param([(1, False), (1, False), (0, True), (1, False), (1, False)], False, id="an event came between"),
        pytest.param([(1, True)] * 50, False, id="late, but they come"),
        pytest.param([(200, False)], False, id="a backlog found at once, as after a release"),
    ],
)
def test_events_are_silent_when_pass_after_pass_finds_what_none_announced(
    passes: list[tuple[int, bool]], silent: bool
) -> None:
    """Runs without an event, and no event at all meanwhile: neither alone says anything."""
    count = 0
    for unannounced, heard in passes:
        count = silence(count, unannounced, heard=heard)

    assert (count >= SILENT_PASSES) is silent


@pytest.mark.parametrize(("seconds", "came"), [(-1, False), (0, True), (1, True)])
def test_an_event_of_the_second_in_which_a_pass_looked_is_the_next_ones(seconds: int, came: bool) -> None:
    """The lake's clock tells whole seconds: counted by none, the last event of a day would leave an incident open."""
    assert came_since(NOON + timedelta(seconds=seconds), NOON) is came


def test_the_incident_says_the_same_each_time() -> None:
    """So that it is told once, however long it lasts."""
    about = Subject.of_platform("event-path-silent").to_document()
    incident = opened(None, {**about, **facts()}, NOON)

    assert (incident["key"], incident["severity"]) == ("platform--event-path-silent", "warning")
    assert opened(incident, {**about, **facts()}, NOON) is incident
