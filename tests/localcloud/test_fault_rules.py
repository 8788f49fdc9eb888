"""Fault rules without a cloud: what is a rule, when it strikes, who counts, how to have the same again."""

from __future__ import annotations

import asyncio
import json
import random
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.altered import corrupted
from localcloud.clock import Clock
from localcloud.eventgrid.switches import Switches
from localcloud.faults.ledger import Ledger
from localcloud.faults.points import INNER, MESSAGES, STEPS, Point, kinds_at
from localcloud.faults.rules import KINDS, FaultError, Rule
from localcloud.faults.switchboard import Faults
from localcloud.repetition import command
from tests.running import PROJECT

VALUES = st.sampled_from([None, True, False, 0, 1, 503, -1, 0.5, float("nan"), "", "*", "functions", "1h", "x", [], {}])
PUT = Point("storage", "PutBlob", "landing/a.csv", "app")


def rule(action: dict[str, Any], **where: Any) -> Rule:
    """A rule."""
    return Rule.parse({**where, "action": action})


class TestRules:
    """What is a rule, and what is refused."""

    @pytest.mark.parametrize(
        ("document", "word"),
        [
            ({}, '"action"'),
            ([], '"action"'),
            ("text", '"action"'),
            ({"action": []}, "valid dict"),
            ({"action": {}}, "one of"),
            ({"action": {"status": 503, "reset": True}}, "one of"),
            ({"action": {"status": "503"}}, "integer"),
            ({"action": {"status": 99}}, "200"),
            ({"action": {"status": 503, "headers": {"A": "b\r\nc"}}}, "headers"),
            ({"action": {"status": 503, "headers": {"A b": "c"}}}, "headers"),
            ({"action": {"status": 503, "body": {"not": "text"}}}, "body"),
            ({"action": {"reset": False}}, "True"),
            ({"action": {"reset": True, "code": "X"}}, "code does not belong to reset"),
            ({"action": {"delay": -1}}, "0 or longer"),
            ({"action": {"delay": float("nan")}}, "finite"),
            ({"action": {"delay": "soon"}}, "duration"),
            ({"action": {"drip": 0}}, "greater than 0"),
            ({"action": {"crash": "nobody"}}, "functions"),
            ({"action": {"pause": "functions", "seconds": 0}}, "greater than 0"),
            ({"action": {"status": 503, "within": 3}}, "within does not belong to status"),
            ({"nht": 1, "action": {"reset": True}}, "unknown key 'nht'"),
            ({"id": 1, "action": {"reset": True}}, "unknown key 'id'"),
            ({"nth": "2", "action": {"reset": True}}, "nth"),
            ({"nth": 0, "action": {"reset": True}}, "nth"),
            ({"every": 0, "action": {"reset": True}}, "every"),
            ({"times": True, "action": {"reset": True}}, "times"),
            ({"probability": 1.5, "action": {"reset": True}}, "probability"),
            ({"name": 5, "action": {"reset": True}}, "name"),
            ({"since": "2030-01-01T00:00:00", "action": {"reset": True}}, "time zone"),
            ({"until": "tomorrow", "action": {"reset": True}}, "until"),
            ({"service": "nope", "action": {"reset": True}}, "services are"),
            ({"service": "disk", "operation": "PutBlob", "action": {"full": 0}}, "services are"),
            ({"service": "storage", "operation": "Deliver", "action": {"drop": True}}, "services are"),
            ({"phase": "during", "action": {"reset": True}}, "phase"),
            ({"phase": "after", "action": {"flip": 1}}, "cannot be done"),
            ({"operation": "Deliver", "action": {"drip": 5}}, "what can be done there: batch"),
            ({"operation": "ActivityStarted", "action": {"status": 500}}, "duplicate"),
            ({"operation": "TimerFired", "action": {"delay": 5}}, "corrupt"),
            ({"service": "disk", "action": {"delay": 5}}, "full"),
            ({"service": "disk", "action": {"delay": 5, "crash": True}}, "cannot be done"),
            ({"service": "disk", "nth": 3, "action": {"full": 0}}, "nth does not belong"),
            ({"service": "identity", "action": {"touch": True}}, "cannot be done"),
            ({"action": {"touch": True}}, "name it"),
            ({"action": {"corrupt": True}}, "name it"),
            ({"action": {"partial": 1}}, "name it"),
            ({"operation": "PutBlob", "action": {"partial": 1}}, "name it"),
            ({"service": "storage", "action": {"corrupt": {"flip": "x"}}}, "flip"),
            ({"service": "storage", "action": {"corrupt": {}}}, "flip"),
        ],
        ids=str,
    )
    def test_what_could_never_strike_or_would_break_is_refused(self, document: object, word: str) -> None:
        """With the rule it broke: a fault that never fires would make a test pass for nothing."""
        with pytest.raises(FaultError, match=re.escape(word)):
            Rule.parse(document)

    @given(
        st.dictionaries(
            st.sampled_from(["service", "operation", "nth", "times", "since", "phase", "probability", "x"]), VALUES
        ),
        st.dictionaries(st.sampled_from([*sorted(KINDS), "delay", "seconds", "within", "y"]), VALUES, max_size=3)
        | VALUES,
    )
    def test_whatever_is_given_is_a_rule_or_refused(self, where: dict[str, Any], action: Any) -> None:
        """And what is a rule can be asked about any point, and be given again as it was."""
        try:
            parsed = Rule.parse({**where, "action": action})
        except FaultError:
            return
        assert parsed.strikes(1, 0, 7) in (True, False)
        assert parsed.concerns(PUT) in (True, False)
        assert Rule.parse(json.loads(json.dumps(parsed.document()))) == parsed

    @pytest.mark.parametrize("place", sorted(INNER), ids=" ".join)
    def test_every_kind_fits_the_points_it_can_be_done_at_and_no_others(self, place: tuple[str, str]) -> None:
        """A rule for all points of a service leaves alone those where its action means nothing."""
        service, operation = place
        for kind in ("drop", "duplicate", "full", "status", "crash"):
            value = 500 if kind == "status" else 0 if kind == "full" else True
            try:
                everywhere = rule({kind: value}, service=service)
            except FaultError:
                continue
            assert everywhere.concerns(Point(service, operation)) is (kind in kinds_at(service, operation, "before"))

    def test_patterns(self) -> None:
        """All four must fit; case matters."""
        assert rule({"reset": True}, service="storage", name="landing/*.csv", caller="a?p").concerns(PUT)
        for other in ({"service": "aml"}, {"operation": "putblob"}, {"name": "landing/b*"}, {"caller": "developer"}):
            assert not rule({"reset": True}, **other).concerns(PUT)


