"""Incidents: one for each period, and a sink that ends up knowing how it is, whatever got lost on the way."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from slipway.claim import condemn, take
from slipway.decision import decide
from slipway.destinations import Routing
from slipway.incident import (
    FIRST_STEPS,
    LATE,
    WILL_NOT_END,
    Incident,
    acknowledged,
    at_odds,
    index,
    offered,
    over,
    raised,
    resolved,
    routed,
    sent,
    told,
    unsent,
)
from slipway.incident import opened as opened_by
from slipway.message import message
from slipway.period_record import End, Record, Refused, Stage, new_record
from slipway.period_record import index as claim_index
from slipway.run import RunId
from slipway.subject import Subject
from slipway.wishes import resume, wish_cancel
from tests.unit.builders import NOON, by
from tests.unit.test_claim import RUN as RUN_IN_RECORD
from tests.unit.test_claim import a_record, an_ended
from tests.unit.test_decision import a_view

RUN = "flight-delay--2013-01--0a1b2c3d-1"
#: The one destination, where a test does not say more.
SINK = "sink"
ONE_SINK = Routing(destinations=(SINK,))
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


def a_resolved(incident: Incident | None, by: str, now: datetime) -> Incident | None:
    """Resolve the incident as it stands."""
    return resolved(incident, incident["revision"] if incident else 0, by, now)


def opened(incident: Incident | None, facts: dict[str, Any], now: datetime) -> Incident:
    """The incident after a failure, on its way to the one destination that there is."""
    found = opened_by(incident, facts, now)
    return found if found is incident else routed(found, ONE_SINK) or found


def tell(incident: Incident, name: str = SINK) -> Incident:
    """Carry the incident's present state to a destination that takes it."""
    incident = offered(incident, name) or incident
    return sent(incident, name, incident["revision"], incident["status"]) or incident


# Opening and resolving


def test_an_incident_is_a_document_for_a_person() -> None:
    """Who is called, what failed where, and what to do first."""
    incident = opened(None, a_failure(), NOON)

    assert incident["status"] == "open"
    assert incident["owner"] == "airline-operations"
    assert incident["first_step"] == FIRST_STEPS["model"]
    assert incident["opened_at"] == NOON.isoformat()
    assert incident["first"] == {
        "code": "job-failed", "step": "await_job", "message": "it failed: KeyError", "at": NOON.isoformat()
    }  # fmt: skip
    shown = {"status": "open", "code": "job-failed", "unsent": "yes", "routing": ONE_SINK.digest}
    assert index(incident) == {**shown, "kind": "model", "known": "no"}


def test_an_earlier_attempts_failure_told_late_is_no_news() -> None:
    """IN-3: the incident tells of the last one."""
    incident = opened(None, a_failure(attempt=2), NOON)

    assert opened(incident, a_failure(attempt=1), NOON + HOUR) is incident


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
    before = a_resolved(opened(None, a_failure(), NOON), RUN, NOON)

    incident = opened(before, a_failure(attempt=2), NOON + HOUR)

    assert (incident["status"], incident["occurrences"], incident["revision"]) == ("open", 1, 3)
    assert incident["opened_at"] == (NOON + HOUR).isoformat()
    assert incident["resolved_by"] is None


@pytest.mark.parametrize(
    "incident",
    [
        pytest.param(None, id="there was none"),
        pytest.param(a_resolved(opened(None, a_failure(), NOON), RUN, NOON), id="it is resolved"),
    ],
)
def test_only_an_open_incident_is_a_resolved(incident: Incident | None) -> None:
    """A publication without an incident writes none."""
    assert a_resolved(incident, RUN, NOON) is None


def test_only_what_was_seen_to_be_over_is_resolved() -> None:
    """IN-3: what failed while the resolution slept stays open."""
    seen = opened(None, a_failure(), NOON)
    later = opened(seen, a_failure(run="flight-delay--2013-01--0a1b2c3d-2"), NOON + HOUR)

    assert resolved(later, seen["revision"], RUN, NOON + HOUR) is None


