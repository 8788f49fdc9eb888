"""Incidents: one for each period, and a sink that ends up knowing how it is, whatever got lost on the way."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from slipway.incident import (
    FIRST_STEPS,
    OPENED,
    RESOLVED,
    UPDATED,
    Incident,
    event,
    index,
    key,
    offered,
    opened,
    resolved,
    sent,
    title,
    unsent,
)
from tests.unit.builders import NOON

RUN = "flight-delay--2013-01--0a1b2c3d-1"
HOUR = timedelta(hours=1)


def a_failure(**facts: Any) -> dict[str, Any]:
    """Build what is told of a failed run."""
    usual = {
        "model": "flight-delay",
        "period": "2013-01",
        "owner": "airline-operations",
        "kind": "model",
        "code": "job-failed",
        "message": "it failed: KeyError",
        "run": RUN,
        "attempt": 1,
        "step": "await_job",
        "job": f"{RUN}-a1",
    }
    return usual | facts


def tell(incident: Incident) -> Incident:
    """Carry the incident's present state to a sink that takes it."""
    incident = offered(incident) or incident
    return sent(incident, incident["revision"], incident["status"]) or incident


# Opening and resolving


def test_an_incident_is_a_document_for_a_person() -> None:
    """Who is called, what failed where, and what to do first."""
    incident = opened(None, a_failure(), NOON)

    assert incident["status"] == "open"
    assert incident["owner"] == "airline-operations"
    assert incident["first_step"] == FIRST_STEPS["model"]
    assert incident["opened_at"] == NOON.isoformat()
    assert title(incident) == "flight-delay 2013-01: it failed: KeyError"
    assert index(incident) == {"status": "open", "unsent": "yes"}


@pytest.mark.parametrize("kind", ["data", "model", "platform", "slipway"])
def test_every_kind_of_failure_has_a_first_step(kind: str) -> None:
    """Nobody is called without being told where to begin."""
    assert len(opened(None, a_failure(kind=kind), NOON)["first_step"]) > 20


def test_the_same_failure_told_twice_is_told_once() -> None:
    """IN-2: the step was repeated after a lost answer."""
    incident = opened(None, a_failure(), NOON)

    assert opened(incident, a_failure(), NOON + HOUR) is incident


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"attempt": 2}, id="another attempt"),
        pytest.param({"code": "outputs-differ"}, id="another failure"),
        pytest.param({"message": "KeyError: 'b'"}, id="another message"),
    ],
)
def test_a_further_failure_updates_the_open_incident(facts: dict[str, Any]) -> None:
    """One incident for a period, never a second one."""
    incident = opened(opened(None, a_failure(), NOON), a_failure(**facts), NOON + HOUR)

    assert (incident["occurrences"], incident["revision"]) == (2, 2)
    assert incident["opened_at"] == NOON.isoformat()
    assert incident["updated_at"] == (NOON + HOUR).isoformat()


def test_a_failure_after_a_resolution_opens_it_again() -> None:
    """Counted anew, under the same key and a greater revision."""
    before = resolved(opened(None, a_failure(), NOON), RUN, NOON)

    incident = opened(before, a_failure(attempt=2), NOON + HOUR)

    assert (incident["status"], incident["occurrences"], incident["revision"]) == ("open", 1, 3)
    assert incident["opened_at"] == (NOON + HOUR).isoformat()
    assert incident["resolved_by"] is None


@pytest.mark.parametrize(
    "incident",
    [
        pytest.param(None, id="there was none"),
        pytest.param(resolved(opened(None, a_failure(), NOON), RUN, NOON), id="it is resolved"),
    ],
)
def test_only_an_open_incident_is_resolved(incident: Incident | None) -> None:
    """A publication without an incident writes none."""
    assert resolved(incident, RUN, NOON) is None


def test_no_secret_gets_into_an_incident() -> None:
    """IN-10: what a service put into its error text."""
    incident = opened(None, a_failure(message="GET https://lake/x?sig=c2VjcmV0 was refused"), NOON)

    assert "c2VjcmV0" not in json.dumps(incident)


# What the sink is told


@pytest.mark.parametrize(
    ("incident", "type_"),
    [
        pytest.param(opened(None, a_failure(), NOON), OPENED, id="nobody has heard of it"),
        pytest.param(
            opened(tell(opened(None, a_failure(), NOON)), a_failure(attempt=2), NOON), UPDATED, id="told open"
        ),
        pytest.param(resolved(tell(opened(None, a_failure(), NOON)), RUN, NOON), RESOLVED, id="resolved"),
    ],
)
def test_the_event_tells_the_present_state(incident: Incident, type_: str) -> None:
    """As a CloudEvent whose id is the same on every try, and whose key is the same for ever."""
    told = event(incident, "slipway/north", {"run": "https://slipway/api/runs/x"})

    assert (told["specversion"], told["type"], told["source"]) == ("1.0", type_, "slipway/north")
    assert told["id"] == f"flight-delay--2013-01-{incident['revision']}"
    assert told["data"]["key"] == key("flight-delay", "2013-01")
    assert told["data"]["status"] == incident["status"]
    assert told == event(incident, "slipway/north", {"run": "https://slipway/api/runs/x"})


