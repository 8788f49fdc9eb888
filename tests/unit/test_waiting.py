"""Waiting for a job: what one look at it means, by the service's clock alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.waiting import RUNNING_GRACE, UNKNOWN_LIMIT, Limits, canceled_unasked, look
from tests.unit.builders import NOON

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LIMITS = Limits(queued=2 * HOUR, preparing=HOUR, running=6 * HOUR)


@dataclass(frozen=True)
class AJob:
    """A job as the service shows it: submitted at noon, running, unless told otherwise."""

    phase: str = "running"
    outcome: str | None = None
    responding: bool = True
    created_at: datetime | None = NOON
    started_at: datetime | None = None
    ended_at: datetime | None = None
    read_at: datetime = NOON


def since(phase: str, moment: datetime = NOON) -> dict[str, Any]:
    """Build the clocks of a job that was seen in this phase first at that moment."""
    return {"phase": phase, "since": moment.isoformat()}


# Ends


def test_a_completed_job_is_the_end_of_waiting() -> None:
    """And nothing else is."""
    seen = look(AJob("ended", "completed"), since("running"), LIMITS, NOON)

    assert (seen.ended, seen.failure) == (True, None)


def test_a_failed_job_is_the_models_concern() -> None:
    """Its own error text is added by whoever read the job."""
    seen = look(AJob("ended", "failed"), since("running"), LIMITS, NOON)

    assert seen.failure is not None
    assert (seen.ended, seen.failure.kind, seen.failure.code) == (False, "model", "job-failed")


@pytest.mark.parametrize(
    ("job", "clocks", "code"),
    [
        pytest.param(AJob(started_at=NOON, ended_at=NOON + 6 * HOUR), {}, "job-timed-out", id="at its limit"),
        pytest.param(AJob(started_at=NOON, ended_at=NOON + 3 * HOUR), {}, "job-canceled", id="in the middle"),
        pytest.param(
            AJob(started_at=NOON, ended_at=NOON + 5.88 * HOUR - timedelta(seconds=1)),
            {},
            "job-timed-out",
            id="at its limit, in whole seconds",
        ),
        pytest.param(
            AJob(started_at=NOON, ended_at=NOON + HOUR, read_at=NOON + 9 * HOUR),
            since("running"),
            "job-canceled",
            id="in the middle, seen late",
        ),
        pytest.param(AJob(read_at=NOON + 6 * HOUR), since("running"), "job-timed-out", id="no times but our looks"),
        pytest.param(AJob(read_at=NOON + 6 * HOUR), since("queued"), "job-canceled", id="never seen running"),
    ],
)
def test_a_canceled_job_reached_its_limit_or_was_ended_by_others(job: AJob, clocks: dict[str, Any], code: str) -> None:
    """Azure ML cancels a job at its limit; what nobody here asked for and came earlier was somebody else."""
    ended = AJob("ended", "canceled", True, NOON, job.started_at, job.ended_at, job.read_at)

    failure = look(ended, clocks, LIMITS, NOON).failure

    assert failure is not None
    assert failure.code == code


# Limits


@pytest.mark.parametrize(
    ("phase", "limit", "kind"),
    [
        pytest.param("queued", LIMITS.queued, "platform", id="WT-6 queued"),
        pytest.param("preparing", LIMITS.preparing, "platform", id="WT-6 preparing"),
        pytest.param("running", LIMITS.running + RUNNING_GRACE, "model", id="running"),
    ],
)
def test_each_phase_has_a_limit_of_its_own(phase: str, limit: timedelta, kind: str) -> None:
    """At the limit it may go on, a second later it has failed, and the failure names the phase."""
    at_limit = look(AJob(phase, read_at=NOON + limit), since(phase), LIMITS, NOON)
    over = look(AJob(phase, read_at=NOON + limit + SECOND), since(phase), LIMITS, NOON)

    assert at_limit.failure is None
    assert over.failure is not None
    assert (over.failure.kind, over.failure.code) == (kind, f"{phase}-too-long")


def test_a_new_phase_is_counted_from_its_own_beginning() -> None:
    """Three clocks: two hours in the queue are not held against the running job."""
    seen = look(AJob("running", started_at=NOON, read_at=NOON), since("queued", NOON - 2 * HOUR), LIMITS, NOON)

    assert seen.failure is None
    assert seen.clocks == since("running")


@pytest.mark.parametrize(
    ("job", "began"),
    [
        pytest.param(AJob("queued", created_at=NOON - HOUR), NOON - HOUR, id="queued, since it was submitted"),
        pytest.param(AJob("queued", created_at=None), NOON, id="queued, since it was seen so"),
        pytest.param(AJob("preparing", created_at=NOON - HOUR), NOON, id="preparing, since it was seen so"),
        pytest.param(AJob("running", started_at=NOON - HOUR), NOON - HOUR, id="running, since it started"),
        pytest.param(AJob("running", started_at=None), NOON, id="running, since it was seen so"),
    ],
)
def test_a_phase_begins_when_the_service_says_or_when_it_is_first_seen(job: AJob, began: datetime) -> None:
    """WT-2: the first look may come late."""
    assert look(job, {}, LIMITS, NOON).clocks == since(job.phase, began)


def test_a_job_that_lost_its_node_is_queued_anew() -> None:
    """The hours it ran and its first wait are not held against its second one."""
    seen = look(AJob("queued", created_at=NOON, read_at=NOON + 5 * HOUR), since("running"), LIMITS, NOON)

    assert seen.failure is None
    assert seen.clocks == since("queued", NOON + 5 * HOUR)


# What cannot be learned


@pytest.mark.parametrize(
    ("job", "elapsed", "code"),
    [
        pytest.param(None, UNKNOWN_LIMIT, None, id="WT-8 unreadable at the limit"),
        pytest.param(None, UNKNOWN_LIMIT + SECOND, "job-state-unknown", id="WT-8 unreadable beyond the limit"),
        pytest.param(AJob(responding=False), UNKNOWN_LIMIT, None, id="WT-7 not responding at the limit"),
        pytest.param(
            AJob(responding=False), UNKNOWN_LIMIT + SECOND, "job-state-unknown", id="WT-7 not responding beyond it"
        ),
    ],
)
def test_a_job_whose_state_is_unknown_has_not_ended(job: AJob | None, elapsed: timedelta, code: str | None) -> None:
    """It is waited out, up to a limit of its own."""
    clocks = {**since("running"), "unknown_since": NOON.isoformat()}
    now = NOON + elapsed

    seen = look(AJob(responding=False, read_at=now) if job else None, clocks, LIMITS, now)

    assert not seen.ended
    assert (seen.failure.code if seen.failure else None) == code


def test_a_job_that_comes_back_is_counted_on_as_if_nothing_had_been() -> None:
    """WT-7: ten silent minutes, then running again: its phase goes on, the silence is forgotten."""
    silent = look(None, since("running"), LIMITS, NOON + MINUTE).clocks

    back = look(AJob(read_at=NOON + 11 * MINUTE), silent, LIMITS, NOON)

    assert silent == {**since("running"), "unknown_since": (NOON + MINUTE).isoformat()}
    assert back.clocks == since("running")


# Clocks

skews = st.integers(-10_000, 10_000).map(lambda minutes: timedelta(minutes=minutes))
ages = st.integers(0, 60 * 24).map(lambda minutes: timedelta(minutes=minutes))


@given(st.sampled_from(["queued", "preparing", "running"]), ages, skews)
def test_limits_are_measured_by_the_services_clock_alone(phase: str, age: timedelta, skew: timedelta) -> None:
    """CK-1, CK-3: however wrong the host's clock is, a job that can be read is judged the same."""
    job = AJob(phase, read_at=NOON + age)

    assert look(job, since(phase), LIMITS, NOON + skew) == look(job, since(phase), LIMITS, NOON)


