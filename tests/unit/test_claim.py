"""The period's record as the fence: who may run, who owns, what can no longer be taken back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from slipway.claim import (
    GRACE,
    begin_delivery,
    delivered,
    finish,
    judge,
    move,
    owned,
    reserve,
    succeed_dead_owner,
    take,
)
from slipway.failure import Failed
from slipway.period import Period
from slipway.period_record import (
    DELIVERING,
    REMEMBERED_REQUESTS,
    START_AGAIN,
    End,
    Record,
    Refused,
    Stage,
    closed,
    declined,
    index,
    is_dead,
    new_record,
    orphan_ended,
    unheard,
)
from slipway.run import RunId
from slipway.wishes import (
    SAME_REQUEST,
    answered,
    ask,
    disown,
    publish_again,
    reopen,
    resume,
    retract,
    waive,
    wish_cancel,
)
from tests.unit.builders import NOON, by

RUN = RunId("flight-delay", Period.parse("2013-01"), "0a1b2c3d").text
OTHER = RunId("flight-delay", Period.parse("2013-01"), "ffffffff").text
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def a_plan(run: str = RUN, attempt: int = 1, by: str = "slipway", reason: str = "its inputs are complete") -> Any:
    """Build the plan of a run, as `reserve` takes it."""
    return {
        "run": run,
        "attempt": attempt,
        "fingerprint": "f" * 64,
        "version": "0123456789ab",
        "cause": {"kind": "data", "by": by, "reason": reason, "request": None},
        "installation": "north",
    }


def a_record(stage: Stage = Stage.CLAIMED, token: str = "one", run: str = RUN, before: Record | None = None) -> Record:
    """Build the record of a period whose run's first attempt is in this stage, owned by `token`."""
    record = take(reserve(before, a_plan(run), NOON), run, 1, token, NOON)
    if stage in DELIVERING:
        record = begin_delivery(move(record, token, Stage.VERIFYING, NOON + HOUR), token, NOON)
        return record if stage == Stage.PUBLISHING else delivered(record, run, 1, f"{run}/outputs-1", NOON)
    return move(record, token, stage, NOON + HOUR)


def an_ended(state: End, run: str = RUN, before: Record | None = None) -> Record:
    """Build the record of a period whose run's first attempt has ended so."""
    stage = Stage.PUBLISHED if state == End.SUCCEEDED else Stage.RUNNING
    return finish(a_record(stage, run=run, before=before), run, 1, state, NOON)


# Reserving and taking


def test_a_period_is_given_to_its_first_run_before_anything_is_started() -> None:
    """The claim names the attempt and has no owner yet; its deadline makes sure that somebody asks again."""
    record = reserve(None, a_plan(), NOON)

    claim = record["claim"]
    assert (claim["run"], claim["attempt"], claim["token"], claim["stage"]) == (RUN, 1, "", "claimed")
    assert not is_dead(claim, NOON)
    assert is_dead(claim, NOON + HOUR)


def test_reserving_the_same_plan_twice_is_no_change() -> None:
    """CL-2: the answer was lost, the plan is reserved again."""
    record = reserve(None, a_plan(), NOON)

    assert reserve(record, a_plan(), NOON + MINUTE) is record


def test_another_run_is_refused_beside_an_active_one_and_told_which() -> None:
    """CL-1, RR-2: one run at a time for a period."""
    with pytest.raises(Refused) as refused:
        reserve(a_record(), a_plan(OTHER), NOON)

    assert refused.value.active == RUN


@pytest.mark.parametrize("state", [pytest.param(state, id=state) for state in End])
def test_an_attempt_that_ended_is_never_reserved_again(state: End) -> None:
    """CL-5: a late duplicate of the start finds nothing to start."""
    with pytest.raises(Refused):
        reserve(an_ended(state), a_plan(), NOON)


def test_an_earlier_run_is_not_begun_again_under_its_old_number() -> None:
    """The same work asked for later gets a number of its own."""
    record = an_ended(End.FAILED, OTHER, before=an_ended(End.FAILED))

    with pytest.raises(Refused, match="started before"):
        reserve(record, a_plan(), NOON)