def test_a_backfill_has_one_incident_which_its_watcher_opens_updates_and_resolves() -> None:
    """IN-9: the same words are no change, others an update; its life cycle is that of every incident."""
    about = Subject.of_backfill("flight-delay", "B-1")
    facts = {**about.to_document(), "owner": "ops", "kind": "model", "code": "periods-failed"}
    facts["first_step"] = "See which periods failed."
    incident = opened(None, {**facts, "message": "2013-01 failed"}, NOON)

    assert opened(incident, {**facts, "message": "2013-01 failed"}, NOON + HOUR) is incident
    more = opened(incident, {**facts, "message": "2013-01 and 2013-02 failed"}, NOON + HOUR)
    assert (more["revision"], more["occurrences"], more["first_step"]) == (2, 2, "See which periods failed.")
    assert (more["key"], more["period"]) == ("backfill--flight-delay--B-1", None)
    assert (a_resolved(more, "canceled by ann", NOON) or {})["status"] == "resolved"


def test_what_failed_first_is_kept_until_it_is_resolved() -> None:
    """A retry may fail of something else that only follows from it."""
    first = opened(None, a_failure(code="outputs-differ"), NOON)
    again = opened(first, a_failure(attempt=2, code="name-taken"), NOON + HOUR)
    anew = opened(a_resolved(again, RUN, NOON), a_failure(attempt=3), NOON + 2 * HOUR)

    assert (again["first"], again["code"]) == (first["first"], "name-taken")
    assert anew["first"]["at"] == (NOON + 2 * HOUR).isoformat()


# How loud it is


def test_it_gets_louder_as_the_due_time_nears_and_each_time_that_is_told() -> None:
    """IN-4: the listing shows when to look again, and nothing is changed before."""
    incident = tell(opened(None, a_failure(tier=2, due=(NOON + 5 * HOUR).isoformat()), NOON))

    assert incident["severity"] == "warning"
    assert index(incident)["rises"] == (NOON + HOUR).isoformat()
    assert raised(incident, NOON + HOUR / 2) is None
    louder = raised(incident, NOON + HOUR) or {}
    assert (louder["severity"], unsent(louder), louder["occurrences"]) == ("error", [SINK], 1)
    assert "rises" not in index(louder)
    assert raised(louder, NOON + 9 * HOUR) is None


def test_an_acknowledgement_between_does_not_keep_it_from_getting_louder() -> None:
    """The listing goes by what it says, not by when it was written."""
    incident = opened(None, a_failure(due=(NOON + 5 * HOUR).isoformat()), NOON)
    late = acknowledged(incident, by("ann"), NOON + 2 * HOUR)

    assert index(late)["rises"] == (NOON + HOUR).isoformat()
    assert (raised(late, NOON + 2 * HOUR) or {})["severity"] == "error"


def test_what_is_resolved_or_due_at_no_time_never_gets_louder() -> None:
    """Nobody waits for it."""
    incident = opened(None, a_failure(due=(NOON + 5 * HOUR).isoformat()), NOON)

    assert raised(a_resolved(incident, RUN, NOON), NOON + 9 * HOUR) is None
    assert raised(opened(None, a_failure(), NOON), NOON + 9 * HOUR) is None
    assert raised(None, NOON) is None


def test_a_watcher_may_say_how_loud_it_is() -> None:
    """Of a platform's incident, which has no tier; another severity is news."""
    incident = opened(None, a_failure(severity="critical"), NOON)

    assert incident["severity"] == "critical"
    assert opened(incident, a_failure(severity="critical"), NOON + HOUR) is incident
    assert opened(incident, a_failure(severity="error"), NOON + HOUR)["revision"] == 2


# What the period's record says of it

LAST_WORD = an_ended(End.FAILED)
QUIET = {**LAST_WORD, "last": {**LAST_WORD["last"], "cause": {**by("ann"), "kind": "backfill", "backfill": "B-1"}}}
AGAIN = take(resume(LAST_WORD, RUN_IN_RECORD, by("ann"), NOON), RUN_IN_RECORD, 2, "two", NOON)


