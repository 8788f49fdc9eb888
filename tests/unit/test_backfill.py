"""A backfill: what people may wish of it when, and that it comes to its end with each period run once."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from slipway import backfill, claim, period_record, wishes
from slipway.backfill import (
    ENDED,
    REST,
    ROUND,
    TRIES,
    Entry,
    Of,
    State,
    cause_of,
    is_open,
    kept,
    next_in_turn,
    own,
    progress,
    request_of,
    settled,
    tried,
    turn,
    under_way,
)
from slipway.backfill_view import alarm, counts
from slipway.decision import next_run
from slipway.forecast import PAST
from slipway.period import Period
from slipway.period_record import End, Record, Refused
from slipway.selection import Only
from tests.unit.builders import NOON, by
from tests.unit.test_claim import OTHER, RUN, a_record, an_ended

VERSION = "0123456789ab"
DAYS = [Period.parse("2013-01-01").shift(number) for number in range(6)]
HOUR = timedelta(hours=1)


def a_backfill(
    *, only: str = "missing", order: str = "oldest", parallel: int = 2, state: State | None = None
) -> Record:
    """Build a planned backfill of six days, all of which are to be run; or one that is in another state."""
    facts = {"model": "shop", "periods": DAYS, "only": only, "order": order, "parallel": parallel}
    record = backfill.new("bf-0123456789", facts, by("ann"), NOON)
    if state is not State.PLANNING:
        record = backfill.planned(record, record["periods"], VERSION, {}, NOON) or record
    if state in (State.RUNNING, State.PAUSED, State.FINISHED):
        record = backfill.start(record, by("ann"), NOON)
    if state is State.PAUSED:
        record = backfill.pause(record, by("ann"), NOON)
    if state is State.CANCELED:
        record = backfill.cancel(record, "cancel", by("ann"), NOON)
    if state is State.FINISHED:
        good = {text: {"state": Of.GOOD} for text in record["periods"]}
        record = progress({**record, "periods": good}, {}, 2, None, NOON) or record
    return record


COMMANDS: dict[str, Any] = {
    "start": backfill.start,
    "pause": backfill.pause,
    "resume": backfill.resume,
    "cancel": lambda record, cause, now: backfill.cancel(record, "cancel", cause, now),
}
#: What each command makes of each state; None where it is refused.
TABLE = {
    #                  start           pause          resume         cancel
    State.PLANNING: (None, None, None, State.CANCELED),
    State.PLANNED: (State.RUNNING, None, None, State.CANCELED),
    State.RUNNING: (State.RUNNING, State.PAUSED, State.RUNNING, State.CANCELED),
    State.PAUSED: (None, State.PAUSED, State.RUNNING, State.CANCELED),
    State.FINISHED: (None, None, None, None),
    State.CANCELED: (None, None, None, State.CANCELED),
}


@pytest.mark.parametrize(
    ("state", "command", "after"),
    [(state, what, to) for state, row in TABLE.items() for what, to in zip(COMMANDS, row, strict=True)],
)
def test_what_people_may_wish_when(state: State, command: str, after: State | None) -> None:
    """What cannot be is refused with what is; what is so already is no change, by whoever said so first."""
    record = a_backfill(state=state)
    if after is None:
        with pytest.raises(Refused, match=f"bf-0123456789 is {state}: "):
            COMMANDS[command](record, by("bob"), NOON + HOUR)
        return
    changed = COMMANDS[command](record, by("bob", request="k"), NOON + HOUR)

    assert changed["state"] == after
    assert (changed is record) == (state == after)
    assert COMMANDS[command](changed, by("bob", request="k"), NOON) is changed


def test_the_same_request_is_carried_out_once_whatever_was_decided_since() -> None:
    """A pause whose answer was lost and that comes late pauses nothing again."""
    paused = backfill.pause(a_backfill(state=State.RUNNING), by("ann", request="k"), NOON)
    resumed = backfill.resume(paused, by("bob", request="r"), NOON)

    assert backfill.pause(resumed, by("ann", request="k"), NOON) is resumed
    assert backfill.pause(resumed, by("ann", request="other"), NOON)["state"] == State.PAUSED


def test_runs_that_were_left_to_finish_may_be_canceled_later_and_not_the_other_way_round() -> None:
    """BF-4: the second wish is carried out or refused, never taken and forgotten; with no run left it is no change."""
    under_way = progress(a_backfill(state=State.RUNNING), {}, 2, None, NOON) or {}
    left = backfill.cancel(under_way, "finish", by("ann"), NOON)
    ended = backfill.cancel(left, "cancel", by("bob", request="k"), NOON + HOUR)

    assert (ended["canceled"]["by"], ended["canceled"]["runs"]) == ("bob", "cancel")
    assert ended["ended_at"] == NOON.isoformat()
    assert backfill.cancel(ended, "cancel", by("bob", request="k"), NOON) is ended
    with pytest.raises(Refused, match="was canceled with its runs"):
        backfill.cancel(ended, "finish", by("ann"), NOON)
    rests = a_backfill(state=State.CANCELED)
    assert backfill.cancel(rests, "finish", by("ann"), NOON) is rests


def test_one_that_is_sent_back_may_be_started_again_by_the_same_request() -> None:
    """BF-4: it shared a period with another; its key was carried out not at all."""
    started = backfill.start(a_backfill(), by("ann", request="k"), NOON)
    back = backfill.sent_back(started, "another one is under way")

    assert back is not None
    assert (back["state"], back["held"]) == (State.PLANNED, "another one is under way")
    assert backfill.start(back, by("ann", request="k"), NOON)["state"] == State.RUNNING


def test_a_plan_that_cannot_be_made_is_canceled_and_says_why() -> None:
    """Nobody waits for it; and one that is made stays."""
    gone = backfill.gave_up_planning(a_backfill(state=State.PLANNING), "no model shop is released", NOON)
    assert gone is not None
    assert (gone["state"], gone["canceled"]["by"]) == (State.CANCELED, "slipway")
    planned = a_backfill()
    assert backfill.gave_up_planning(planned, "late", NOON) is planned
    assert backfill.planned(planned, {}, VERSION, {}, NOON) is planned


@pytest.mark.parametrize(("order", "first"), [("oldest", DAYS[0]), ("newest", DAYS[-1])])
def test_periods_are_started_in_their_order_as_many_as_it_may_have(order: str, first: Period) -> None:
    """And never more than a few in one step."""
    record = a_backfill(order=order, parallel=100, state=State.RUNNING)

    assert own(progress(record, {}, 1, None, NOON) or {}) == [str(first)]
    assert len(own(progress(record, {}, 100, None, NOON) or {})) == ROUND
    held = progress(record, {}, 0, "others wait", NOON) or {}
    assert (own(held), held["held"]) == ([], "others wait")


def test_missing_inputs_come_last_and_what_could_not_be_started_rests() -> None:
    """Neither keeps the others from being run."""
    record = a_backfill(state=State.RUNNING)
    first, second, third = list(record["periods"])[:3]
    record["periods"][first] = {"state": Of.BLOCKED}
    record["periods"][second] = tried({"state": Of.STARTING}, "throttled", NOON + REST)

    assert next_in_turn(record, NOON)[0] == third
    assert next_in_turn(record, NOON)[-1] == first
    assert second not in next_in_turn(record, NOON)
    assert second in next_in_turn(record, NOON + REST)


def test_what_cannot_be_started_time_and_again_has_failed() -> None:
    """With why; each try that may have reached the lake has a request of its own."""
    entry: Entry = {"state": Of.STARTING}
    requests = set()
    for number in range(1, TRIES + 1):
        requests.add(request_of(a_backfill(), entry))
        entry = tried(entry, "throttled", NOON + REST)
        assert entry["state"] == (Of.FAILED if number == TRIES else Of.PENDING)

    assert len(requests) == TRIES
    assert entry["why"] == "throttled"


ACTIVE: Entry = {"state": Of.ACTIVE, "run": RUN}


@pytest.mark.parametrize(
    ("entry", "only", "record", "state"),
    [
        pytest.param(ACTIVE, Only.ALL, a_record(), Of.ACTIVE, id="goes on"),
        pytest.param(ACTIVE, Only.ALL, an_ended(End.SUCCEEDED), Of.PUBLISHED, id="published"),
        pytest.param(ACTIVE, Only.ALL, an_ended(End.FAILED), Of.FAILED, id="failed"),
        pytest.param(ACTIVE, Only.ALL, an_ended(End.CANCELED), Of.CANCELED, id="canceled"),
        pytest.param(ACTIVE, Only.ALL, an_ended(End.SUPERSEDED), Of.PENDING, id="superseded: its turn again"),
        pytest.param(ACTIVE, Only.ALL, None, Of.PENDING, id="the record is gone: its turn again"),
        pytest.param(
            ACTIVE, Only.ALL, a_record(run=OTHER, before=an_ended(End.SUCCEEDED)), Of.PUBLISHED, id="another follows"
        ),
        pytest.param(
            ACTIVE, Only.ALL, a_record(run=OTHER, before=an_ended(End.FAILED)), Of.ACTIVE, id="another is awaited"
        ),
        pytest.param({**ACTIVE, "joined": True}, Only.ALL, an_ended(End.FAILED), Of.FAILED, id="joined, and it counts"),
        pytest.param({**ACTIVE, "joined": True}, Only.MISSING, an_ended(End.FAILED), Of.PENDING, id="joined: anew"),
    ],
)
def test_what_becomes_of_an_active_run_is_what_its_record_says(
    entry: Entry, only: Only, record: Record | None, state: Of
) -> None:
    """BF-3: and whoever started it; the exception is no witness."""
    assert settled(entry, record, only)["state"] == state


def test_a_joined_run_that_publishes_counts_as_published_when_that_was_missing() -> None:
    """And what was good before is left as it was."""
    joined = settled({**ACTIVE, "joined": True}, an_ended(End.SUCCEEDED), Only.MISSING)
    assert turn(joined, an_ended(End.SUCCEEDED), Only.MISSING, VERSION) == {"state": Of.PUBLISHED, "run": RUN}
    good = turn({"state": Of.STARTING}, an_ended(End.SUCCEEDED), Only.MISSING, VERSION)
    assert good == {"state": Of.GOOD, "why": "published"}
    assert turn({"state": Of.STARTING}, an_ended(End.FAILED), Only.MISSING, VERSION) is None


def test_how_long_its_newest_runs_took_is_remembered() -> None:
    """Of the newest few, and in no period's entry; of a run whose usage was not kept nothing is known."""
    record = progress(a_backfill(state=State.RUNNING), {}, 2, None, NOON) or {}
    one, two = own(record)
    ended = an_ended(End.SUCCEEDED)
    used = {**ended, "published": {**ended["published"], "used": "61.5 40.0 1 cpu-cluster 10 20"}}
    found = {one: settled(ACTIVE, used, Only.ALL), two: settled(ACTIVE, ended, Only.ALL)}

    after = progress({**record, "took": [1.0] * PAST}, found, 0, None, NOON) or {}

    assert after["took"] == [1.0] * (PAST - 1) + [61.5]
    assert after["periods"][one] == after["periods"][two] == {"state": Of.PUBLISHED, "run": RUN}


