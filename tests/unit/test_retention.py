"""Retention: what may go by its age, what never does, and what the record says before anything goes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from slipway import paths
from slipway.period import Period
from slipway.period_record import Record, Refused, index, lost, new_record
from slipway.retention import Ages, Going, SeenRun, looked, mark, must_look, plan
from slipway.rollup import facts
from slipway.run import RunId
from slipway.wishes import ask, publish_again, resume
from tests.unit.builders import NOON, by

DAY = timedelta(days=1)
MODEL, PERIOD = "flight-delay", Period.parse("2013-01")
RUN, NEWER = (RunId(MODEL, PERIOD, key) for key in ("0a1b2c3d", "ffffffff"))
AGES = Ages()
EVERYTHING = ("inputs", "work-1", "outputs-1", "closed-2")


def a_record(**fields: Any) -> Record:
    """Build the record of a period whose runs have all ended."""
    return {**new_record(MODEL, PERIOD), "numbers": {RUN.key8: 1, NEWER.key8: 1}, **fields}


def ended(run: RunId, state: str = "succeeded", attempt: int = 1, at: datetime = NOON) -> dict[str, Any]:
    """Build how a run ended."""
    return {
        "run": run.text,
        "attempt": attempt,
        "state": state,
        "at": at.isoformat(),
        "fingerprint": "f",
        "version": "v",
    }


def published(run: RunId, attempt: int = 1, at: datetime = NOON) -> dict[str, Any]:
    """Build what is published."""
    return {"run": run.text, "attempt": attempt, "folder": paths.outputs_folder(run, attempt), "at": at.isoformat()}


def names(going: tuple[Going, ...], run: RunId = RUN) -> list[str]:
    """The folders of a run that go, by their own names."""
    return [item.name for item in going if item.run == run]


@pytest.mark.parametrize(
    ("days", "goes"),
    [
        (13, []),
        (14, ["work-1"]),
        (30, ["inputs", "work-1"]),
        (90, ["closed-2", "inputs", "outputs-1", "work-1"]),
        (730, ["closed-2", "inputs", "outputs-1", "work-1", RUN.text, RUN.text]),
    ],
)
def test_what_a_superseded_run_left_goes_class_by_class(days: int, goes: list[str]) -> None:
    """Work first, its records last, when nothing of it is left; and the plan says when the next of them may go."""
    record = a_record(published=published(NEWER), last=ended(NEWER))
    runs = [SeenRun(RUN, EVERYTHING, NOON)]
    found = plan(record, (), runs, AGES, NOON + days * DAY)
    assert names(found.going) == goes
    later = [NOON + age * DAY for age in (14, 30, 90, 730) if age > days]
    assert found.again == (later[0] if later else None)


def test_what_is_published_stays_with_its_records_and_its_inputs_go() -> None:
    """However old it is."""
    record = a_record(published=published(RUN), last=ended(RUN))
    found = plan(record, (), [SeenRun(RUN, ("inputs", "outputs-1"), NOON)], AGES, NOON + 9999 * DAY)
    assert (names(found.going), found.again) == (["inputs"], None)


def test_a_set_that_a_pointer_names_stays_even_if_the_record_says_otherwise() -> None:
    """Readers follow the pointer."""
    record = a_record(published=published(NEWER), last=ended(NEWER))
    runs = [SeenRun(RUN, ("outputs-1",), NOON)]
    assert plan(record, {paths.outputs_folder(RUN, 1)}, runs, AGES, NOON + 9999 * DAY).going == ()


def test_a_superseded_set_counts_from_what_replaced_it() -> None:
    """A set that was published for a year is not old when it is superseded."""
    replaced = NOON + 365 * DAY
    record = a_record(published=published(NEWER, at=replaced), last=ended(NEWER, at=replaced))
    runs = [SeenRun(RUN, ("closed-1",), NOON)]
    assert plan(record, (), runs, AGES, replaced + 89 * DAY).going == ()
    assert names(plan(record, (), runs, AGES, replaced + 90 * DAY).going) == ["closed-1"]


@pytest.mark.parametrize("state", ["failed", "canceled"])
def test_the_run_that_a_person_may_resume_keeps_everything_for_its_own_age(state: str) -> None:
    """Its inputs too; then it can be resumed no more, which its record says before they go."""
    record = a_record(last=ended(RUN, state))
    runs = [SeenRun(RUN, ("inputs", "work-1"), NOON)]
    assert plan(record, (), runs, AGES, NOON + 89 * DAY).going == ()
    found = plan(record, (), runs, AGES, NOON + 90 * DAY)
    assert [(item.kind, item.name) for item in found.going] == [("resumable", "inputs"), ("resumable", "work-1")]
    marked = mark(record, found, (), NOON + 90 * DAY)
    with pytest.raises(Refused, match=r"inputs of .* were deleted on 2013-05-02.*ask for a new run"):
        resume(marked, RUN.text, by("ann"), NOON + 91 * DAY)


@pytest.mark.parametrize("busy", [{"claim": {"run": NEWER.text}}, {"orphans": ["a-job"]}], ids=["active", "orphans"])
def test_nothing_goes_of_a_period_that_is_busy(busy: dict[str, Any]) -> None:
    """An active run may read what an earlier one staged; a job without a run may still write."""
    now = NOON + 9999 * DAY
    found = plan(a_record(last=ended(RUN), **busy), (), [SeenRun(RUN, EVERYTHING, NOON)], AGES, now)
    assert (found.going, found.again) == ((), now), "the next pass looks again"


def test_a_run_that_nobody_was_given_yet_and_what_slipway_does_not_know_stay() -> None:
    """A snapshot is laid down before its run is reserved; and what somebody else put there is theirs."""
    record = a_record(published=published(NEWER), last=ended(NEWER))
    later = RunId(MODEL, PERIOD, RUN.key8, 2)
    runs = [SeenRun(later, EVERYTHING, NOON), SeenRun(RUN, ("notes", "inputs"), NOON)]
    found = plan(record, (), runs, AGES, NOON + 9999 * DAY)
    assert [item.path for item in found.going] == [paths.inputs_folder(RUN)]
    assert plan(None, (), runs, AGES, NOON + 9999 * DAY).going == ()


def test_what_is_gone_is_promised_to_nobody() -> None:
    """OP-2: a run on those inputs, or a publication of that set, that was prepared before is refused by the record."""
    now = NOON + 100 * DAY
    record = a_record(published=published(NEWER), last=ended(NEWER), generation=4)
    marked = mark(record, plan(record, (), [SeenRun(RUN, ("inputs", "closed-1"), NOON)], AGES, now), (), now)
    wish = {"run": RUN.text, "attempt": 1, "generation": 4, "cause": by("ann"), "fingerprint": "f", "version": "v"}
    with pytest.raises(Refused, match="outputs of"):
        publish_again(marked, {**wish, "job": None, "installation": "one"}, now)
    plan_of_rerun = {**wish, "run": RunId(MODEL, PERIOD, RUN.key8, 2).text, "cause": {**by("ann"), "inputs": RUN.text}}
    with pytest.raises(Refused, match="inputs of"):
        ask(marked, "", {**plan_of_rerun, "installation": "one"}, now)
    assert lost(marked, NEWER.text, "inputs") is None
    assert mark(marked, plan(record, (), [], AGES, now), (), now) == marked


def test_a_run_whose_other_set_is_published_keeps_its_outputs_in_the_records_eyes() -> None:
    """An attempt's leftover goes; the set that readers see may be superseded and published again later."""
    now = NOON + 9999 * DAY
    record = a_record(published=published(RUN, attempt=2), last=ended(RUN, attempt=2))
    found = plan(record, (), [SeenRun(RUN, ("outputs-1", "outputs-2"), NOON)], AGES, now)
    assert names(found.going) == ["outputs-1"]
    assert lost(mark(record, found, (), now), RUN.text, "outputs") is None