@given(st.sampled_from(["queued", "preparing", "running"]), ages)
def test_a_clock_that_went_back_ends_no_job(phase: str, age: timedelta) -> None:
    """CK-2: negative ages are young."""
    seen = look(AJob(phase, read_at=NOON - age), since(phase), LIMITS, NOON)

    assert seen.failure is None
    assert seen.look_again > 0


# Pace


@pytest.mark.parametrize(
    ("age", "again"),
    [
        pytest.param(timedelta(0), 5, id="at first"),
        pytest.param(MINUTE - SECOND, 5, id="within a minute"),
        pytest.param(MINUTE, 15, id="after a minute"),
        pytest.param(5 * MINUTE, 60, id="after five"),
        pytest.param(HOUR, 300, id="after an hour"),
    ],
)
def test_looks_grow_sparse(age: timedelta, again: int) -> None:
    """WT-10: a job of days costs a few looks an hour, since its end is announced as well."""
    assert look(AJob(read_at=NOON + age), since("running"), LIMITS, NOON).look_again == again


@given(st.sampled_from(["queued", "preparing", "running"]), ages, st.booleans())
def test_every_look_ends_the_waiting_or_says_when_to_look_again(phase: str, age: timedelta, responding: bool) -> None:
    """I9: never neither, never both."""
    seen = look(AJob(phase, None, responding, read_at=NOON + age), since(phase), LIMITS, NOON)

    assert (seen.failure is None) == (seen.look_again > 0)
    assert seen.look_again <= 300


@pytest.mark.parametrize(("ran", "code"), [(None, "job-canceled"), (HOUR, "job-canceled"), (6 * HOUR, "job-timed-out")])
def test_the_run_history_tells_a_limit_from_a_cancellation(ran: timedelta | None, code: str) -> None:
    """Where looks saw the job run late, or not at all; where nobody tells, nothing is claimed of the model."""
    assert canceled_unasked(ran, LIMITS).code == code