@pytest.mark.parametrize(
    ("before", "attempt"),
    [
        pytest.param(None, 2, id="of a run nobody has begun"),
        pytest.param(an_ended(End.FAILED), 3, id="that skips one"),
        pytest.param(an_ended(End.FAILED, OTHER, an_ended(End.FAILED)), 2, id="of a run before the last"),
    ],
)
def test_a_later_attempt_only_follows_the_one_that_ended_last(before: Record | None, attempt: int) -> None:
    """Attempts are counted one by one, and only of the period's last run."""
    with pytest.raises(Refused):
        reserve(before, a_plan(attempt=attempt), NOON)


def test_the_first_execution_becomes_the_owner_and_every_other_is_refused() -> None:
    """CL-1: many executions of one attempt, one owner; the owner may ask again."""
    reserved = reserve(None, a_plan(), NOON)

    record = take(reserved, RUN, 1, "one", NOON)

    assert record["claim"]["token"] == "one"
    assert take(record, RUN, 1, "one", NOON) is record
    with pytest.raises(Refused):
        take(record, RUN, 1, "two", NOON)


@pytest.mark.parametrize(
    ("record", "run", "attempt"),
    [
        pytest.param(None, RUN, 1, id="no record"),
        pytest.param(an_ended(End.FAILED), RUN, 1, id="the attempt has ended"),
        pytest.param(reserve(None, a_plan(), NOON), OTHER, 1, id="another run has it"),
        pytest.param(reserve(None, a_plan(), NOON), RUN, 2, id="another attempt has it"),
    ],
)
def test_an_attempt_without_a_reserved_claim_is_not_begun(record: Record | None, run: str, attempt: int) -> None:
    """CL-5: an instance that is started late finds that it is not wanted."""
    with pytest.raises(Refused):
        take(record, run, attempt, "one", NOON)


# Owning


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(None, id="no record"),
        pytest.param(an_ended(End.FAILED), id="nobody holds it"),
        pytest.param(a_record(token="two"), id="another execution holds it"),
    ],
)
def test_who_does_not_hold_the_claim_is_told_so(record: Record | None) -> None:
    """CL-7: a zombie's next step fails with `claim-lost`."""
    with pytest.raises(Failed) as failed:
        owned(record, "one")

    assert failed.value.failure.code == "claim-lost"


def test_a_wish_to_cancel_meets_the_owner_at_its_next_step() -> None:
    """Cancelling is a wish in the record, never an event alone."""
    record = wish_cancel(a_record(Stage.RUNNING), RUN, by("ann", "wrong month"), NOON)

    with pytest.raises(Failed, match="Canceled by ann: wrong month") as failed:
        owned(record, "one")

    assert failed.value.failure.code == "canceled"


def test_a_first_wish_stands() -> None:
    """Cancelled twice, the run keeps the first person and reason."""
    record = wish_cancel(a_record(), RUN, by("ann", "wrong month"), NOON)

    assert wish_cancel(record, RUN, by("bob", "me too"), NOON) is record


def test_a_person_who_knows_that_the_owner_is_gone_need_not_wait_for_its_deadline() -> None:
    """The engine's storage was lost: the run goes on at once, in attempts that count anew."""
    tired = {**a_record(Stage.RUNNING), "claim": {**a_record(Stage.RUNNING)["claim"], "automatic": 3}}
    record = disown(tired, RUN, by("ann", "the hub is lost"), NOON)

    assert is_dead(record["claim"], NOON)
    after = succeed_dead_owner(record, RUN, 1, NOON)
    assert (after["claim"]["attempt"], after["claim"]["automatic"]) == (2, 1)
    assert record["asked"][-1]["what"] == "take-over"
    with pytest.raises(Failed, match="no longer holds the claim"):
        owned(after, "one")


def test_only_an_active_run_is_taken_over_and_once_for_a_request() -> None:
    """The same request, sent again when the next attempt is under way, takes nothing from that."""
    record = disown(a_record(Stage.RUNNING), RUN, by("ann", request="R-1"), NOON)
    after = succeed_dead_owner(record, RUN, 1, NOON)

    assert disown(after, RUN, by("ann", request="R-1"), NOON + MINUTE) is after
    for wrong in (None, an_ended(End.FAILED), a_record(run=OTHER)):
        with pytest.raises(Refused, match="not active"):
            disown(wrong, RUN, by("ann"), NOON)