def struck(one: Rule, matches: int, seed: int = 0) -> list[int]:
    """Which of so many matches a rule strikes."""
    found: list[int] = []
    for match in range(1, matches + 1):
        if one.strikes(match, len(found), seed):
            found.append(match)
    return found


class TestWhen:
    """Which match it is."""

    def test_nth_every_and_times(self) -> None:
        """Counted from 1."""
        assert struck(rule({"reset": True}), 3) == [1, 2, 3]
        assert struck(rule({"reset": True}, nth=2), 4) == [2]
        assert struck(rule({"reset": True}, every=2), 5) == [2, 4]
        assert struck(rule({"reset": True}, times=2), 5) == [1, 2]
        assert struck(rule({"reset": True}, every=2, times=1), 5) == [2]

    @pytest.mark.parametrize("kind", ["crash", "terminate"])
    def test_what_ends_a_process_strikes_once_unless_said_otherwise(self, kind: str) -> None:
        """So that a process can start again; 20 kills in one run are `times: 20`."""
        assert struck(rule({kind: "functions"}), 5) == [1]
        assert struck(rule({kind: "functions"}, times=3), 5) == [1, 2, 3]
        assert struck(rule({kind: "functions"}, every=2), 5) == [2, 4]

    def test_chance_depends_on_the_seed_the_rule_and_the_match_alone(self) -> None:
        """One seed gives one trace, however many other matches there were; another seed another."""
        one, other = rule({"reset": True}, probability=0.3), rule({"status": 500}, probability=0.3)
        before = struck(one, 200, seed=7)
        random.random()
        assert struck(rule({"reset": True}, probability=0.3), 200, seed=7) == before
        assert 30 < len(before) < 90
        assert struck(one, 200, seed=8) != before
        assert struck(other, 200, seed=7) != before


