"""`decide`, the one question of the system: a table of what is seen and what should happen, and its properties."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.claim import condemn, finish, reserve, take
from slipway.decision import Decision, Seen, decide, needs_inputs, next_run
from slipway.incident import LATE, WILL_NOT_END, Incident, opened
from slipway.period import Period
from slipway.period_record import DELIVERING, START_AGAIN, End, Record, Stage, new_record
from slipway.readiness import InputReadiness, Readiness, State
from slipway.run import RunId
from slipway.wishes import publish_again, resume, retract, wish_cancel
from tests.unit.builders import NOON, by
from tests.unit.test_claim import OTHER, RUN, SECOND, a_plan, a_record, an_ended

HOUR = timedelta(hours=1)
PERIOD = Period.parse("2013-01")
THESE, OTHERS = "f" * 64, "e" * 64  # fingerprints; THESE is what the builders' runs were made from
VERSION = "0123456789ab"


def a_readiness(*, ready: bool = True, blocks: str = "flights: has no data", ask_again: Any = None) -> Readiness:
    """Build the readiness of one input."""
    state = State.ARRIVED if ready else State.WAITING
    one = InputReadiness("flights", state, NOON, 1, 10, None if ready else blocks, ask_again)
    return Readiness("flight-delay", PERIOD, ready, (one,), ())


def an_incident(code: str = "job-failed", run: str | None = RUN, attempt: int | None = 1) -> Incident:
    """Build an open incident."""
    facts = {"model": "flight-delay", "period": "2013-01", "kind": "data", "code": code, "message": "m"}
    return opened(None, {**facts, "run": run, "attempt": attempt}, NOON)


def a_view(record: Record | None = None, fingerprint: str | None = THESE, **facts: Any) -> Seen:
    """Build what is seen of an ended period whose inputs are complete, with nothing special about it."""
    seen = Seen(
        now=NOON,
        model="flight-delay",
        period=PERIOD,
        version=VERSION,
        ends=NOON - HOUR,
        due=None,
        in_range=True,
        takes_corrections=True,
        on_new_data="run",
        attempts=3,
        paused=False,
        record=record,
        incident=None,
        fingerprint=fingerprint,
        readiness=a_readiness(ready=fingerprint is not None),
    )
    return replace(seen, **facts)


def a_dead(stage: Stage, automatic: int = 1) -> Record:
    """Build the record of a run whose owner died in this stage, in its n-th attempt made without a person."""
    record = a_record(stage)
    return {**record, "claim": {**record["claim"], "automatic": automatic, "deadline": NOON.isoformat()}}


def of_a_backfill(record: Record, run: str = "last") -> Record:
    """Build the record whose last run, or active one (`claim`), was started by a backfill."""
    cause = {"kind": "backfill", "by": "ann", "reason": "new features", "request": None, "backfill": "B-1"}
    return {**record, run: {**record[run], "cause": cause}}


TOLD = an_incident()
ORPHANED = finish(a_record(), RUN, 1, End.CANCELED, NOON, orphans=("job",))
RESUMED = take(resume(an_ended(End.FAILED), RUN, by("ann"), NOON), RUN, 2, "two", NOON)
TWICE_PUBLISHED = an_ended(End.SUCCEEDED, OTHER, an_ended(End.SUCCEEDED))
RETRACTED = {**retract(an_ended(End.SUCCEEDED), by("ann"), NOON), "retired": []}
AGAIN = publish_again(TWICE_PUBLISHED, {**a_plan(), "job": "job", "generation": 2, "cause": by("ann")}, NOON)
DAY_LATER = NOON + timedelta(hours=24)

TABLE = [
    # Nothing has run yet
    pytest.param(a_view(), "start", id="complete inputs: start"),
    pytest.param(a_view(fingerprint=None), "wait", id="missing inputs: wait"),
    pytest.param(a_view(now=NOON - 2 * HOUR), "wait", id="the period has not ended: wait, whatever is there"),
    pytest.param(a_view(ends=NOON), "start", id="the period ends this moment: start"),
    pytest.param(a_view(in_range=False), "nothing", id="before first_period: nothing"),
    pytest.param(a_view(paused=True), "nothing", id="paused: nothing"),
    pytest.param(
        a_view({**new_record("flight-delay", RunId.parse(RUN).period), "waived": {"by": "ann"}}),
        "nothing",
        id="waived: nothing",
    ),
    # Lateness
    pytest.param(a_view(fingerprint=None, due=NOON + SECOND), "wait", id="missing a second before it is due: wait"),
    pytest.param(a_view(fingerprint=None, due=NOON), "raise_incident", id="missing when due: an incident"),
    pytest.param(
        a_view(fingerprint=None, due=NOON, incident=an_incident(LATE, None, None)),
        "wait",
        id="missing, and told so: wait",
    ),
    pytest.param(a_view(due=NOON), "start", id="complete after it was due: start"),
    pytest.param(
        a_view(an_ended(End.SUCCEEDED), None, due=NOON), "wait", id="missing again after a publication: no alarm"
    ),
    pytest.param(a_view(a_record(Stage.RUNNING), due=NOON), "raise_incident", id="it runs, and is due: an incident"),
    pytest.param(a_view(a_record(Stage.RUNNING), due=NOON + HOUR), "wait", id="it runs, and is not due yet"),
    pytest.param(
        a_view(of_a_backfill(a_record(Stage.RUNNING), "claim"), due=NOON),
        "wait",
        id="it runs for a backfill, and is due",
    ),
    pytest.param(
        a_view(a_record(Stage.RUNNING), due=NOON, incident=an_incident(LATE, RUN, 1)), "wait", id="it runs, due, told"
    ),
    pytest.param(a_view(a_record(Stage.PUBLISHING), due=NOON), "wait", id="due, and on its way to readers"),
    pytest.param(
        a_view(a_record(Stage.RUNNING, run=OTHER, before=an_ended(End.SUCCEEDED)), due=NOON),
        "wait",
        id="runs again, and is published",
    ),
    # Incidents that were lost, came late, or are over
    pytest.param(
        a_view(an_ended(End.FAILED), incident=None), "open_incident", id="IN-6 failed, and no incident says so: open it"
    ),
    pytest.param(a_view(of_a_backfill(an_ended(End.FAILED))), "nothing", id="failed in a backfill: it lists them"),
    pytest.param(
        a_view(an_ended(End.SUCCEEDED), incident=TOLD), "resolve_incident", id="IN-3 published since: resolve"
    ),
    pytest.param(
        a_view(an_ended(End.CANCELED), incident=TOLD), "resolve_incident", id="failed, then canceled: resolve"
    ),
    pytest.param(a_view(an_ended(End.SUPERSEDED), incident=TOLD), "resolve_incident", id="then superseded: resolve"),
    pytest.param(a_view(RESUMED, incident=TOLD), "wait", id="resumed: the incident is open until the attempt ended"),
    pytest.param(a_view(RESUMED), "open_incident", id="resumed, and the failure before is told nowhere: open"),
    pytest.param(
        a_view(condemn(RESUMED, "two", "job-failed", NOON)), "wait", id="failing once more: the run itself tells it"
    ),
    pytest.param(
        a_view(a_dead(Stage.PUBLISHING), incident=an_incident("reader-unknown")),
        "roll_forward",
        id="PB-5 cannot be delivered, and told so: go on trying",
    ),
    pytest.param(
        a_view({**an_ended(End.CANCELED), "orphans": ["job"]}, incident=an_incident(WILL_NOT_END, None, None)),
        "end_jobs",
        id="IN-4 a canceled run's job goes on, and told so: go on ending it",
    ),
    pytest.param(
        a_view(an_ended(End.CANCELED), incident=an_incident(WILL_NOT_END, None, None)),
        "resolve_incident",
        id="IN-4 the job has ended since: resolve",
    ),
    pytest.param(
        a_view(an_ended(End.FAILED), incident=an_incident(WILL_NOT_END, None, None)),
        "nothing",
        id="the job has ended since, the run had failed: nothing",
    ),
    pytest.param(
        a_view({**an_ended(End.FAILED), "waived": {"by": "ann"}}, incident=TOLD),
        "resolve_incident",
        id="failed, then waived: resolve",
    ),
    # A run is active
    pytest.param(a_view(a_record(Stage.RUNNING)), "wait", id="a live owner: wait"),
    pytest.param(a_view(a_record(Stage.RUNNING), OTHERS), "wait", id="new data under a live owner: wait"),
    pytest.param(a_view(reserve(None, a_plan(), NOON)), "wait", id="just reserved: wait"),
    pytest.param(a_view(reserve(None, a_plan(), NOON - START_AGAIN)), "start", id="CL-3 reserved, not heard of: start"),
    pytest.param(a_view(a_dead(Stage.CLAIMED)), "next_attempt", id="CL-6 dead while claimed: next attempt"),
    pytest.param(a_view(a_dead(Stage.RUNNING)), "next_attempt", id="IN-7 dead while running: next attempt"),
    pytest.param(a_view(a_dead(Stage.RUNNING, 2)), "next_attempt", id="dead, one attempt left: next attempt"),
    pytest.param(a_view(a_dead(Stage.RUNNING, 3)), "give_up", id="dead, no attempt left: give up"),
    pytest.param(
        a_view(wish_cancel(a_dead(Stage.RUNNING), RUN, by("ann", "no"), NOON)),
        "give_up",
        id="dead and canceled: give up",
    ),
    pytest.param(a_view(a_dead(Stage.PUBLISHING)), "roll_forward", id="PB-5 dead while publishing: roll forward"),
    pytest.param(a_view(a_dead(Stage.PUBLISHED, 9)), "roll_forward", id="RC-1 dead after it: roll forward"),
    # Leftovers of ended runs
    pytest.param(a_view(ORPHANED), "end_jobs", id="IN-4 a job that did not end: end it"),
    pytest.param(
        a_view({**a_record(Stage.RUNNING), "orphans": ["job"]}), "end_jobs", id="a job left beside a run that is well"
    ),
    pytest.param(
        a_view({**a_dead(Stage.RUNNING), "orphans": ["job"]}), "next_attempt", id="a job left beside a dead owner"
    ),
    pytest.param(a_view(TWICE_PUBLISHED), "nothing", id="superseded outputs in their grace: nothing"),
    pytest.param(a_view(TWICE_PUBLISHED, now=DAY_LATER), "close_outputs", id="superseded outputs after it: close"),
    # Something ran before
    pytest.param(a_view(an_ended(End.SUCCEEDED)), "nothing", id="published from these inputs: nothing"),
    pytest.param(a_view(an_ended(End.SUCCEEDED), OTHERS), "start", id="corrected inputs: start"),
    pytest.param(a_view(an_ended(End.SUCCEEDED), OTHERS, on_new_data="ask"), "nothing", id="corrected, ask: nothing"),
    pytest.param(
        a_view(an_ended(End.SUCCEEDED), OTHERS, on_new_data="ignore"), "nothing", id="corrected, ignore: nothing"
    ),
    pytest.param(
        a_view(an_ended(End.SUCCEEDED), OTHERS, takes_corrections=False), "nothing", id="corrected too late: nothing"
    ),
    pytest.param(a_view(an_ended(End.FAILED), incident=TOLD), "nothing", id="failed with these inputs: nothing"),
    pytest.param(a_view(an_ended(End.CANCELED)), "nothing", id="canceled with these inputs: nothing"),
    pytest.param(a_view(an_ended(End.FAILED), OTHERS, incident=TOLD), "start", id="failed, now other inputs: start"),
    pytest.param(
        a_view(
            {**an_ended(End.SUCCEEDED), "last": {**an_ended(End.FAILED)["last"], "fingerprint": OTHERS}}, incident=TOLD
        ),
        "nothing",
        id="others failed since, now again what is published: nothing",
    ),
    # A person decided against what came of these inputs
    pytest.param(
        a_view(retract(an_ended(End.SUCCEEDED), by("ann"), NOON)), "close_outputs", id="retracted: close at once"
    ),
    pytest.param(a_view(AGAIN), "roll_forward", id="to be published again: roll forward at once"),
    pytest.param(a_view(RETRACTED), "nothing", id="retracted, the same inputs: nothing"),
    pytest.param(a_view(RETRACTED, version="b" * 12), "nothing", id="retracted, a new release: nothing"),
    pytest.param(a_view(RETRACTED, OTHERS), "start", id="retracted, corrected inputs: start"),
    pytest.param(a_view(RETRACTED, None), "wait", id="retracted, inputs missing: wait"),
    pytest.param(a_view(an_ended(End.SUPERSEDED)), "start", id="ST-1 superseded, inputs at rest: start"),
    pytest.param(a_view(an_ended(End.SUCCEEDED), version="b" * 12), "nothing", id="a new release: nothing"),
    pytest.param(
        a_view(an_ended(End.FAILED), version="b" * 12, incident=TOLD),
        "nothing",
        id="a release after a failure: nothing",
    ),
    pytest.param(
        a_view(an_ended(End.FAILED), OTHERS, on_new_data="ask", incident=TOLD),
        "start",
        id="failed, ask, other inputs: start",
    ),
]


@pytest.mark.parametrize(("seen", "action"), TABLE)
def test_what_should_happen(seen: Seen, action: str) -> None:
    """The table of the system; every answer says why."""
    decision = decide(seen)

    assert decision.action == action
    assert decision.why


@pytest.mark.parametrize(
    ("seen", "again"),
    [
        pytest.param(a_view(now=NOON - 2 * HOUR), NOON - HOUR, id="when the period ends"),
        pytest.param(a_view(a_record(Stage.RUNNING)), NOON + HOUR, id="at the owner's deadline"),
        pytest.param(a_view(reserve(None, a_plan(), NOON)), NOON + START_AGAIN, id="when a started run should report"),
        pytest.param(a_view(fingerprint=None, due=NOON + HOUR), NOON + HOUR, id="when it is due"),
        pytest.param(
            a_view(fingerprint=None, readiness=a_readiness(ready=False, ask_again=NOON + SECOND), due=NOON + HOUR),
            NOON + SECOND,
            id="when an input will have been quiet",
        ),
        pytest.param(a_view(fingerprint=None), None, id="only when something changes"),
    ],
)
def test_a_wait_says_until_when(seen: Seen, again: Any) -> None:
    """Whoever asks need not poll."""
    assert decide(seen).ask_again == again


def test_a_start_names_the_run_and_a_late_period_what_blocks() -> None:
    """What carries the decision out, and who reads the incident, need look nowhere else."""
    started = decide(a_view())
    late = decide(a_view(fingerprint=None, due=NOON))

    assert started.run == next_run("flight-delay", PERIOD, THESE, VERSION, {}).text
    assert "flights: has no data" in late.why


def test_data_that_return_to_an_earlier_state_are_run_under_the_next_number() -> None:
    """The key is the same, the run is another."""
    first = next_run("flight-delay", PERIOD, THESE, VERSION, {})

    again = next_run("flight-delay", PERIOD, THESE, VERSION, {first.key8: 1})

    assert (again.key8, again.r) == (first.key8, 2)
    assert next_run("flight-delay", PERIOD, THESE, "b" * 12, {}).key8 != first.key8
    assert next_run("flight-delay", PERIOD, OTHERS, VERSION, {}).key8 != first.key8


# For any record and any readiness

moments = st.integers(-3000, 3000).map(lambda minutes: NOON + timedelta(minutes=minutes))
fingerprints = st.sampled_from([THESE, OTHERS])
claims = st.builds(
    lambda stage, token, automatic, since, deadline, fingerprint: {
        **a_record(Stage.PUBLISHING)["claim"],
        "stage": stage,
        "token": token,
        "ending": None,
        "automatic": automatic,
        "since": since.isoformat(),
        "deadline": deadline.isoformat(),
        "fingerprint": fingerprint,
    },
    st.sampled_from(Stage),
    st.sampled_from(["", "one"]),
    st.integers(1, 5),
    moments,
    moments,
    fingerprints,
)
lasts = st.builds(
    lambda state, fingerprint: {**an_ended(End.FAILED)["last"], "state": state, "fingerprint": fingerprint},
    st.sampled_from(End),
    fingerprints,
)
publications = st.builds(
    lambda fingerprint: {**an_ended(End.SUCCEEDED)["published"], "fingerprint": fingerprint}, fingerprints
)
records = st.builds(
    lambda **fields: {**new_record("flight-delay", RunId.parse(RUN).period), **fields},
    claim=st.none() | claims,
    published=st.none() | publications,
    last=st.none() | lasts,
    cancel=st.none() | st.just({"run": RUN, "by": "ann", "reason": "no", "at": NOON.isoformat()}),
    waived=st.none() | st.just({"by": "ann"}),
    declined=st.dictionaries(fingerprints, st.just("it was retracted by ann")),
    numbers=st.dictionaries(st.sampled_from(["0a1b2c3d", "ffffffff"]), st.integers(1, 9)),
    retired=st.lists(moments.map(lambda at: {"run": OTHER, "attempt": 1, "close_after": at.isoformat()}), max_size=2),
    orphans=st.lists(st.sampled_from(["job-1", "job-2"]), unique=True),
)
incidents = st.builds(
    lambda code, at: {**an_incident(code), "opened_at": at.isoformat()},
    st.sampled_from([LATE, WILL_NOT_END, "job-failed"]),
    moments,
)
readinesses = st.builds(a_readiness, ready=st.booleans(), ask_again=st.none() | moments)


@st.composite
def views(draw: st.DrawFn) -> Seen:
    """Draw anything that could be seen, likely or not."""
    readiness = draw(readinesses)
    return Seen(
        now=draw(moments),
        model="flight-delay",
        period=PERIOD,
        version=VERSION,
        ends=draw(moments),
        due=draw(st.none() | moments),
        in_range=draw(st.booleans()),
        takes_corrections=draw(st.booleans()),
        on_new_data=draw(st.sampled_from(["run", "ask", "ignore"])),
        attempts=draw(st.integers(1, 4)),
        paused=draw(st.booleans()),
        record=draw(st.none() | records),
        incident=draw(st.none() | incidents),
        fingerprint=draw(fingerprints) if readiness.ready else None,
        readiness=readiness,
    )


#: Ended periods with complete inputs and nothing under way or left over: here only what ran before decides.
quiet_views = st.builds(
    lambda fingerprint, published, last, takes_corrections, on_new_data: a_view(
        {**new_record("flight-delay", RunId.parse(RUN).period), "published": published, "last": last},
        fingerprint,
        takes_corrections=takes_corrections,
        on_new_data=on_new_data,
    ),
    fingerprints,
    st.none() | publications,
    st.none() | lasts,
    st.booleans(),
    st.sampled_from(["run", "ask", "ignore"]),
)


def is_new_run(decision: Decision, seen: Seen) -> bool:
    """Whether the decision starts a run, and not merely the instance of one that is claimed."""
    return decision.action == "start" and not (seen.record and seen.record["claim"])


@given(views())
def test_any_view_has_one_answer(seen: Seen) -> None:
    """Total and deterministic; and it names what the answer is about."""
    decision = decide(seen)

    assert decide(replace(seen)) == decision
    assert decision.why
    if decision.action in ("start", "next_attempt", "roll_forward", "give_up", "close_outputs", "open_incident"):
        assert decision.run is not None
        assert decision.attempt is not None


@given(views())
def test_inputs_are_only_looked_at_when_they_matter(seen: Seen) -> None:
    """Listing them is the dear part: where they are said not to matter, the answer is the same without them."""
    if not needs_inputs(seen):
        assert decide(replace(seen, readiness=None, fingerprint=None)) == decide(seen)


@given(st.builds(replace, quiet_views, now=moments, in_range=st.booleans(), paused=st.booleans()) | views())
def test_no_run_starts_before_its_period_ends_or_outside_the_models_own(seen: Seen) -> None:
    """A landing folder full of data from before `first_period` starts nothing either."""
    if is_new_run(decide(seen), seen):
        assert seen.now >= seen.ends
        assert seen.in_range
        assert not seen.paused
        assert seen.fingerprint is not None


@given(quiet_views | views())
def test_the_same_data_are_never_run_again_unasked(seen: Seen) -> None:
    """Not after they were published, not after they failed or were canceled; only a person says otherwise."""
    if seen.record and is_new_run(decide(seen), seen):
        published, last = seen.record["published"], seen.record["last"]
        assert not (published and published["fingerprint"] == seen.fingerprint)
        assert not (last and last["fingerprint"] == seen.fingerprint and last["state"] != End.SUPERSEDED)
        assert not seen.record["waived"]
        assert seen.fingerprint not in seen.record["declined"]


@given(views())
def test_beside_a_claim_nothing_is_decided_but_about_that_claim(seen: Seen) -> None:
    """And a dead owner is always dealt with: rolled forward, followed by another attempt, or given up."""
    decision = decide(seen)
    claim = seen.record["claim"] if seen.record else None
    if claim is None:
        assert decision.action not in ("next_attempt", "roll_forward", "give_up")
        return
    dead = seen.now.isoformat() >= claim["deadline"]
    if dead and claim["stage"] in DELIVERING:
        assert decision.action == "roll_forward"
    elif dead:
        assert decision.action in ("next_attempt", "give_up")
    else:
        leftovers = ("end_jobs", "close_outputs", "open_incident", "raise_incident", "resolve_incident")
        assert decision.action in ("wait", "start", *leftovers)
    if decision.action == "next_attempt":
        assert claim["automatic"] < seen.attempts


@given(quiet_views | views())
def test_an_incident_is_not_opened_only_to_be_resolved(seen: Seen) -> None:
    """I10: what is decided about incidents settles: the one a decision opens is not over by the next."""
    decision = decide(seen)
    if decision.action in ("open_incident", "raise_incident"):
        assert seen.incident is None
        code = LATE if decision.action == "raise_incident" else "job-failed"
        told = {**an_incident(code, decision.run, decision.attempt), "opened_at": seen.now.isoformat()}
        assert decide(replace(seen, incident=told)).action not in (
            "open_incident",
            "raise_incident",
            "resolve_incident",
        )
    if decision.action == "resolve_incident":
        assert seen.incident is not None
        assert decide(replace(seen, incident=None)).action != "open_incident"


@given(quiet_views | views())
def test_what_is_started_can_be_reserved(seen: Seen) -> None:
    """The decision and the record agree on what the next run is: a start is never refused for its number."""
    decision = decide(seen)
    if decision.run and is_new_run(decision, seen):
        plan = {**a_plan(decision.run), "fingerprint": seen.fingerprint}
        assert reserve(seen.record, plan, seen.now)["claim"]["run"] == decision.run


def test_dying_owners_use_up_the_attempts_and_then_the_run_is_given_up() -> None:
    """I9: whatever dies, and however often, the run comes to an end."""
    taken = [decide(a_view(a_dead(Stage.RUNNING, automatic))).action for automatic in range(1, 10)]

    assert taken[:3] == ["next_attempt", "next_attempt", "give_up"]
    assert set(taken[3:]) == {"give_up"}