@pytest.mark.parametrize("stage", [pytest.param(stage, id=stage) for stage in DELIVERING])
def test_nothing_is_canceled_once_its_publication_began(stage: Stage) -> None:
    """From `publishing` on there is no way back, and people are told what to do in its place."""
    with pytest.raises(Refused, match="publish another run"):
        wish_cancel(a_record(stage), RUN, by("ann", "wrong month"), NOON)


@pytest.mark.parametrize(
    ("now_in", "said", "then_in"),
    [
        pytest.param(Stage.STAGING, Stage.STAGING, Stage.STAGING, id="showing life"),
        pytest.param(Stage.CLAIMED, Stage.VERIFYING, Stage.VERIFYING, id="a job taken over"),
        pytest.param(Stage.QUEUED, Stage.RUNNING, Stage.RUNNING, id="forward"),
        pytest.param(Stage.RUNNING, Stage.STAGING, Stage.RUNNING, id="a late copy"),
        pytest.param(Stage.RUNNING, Stage.QUEUED, Stage.RUNNING, id="a late submit"),
        pytest.param(Stage.PUBLISHING, Stage.VERIFYING, Stage.PUBLISHING, id="a late seal"),
        pytest.param(Stage.PUBLISHED, Stage.VERIFYING, Stage.PUBLISHED, id="a seal after the publication"),
    ],
)
def test_stages_only_go_forward(now_in: Stage, said: Stage, then_in: Stage) -> None:
    """DP-4: an activity that runs twice cannot take a run back, nor shorten the time its owner has."""
    record = a_record(now_in)

    moved = move(record, "one", said, NOON + SECOND)

    assert moved["claim"]["stage"] == then_in
    assert moved is record or then_in == said


# Dying and going on


def test_a_dead_owners_run_goes_on_as_its_next_attempt() -> None:
    """The old token is worth nothing from then on, and the attempts made without a person are counted."""
    record = a_record(Stage.RUNNING)

    succeeded = succeed_dead_owner(record, RUN, 1, NOON + HOUR)

    claim = succeeded["claim"]
    assert (claim["attempt"], claim["automatic"], claim["token"], claim["stage"]) == (2, 2, "", "claimed")
    with pytest.raises(Failed):
        move(succeeded, "one", Stage.RUNNING, NOON + HOUR)


@pytest.mark.parametrize(
    ("now", "dead"),
    [
        pytest.param(NOON + HOUR - SECOND, False, id="a second before its deadline"),
        pytest.param(NOON + HOUR, True, id="at its deadline"),
    ],
)
def test_an_owner_is_dead_from_the_deadline_it_stored(now: Any, dead: bool) -> None:
    """Whatever the engine says of it."""
    record = a_record(Stage.RUNNING)

    assert is_dead(record["claim"], now) is dead
    if not dead:
        with pytest.raises(Refused, match="alive"):
            succeed_dead_owner(record, RUN, 1, now)


@pytest.mark.parametrize("stage", [pytest.param(stage, id=stage) for stage in DELIVERING])
def test_what_is_on_its_way_to_readers_is_not_begun_again(stage: Stage) -> None:
    """A decision to take over that was made before the publication began comes too late."""
    with pytest.raises(Refused, match="rolled forward"):
        succeed_dead_owner(a_record(stage), RUN, 1, NOON + 24 * HOUR)


@pytest.mark.parametrize(
    ("record", "refusal"),
    [
        pytest.param(None, "not the last run", id="no record"),
        pytest.param(a_record(), "is active", id="active"),
        pytest.param(an_ended(End.SUCCEEDED), "nothing is left to resume", id="succeeded"),
        pytest.param(an_ended(End.SUPERSEDED), "nothing is left to resume", id="superseded"),
        pytest.param(an_ended(End.FAILED, OTHER), "not the last run", id="another run came after"),
    ],
)
def test_only_the_last_run_is_resumed_and_only_if_it_did_not_end_well(record: Record | None, refusal: str) -> None:
    """What was published, or is no longer wanted, is asked for anew."""
    with pytest.raises(Refused, match=refusal):
        resume(record, RUN, by("ann", "quota is back"), NOON)


@pytest.mark.parametrize("state", [End.FAILED, End.CANCELED])
def test_resuming_is_the_next_attempt_of_the_same_run_with_the_persons_reason(state: End) -> None:
    """Its inputs and definition stay; the automatic attempts are counted anew."""
    claim = resume(an_ended(state), RUN, by("ann", "quota is back"), NOON)["claim"]

    assert (claim["run"], claim["attempt"], claim["automatic"]) == (RUN, 2, 1)
    assert (claim["fingerprint"], claim["version"]) == ("f" * 64, "0123456789ab")
    assert claim["cause"]["by"] == "ann"