class TestLedger:
    """Who counts: all processes, and none forgets."""

    def test_counts_are_of_all_processes_and_survive_them(self, tmp_path: Path) -> None:
        """A host that is started again goes on counting where the dead one was."""
        cloud, host = Ledger(tmp_path), Ledger(tmp_path, "functions")
        assert [cloud.match(3), host.match(3), cloud.match(3)] == [1, 2, 3]
        host.note(3, {"operation": "x"})
        del host
        again = Ledger(tmp_path, "functions")
        assert again.match(3) == 4
        assert cloud.counts(3) == (4, 1)
        assert cloud.counts(4) == (0, 0)

    def test_a_cloud_begins_anew(self, tmp_path: Path) -> None:
        """Its rules are gone, and their numbers are given again; what struck is still to be read."""
        Ledger(tmp_path).note(1, {"operation": "first"})
        second = Ledger(tmp_path)
        assert second.counts(1) == (0, 0)
        assert [one["operation"] for one in second.newest(5)] == ["first"]

    def test_an_end_is_wanted_once(self, tmp_path: Path) -> None:
        """Whichever process asked for it; that it is told does not depend on the rule's being on still."""
        cloud, host = Ledger(tmp_path), Ledger(tmp_path, "functions")
        assert not cloud.ended("functions")
        host.tell_end(1, "functions")
        cloud.tell_end(2, "slot")
        assert [cloud.ended("functions"), cloud.ended("functions"), cloud.ended("slot")] == [True, False, True]

    def test_what_a_kill_left_half_written_is_skipped(self, tmp_path: Path) -> None:
        """The rest of the log can be read."""
        ledger = Ledger(tmp_path)
        ledger.note(1, {"operation": "whole"})
        with (tmp_path / "logs" / "faults.jsonl").open("a") as log:
            log.write('{"operation": "ha\n')
        ledger.note(1, {"operation": "after"})
        assert [one["operation"] for one in ledger.newest(5)] == ["after", "whole"]


class TestFaults:
    """The rules that are on in one process."""

    def test_a_rule_that_is_cleared_while_it_delays_does_nothing_more(self) -> None:
        """What stood behind the delay is not done: the fault is over."""

        async def scene() -> dict[str, Any] | None:
            faults = Faults()
            faults.add(rule({"delay": 600, "status": 500}))
            asked = asyncio.create_task(faults.before(PUT))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert faults.documents()[0]["fired"] == 1
            faults.clear()
            async with asyncio.timeout(60):
                return await asked

        assert asyncio.run(scene()) is None

    def test_a_delay_counts_from_its_strike(self, tmp_path: Path) -> None:
        """Who saw it strike may move the clock, however late the process that was struck gets to its waiting."""

        async def scene() -> None:
            clock = Clock(tmp_path / "clock")
            faults = Faults(clock=clock)
            faults.add(rule({"delay": "1h"}))
            [struck] = faults.strikes("before", PUT)
            assert faults.documents()[0]["fired"] == 1
            clock.advance(3600)
            async with asyncio.timeout(60):
                await faults.carry_out(struck)

        asyncio.run(scene())

    def test_the_slot_s_points_are_its_own(self, tmp_path: Path) -> None:
        """In its process `functions` means the other host."""

        async def scene(process: str) -> list[int]:
            faults = Faults(ledger=Ledger(tmp_path / process, process))
            faults.add(rule({"duplicate": True}, service="slot"))
            faults.add(rule({"duplicate": True}, service="functions"))
            await faults.before(Point("functions", "ActivityStarted"))
            return [one["fired"] for one in faults.documents()]

        assert asyncio.run(scene("functions")) == [0, 1]
        assert asyncio.run(scene("slot")) == [1, 0]

    @pytest.mark.parametrize("action", [{"crash": "functions"}, {"pause": "job"}, {"lock": "cloud"}], ids=str)
    def test_what_is_not_there_cannot_be_struck(self, action: dict[str, Any]) -> None:
        """A cloud without a functions host has none to crash; that is told when the rule is added."""
        with pytest.raises(FaultError, match="this cloud has no such"):
            Faults().add(rule(action))

    def test_a_host_cannot_end_what_it_does_not_know(self, tmp_path: Path) -> None:
        """A job is ended at the cloud's own points: a rule that says otherwise is refused, a wider one is not met."""
        cloud, host = Faults(), Faults(ledger=Ledger(tmp_path, "functions"))
        cloud.on_process("job", lambda _: [])
        with pytest.raises(FaultError, match="its own process alone"):
            cloud.add(rule({"pause": "job"}, service="functions"))
        cloud.add(rule({"pause": "job"}))
        host.replace(cloud.told())
        assert asyncio.run(host.before(Point("functions", "ActivityStarted"))) is None
        assert host.documents()[0]["matched"] == 0

    def test_an_unknown_store_is_refused(self) -> None:
        """With those there are."""
        with pytest.raises(FaultError, match="engine, lake, jobs"):
            Faults().add(rule({"full": 0}, service="disk", name="attic"))


