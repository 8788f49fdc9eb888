"""Many models that fail alike are one incident; theirs are recorded, and told when the common one is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.alike import MOST_NAMED, WINDOW, Failing, common, facts, subject, to_quieten, to_tell
from slipway.destinations import Routing
from slipway.incident import index, opened, part_of, resolved, routed, unsent
from slipway.period import Period
from slipway.subject import Subject
from tests.unit.builders import NOON
from tests.unit.test_incident import a_failure, tell

DAY = Period.parse("2013-01-31")
OUTAGE, OTHER = ("platform", "unavailable"), ("data", "late")
BY_ITSELF = Routing(destinations=("sink",))
A_DAY_AGO = NOON - timedelta(days=1)


def one(number: int, **facts: Any) -> Failing:
    """An incident of one of many models, opened at noon, of which nobody has heard."""
    usual = {"cause": OUTAGE, "since": NOON, "part_of": None, "is_known": False}
    return Failing(Subject.of_period(f"m{number:02}", DAY), **(usual | facts))


def some(count: int, **facts: Any) -> list[Failing]:
    """So many models' incidents."""
    return [one(number, **facts) for number in range(count)]


@pytest.mark.parametrize(
    ("failing", "going_on", "expected"),
    [
        pytest.param(some(9), False, False, id="too few"),
        pytest.param(some(10), False, True, id="enough"),
        pytest.param(some(9) + [one(0)] * 5, False, False, id="IN-9 models count, not their periods"),
        pytest.param(some(10, since=NOON - 2 * WINDOW), False, False, id="over a longer time"),
        pytest.param(some(5) + [one(n, cause=OTHER) for n in range(5, 10)], False, False, id="of different causes"),
        pytest.param(some(5, since=A_DAY_AGO), True, True, id="going on while half as many are left"),
        pytest.param(some(4, since=A_DAY_AGO), True, False, id="over when fewer are left"),
    ],
)
def test_so_many_within_an_hour_are_a_common_cause(failing: list[Failing], going_on: bool, expected: bool) -> None:
    """Ten models, here; once told, it goes on until most have recovered, so that it does not come and go."""
    found = common(failing, {subject(OUTAGE)} if going_on else set(), 10, NOON)

    assert (OUTAGE in found) is expected


def test_the_common_incident_names_its_models_and_grows_no_smaller_while_it_is_open() -> None:
    """Each model that joins is news; one that recovers is not."""
    about, models = subject(OUTAGE).to_document(), [f"m{number:02}" for number in range(30)]
    told = facts(OUTAGE, models[:3], None)
    assert told["message"] == "3 models fail alike: m00, m01, m02"
    incident = opened(None, {**about, **told}, NOON)

    assert incident["key"] == "platform--many-platform-unavailable"
    assert incident["severity"] == "critical"
    assert opened(incident, {**about, **facts(OUTAGE, models[:1], incident)}, NOON) is incident
    more = opened(incident, {**about, **facts(OUTAGE, models[3:], incident)}, NOON)
    assert (more["revision"], more["models"]) == (2, models)
    assert more["message"].endswith(f"and {30 - MOST_NAMED} more")
    assert facts(OUTAGE, models[:1], resolved(more, 2, "over", NOON))["models"] == models[:1]


def test_in_its_shadow_an_incident_is_recorded_and_not_told() -> None:
    """It is not lost: when the common one is over and it is still open, it is told by itself."""
    incident = routed(opened(None, a_failure(part_of=subject(OUTAGE).key), NOON), BY_ITSELF) or {}
    assert unsent(incident) == []
    assert index(incident)["part_of"] == subject(OUTAGE).key

    alone = routed(part_of(incident, None), BY_ITSELF) or {}

    assert unsent(alone) == ["sink"]
    assert "part_of" not in index(alone)
    assert part_of(resolved(alone, 1, "x", NOON), "any") is None


def test_who_has_heard_of_it_goes_on_hearing() -> None:
    """The first of many were told before anyone knew of a common cause."""
    known = tell(routed(opened(None, a_failure(), NOON), BY_ITSELF) or {}, "sink")
    shadow = subject(OUTAGE).key
    update = routed(opened(known, a_failure(attempt=2, part_of=shadow), NOON), BY_ITSELF) or {}

    assert index(known)["known"] == "yes"
    assert to_quieten([one(1, is_known=True)], {OUTAGE: []}) == {}
    assert unsent(update) == ["sink"]
    assert unsent(resolved(update, 2, "x", NOON) or {}) == ["sink"]


failing_lists = st.lists(
    st.builds(
        one,
        st.integers(0, 20),
        cause=st.sampled_from([OUTAGE, OTHER]),
        since=st.integers(0, 180).map(lambda minutes: NOON - timedelta(minutes=minutes)),
        part_of=st.sampled_from([None, subject(OUTAGE).key, subject(OTHER).key]),
        is_known=st.booleans(),
    ),
    max_size=40,
    unique_by=lambda failing: failing.about,
)


@given(failing_lists, st.sets(st.sampled_from([subject(OUTAGE), subject(OTHER)])), st.integers(2, 12))
def test_every_failing_period_is_covered(failing: list[Failing], going_on: set[Subject], enough: int) -> None:
    """IN-9: after a pass, whatever lies in a shadow lies in that of an open common incident of its own cause."""
    causes = common(failing, going_on, enough, NOON)
    quiet, free = to_quieten(failing, causes), to_tell(failing, causes)

    for item in failing:
        shadow = None if item.about in free else item.part_of
        if item.about in quiet:
            shadow = subject(quiet[item.about]).key
        assert shadow is None or (item.cause in causes and shadow == subject(item.cause).key)