def test_a_reserved_claim_that_nobody_takes_is_started_again() -> None:
    """CL-3: dead between the claim and the start."""
    claim = reserve(None, a_plan(), NOON)["claim"]

    assert not unheard(claim, NOON + START_AGAIN - SECOND)
    assert unheard(claim, NOON + START_AGAIN)
    assert not unheard(a_record()["claim"], NOON + START_AGAIN)


# Delivering


def test_beginning_to_deliver_gives_a_new_generation_once() -> None:
    """PB-5: entering `publishing` twice is entering it once."""
    record = begin_delivery(a_record(Stage.VERIFYING), "one", NOON)

    assert (record["generation"], record["claim"]["generation"], record["claim"]["stage"]) == (1, 1, "publishing")
    assert begin_delivery(record, "one", NOON) is record


def test_what_a_model_says_of_itself_is_published_with_its_outputs_and_goes_with_them() -> None:
    """From the claim to the publication, and away by a retraction; published again, it is the earlier run's."""
    said = begin_delivery(a_record(Stage.VERIFYING), "one", NOON, "used", {"mae": 12.5})
    record = finish(delivered(said, RUN, 1, "folder", NOON), RUN, 1, End.SUCCEEDED, NOON)
    assert record["published"]["metrics"] == {"mae": 12.5}

    assert "metrics" not in an_ended(End.SUCCEEDED, OTHER, record)["published"]
    retracted = retract(record, by("ann"), NOON)
    assert retracted["published"] is None
    again = publish_again(retracted, {**FIRST_AGAIN, "metrics": {"mae": 12.5}}, NOON)
    assert delivered(again, RUN, 2, "folder", NOON)["published"]["metrics"] == {"mae": 12.5}


def test_a_canceled_run_is_not_delivered() -> None:
    """The wish came before the publication began."""
    record = wish_cancel(a_record(Stage.VERIFYING), RUN, by("ann", "wrong month"), NOON)

    with pytest.raises(Failed, match="Canceled by ann"):
        begin_delivery(record, "one", NOON)


def test_what_was_published_before_is_retired_with_a_grace() -> None:
    """Readers that hold the old path keep it for a day."""
    before = an_ended(End.SUCCEEDED)

    record = a_record(Stage.PUBLISHED, run=OTHER, before=before)

    assert (record["published"]["run"], record["published"]["generation"]) == (OTHER, 2)
    assert record["retired"] == [{"run": RUN, "attempt": 1, "close_after": (NOON + GRACE).isoformat()}]
    assert closed(record, RUN, 1)["retired"] == []


@pytest.mark.parametrize("stage", [Stage.CLAIMED, Stage.VERIFYING, Stage.PUBLISHED])
def test_delivered_is_said_only_of_what_is_in_publishing(stage: Stage) -> None:
    """Whoever rolls forward too late, or too early, changes nothing."""
    record = a_record(stage)

    assert delivered(record, RUN, 1, "elsewhere", NOON) is record


def test_delivered_is_refused_for_an_attempt_that_does_not_hold_the_claim() -> None:
    """CL-7: the zombie's publication is not the period's."""
    with pytest.raises(Refused):
        delivered(a_record(Stage.PUBLISHING), RUN, 2, "elsewhere", NOON)


# Ending


@pytest.mark.parametrize(
    ("stage", "state", "allowed"),
    [
        pytest.param(Stage.CLAIMED, End.FAILED, True, id="failed at once"),
        pytest.param(Stage.RUNNING, End.CANCELED, True, id="canceled while running"),
        pytest.param(Stage.VERIFYING, End.SUCCEEDED, False, id="succeeded before it was published"),
        pytest.param(Stage.PUBLISHING, End.SUCCEEDED, False, id="succeeded while being published"),
        pytest.param(Stage.PUBLISHING, End.FAILED, False, id="failed while being published"),
        pytest.param(Stage.PUBLISHED, End.CANCELED, False, id="canceled after it was published"),
        pytest.param(Stage.PUBLISHED, End.SUCCEEDED, True, id="succeeded after it was published"),
    ],
)
def test_the_stage_says_which_ends_are_possible(stage: Stage, state: End, allowed: bool) -> None:
    """I11: 'succeeded' holds exactly when it was published, whatever the exception says."""
    record = a_record(stage)
    if allowed:
        ended = finish(record, RUN, 1, state, NOON)
        assert (ended["claim"], ended["last"]["state"]) == (None, state)
    else:
        with pytest.raises(Refused):
            finish(record, RUN, 1, state, NOON)