@pytest.mark.parametrize(
    ("code", "record", "by"),
    [
        pytest.param("job-failed", an_ended(End.FAILED), None, id="the last attempt failed"),
        pytest.param("job-failed", AGAIN, None, id="it was resumed"),
        pytest.param("job-failed", condemn(a_record(Stage.RUNNING), "one", "job-failed", NOON), None, id="failing"),
        pytest.param("job-failed", a_record(Stage.PUBLISHING), None, id="its outputs are on their way"),
        pytest.param("job-failed", a_record(Stage.PUBLISHED), RUN_IN_RECORD, id="they arrived"),
        pytest.param("job-failed", an_ended(End.SUCCEEDED), RUN_IN_RECORD, id="it succeeded"),
        pytest.param(
            "job-failed", an_ended(End.CANCELED), f"{RUN_IN_RECORD} was canceled", id="a person canceled what failed"
        ),
        pytest.param(
            "job-failed",
            condemn(wish_cancel(AGAIN, RUN_IN_RECORD, by("ann", "no"), NOON), "two", "canceled", NOON),
            f"{RUN_IN_RECORD} was canceled",
            id="a person is canceling it",
        ),
        pytest.param("job-failed", an_ended(End.SUPERSEDED), f"{RUN_IN_RECORD} was superseded", id="new data came"),
        pytest.param("job-failed", {**LAST_WORD, "waived": {"by": "ann"}}, "waived by ann", id="it was waived"),
        pytest.param(LATE, None, None, id="late, and nothing has run"),
        pytest.param(LATE, a_record(Stage.RUNNING), None, id="late, and it runs"),
        pytest.param(LATE, an_ended(End.SUPERSEDED), None, id="late, and new data came"),
        pytest.param(LATE, an_ended(End.SUCCEEDED), RUN_IN_RECORD, id="late, and published"),
        pytest.param(LATE, an_ended(End.CANCELED), None, id="canceled, and late after that"),
        pytest.param(
            LATE,
            {**an_ended(End.CANCELED), "last": {**an_ended(End.CANCELED)["last"], "at": (NOON + HOUR).isoformat()}},
            f"{RUN_IN_RECORD} was canceled",
            id="late, and canceled after that",
        ),
        pytest.param(WILL_NOT_END, {**an_ended(End.SUCCEEDED), "orphans": ["job"]}, None, id="a job is left"),
        pytest.param(
            WILL_NOT_END, an_ended(End.CANCELED), "no job is left and nothing has failed", id="no job is left"
        ),
        pytest.param(WILL_NOT_END, an_ended(End.FAILED), None, id="no job is left, but the run failed for it"),
    ],
)
def test_the_record_says_whether_it_is_over(code: str, record: Record | None, by: str | None) -> None:
    """I10: open while the latest attempt that ended failed, or something is overdue; not otherwise."""
    assert over(opened(None, a_failure(code=code), NOON), record) == by


@pytest.mark.parametrize(
    ("incident", "record", "odd"),
    [
        pytest.param(None, None, False, id="nothing has happened"),
        pytest.param(None, an_ended(End.SUCCEEDED), False, id="all is well"),
        pytest.param(None, an_ended(End.FAILED), True, id="IN-6 a failure nobody was told of"),
        pytest.param("job-failed", an_ended(End.FAILED), False, id="a failure that was told"),
        pytest.param("job-failed", an_ended(End.SUCCEEDED), True, id="IN-3 opened after the recovery"),
        pytest.param("job-failed", an_ended(End.CANCELED), True, id="canceled since"),
        pytest.param(None, QUIET, False, id="a failure that its backfill tells"),
        pytest.param("job-failed", QUIET, False, id="a failure that was told, and again in a backfill"),
        pytest.param(LATE, None, False, id="late"),
        pytest.param(LATE, an_ended(End.SUCCEEDED), True, id="late, and published since"),
    ],
)
def test_the_listings_show_where_to_look(incident: str | None, record: Record | None, odd: bool) -> None:
    """The reconciler reads neither of the two where their metadata fit."""
    shown = index(opened(None, a_failure(code=incident), NOON)) if incident else None

    assert at_odds(shown, claim_index(record) if record else None) is odd


def test_no_secret_gets_into_an_incident() -> None:
    """IN-10: what a service put into its error text."""
    incident = opened(
        None, a_failure(message="GET https://lake/x?sig=c2VjcmV0 was refused", log="https://x/?sig=c2VjcmV0"), NOON
    )

    assert "c2VjcmV0" not in json.dumps(incident)
    assert "c2VjcmV0" not in json.dumps(message(incident, "slipway/north").to_document())