def test_the_event_keeps_the_records_own_bookkeeping_to_itself() -> None:
    """Who wrote the record and what was sent is nobody's business outside."""
    told = event({**opened(None, a_failure(), NOON), "writer": "w"}, "slipway/north", {})

    assert not {"sent", "writer", "schema"} & set(told["data"])


OPEN = opened(None, a_failure(), NOON)
OFFERED = offered(OPEN) or {}
TOLD = tell(OPEN)


@pytest.mark.parametrize(
    ("incident", "expected"),
    [
        pytest.param(OPEN, True, id="open, never sent"),
        pytest.param(OFFERED, True, id="open, its answer lost"),
        pytest.param(TOLD, False, id="open, taken"),
        pytest.param(resolved(OPEN, RUN, NOON), False, id="resolved before anyone heard of it"),
        pytest.param(resolved(OFFERED, RUN, NOON), True, id="IN-2 resolved after an answer was lost"),
        pytest.param(resolved(TOLD, RUN, NOON), True, id="resolved after it was taken"),
        pytest.param(tell(resolved(TOLD, RUN, NOON) or {}), False, id="resolved, and taken"),
        pytest.param(
            resolved(opened(tell(resolved(TOLD, RUN, NOON) or {}), a_failure(), NOON), RUN, NOON),
            False,
            id="opened again and resolved before anyone heard of it",
        ),
    ],
)
def test_what_the_sink_has_yet_to_hear(incident: Incident, expected: bool) -> None:
    """The present state, if it differs from what the sink knows or may know."""
    assert unsent(incident) is expected
    assert index(incident)["unsent"] == ("yes" if expected else "no")


def test_an_older_answer_is_no_news() -> None:
    """IN-3: two senders overlap, and the slower one comes back last."""
    assert sent(tell(opened(TOLD, a_failure(attempt=2), NOON)), 1, "open") is None
    assert sent(None, 1, "open") is None


class AnyInterleavingOfAlarmAndRecovery(RuleBasedStateMachine):
    """Failures, publications and sends in any order; sends overlap, are lost, and are lost after they arrived.

    The sink keeps, for a key, the state of the greatest revision it was given, which every event carries.
    """

    def __init__(self) -> None:
        super().__init__()
        self.incident: Incident | None = None
        self.attempt = 0
        self.under_way: list[Incident] = []
        self.heard: dict[int, str] = {}  # revision to status

    @rule()
    def a_run_fails(self) -> None:
        """Each time in another attempt."""
        self.attempt += 1
        self.incident = opened(self.incident, a_failure(attempt=self.attempt), NOON)

    @rule()
    def a_run_is_published(self) -> None:
        """And resolves what is open."""
        self.incident = resolved(self.incident, RUN, NOON) or self.incident

    @precondition(lambda self: self.incident and unsent(self.incident))
    @rule()
    def a_send_begins(self) -> None:
        """The offer is noted, then the event is on its way."""
        before = self.incident
        self.incident = offered(self.incident) or self.incident
        assert self.incident is not None
        assert before is not None
        never_told = not self.heard and before["sent"]["offered"] == 0
        assert not (never_told and self.incident["status"] == "resolved"), "told of what nobody had heard of"
        self.under_way.append(self.incident)

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 100), arrives=st.booleans(), answered=st.booleans())
    def a_send_ends(self, which: int, arrives: bool, answered: bool) -> None:
        """It may not arrive; its answer may not come back; it may be overtaken."""
        state = self.under_way.pop(which % len(self.under_way))
        if arrives:
            told = event(state, "slipway/north", {})["data"]
            self.heard[told["revision"]] = told["status"]
            if answered:
                self.incident = sent(self.incident, state["revision"], state["status"]) or self.incident

    def teardown(self) -> None:
        """Once the sink takes what it is sent, it knows the present state, and there is nothing left to send."""
        for state in self.under_way:
            self.heard[state["revision"]] = state["status"]
        if self.incident is None:
            return
        if unsent(self.incident):
            self.incident = tell(self.incident)
            self.heard[self.incident["revision"]] = self.incident["status"]
        assert not unsent(self.incident)
        knows = self.heard[max(self.heard)] if self.heard else None
        assert knows == self.incident["status"] or (
            knows in (None, "resolved") and self.incident["status"] == "resolved"
        )


TestAnyInterleavingOfAlarmAndRecovery = AnyInterleavingOfAlarmAndRecovery.TestCase
TestAnyInterleavingOfAlarmAndRecovery.settings = settings(max_examples=200, stateful_step_count=25, deadline=None)