def test_ending_twice_adds_only_the_jobs_that_are_left() -> None:
    """RC-2; and jobs that did not end stay known until they are seen ended."""
    ended = finish(a_record(), RUN, 1, End.FAILED, NOON, orphans=("b",))

    again = finish(ended, RUN, 1, End.CANCELED, NOON + HOUR, orphans=("a",))

    assert again == {**ended, "orphans": ["a", "b"]}
    assert orphan_ended(again, "b")["orphans"] == ["a"]


@pytest.mark.parametrize(
    ("record", "token", "code", "expected"),
    [
        pytest.param(None, "one", "access", "lost", id="no record"),
        pytest.param(a_record(), "two", "access", "lost", id="another execution owns it"),
        pytest.param(an_ended(End.FAILED), "one", "access", "lost", id="given up meanwhile"),
        pytest.param(a_record(Stage.PUBLISHING), "one", "no-answer", "delivering", id="only the answer was lost"),
        pytest.param(a_record(Stage.PUBLISHED), "one", "no-answer", "delivering", id="published, the answer lost"),
        pytest.param(
            wish_cancel(a_record(), RUN, by("ann", "no"), NOON),
            "one",
            "job-failed",
            "canceled",
            id="a person wished so",
        ),
        pytest.param(a_record(), "one", "source-changed", "superseded", id="its inputs changed"),
        pytest.param(a_record(), "one", "job-failed", "failed", id="anything else"),
    ],
)
def test_the_lake_says_how_a_run_stands_after_a_failure(
    record: Record | None, token: str, code: str, expected: str
) -> None:
    """Not the exception: publishing may have worked and only its answer been lost."""
    assert judge(record, token, code) == expected


# Requests


def test_a_request_is_remembered_with_the_run_it_was_given() -> None:
    """RR-1: asked again with its key, at any time, it reads the same run back."""
    record = ask(None, "key", a_plan(by="ann", reason="late correction"), NOON)

    assert answered(record, "key", "ann", "late correction", NOON + 24 * HOUR, {}) == RUN
    assert answered(record, "another", "ann", "late correction", NOON, {}) is None


@pytest.mark.parametrize(
    ("by", "reason", "later", "expected"),
    [
        pytest.param("ann", "again", SAME_REQUEST - SECOND, RUN, id="a double click"),
        pytest.param("ann", "again", SAME_REQUEST, None, id="a minute later"),
        pytest.param("ann", "once more", SECOND, None, id="other words"),
        pytest.param("bob", "again", SECOND, None, id="another person"),
    ],
)
def test_without_a_key_the_same_words_within_a_minute_are_one_request(
    by: str, reason: str, later: timedelta, expected: str | None
) -> None:
    """RR-1."""
    record = ask(None, "", a_plan(by="ann", reason="again"), NOON)

    assert answered(record, None, by, reason, NOON + later, {}) == expected
    assert answered(record, None, by, reason, NOON + later, {"compute": "large"}) is None


def test_where_the_job_runs_was_chosen_for_the_run_and_all_its_attempts() -> None:
    """A run that was moved to a larger machine stays there when its owner dies, and when a person resumes it."""
    record = ask(None, "key", a_plan(by="ann", reason="too small") | {"compute": "large"}, NOON)
    failed = finish(succeed_dead_owner(record, RUN, 1, NOON + 24 * HOUR), RUN, 2, End.FAILED, NOON)
    cause = {"kind": "resume", "by": "bob", "reason": "again", "request": None}

    assert resume(failed, RUN, cause, NOON)["claim"]["compute"] == "large"
    assert resume(failed, RUN, cause, NOON, compute="huge")["claim"]["compute"] == "huge"