# What the sink is told


OPEN = opened(None, a_failure(), NOON)
OFFERED = offered(OPEN, SINK) or {}
TOLD = tell(OPEN)


@pytest.mark.parametrize(
    ("incident", "expected"),
    [
        pytest.param(OPEN, True, id="open, never sent"),
        pytest.param(OFFERED, True, id="open, its answer lost"),
        pytest.param(TOLD, False, id="open, taken"),
        pytest.param(a_resolved(OPEN, RUN, NOON), False, id="resolved before anyone heard of it"),
        pytest.param(a_resolved(OFFERED, RUN, NOON), True, id="IN-2 resolved after an answer was lost"),
        pytest.param(a_resolved(TOLD, RUN, NOON), True, id="resolved after it was taken"),
        pytest.param(tell(a_resolved(TOLD, RUN, NOON) or {}), False, id="resolved, and taken"),
        pytest.param(
            a_resolved(opened(tell(a_resolved(TOLD, RUN, NOON) or {}), a_failure(), NOON), RUN, NOON),
            False,
            id="opened again and resolved before anyone heard of it",
        ),
    ],
)
def test_what_the_sink_has_yet_to_hear(incident: Incident, expected: bool) -> None:
    """The present state, if it differs from what the sink knows or may know."""
    assert unsent(incident) == ([SINK] if expected else [])
    assert index(incident)["unsent"] == ("yes" if expected else "no")


def test_an_alarm_that_arrives_after_the_recovery_makes_the_recovery_told_again() -> None:
    """IN-3: the alarm's sender slept; whatever the receiver believes now, it hears the present state last."""
    later = tell(a_resolved(OFFERED, RUN, NOON) or {})

    again = sent(later, SINK, OFFERED["revision"], "open") or {}

    assert unsent(again)
    assert again["status"] == "resolved"
    assert again["revision"] > later["revision"]
    assert not unsent(tell(again))


def test_an_unanswered_send_counts_only_where_it_may_have_come_too_late() -> None:
    """It is offered again as it is; if a later state was taken meanwhile, that one is told again."""
    assert sent(OFFERED, SINK, 1, "open", taken=False) is None
    assert unsent(sent(tell(a_resolved(OFFERED, RUN, NOON) or {}), SINK, 1, "open", taken=False) or {})
    assert sent(TOLD, SINK, 1, "open") is None
    assert sent(None, SINK, 1, "open") is None


# Several destinations

TWO_SINKS = Routing(destinations=("pager", "board"))


def test_each_destination_has_a_state_of_its_own() -> None:
    """IN-1: one takes it, the other is down; what the first has taken is not sent again, and the other is not lost."""
    incident = routed(OPEN, TWO_SINKS) or {}
    incident = tell(incident, "board")

    assert unsent(incident) == ["pager"]
    over = a_resolved(incident, RUN, NOON) or {}
    assert unsent(over) == ["board"], "the pager never heard of it, and is never told"
    assert index(over)["unsent"] == "yes"
    assert unsent(tell(over, "board")) == []


def test_where_it_goes_no_more_it_is_told_on_as_long_as_it_is_known_there() -> None:
    """A route goes by severity, say: who was called before it changed hears of the end."""
    incident = routed(tell(routed(OPEN, TWO_SINKS) or {}, "pager"), ONE_SINK) or {}

    assert unsent(incident) == [SINK], "the board was never told, and is not on the way any more"
    louder = opened_by(incident, a_failure(attempt=2), NOON)
    assert unsent(louder) == ["pager", SINK]
    assert unsent(a_resolved(louder, RUN, NOON) or {}) == ["pager"]


def test_changed_routes_show_in_the_listing() -> None:
    """So that the reconciler finds what has to go elsewhere; an incident from before there were any is one of them."""
    assert index(OPEN)["routing"] != TWO_SINKS.digest
    assert index(routed(OPEN, TWO_SINKS) or {})["routing"] == TWO_SINKS.digest
    assert index(opened_by(None, a_failure(), NOON))["routing"] == ""
    assert unsent(opened_by(None, a_failure(), NOON)) == []