def test_a_listing_shows_when_retention_must_look_again() -> None:
    """Not before the first age, nor while a run is active; then as the last look said, or after a new end."""
    record = a_record(published=published(RUN), last=ended(RUN))

    def due(record: Record, days: float, ages: Ages = AGES) -> bool:
        return must_look(index(record) | facts(record), ages, NOON + days * DAY)

    assert [due(record, days) for days in (13, 14)] == [False, True]
    runs = [SeenRun(RUN, ("inputs", "work-1", "outputs-1"), NOON)]
    now = NOON + 15 * DAY
    first = looked(record, plan(record, (), runs, AGES, now), AGES, now)
    assert [due(first, days) for days in (16, 29, 30)] == [False, False, True]
    assert due(first, 16, Ages(inputs="1d")), "other ages were set"
    last = looked(first, plan(record, (), runs[:0], AGES, NOON + 31 * DAY), AGES, NOON + 31 * DAY)
    assert not due(last, 9999)
    assert due({**last, "last": ended(NEWER, at=NOON + 40 * DAY)}, 54), "a run has ended since"
    assert not due(
        {
            **last,
            "claim": {**ended(NEWER), "stage": "staging", "since": NOON.isoformat(), "ending": None}
            | {"deadline": NOON.isoformat(), "token": "t"},
        },
        9999,
    )


@pytest.mark.parametrize("wrong", [{"inputs": "2h"}, {"inputs": "soon"}, {"input": "3d"}, {"attempts": "2d"}])
def test_ages_are_days_and_their_classes_are_known(wrong: dict[str, str]) -> None:
    """Hours would delete what people still look at; a wrong name would keep for ever what should go."""
    with pytest.raises(ValidationError):
        Ages(**wrong)


def test_what_is_never_deleted_has_no_time() -> None:
    """`never` keeps a class, and the records that tell of it."""
    ages = Ages(**dict.fromkeys(("inputs", "work", "outputs", "resumable"), "never"))
    record = a_record(published=published(NEWER), last=ended(NEWER))
    assert plan(record, (), [SeenRun(RUN, EVERYTHING, NOON)], ages, NOON + 9999 * DAY).going == ()