def test_inputs_that_a_person_passed_over_start_no_run_by_themselves() -> None:
    """A rerun on earlier inputs would else be replaced by the next pass; new data, or a rerun of today's, end that."""
    plan = a_plan(by="ann", reason="the correction was wrong")
    published = {"run": "other", "fingerprint": "of today", "attempt": 1}
    before = {**new_record("flight-delay", Period.parse("2013-01")), "published": published}

    record = ask(before, "key", plan | {"chosen": "ann chose others"}, NOON)

    assert declined(record, "of today") == "ann chose others"
    assert declined(record, plan["fingerprint"]) is None
    assert declined(ask(before, "key", plan, NOON), "of today") is None


def test_a_request_beside_an_active_run_is_refused_with_its_id() -> None:
    """RR-2: 409, never two jobs."""
    with pytest.raises(Refused) as refused:
        ask(a_record(), "key", a_plan(OTHER), NOON)

    assert refused.value.active == RUN


def test_a_record_does_not_grow_with_requests() -> None:
    """I18: the oldest answered request is forgotten first."""
    record = None
    for number in range(1, REMEMBERED_REQUESTS + 3):
        run = RunId("flight-delay", Period.parse("2013-01"), "0a1b2c3d", number).text
        record = ask(record, f"key-{number}", a_plan(run), NOON)
        record = finish(record, run, 1, End.FAILED, NOON)

    assert record is not None
    assert len(record["asked"]) == REMEMBERED_REQUESTS
    assert record["asked"][-1]["request"] == f"key-{REMEMBERED_REQUESTS + 2}"


# What people decide of a period

PERIOD = RunId.parse(RUN).period


def a_waived(before: Record | None = None) -> Record:
    """Build the record of a period that ann waived."""
    return waive(before, "flight-delay", PERIOD, by("ann", "a holiday", "key"), NOON)


@pytest.mark.parametrize(
    "before", [pytest.param(None, id="never run"), pytest.param(an_ended(End.FAILED), id="failed")]
)
def test_a_waiver_says_who_why_and_when_and_stands_until_it_is_taken_back(before: Record | None) -> None:
    """Twice is no change, whoever says it again."""
    record = a_waived(before)

    assert record["waived"] == {"by": "ann", "reason": "a holiday", "at": NOON.isoformat()}
    assert waive(record, "flight-delay", PERIOD, by("bob"), NOON) is record
    reopened = reopen(record, by("bob", "it is needed"), NOON)
    assert reopened is not None
    assert reopened["waived"] is None
    assert [(known["what"], known["by"]) for known in reopened["asked"]] == [("waive", "ann"), ("reopen", "bob")]
    assert reopen(reopened, by("bob"), NOON) is reopened
    assert reopen(None, by("bob"), NOON) is None


def test_a_request_that_comes_again_late_undoes_nothing_that_was_decided_since() -> None:
    """RR-1: its answer was lost, another person decided otherwise, and then the client sends it again."""
    record = reopen(a_waived(), by("bob"), NOON)

    assert waive(record, "flight-delay", PERIOD, by("ann", "a holiday", "key"), NOON) is record


@pytest.mark.parametrize(
    ("record", "active"),
    [
        pytest.param(a_record(Stage.RUNNING), RUN, id="beside an active run"),
        pytest.param(an_ended(End.SUCCEEDED), None, id="published"),
    ],
)
def test_what_runs_or_is_published_is_not_waived(record: Record, active: str | None) -> None:
    """A waiver says that nothing is needed; what is there would say otherwise."""
    with pytest.raises(Refused) as refused:
        a_waived(record)

    assert refused.value.active == active


def test_no_run_starts_for_a_waived_period_however_it_was_decided() -> None:
    """Not one that was decided on before the waiver, not by hand, and none goes on: it is reopened first."""
    record = a_waived(an_ended(End.FAILED))

    for change in (
        lambda: reserve(record, a_plan(OTHER), NOON),
        lambda: ask(record, "another", a_plan(OTHER), NOON),
        lambda: resume(record, RUN, by("ann"), NOON),
    ):
        with pytest.raises(Refused, match="waived by ann"):
            change()


def a_retracted(before: Record | None = None) -> Record:
    """Build the record of a period whose publication ann retracted."""
    return retract(before or an_ended(End.SUCCEEDED), by("ann", "half of it is missing", "key"), NOON)


