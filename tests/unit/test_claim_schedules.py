"""The claim under every schedule: would-be owners, zombies, takeovers, cancels, deliveries and people, in any order."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from slipway.claim import (
    begin_delivery,
    condemn,
    delivered,
    finish,
    give_up,
    judge,
    move,
    reserve,
    succeed_dead_owner,
    take,
)
from slipway.failure import Failed
from slipway.period_record import DELIVERING, End, Record, Refused, Stage, new_record
from slipway.retention import Ages, SeenRun, mark, plan
from slipway.run import RunId
from slipway.wishes import ask, disown, publish_again, reopen, resume, retract, waive, wish_cancel
from tests.unit.builders import NOON, by
from tests.unit.test_claim import RUN, a_plan

keys = st.sampled_from(["0a1b2c3d", "ffffffff"])
pick = st.integers(0, 1000)


class AnyScheduleOfTheClaim(RuleBasedStateMachine):
    """Everybody acts on the record as their own view of the past suggests; the record alone decides.

    Executions keep their token for ever, so each is a possible zombie. What must never happen is checked against a
    ledger of its own, at every change of the record.
    """

    def __init__(self) -> None:
        super().__init__()
        self.record: Record | None = None
        self.now = NOON
        self.attempts: list[tuple[str, int]] = []  # every one that ever held the claim
        self.executions: list[tuple[str, int, str]] = []  # run, attempt, token
        self.lost: set[str] = set()  # tokens that held the claim once
        self.ended: dict[tuple[str, int], str] = {}
        self.delivering: set[tuple[str, int]] = set()
        self.condemned: set[tuple[str, int]] = set()
        self.wishes: list[Record] = []  # to publish an earlier set again, as it was looked for at some time

    # What everybody does

    @rule(key=keys, number=st.integers(1, 3), attempt=st.integers(1, 3))
    def somebody_reserves(self, key: str, number: int, attempt: int) -> None:
        """The evaluation starts a run, or a late duplicate of such a start arrives."""
        run = self._run(key, number)
        self._change(lambda seen: reserve(seen, self._plan(run, attempt), self.now))

    @rule(key=keys, number=st.integers(1, 3), request=st.sampled_from(["", "key"]))
    def a_person_asks(self, key: str, number: int, request: str) -> None:
        """A run is asked for by hand."""
        plan = {**self._plan(self._run(key, number)), "cause": by("ann")}
        self._change(lambda seen: ask(seen, request, plan, self.now))

    @rule(key=keys, number=st.integers(1, 3))
    def a_person_resumes(self, key: str, number: int) -> None:
        """A run is asked to go on."""
        self._change(lambda seen: resume(seen, self._run(key, number), by("ann"), self.now))

    @rule(key=keys, number=st.integers(1, 3))
    def a_person_cancels(self, key: str, number: int) -> None:
        """A run is wished ended."""
        run = self._run(key, number)
        holder = self._holder()
        done = self._change(lambda seen: wish_cancel(seen, run, by("ann", "no"), self.now))
        assert not done or holder not in self.delivering, "what is on its way to readers was canceled"

    @rule(key=keys, number=st.integers(1, 3), request=st.sampled_from([None, "one", "two"]))
    def a_person_takes_it_over(self, key: str, number: int, request: str | None) -> None:
        """Its owner is said to be gone, and may live all the same."""
        run = self._run(key, number)
        self._change(lambda seen: disown(seen, run, by("ann", request=request), self.now))

    @rule(request=st.sampled_from([None, "one", "two"]))
    def a_person_waives(self, request: str | None) -> None:
        """The period needs no run."""
        model, period = RunId.parse(RUN).model, RunId.parse(RUN).period
        self._change(lambda seen: waive(seen, model, period, by("ann", request=request), self.now))

    @precondition(lambda self: self.record)
    @rule(request=st.sampled_from([None, "one", "two"]))
    def a_person_reopens(self, request: str | None) -> None:
        """It needs one after all."""
        self._change(lambda seen: reopen(seen, by("ann", request=request), self.now) or {})

    @rule(request=st.sampled_from([None, "one", "two"]))
    def a_person_retracts(self, request: str | None) -> None:
        """What is published should not be."""
        self._change(lambda seen: retract(seen, by("ann", request=request), self.now))

    @precondition(lambda self: self.record)
    @rule(key=keys, number=st.integers(1, 3), days=st.integers(1, 200))
    def retention_passes(self, key: str, number: int, days: int) -> None:
        """Long afterwards, by a listing that may be older than the record."""
        run = RunId.parse(self._run(key, number))
        seen = [SeenRun(run, ("inputs", "closed-1", "outputs-1", "work-1"), self.now)]
        now = self.now + timedelta(days=days)

        def change(record: Record | None) -> Record | None:
            assert record is not None
            planned = plan(record, (), seen, Ages(), now)
            published = record["published"]
            for item in planned.going:
                assert record["claim"] is None, "a run is active"
                assert not published or item.path != published["folder"], "readers see it"
            return mark(record, planned, (), now)

        self._change(change)

    @invariant()
    def what_is_gone_is_never_given_out(self) -> None:
        """OP-2: no run resumes on deleted inputs, and no deleted set is on its way to readers."""
        claim = self.record["claim"] if self.record else None
        if self.record and claim:
            gone = self.record.get("gone", {}).get(claim["run"], {})
            assert "inputs" not in gone or claim.get("again"), "it would read what is gone"
            assert "outputs" not in gone, "readers would be given what is gone"

    @precondition(lambda self: self.ended and self.record)
    @rule(which=pick)
    def a_person_looks_for_an_earlier_set(self, which: int) -> None:
        """The last attempt of some run, if it was published."""
        runs = sorted({run for run, _ in self.ended})
        run = runs[which % len(runs)]
        attempt = max(number for name, number in self.ended if name == run)
        if self.ended[run, attempt] == End.SUCCEEDED:
            seen = {"job": None, "generation": self.record["generation"], "cause": by("ann")}
            self.wishes.append({**self._plan(run, attempt), **seen})

    @precondition(lambda self: self.wishes)
    @rule(which=pick, request=st.sampled_from([None, "one", "two"]))
    def a_person_publishes_again(self, which: int, request: str | None) -> None:
        """What was looked for now, or long ago."""
        wish = self.wishes[which % len(self.wishes)]
        plan = {**wish, "cause": by("ann", request=request)}
        self._change(lambda seen: publish_again(seen, plan, self.now))

    @precondition(lambda self: self.attempts)
    @rule(which=pick)
    def an_instance_starts(self, which: int) -> None:
        """The engine starts an instance of some attempt: in time, late, or once more."""
        run, attempt = self.attempts[which % len(self.attempts)]
        token = f"execution {len(self.executions)}"
        self.executions.append((run, attempt, token))
        self._change(lambda seen: take(seen, run, attempt, token, self.now))

    @precondition(lambda self: self.executions)
    @rule(which=pick, stage=st.sampled_from([s for s in Stage if s not in DELIVERING]), minutes=st.integers(1, 60))
    def an_execution_moves(self, which: int, stage: Stage, minutes: int) -> None:
        """An owner, or one that believes it is, goes on to a stage."""
        token = self._token(which)
        self._fenced(token, lambda seen: move(seen, token, stage, self.now + timedelta(minutes=minutes)))

    @precondition(lambda self: self.executions)
    @rule(which=pick)
    def an_execution_begins_to_deliver(self, which: int) -> None:
        """An owner, or one that believes it is, has verified everything."""
        token = self._token(which)
        self._fenced(token, lambda seen: begin_delivery(seen, token, self.now))

    @precondition(lambda self: self.executions and self.record)
    @rule(which=pick, code=st.sampled_from(["job-failed", "source-changed", "canceled"]))
    def an_execution_settles_its_end(self, which: int, code: str) -> None:
        """An owner, or one that believes it is, met a failure."""
        token = self._token(which)
        self._change(
            lambda seen: condemn(seen, token, code, self.now) or new_record("flight-delay", RunId.parse(RUN).period)
        )
        self._note_condemned()

    @precondition(lambda self: self.attempts)
    @rule(which=pick)
    def somebody_gives_up(self, which: int) -> None:
        """A dead owner's run is given up, as was decided now or long ago."""
        run, attempt = self.attempts[which % len(self.attempts)]
        self._change(lambda seen: give_up(seen, run, attempt, self.now))
        self._note_condemned()

    @precondition(lambda self: self.attempts)
    @rule(which=pick)
    def somebody_has_delivered(self, which: int) -> None:
        """The owner or whoever rolls forward has opened the gate."""
        run, attempt = self.attempts[which % len(self.attempts)]
        self._change(lambda seen: delivered(seen, run, attempt, f"{run}/outputs-{attempt}", self.now))

    @precondition(lambda self: self.attempts)
    @rule(which=pick, state=st.sampled_from(End))
    def somebody_ends_an_attempt(self, which: int, state: End) -> None:
        """An owner, a zombie, or whoever gives a dead one up, with any belief about how it ended."""
        run, attempt = self.attempts[which % len(self.attempts)]
        self._change(lambda seen: finish(seen, run, attempt, state, self.now))

    @precondition(lambda self: self.attempts)
    @rule(which=pick)
    def somebody_takes_over(self, which: int) -> None:
        """A takeover that was decided now, or long ago."""
        run, attempt = self.attempts[which % len(self.attempts)]
        self._change(lambda seen: succeed_dead_owner(seen, run, attempt, self.now))

    @rule(minutes=st.integers(1, 90))
    def time_passes(self, minutes: int) -> None:
        """Owners die by it."""
        self.now += timedelta(minutes=minutes)

    # What must hold

    @invariant()
    def a_settled_end_is_never_published(self) -> None:
        """What was told as ended without outputs is not on its way to readers, now or later."""
        published = self.record["published"] if self.record else None
        assert published is None or (published["run"], published["attempt"]) not in self.condemned
        assert not self.condemned & self.delivering

    @invariant()
    def a_lost_claim_is_never_held_again(self) -> None:
        """At most one owner at any time, and none comes back."""
        claim = self.record["claim"] if self.record else None
        assert claim is None or claim["token"] not in self.lost
        for _, _, token in self.executions:
            if claim is None or claim["token"] != token:
                assert judge(self.record, token, "any") == "lost"

    @invariant()
    def nothing_that_ended_is_active(self) -> None:
        """An ended attempt is never reserved again."""
        assert self._holder() not in self.ended

    @invariant()
    def a_wish_to_cancel_is_about_the_active_run(self) -> None:
        """It ends with the run it was about, and never meets the next one."""
        if self.record and self.record["cancel"]:
            claim = self.record["claim"]
            assert claim is not None
            assert claim["run"] == self.record["cancel"]["run"]

    @invariant()
    def what_is_published_is_not_about_to_be_closed(self) -> None:
        """The sets that wait for their grace are others."""
        if self.record and self.record["published"]:
            shown = {(retired["run"], retired["attempt"]) for retired in self.record["retired"]}
            assert (self.record["published"]["run"], self.record["published"]["attempt"]) not in shown

    @invariant()
    def what_is_waived_neither_runs_nor_is_published(self) -> None:
        """What a person decided is undone by a person alone: see `reopen`."""
        if self.record and self.record["waived"]:
            assert self.record["claim"] is None
            assert self.record["published"] is None

    # How it is watched

    def _change(self, change: Callable[[Record | None], Record]) -> bool:
        """Apply a change if the record allows it; what it does to the record is held against the ledger."""
        before = copy.deepcopy(self.record)
        try:
            after = change(self.record)
        except (Refused, Failed):
            assert self.record == before, "a refused change wrote into the record"
            return False
        assert self.record == before, "a change wrote into the record it was given"
        self._watch(before, after)
        self.record = after
        return True

    def _fenced(self, token: str, change: Callable[[Record | None], Record]) -> None:
        """As an owner's step: with a stale token it must fail."""
        claim = self.record["claim"] if self.record else None
        stale = claim is None or claim["token"] != token
        assert not (self._change(change) and stale), "a stale token was let through"

    def _watch(self, before: Record | None, after: Record) -> None:
        old, new = (before["claim"] if before else None), after["claim"]
        generation = before["generation"] if before else 0
        if new and (old is None or (old["run"], old["attempt"]) != (new["run"], new["attempt"])):
            assert (new["run"], new["attempt"]) not in self.attempts, "an attempt was given the claim twice"
            assert not (old and self._name(old) in self.delivering), "what is on its way to readers was begun anew"
            self.attempts.append(self._name(new))
        if old and old["token"] and (new is None or new["token"] != old["token"]):
            self.lost.add(old["token"])
        if old and new is None:
            state = after["last"]["state"]
            assert (state == End.SUCCEEDED) == (old["stage"] == Stage.PUBLISHED)
            self.ended[self._name(old)] = state
        if new and new["stage"] in DELIVERING and self._name(new) not in self.delivering:
            assert after["generation"] == new["generation"] == generation + 1, "a delivery without its own generation"
            self.delivering.add(self._name(new))
        elif before and before["published"] and not after["published"]:
            assert old is None, "retracted beside an active run"
            assert after["generation"] == after["retracted"]["generation"] == generation + 1
            gone = before["published"]
            assert (gone["run"], gone["attempt"]) in [(one["run"], one["attempt"]) for one in after["retired"]]
        else:
            assert after["generation"] == generation
        if before and after["published"] and after["published"] != before["published"]:
            assert after["published"]["generation"] > self._generation_of(before)
        if old is None and new and new["cause"]["kind"] == "data" and before:
            assert new["fingerprint"] not in before["declined"], "a machine did what a person had decided against"

    @staticmethod
    def _generation_of(record: Record) -> int:
        """Of the pointer that stands: of what is published, or of what a retraction left."""
        standing = record["published"] or record["retracted"]
        return standing["generation"] if standing else 0

    def _note_condemned(self) -> None:
        claim = self.record["claim"] if self.record else None
        if claim and claim["ending"]:
            self.condemned.add(self._name(claim))

    @staticmethod
    def _name(claim: Record) -> tuple[str, int]:
        return claim["run"], claim["attempt"]

    def _holder(self) -> tuple[str, int] | None:
        claim = self.record["claim"] if self.record else None
        return self._name(claim) if claim else None

    def _token(self, which: int) -> str:
        return self.executions[which % len(self.executions)][2]

    @staticmethod
    def _plan(run: str, attempt: int = 1) -> Record:
        """The plan of a run; each key has inputs of its own."""
        return {**a_plan(run, attempt), "fingerprint": RunId.parse(run).key8 * 8}

    @staticmethod
    def _run(key: str, number: int) -> str:
        run = RunId.parse(RUN)
        return RunId(run.model, run.period, key, number).text


TestAnyScheduleOfTheClaim = AnyScheduleOfTheClaim.TestCase
TestAnyScheduleOfTheClaim.settings = settings(
    max_examples=settings.default.max_examples * 3 // 2, stateful_step_count=60
)