# Whatever happened

moments = st.integers(0, 1000).map(lambda days: NOON + days * DAY)
some_runs = st.sampled_from([RUN, NEWER, RunId(MODEL, PERIOD, RUN.key8, 2)])
attempts = st.integers(1, 3)
folders = st.sets(
    st.one_of(
        st.just("inputs"),
        st.builds("{}-{}".format, st.sampled_from(["work", "outputs", "closed"]), attempts),
        st.just("notes"),
    )
).map(lambda found: tuple(sorted(found)))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Record, set[str], list[SeenRun], Ages, datetime]:
    """A period as it may be found, however it came to that."""

    def end(run: RunId, attempt: int, at: datetime) -> Any:
        return ended(run, draw(st.sampled_from(["succeeded", "failed", "canceled", "superseded"])), attempt, at)

    record = a_record(
        claim=draw(st.sampled_from([None, None, None, {"run": RUN.text}])),
        published=draw(st.none() | st.builds(published, some_runs, attempts, moments)),
        last=draw(st.none() | st.builds(end, some_runs, attempts, moments)),
        retracted=draw(st.none() | moments.map(lambda at: {"at": at.isoformat()})),
        retired=draw(
            st.lists(st.builds(lambda run, n: {"run": run.text, "attempt": n}, some_runs, attempts), max_size=2)
        ),
        orphans=draw(st.sampled_from([[], [], [], ["a-job"]])),
    )
    pointed = draw(st.sets(st.builds(paths.outputs_folder, some_runs, attempts), max_size=2))
    seen = [SeenRun(run, draw(folders), draw(moments)) for run in draw(st.sets(some_runs))]
    days = st.integers(1, 900).map(timedelta) | st.none()
    ages = Ages(**{name: draw(days) for name in ("work", "inputs", "resumable", "outputs", "records")})
    return record, pointed, seen, ages, draw(moments)


@given(scenes())
def test_a_plan_never_names_what_is_protected(scene: tuple[Record, set[str], list[SeenRun], Ages, datetime]) -> None:
    """OP-2: nothing published, pointed to or in grace, active, resumable, unasked for; nothing outside run folders."""
    record, pointed, seen, ages, now = scene
    found = plan(record, pointed, seen, ages, now)
    assert not (found.going and (record["claim"] or record["orphans"]))
    protected = {*pointed}
    if record["published"]:
        protected.add(record["published"]["folder"])
    for retired in record["retired"]:
        for place in ("outputs", "closed"):
            protected.add(f"{MODEL}/{PERIOD}/{retired['run']}/{place}-{retired['attempt']}")
    last = record["last"]
    touched = {one.run: one.touched for one in seen}
    for item in found.going:
        top = paths.run_folder(item.run) if item.filesystem == "models" else paths.control_folder(item.run)
        assert item.path == top or item.path.startswith(f"{top}/")
        assert not any(path == item.path or path.startswith(f"{item.path}/") for path in protected), item
        assert item.run.r == 1, "nobody was given the second one"
        assert item.name != "notes"
        age = getattr(ages, item.kind)
        assert age is not None
        assert touched[item.run] + age <= now
        if last and last["run"] == item.run.text and last["state"] in ("failed", "canceled"):
            assert item.kind == "resumable"
            assert datetime.fromisoformat(last["at"]) + ages.resumable <= now
        if item.kind == "records":
            assert item.run.text not in {one["run"] for one in (record["published"], last) if one}
            inside = {path for one in seen if one.run == item.run for path in one.folders}
            assert inside <= {other.name for other in found.going if other.run == item.run}
    if found.again:
        assert found.again >= now
    if found.again and not (record["claim"] or record["orphans"]):
        assert plan(record, pointed, seen, ages, found.again).going != found.going, "then more may go"
        just_before = plan(record, pointed, seen, ages, found.again - timedelta(seconds=1))
        assert set(just_before.going) == set(found.going) or found.again - timedelta(seconds=1) < now


@given(scenes())
def test_once_it_is_gone_there_is_nothing_left_to_do(
    scene: tuple[Record, set[str], list[SeenRun], Ages, datetime],
) -> None:
    """A second look at the same moment finds nothing more, and marks nothing more."""
    record, pointed, seen, ages, now = scene
    found = plan(record, pointed, seen, ages, now)
    marked = mark(record, found, pointed, now)
    paths_gone = {item.path for item in found.going}
    left = [
        SeenRun(
            one.run,
            tuple(name for name in one.folders if f"{paths.run_folder(one.run)}/{name}" not in paths_gone),
            one.touched,
        )
        for one in seen
        if paths.control_folder(one.run) not in paths_gone
    ]
    again = plan(marked, pointed, left, ages, now)
    assert not again.going
    assert mark(marked, again, pointed, now) == marked