def test_a_retraction_is_a_new_generation_that_names_nothing_and_closes_the_set_at_once() -> None:
    """Whatever it could not do is in the record: the next look finds the set that is to be closed."""
    record = a_retracted()

    assert (record["published"], record["generation"], record["retracted"]["generation"]) == (None, 2, 2)
    assert (record["retracted"]["run"], record["retracted"]["attempt"]) == (RUN, 1)
    assert (record["retracted"]["by"], record["retracted"]["reason"]) == ("ann", "half of it is missing")
    why = f"{RUN} was retracted by ann"
    assert record["retired"] == [{"run": RUN, "attempt": 1, "close_after": NOON.isoformat(), "why": why}]
    assert index(record) == {"open": "yes", "ask": NOON.isoformat()}
    assert retract(record, by("bob"), NOON) is record, "the first retraction stands"


@pytest.mark.parametrize(
    ("record", "refusal"),
    [
        pytest.param(None, "nothing is published", id="never run"),
        pytest.param(an_ended(End.FAILED), "nothing is published", id="never published"),
        pytest.param(a_record(Stage.PUBLISHING), "is active", id="while it is being published"),
        pytest.param(
            a_record(Stage.RUNNING, run=OTHER, before=an_ended(End.SUCCEEDED)), "is active", id="beside a run"
        ),
    ],
)
def test_what_cannot_be_retracted_is_refused(record: Record | None, refusal: str) -> None:
    """An active run may be publishing at this moment."""
    with pytest.raises(Refused, match=refusal):
        retract(record, by("ann"), NOON)


def test_after_a_retraction_the_same_inputs_start_nothing_unasked_until_something_else_is_published() -> None:
    """Also what was decided on before; by hand they do."""
    record = a_retracted()

    assert declined(record, "f" * 64) == f"{RUN} was retracted by ann"
    assert declined(record, "e" * 64) is None
    with pytest.raises(Refused, match="retracted by ann"):
        reserve(record, a_plan(OTHER), NOON)
    by_hand = {**a_plan(OTHER), "cause": by("bob")}
    again = move(take(ask(record, "", by_hand, NOON), OTHER, 1, "two", NOON), "two", Stage.VERIFYING, NOON + HOUR)
    published = delivered(begin_delivery(again, "two", NOON), OTHER, 1, "folder", NOON)
    assert (published["published"]["generation"], published["retracted"], published["declined"]) == (3, None, {})


def test_a_retraction_that_comes_again_late_leaves_what_was_published_since() -> None:
    """RR-1: its answer was lost, and somebody published again."""
    record = a_record(Stage.PUBLISHED, run=OTHER, before={**a_retracted(), "declined": {}})
    record = finish(record, OTHER, 1, End.SUCCEEDED, NOON)

    assert retract(record, by("ann", "half of it is missing", "key"), NOON) is record


FIRST_AGAIN = {**a_plan(), "job": f"{RUN}-a1", "generation": 2, "cause": by("ann", "the second was wrong", "key")}
SUPERSEDED = an_ended(End.SUCCEEDED, OTHER, an_ended(End.SUCCEEDED))


def other_inputs(record: Record) -> Record:
    """The record, but what is published and ended last came of other inputs than the first run's."""
    facts = {name: {**record[name], "fingerprint": "e" * 64} for name in ("published", "last")}
    return {**record, **facts}


def test_an_earlier_set_is_published_again_as_the_next_attempt_of_its_run_and_has_no_owner() -> None:
    """A new generation, in `publishing` at once: whoever finds it rolls it forward. It is closed no more."""
    record = publish_again(SUPERSEDED, FIRST_AGAIN, NOON)

    claim = record["claim"]
    assert (claim["run"], claim["attempt"], claim["again"], claim["stage"]) == (RUN, 2, 1, "publishing")
    assert (record["generation"], claim["generation"], record["retired"]) == (3, 3, [])
    assert is_dead(claim, NOON)
    with pytest.raises(Refused):
        take(record, RUN, 2, "late", NOON)
    after = finish(delivered(record, RUN, 2, "folder", NOON), RUN, 2, End.SUCCEEDED, NOON)
    assert (after["published"]["run"], after["published"]["attempt"], after["claim"]) == (RUN, 2, None)
    assert [(set_["run"], set_["attempt"]) for set_ in after["retired"]] == [(OTHER, 1)]


