"""What an incident is about, and the key that all messages about it share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway import paths
from slipway.names import BACKFILL_PATTERN, GROUP_PATTERN, MODEL_PATTERN, InvalidName
from slipway.subject import Subject
from tests.unit.test_run import runs

models = st.from_regex(MODEL_PATTERN, fullmatch=True) | st.sampled_from(["backfill", "platform", "backfills"])
subjects = (
    runs.map(lambda run: Subject.of_period(run.model, run.period))
    | st.builds(lambda model, run: Subject.of_period(model, run.period), models, runs)
    | st.builds(Subject.of_backfill, models, st.from_regex(BACKFILL_PATTERN, fullmatch=True))
    | st.builds(Subject.of_platform, st.from_regex(GROUP_PATTERN, fullmatch=True))
)


@given(subjects)
def test_a_subject_reads_back_from_the_incidents_record_and_path(about: Subject) -> None:
    """Whatever it is about, what was written says so."""
    assert Subject.of(about.to_document()) == about
    place = paths.parse("control", paths.incident(about))
    assert Subject(place.model, place.period, place.backfill, place.platform) == about
    assert Subject.parse(about.key) == about


@given(subjects, subjects)
def test_two_subjects_never_share_a_key(one: Subject, other: Subject) -> None:
    """IN-2: the receiver tells incidents apart by it alone; a model may even be called `backfill` or `platform`."""
    assert (one.key == other.key) is (one == other)
    assert "." not in one.key


@pytest.mark.parametrize("key", ["", "shop", "shop--", "shop--2013-13", "S--2013-01", "backfill--shop--.", "../x"])
def test_any_other_text_is_no_key(key: str) -> None:
    """RR-5: what people put into an address."""
    with pytest.raises(InvalidName):
        Subject.parse(key)


def test_people_read_what_it_is_about() -> None:
    """In lists and titles."""
    assert str(Subject.of_backfill("shop", "B-1")) == "backfill B-1 of shop"
    assert str(Subject.of_platform("event-path-silent")) == "platform event-path-silent"