def test_damage_to_json() -> None:
    """True is no JSON any more; an object is merged into it, and null takes away (RFC 7396)."""
    document = {"a": 1, "b": {"c": 2, "d": 3}}
    with pytest.raises(ValueError, match=r"delimiter|Expecting"):
        json.loads(corrupted(document, True))
    assert json.loads(corrupted(document, {"a": None, "b": {"c": "two"}})) == {"b": {"c": "two", "d": 3}}


def test_a_switch_waits_until_every_host_that_runs_goes_by_it(tmp_path: Path) -> None:
    """Whoever was answered may rely on it; a host that is down, or not there, is not waited for."""

    async def switched() -> list[bool]:
        cloud, host = Faults(ledger=Ledger(tmp_path)), Faults(ledger=Ledger(tmp_path, "functions"))
        running = [1]
        cloud.on_process("functions", lambda _: running)
        cloud.add(rule({"status": 503}))
        waits = asyncio.create_task(cloud.taken())
        await asyncio.sleep(0.05)
        seen = [waits.done()]
        host.replace(cloud.told())
        await asyncio.wait_for(waits, 60)
        seen.append(host.has_rules)
        cloud.clear()
        running.clear()
        await asyncio.wait_for(cloud.taken(), 60)
        return seen

    assert asyncio.run(switched()) == [False, True]


def test_one_line_has_the_same_again() -> None:
    """It is one that a shell reads as it is meant, whatever is in the rules."""
    rules = [rule({"status": 503, "body": "it's $HOME"}, name="a b"), rule({"crash": True}, service="identity")]
    line = command(["--app", "/with space", "--seed", "7"], Switches().changed({"duplicate": 3}), rules)
    words = shlex.split(line)
    assert words[:6] == ["localcloud", "up", "--app", "/with space", "--seed", "7"]
    assert json.loads(words[words.index("--events") + 1]) == {"duplicate": 3}
    given = [json.loads(words[place + 1]) for place, word in enumerate(words) if word == "--fault"]
    assert [Rule.parse(one) for one in given] == rules


def test_the_how_to_names_every_action_and_every_point() -> None:
    """And its examples are rules."""
    page = (PROJECT / "docs/how-to/local-cloud.md").read_text(encoding="utf-8")
    assert [kind for kind in sorted(KINDS) if f'{{"{kind}": ' not in page] == []
    unnamed = {operation for _, operation in INNER} - set(re.findall(r"`([A-Za-z]+)`", page))
    assert unnamed <= {*MESSAGES, *STEPS}
    examples = re.findall(r"faults add '(.*)'", page)
    assert len(examples) > 3
    assert [Rule.parse(json.loads(example)).kind for example in examples]