def test_a_ticket_is_remembered_until_its_resolution_was_taken() -> None:
    """Opened anew, it is another ticket."""
    first = offered(OPEN, SINK) or {}
    taken = sent(first, SINK, 1, "open", ticket="INC1") or {}
    assert told(taken, SINK)["ticket"] == "INC1"
    later = opened(taken, a_failure(attempt=2), NOON)
    lost = sent(offered(later, SINK), SINK, 2, "open", taken=False)
    assert lost is None
    assert told(later, SINK)["ticket"] == "INC1"
    over = sent(a_resolved(later, RUN, NOON), SINK, 3, "resolved", ticket="INC1") or {}
    assert told(over, SINK)["ticket"] is None


# Somebody is on it


def test_who_is_on_it_is_told_as_an_update_and_kept_by_whatever_happens_next() -> None:
    """The same words again are no change; another person takes it over."""
    incident = acknowledged(tell(opened(None, a_failure(), NOON)), by("ann", "I call the owner"), NOON)

    assert incident["acknowledged"] == {"by": "ann", "reason": "I call the owner", "at": NOON.isoformat()}
    assert unsent(incident)
    assert "On it: ann: I call the owner" in message(incident, "slipway/north").text
    assert acknowledged(incident, by("ann", "I call the owner"), NOON + HOUR) is incident
    again = opened(incident, a_failure(attempt=2), NOON + HOUR)
    assert (again["occurrences"], again["acknowledged"]) == (2, incident["acknowledged"])
    assert acknowledged(again, by("bob"), NOON)["acknowledged"]["by"] == "bob"


def test_nobody_is_on_an_incident_that_is_opened_anew() -> None:
    """What was resolved is over, and so is who was on it."""
    incident = a_resolved(acknowledged(opened(None, a_failure(), NOON), by("ann"), NOON), RUN, NOON)

    assert incident is not None
    with pytest.raises(Refused, match="no incident is open"):
        acknowledged(incident, by("ann"), NOON)
    assert opened(incident, a_failure(run=None, attempt=None), NOON)["acknowledged"] is None
    with pytest.raises(Refused):
        acknowledged(None, by("ann"), NOON)


class AnyInterleavingOfAlarmAndRecovery(RuleBasedStateMachine):
    """Failures, publications and sends in any order; sends overlap, are lost, and are lost after they arrived.

    One sink keeps, for a key, the state of the greatest revision it was given, which every event carries. Another
    believes what it was told last; it can, unless a sender died after what it sent had been overtaken.
    """

    def __init__(self) -> None:
        super().__init__()
        self.incident: Incident | None = None
        self.attempt = 0
        self.under_way: list[Incident] = []
        self.heard: dict[int, str] = {}  # revision to status
        self.last_heard: str | None = None
        self.misled = False

    @rule()
    def a_run_fails(self) -> None:
        """Each time in another attempt."""
        self.attempt += 1
        self.incident = opened(self.incident, a_failure(attempt=self.attempt), NOON)

    @rule()
    def a_run_is_published(self) -> None:
        """And resolves what is open."""
        self.incident = a_resolved(self.incident, RUN, NOON) or self.incident

    @precondition(lambda self: self.incident and unsent(self.incident))
    @rule()
    def a_send_begins(self) -> None:
        """The offer is noted, then the event is on its way."""
        before = self.incident
        self.incident = offered(self.incident, SINK) or self.incident
        assert self.incident is not None
        assert before is not None
        never_told = not self.heard and told(before, SINK)["offered"] == 0
        assert not (never_told and self.incident["status"] == "resolved"), "told of what nobody had heard of"
        self.under_way.append(self.incident)

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 100), arrives=st.booleans(), ends=st.sampled_from(["taken", "no answer", "died"]))
    def a_send_ends(self, which: int, arrives: bool, ends: str) -> None:
        """It may not arrive; its answer may not come back; its sender may die; it may be overtaken."""
        state = self.under_way.pop(which % len(self.under_way))
        assert self.incident is not None
        if arrives:
            self.hears(state)
            self.misled |= ends == "died" and state["revision"] < told(self.incident, SINK)["revision"]
        if ends != "died":
            taken = arrives and ends == "taken"
            self.incident = sent(self.incident, SINK, state["revision"], state["status"], taken=taken) or self.incident

    def hears(self, state: Incident) -> None:
        """An event reaches the sinks."""
        document = message(state, "slipway/north").to_document()
        self.heard[document["revision"]] = document["status"]
        self.last_heard = document["status"]

    def teardown(self) -> None:
        """Once the sink takes what it is sent, it knows the present state, and there is nothing left to send."""
        if self.incident is None:
            return
        for state in self.under_way:
            self.hears(state)
            self.incident = sent(self.incident, SINK, state["revision"], state["status"]) or self.incident
        if unsent(self.incident):
            self.incident = tell(self.incident)
            self.hears(self.incident)
        assert not unsent(self.incident)
        knows = self.heard[max(self.heard)] if self.heard else None
        for known in (knows, knows if self.misled else self.last_heard):
            assert known == self.incident["status"] or (known is None and self.incident["status"] == "resolved")