def test_what_a_person_published_again_is_not_replaced_by_what_it_was_preferred_to() -> None:
    """The inputs are those of the run before still, and nothing is run from them unasked."""
    record = publish_again(other_inputs(SUPERSEDED), FIRST_AGAIN, NOON)
    record = finish(delivered(record, RUN, 2, "folder", NOON), RUN, 2, End.SUCCEEDED, NOON)

    assert declined(record, "e" * 64) == f"{RUN} was published in place of what came of them by ann"
    assert declined(record, "f" * 64) is None
    with pytest.raises(Refused):
        reserve(record, {**a_plan(OTHER[:-1] + "2"), "fingerprint": "e" * 64}, NOON)


def test_what_was_retracted_can_be_published_again() -> None:
    """A person's later word counts, also for these inputs."""
    record = publish_again(a_retracted(), FIRST_AGAIN, NOON)

    assert (record["declined"], record["retired"], record["generation"]) == ({}, [], 3)
    assert delivered(record, RUN, 2, "folder", NOON)["retracted"] is None


@pytest.mark.parametrize(
    ("record", "refusal"),
    [
        pytest.param(None, "nothing was ever", id="never run"),
        pytest.param(
            a_record(Stage.RUNNING, run=OTHER, before=an_ended(End.SUCCEEDED)), "is active", id="beside a run"
        ),
        pytest.param(a_waived(), "waived by ann", id="waived"),
        pytest.param({**SUPERSEDED, "generation": 3}, "at this moment", id="looked for before another publication"),
    ],
)
def test_what_cannot_be_published_again_is_refused(record: Record | None, refusal: str) -> None:
    """And said why."""
    with pytest.raises(Refused, match=refusal):
        publish_again(record, FIRST_AGAIN, NOON)


def test_publishing_again_what_is_published_or_was_asked_before_is_no_change() -> None:
    """RR-1."""
    published = an_ended(End.SUCCEEDED)
    asked = publish_again(SUPERSEDED, FIRST_AGAIN, NOON)

    assert publish_again(published, {**FIRST_AGAIN, "generation": 1}, NOON) is published
    assert publish_again(asked, FIRST_AGAIN, NOON) is asked


def test_a_command_about_a_run_is_carried_out_once_for_a_request() -> None:
    """RR-1: sent again by its key when the run has ended since, it changes nothing and is not refused."""
    resumed = resume(an_ended(End.FAILED), RUN, by("ann", request="key"), NOON)
    canceled = wish_cancel(resumed, RUN, by("ann", request="another"), NOON)
    record = finish(canceled, RUN, 2, End.CANCELED, NOON)

    assert resume(record, RUN, by("ann", request="key"), NOON) is record
    assert wish_cancel(record, RUN, by("ann", request="another"), NOON) is record


# What a listing shows


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        pytest.param(
            reserve(None, a_plan(), NOON),
            {"open": "claim", "ask": (NOON + START_AGAIN).isoformat()},
            id="reserved: ask when its instance should have reported",
        ),
        pytest.param(
            a_record(Stage.RUNNING),
            {"open": "claim", "ask": (NOON + HOUR).isoformat()},
            id="owned: ask at its deadline",
        ),
        pytest.param(an_ended(End.FAILED), {"open": "yes", "failed": "yes"}, id="failed: new data may come"),
        pytest.param(
            {**an_ended(End.FAILED), "last": {**an_ended(End.FAILED)["last"], "cause": {"kind": "backfill"}}},
            {"open": "yes", "failed": "quiet"},
            id="failed in a backfill, which tells it",
        ),
        pytest.param(an_ended(End.SUCCEEDED), {"open": "no"}, id="published: nothing to do"),
        pytest.param(
            an_ended(End.SUCCEEDED, OTHER, an_ended(End.SUCCEEDED)),
            {"open": "no", "ask": (NOON + GRACE).isoformat()},
            id="superseded outputs: ask when their grace is over",
        ),
        pytest.param(
            finish(a_record(), RUN, 1, End.FAILED, NOON, orphans=("job",)),
            {"open": "yes", "failed": "yes", "ask": NOON.isoformat()},
            id="a job that would not end: ask at every pass",
        ),
        pytest.param({**an_ended(End.FAILED), "waived": {"by": "ann"}}, {"open": "no"}, id="waived"),
    ],
)
def test_a_listing_shows_when_a_record_calls_for_an_answer(record: Record, expected: dict[str, str]) -> None:
    """The reconciler need not read each record."""
    assert index(record) == expected