def test_its_incident_says_one_thing_while_it_goes_on_and_all_at_the_end() -> None:
    """Quiet: a hundred failures are two messages."""
    record = progress(a_backfill(state=State.RUNNING), {}, 2, None, NOON) or {}
    one, two = own(record)
    assert alarm(record) is None

    first = progress(record, {two: {"state": Of.FAILED}}, 2, None, NOON) or {}
    second = progress(first, {one: {"state": Of.FAILED}}, 2, None, NOON) or {}

    assert alarm(first) == alarm(second) == f"{two} failed, the first of 6 periods; the others go on."
    ends = {**second, "periods": {text: {"state": Of.FAILED} for text in record["periods"]}}
    assert alarm(progress(ends, {}, 0, None, NOON) or {}) == (
        f"6 of 6 periods failed: {', '.join(str(period) for period in DAYS)}."
    )
    assert alarm(backfill.cancel(second, "cancel", by("ann"), NOON)) is None


class Driven(RuleBasedStateMachine):
    """A backfill, its periods' real records, a driver that may die before it notes what it did, people, and live data.

    Only the inputs are left out: they are complete.
    """

    def __init__(self) -> None:
        super().__init__()
        self.record = backfill.start(a_backfill(only="all", parallel=3), by("ann"), NOON)
        self.periods: dict[str, Record | None] = {str(day): None for day in DAYS}
        self.superseded: Counter[str] = Counter()
        self.over: State | None = None

    @rule(dies=st.booleans(), share=st.integers(0, 3))
    def step(self, dies: bool, share: int) -> None:
        """The driver looks, asks for runs, and notes it, unless it is killed in between."""
        before = self.record
        found = {text: self._outcome(before, text) for text in under_way(before)}
        if not dies:
            self.record = progress(self.record, found, share, None, NOON) or {}

    def _outcome(self, record: Record, text: str) -> Entry:
        entry, seen, period = record["periods"][text], self.periods[text], Period.parse(text)
        if entry["state"] == Of.ACTIVE:
            return settled(entry, seen, Only(record["only"]))
        request = request_of(record, entry)
        if run := wishes.answered(seen, request, "", "", NOON, {}):
            return kept({**entry, "state": Of.ACTIVE, "run": run})
        if record["state"] != State.RUNNING:
            return kept({**entry, "state": Of.CANCELED if record["state"] == State.CANCELED else Of.PENDING})
        if without := turn(entry, seen, Only(record["only"]), VERSION):
            return without
        run_id = next_run("shop", period, "f" * 64, VERSION, seen["numbers"] if seen else {}).text
        plan = {"run": run_id, "attempt": 1, "fingerprint": "f" * 64, "version": VERSION, "installation": "x"}
        self.periods[text] = wishes.ask(seen, request, {**plan, "cause": cause_of(record, entry)}, NOON)
        return kept({**entry, "state": Of.ACTIVE, "run": run_id})

    @rule(day=st.sampled_from(DAYS), end=st.sampled_from([End.SUCCEEDED, End.FAILED, End.CANCELED, End.SUPERSEDED]))
    def a_run_ends(self, day: Period, end: End) -> None:
        """Whoever started it."""
        record = self.periods[str(day)]
        if record and record["claim"]:
            held = record["claim"]
            self.superseded[str(day)] += end == End.SUPERSEDED
            stage = period_record.Stage.PUBLISHED if end == End.SUCCEEDED else held["stage"]
            if end == End.SUCCEEDED:
                facts = {name: held[name] for name in ("run", "attempt", "fingerprint", "version")}
                record = {**record, "published": facts}
            record = {**record, "claim": {**held, "stage": stage}}
            self.periods[str(day)] = claim.finish(record, held["run"], held["attempt"], end, NOON)

    @rule(day=st.sampled_from(DAYS))
    def data_start_a_run(self, day: Period) -> None:
        """A live run takes a period that is free."""
        record = self.periods[str(day)]
        if record is None or not record["claim"]:
            run = next_run("shop", day, "e" * 64, VERSION, record["numbers"] if record else {}).text
            plan = {"run": run, "attempt": 1, "fingerprint": "e" * 64, "version": VERSION, "installation": "x"}
            cause = {"kind": "data", "by": "slipway", "reason": "its inputs are complete", "request": None}
            self.periods[str(day)] = claim.reserve(record, {**plan, "cause": cause}, NOON)

    @rule(what=st.sampled_from(sorted(COMMANDS)))
    def somebody_decides(self, what: str) -> None:
        """Whatever is refused changes nothing."""
        try:
            self.record = COMMANDS[what](self.record, by("bob"), NOON)
        except Refused:
            return

    @precondition(lambda self: self.record["state"] == State.RUNNING)
    @rule()
    def in_peace_it_comes_to_its_end(self) -> None:
        """Runs end, steps are taken: it is finished in a bounded number of them."""
        for _ in range(8 * len(DAYS)):
            self.step(dies=False, share=3)
            for day in DAYS:
                self.a_run_ends(day, End.SUCCEEDED)
        assert self.record["state"] == State.FINISHED
        assert set(counts(self.record)) <= {"good", "published", "failed", "canceled"}

    @invariant()
    def each_period_is_run_once(self) -> None:
        """BF-2, I12: the driver may have died anywhere. What was superseded has its turn again."""
        for text, record in self.periods.items():
            asked = [known["request"] for known in record["asked"] if known["request"]] if record else []
            assert len(asked) == len(set(asked))
            assert len(asked) <= 1 + self.superseded[text]

    @invariant()
    def never_more_of_its_runs_are_active_than_it_may_have(self) -> None:
        """I14."""
        active = [record["claim"]["cause"] for record in self.periods.values() if record and record["claim"]]
        assert sum(cause["kind"] == "backfill" for cause in active) <= self.record["parallel"]

    @invariant()
    def each_period_is_counted_once(self) -> None:
        """The report adds up at any time."""
        assert sum(counts(self.record).values()) == len(DAYS)

    @invariant()
    def what_has_ended_stays_so(self) -> None:
        """For ever; and one that is canceled asks for nothing any more."""
        if self.over is not None:
            assert self.record["state"] == self.over
        if self.record["state"] in ENDED:
            self.over = self.record["state"]
            assert not next_in_turn(self.record, NOON)

    def teardown(self) -> None:
        """Once no run goes on, nothing is left to be driven of what has ended."""
        if self.record["state"] in ENDED:
            for day in DAYS:
                self.a_run_ends(day, End.CANCELED)
            for _ in range(3):
                self.step(dies=False, share=0)
                for day in DAYS:
                    self.a_run_ends(day, End.CANCELED)
            assert not under_way(self.record)
            assert is_open(self.record) == bool(self.record["alarm"] and self.record["state"] == State.CANCELED)


Driven.TestCase.settings = settings(max_examples=settings.default.max_examples * 3 // 2, stateful_step_count=30)
TestDriven = Driven.TestCase