TestAnyInterleavingOfAlarmAndRecovery = AnyInterleavingOfAlarmAndRecovery.TestCase
TestAnyInterleavingOfAlarmAndRecovery.settings = settings(
    max_examples=settings.default.max_examples * 3, stateful_step_count=25
)


class AnyOrderOfOpeningAndResolving(RuleBasedStateMachine):
    """Attempts end, while the steps that tell of it sleep wherever they like, or never wake.

    Opening is one write, followed by a look at the record. Resolving reads the incident, then the record, then writes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.record: Record = new_record("flight-delay", RunId.parse(RUN_IN_RECORD).period)
        self.incident: Incident | None = None
        self.attempt = 0
        self.to_open: list[int] = []
        self.to_resolve: list[Incident] = []
        self.to_note: list[tuple[int, str]] = []

    @rule(state=st.sampled_from(End))
    def an_attempt_ends(self, state: End) -> None:
        """And a step is to tell of it."""
        self.attempt += 1
        last = {**an_ended(End.FAILED)["last"], "attempt": self.attempt, "state": state}
        published = last if state == End.SUCCEEDED else self.record["published"]
        self.record = {**self.record, "last": last, "published": published}
        if state == End.FAILED:
            self.to_open.append(self.attempt)
        elif self.incident:
            self.to_resolve.append(self.incident)

    @precondition(lambda self: self.to_open)
    @rule(which=st.integers(0, 9))
    def an_incident_is_opened(self, which: int) -> None:
        """However late."""
        attempt = self.to_open.pop(which % len(self.to_open))
        self.incident = opened(self.incident, a_failure(run=RUN_IN_RECORD, attempt=attempt), NOON)
        self.to_resolve.append(self.incident)

    @precondition(lambda self: self.to_resolve)
    @rule(which=st.integers(0, 9))
    def the_record_is_compared(self, which: int) -> None:
        """With what was read of the incident, however long ago."""
        seen = self.to_resolve.pop(which % len(self.to_resolve))
        if seen["status"] == "open" and (by := over(seen, self.record)):
            self.to_note.append((seen["revision"], by))

    @precondition(lambda self: self.to_note)
    @rule(which=st.integers(0, 9))
    def a_resolution_is_noted(self, which: int) -> None:
        """However late; never of what happened since."""
        revision, by = self.to_note.pop(which % len(self.to_note))
        before = self.incident
        self.incident = resolved(before, revision, by, NOON) or before
        assert self.incident == before or self.record["last"]["state"] != End.FAILED or self.to_open

    def teardown(self) -> None:
        """I10: the listings show it, one decision levels it, and after it the incident is open as the record says."""
        shown = index(self.incident) if self.incident else None
        is_open = shown is not None and shown["status"] == "open"
        failed = bool(self.record["last"]) and self.record["last"]["state"] == End.FAILED
        assert at_odds(shown, claim_index(self.record)) is (is_open != failed)
        decision = decide(a_view(self.record, incident=self.incident if is_open else None))
        if is_open == failed:
            assert decision.action not in ("open_incident", "resolve_incident")
        else:
            assert decision.action == ("open_incident" if failed else "resolve_incident")


TestAnyOrderOfOpeningAndResolving = AnyOrderOfOpeningAndResolving.TestCase
TestAnyOrderOfOpeningAndResolving.settings = settings(
    max_examples=settings.default.max_examples * 2, stateful_step_count=25
)
