"""The durable engine, through the real SDK: what an unmodified app may expect of the Durable extension."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import azure.durable_functions as df
import pytest
import requests

from tests.localcloud.functions_harness import APPS, RunningHost, call
from tests.running import PATIENCE, eventually

# Event types of stored histories.
STARTED, SCHEDULED, COMPLETED, FAILED, TIMER_CREATED, TIMER_FIRED = 12, 4, 5, 6, 10, 11


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """One host for the tests that neither stop nor kill it."""
    running = RunningHost(APPS / "durable", tmp_path_factory.mktemp("durable")).start()
    yield running
    running.kill()


@pytest.fixture
def own_host(tmp_path) -> Iterator[RunningHost]:
    """A host that the test may kill."""
    running = RunningHost(APPS / "durable", tmp_path / "state").start()
    yield running
    if running.process.poll() is None:
        running.kill()


def tasks_of(host: RunningHost, instance_id: str) -> list[tuple[int, int]]:
    """Return the stored events about tasks and timers."""
    return [entry for entry in host.stored_history(instance_id) if entry[0] in range(4, 12)]


def waits_for(host: RunningHost, instance_id: str, timer: int) -> bool:
    """Say whether the instance has created the timer with this id."""
    return (TIMER_CREATED, timer) in tasks_of(host, instance_id)


class TestOrchestrations:
    def test_chain(self, host):
        """Activities run one after the other, called by name (ignoring case) or by function, overrides included."""
        assert host.run("chain").output == ["Hello Tokyo!", "Hello Cairo!", "renamed Rome"]

    def test_fan_out_keeps_the_order(self, host):
        """Results of task_all come in the order of the tasks."""
        assert host.run("fan_out", 20).output == list(range(20))

    def test_text_that_is_no_unicode(self, host):
        """Half a surrogate pair passes through histories, statuses and outputs."""
        status = host.run("half_a_pair")

        assert (status.output, status.custom_status) == ("\ud800", "\ud800")

    def test_without_yield(self, host):
        """An orchestrator that is no generator returns its value at once."""
        assert host.run("without_yield", {"a": [1, None]}).output == {"a": [1, None]}

    def test_large_results(self, host):
        """Results of 200 kB each pass through histories unharmed."""
        assert host.run("weighty").output == 1_000_000

    def test_http_check_status(self, host):
        """create_check_status_response leads to the public management API; the wait variant returns the bare output."""
        answer = requests.post(f"{host.url}/api/start/chain", timeout=60)

        assert answer.status_code == 202
        assert answer.headers["Location"].startswith(f"{host.url}/runtime/webhooks/durabletask/instances/")
        assert requests.get(f"{host.url}/api/run/chain", timeout=60).json()[0] == "Hello Tokyo!"

    def test_custom_status_survives_continue_as_new(self, host):
        """continue_as_new begins a short history anew, under the same id, as often as asked for."""
        status = host.run("count_down", 3)

        assert (status.output, status.custom_status) == ("done", {"left": 0})
        assert host.stored_history(status.instance_id)[0][0] == STARTED
        assert len(tasks_of(host, status.instance_id)) == 2

    def test_custom_status_has_a_limit(self, host):
        """A custom status of more than 16 KB in UTF-16 fails the instance before anything is scheduled."""
        status = host.run("stating", 9000)

        assert host.run("stating", 8000).output == "stated"
        assert status.runtime_status.name == "Failed"
        assert status.output == (
            "Orchestrator function 'stating' failed: The UTF-16 size of the JSON-serialized payload must not exceed "
            "16 KB. The current payload size is 17 KB."
        )
        assert tasks_of(host, status.instance_id) == []

    def test_version(self, host):
        """defaultVersion of host.json stamps new instances; newer ones are left to a newer host."""
        newer = host.begin("versioned", version="1.1")

        assert host.run("versioned").output == "1.0"
        assert host.ended(host.begin("versioned", version="0.9")).output == "0.9"
        assert host.status(newer).runtime_status.name == "Pending"


class TestSubOrchestrations:
    def test_ids(self, host):
        """A child's id is the given one, else the parent's execution id and the task's id; it knows its parent."""
        instance_id = host.begin("parent")
        derived, given = host.ended(instance_id).output

        assert derived["id"].endswith(":0")
        assert given["id"] == f"{instance_id}-given"
        assert {derived["parent"], given["parent"]} == {instance_id}
        assert [derived["result"], given["result"]] == [{"k": 1}, {"k": 2}]

    def test_failure_reaches_the_parent(self, host):
        """A failed child's output, nested, is the parent's."""
        status = host.run("parent_of_failing")

        assert status.runtime_status.name == "Failed"
        assert status.output.startswith(
            "Orchestrator function 'parent_of_failing' failed: Orchestrator function 'failing' failed: "
            "Activity function 'fail' failed:  ValueError: boom \n "
        )
        assert " \n Message: Activity function 'fail' failed:  ValueError: boom" in status.output

    def test_termination_reaches_the_parent_only(self, host):
        """A terminated child fails its parent with the reason; a terminated parent leaves its child alone."""
        instance_id = host.begin("parent_of_waiting")
        host.until(f"{instance_id}-child", lambda status: status.runtime_status.name == "Running")
        call(host.client.terminate(f"{instance_id}-child", "enough"))
        assert host.ended(instance_id).output.endswith("failed: enough \n None")

        other = host.begin("parent_of_waiting")
        host.until(f"{other}-child", lambda status: status.runtime_status.name == "Running")
        call(host.client.terminate(other, "enough"))
        assert host.ended(other).output == "enough"
        assert host.status(f"{other}-child").runtime_status.name == "Running"


class TestTimers:
    def test_cancelled_timer_lets_the_instance_complete(self, host):
        """A timer that lost a race and was cancelled holds nothing up."""
        instance_id = host.begin("race")
        host.until(instance_id, lambda status: status.runtime_status.name == "Running")
        host.raise_event(instance_id, "Go")

        assert host.ended(instance_id).output == "event"

    def test_open_timer_keeps_the_instance_running(self, own_host):
        """An uncancelled timer keeps an instance Running until it fires, long after the function returned."""
        instance_id = own_host.begin("race", "leave it")
        own_host.raise_event(instance_id, "Go")
        own_host.until(instance_id, lambda _: (15, -1) in own_host.stored_history(instance_id))
        assert own_host.status(instance_id).runtime_status.name == "Running"

        own_host.advance(3601)
        assert own_host.ended(instance_id).output == "event"

    def test_one_wait_and_a_timer_each_round(self, own_host):
        """A wait may be raced again and again; the timer that is cancelled at the end lets the instance complete."""
        instance_id = own_host.begin("reminders")
        for timer in (0, 2):
            own_host.until(instance_id, lambda _, n=timer: waits_for(own_host, instance_id, n))
            own_host.advance(3600)
        own_host.until(instance_id, lambda _: waits_for(own_host, instance_id, 4))
        own_host.raise_event(instance_id, "Go")

        assert own_host.ended(instance_id).output == 2

    def test_one_timer_and_a_wait_each_round(self, own_host):
        """While answers come in time all is well; a deadline in a later round is not noticed, as in Azure."""
        in_time, late = own_host.begin("shared_deadline"), own_host.begin("shared_deadline")
        for instance_id in (in_time, late):
            own_host.until(instance_id, lambda _, i=instance_id: waits_for(own_host, i, 0))
            own_host.manage("POST", f"instances/{instance_id}/raiseEvent/Answer", json="wrong")
            own_host.until(instance_id, lambda _, i=instance_id: (15, -1) in own_host.stored_history(i))
        own_host.manage("POST", f"instances/{in_time}/raiseEvent/Answer", json="right")
        assert own_host.ended(in_time).output == 1

        own_host.advance(3600)
        own_host.until(late, lambda _: (TIMER_FIRED, 0) in own_host.stored_history(late))
        assert own_host.status(late).runtime_status.name == "Running"

    def test_timers_follow_the_clock(self, own_host):
        """Thirty days pass when the clock is moved; a timer fires late, never early, its last part when it is time."""
        began = own_host.clock.now()
        instance_id = own_host.begin("sleep", 30)
        own_host.until(instance_id, lambda _: TIMER_CREATED in dict(own_host.stored_history(instance_id)))
        own_host.advance(29 * 86400)
        own_host.until(instance_id, lambda _: waits_for(own_host, instance_id, 1))
        assert own_host.status(instance_id).runtime_status.name == "Running"

        own_host.advance(86400)
        woke = datetime.fromisoformat(own_host.ended(instance_id).output)
        assert woke - began >= timedelta(days=30)
        assert tasks_of(own_host, instance_id) == [
            *((TIMER_CREATED, 0), (TIMER_FIRED, 0), (TIMER_CREATED, 1), (TIMER_FIRED, 1))
        ]

    def test_long_timers_are_split(self, own_host):
        """Eight days are three and five; the parts take ids, and what follows takes the next one."""
        instance_id = own_host.begin("long_race")
        for part, days in enumerate((3, 5)):
            own_host.until(instance_id, lambda _, n=part: waits_for(own_host, instance_id, n))
            own_host.advance(days * 86400)

        assert own_host.ended(instance_id).output == "timer"
        assert tasks_of(own_host, instance_id)[-3:] == [(TIMER_FIRED, 1), (SCHEDULED, 2), (COMPLETED, 2)]

    def test_cancelling_a_long_timer_leaves_its_part(self, own_host):
        """The part that runs is not cancelled with the timer, and keeps the instance Running, as in Azure."""
        instance_id = own_host.begin("long_race")
        own_host.raise_event(instance_id, "Go")
        own_host.until(instance_id, lambda _: (COMPLETED, 1) in tasks_of(own_host, instance_id))
        assert own_host.status(instance_id).runtime_status.name == "Running"

        own_host.advance(3 * 86400)
        assert own_host.ended(instance_id).output == "event"

    def test_an_event_within_a_later_part_waits_for_its_end(self, own_host):
        """The SDK goes on when the event wins, the extension when the timer's current part ends."""
        instance_id = own_host.begin("long_race")
        own_host.until(instance_id, lambda _: waits_for(own_host, instance_id, 0))
        own_host.advance(3 * 86400)
        own_host.until(instance_id, lambda _: waits_for(own_host, instance_id, 1))
        own_host.raise_event(instance_id, "Go")
        own_host.until(instance_id, lambda _: (15, -1) in own_host.stored_history(instance_id))
        assert (SCHEDULED, 2) not in tasks_of(own_host, instance_id)

        own_host.advance(5 * 86400)
        assert own_host.ended(instance_id).output == "event"


class TestEvents:
    def test_one_after_the_other(self, host):
        """Events of one name answer waits one after the other; values the SDK sends arrive as JSON text."""
        instance_id = host.begin("two_events")
        host.raise_event(instance_id, "E", {"a": 1})
        host.until(instance_id, lambda _: host.stored_history(instance_id).count((15, -1)) == 1)
        assert host.manage("POST", f"instances/{instance_id}/raiseEvent/E", json={"a": 2}).status_code == 202

        assert host.ended(instance_id).output == ['{"a": 1}', {"a": 2}]

    def test_newest_waiter_first(self, host):
        """Two waiters of one name are a stack."""
        instance_id = host.begin("two_waiters")
        host.until(instance_id, lambda status: status.runtime_status.name == "Running")
        for value in (1, 2):
            host.manage("POST", f"instances/{instance_id}/raiseEvent/E", json=value)

        assert host.ended(instance_id).output == [2, 1]

    def test_early_event_is_kept(self, own_host):
        """An event raised before anybody waits for it is kept."""
        instance_id = own_host.begin("event_after_activity")
        own_host.wait_for_note("busy")
        own_host.raise_event(instance_id, "E", "early")
        own_host.gate.touch()

        assert own_host.ended(instance_id).output == '"early"'

    def test_two_early_events_end_with_the_second_twice(self, own_host):
        """The SDK remembers one early event a name, the host queues both: wrong data, as in Azure."""
        instance_id = own_host.begin("early_for_two")
        own_host.wait_for_note("busy")
        for value in (1, 2):
            own_host.manage("POST", f"instances/{instance_id}/raiseEvent/E", json=value)
        own_host.gate.touch()

        assert own_host.ended(instance_id).output == [2, 2]

    def test_one_early_event_for_two_waits_hangs(self, own_host):
        """The SDK answers both waits with one early event, the extension does not: the instance stays Running."""
        instance_id = own_host.begin("early_for_two")
        own_host.wait_for_note("busy")
        own_host.manage("POST", f"instances/{instance_id}/raiseEvent/E", json=1)
        own_host.gate.touch()
        own_host.until(instance_id, lambda _: (COMPLETED, 0) in own_host.stored_history(instance_id))

        assert own_host.status(instance_id).runtime_status.name == "Running"
        assert "one of its earlier waits has not" in (own_host.state / "log").read_text()

    def test_name_in_other_case_hangs(self, host):
        """The host gives an event to a wait whose name differs in case, the SDK does not: it stays Running."""
        instance_id = host.begin("two_events")
        host.until(instance_id, lambda status: status.runtime_status.name == "Running")
        for count in (1, 2):
            host.raise_event(instance_id, "e")
            host.until(instance_id, lambda _, n=count: host.stored_history(instance_id).count((15, -1)) == n)

        assert host.status(instance_id).runtime_status.name == "Running"
        assert f"instance {instance_id}: everything its orchestrator function waits for has come" in (
            (host.state / "log").read_text()
        )

    def test_unreachable_instances(self, host):
        """Raising for an unknown id is 404, for a finished one 410, another content type 400."""
        finished = host.run("without_yield").instance_id

        assert host.manage("POST", "instances/nobody/raiseEvent/E", json=1).status_code == 404
        assert host.manage("POST", f"instances/{finished}/raiseEvent/E", json=1).status_code == 410
        assert host.manage("POST", f"instances/{finished}/raiseEvent/E", data="1").status_code == 410
        waiting = host.begin("two_events")
        plain = host.manage("POST", f"instances/{waiting}/raiseEvent/E", data="1")
        empty = host.manage("POST", f"instances/{waiting}/raiseEvent/E", headers={"Content-Type": "application/json"})
        assert (plain.status_code, empty.status_code) == (400, 400)
        with pytest.raises(Exception, match="No instance with ID nobody found"):
            host.raise_event("nobody", "E")

    def test_events_across_generations(self, host):
        """Events that wait while a generation ends belong to the next one."""
        instance_id = host.begin("monitor")
        for kept, value in ((None, "a"), (["a"], "b"), (["a", "b"], "stop")):
            host.until(instance_id, lambda status, kept=kept: json.loads(status.input_ or "null") == kept)
            host.manage("POST", f"instances/{instance_id}/raiseEvent/E", json=value)

        assert host.ended(instance_id).output == ["a", "b"]

    def test_answers_to_an_earlier_generation(self, own_host):
        """A timer that rings while its generation ends rings for nobody: the next one waits for its own."""
        instance_id = own_host.begin("overtaken", "first")
        own_host.until(instance_id, lambda _: waits_for(own_host, instance_id, 0))
        own_host.manage("POST", f"instances/{instance_id}/raiseEvent/first", json=1)
        own_host.wait_for_note("thinking")
        own_host.advance(3600)
        eventually(lambda: not own_host.stored("SELECT * FROM timers"))
        own_host.gate.touch()
        own_host.manage("POST", f"instances/{instance_id}/raiseEvent/last", json=2)

        assert own_host.ended(instance_id).output == "the event"


class TestFailuresAndRetries:
    def test_texts(self, host):
        """An uncaught activity failure ends the instance with the extension's texts."""
        status = host.run("failing")

        assert status.runtime_status.name == "Failed"
        assert status.output.startswith(
            "Orchestrator function 'failing' failed: Activity function 'fail' failed:  ValueError: boom \n {"
        )

    def test_retry_takes_ids(self, own_host):
        """Attempt, timer, attempt, timer: each takes the next id, and the interval is constant."""
        instance_id = own_host.begin("retried", {"line": "twice", "times": 2})
        for attempt in (1, 2):
            own_host.wait_for_note("twice", attempt)
            own_host.until(instance_id, lambda _, n=2 * attempt - 1: waits_for(own_host, instance_id, n))
            own_host.advance(5)

        assert own_host.ended(instance_id).output == ["twice", "Hello after!"]
        assert tasks_of(own_host, instance_id) == [
            *((SCHEDULED, 0), (FAILED, 0), (TIMER_CREATED, 1), (TIMER_FIRED, 1)),
            *((SCHEDULED, 2), (FAILED, 2), (TIMER_CREATED, 3), (TIMER_FIRED, 3)),
            *((SCHEDULED, 4), (COMPLETED, 4), (SCHEDULED, 5), (COMPLETED, 5)),
        ]

    def test_timer_after_the_last_attempt(self, own_host):
        """A timer, due at once, follows the last failed attempt too; only then the exception reaches the code."""
        instance_id = own_host.begin("retried", {"line": "never", "times": 9})
        for attempt in (1, 2):
            own_host.wait_for_note("never", attempt)
            own_host.until(instance_id, lambda _, n=2 * attempt - 1: waits_for(own_host, instance_id, n))
            own_host.advance(5)
        output = own_host.ended(instance_id).output

        assert output[0].startswith("caught Activity function 'fail_until' failed:  RuntimeError: not yet never")
        assert tasks_of(own_host, instance_id)[-4:] == [
            *((TIMER_CREATED, 5), (TIMER_FIRED, 5), (SCHEDULED, 6), (COMPLETED, 6))
        ]

    def test_retry_within_a_group(self, own_host):
        """Group members take their ids first; the retry's timer and next attempt follow in the order of failures."""
        instance_id = own_host.begin("retried_group")
        own_host.until(instance_id, lambda _: (TIMER_CREATED, 2) in tasks_of(own_host, instance_id))
        own_host.advance(5)

        assert own_host.ended(instance_id).output == [instance_id, "Hello B!", "Hello after!"]
        assert [entry for entry in tasks_of(own_host, instance_id) if entry[0] == SCHEDULED] == [
            *((SCHEDULED, 0), (SCHEDULED, 1), (SCHEDULED, 3), (SCHEDULED, 4))
        ]

    def test_retried_child_is_a_new_instance_each_time(self, own_host):
        """A retried sub-orchestration is created anew with the attempt's id."""
        instance_id = own_host.begin("retried_child")
        for timer in (1, 3):
            own_host.until(instance_id, lambda _, n=timer: waits_for(own_host, instance_id, n))
            own_host.advance(5)

        assert own_host.ended(instance_id).runtime_status.name == "Failed"
        children = [s.instance_id for s in call(own_host.client.get_status_all()) if s.name == "failing"]
        assert sorted(child.rpartition(":")[2] for child in children) == ["0", "2", "4"]

    def test_failed_group_waits_for_all(self, own_host):
        """The SDK raises at the first failure, what follows is scheduled when all members are done, as in Azure."""
        instance_id = own_host.begin("failing_group")
        own_host.until(instance_id, lambda _: (FAILED, 0) in tasks_of(own_host, instance_id))
        own_host.wait_for_note("held")
        assert (SCHEDULED, 2) not in tasks_of(own_host, instance_id)

        own_host.gate.touch()
        assert own_host.ended(instance_id).output == "Hello caught!"

    def test_unknown_activity_cannot_be_caught(self, host):
        """A missing activity fails the instance from outside."""
        status = host.run("unknown_activity")

        assert status.runtime_status.name == "Failed"
        assert (
            "The function 'no_such_thing' doesn't exist, is disabled, or is not an activity function" in status.output
        )

    def test_ids_disagree_after_a_failure_beside_a_retry(self, own_host):
        """The SDK gives the next step the id that the host gives the retry's timer: wrong data, as in Azure."""
        instance_id = own_host.begin("retried_beside_failure")
        own_host.until(instance_id, lambda _: (FAILED, 1) in tasks_of(own_host, instance_id))
        own_host.gate.touch()
        own_host.until(instance_id, lambda _: waits_for(own_host, instance_id, 2))
        own_host.advance(5)

        assert own_host.ended(instance_id).output is None
        assert tasks_of(own_host, instance_id)[-2:] == [(SCHEDULED, 4), (COMPLETED, 4)]

    @pytest.mark.parametrize(
        ("name", "feature"),
        [
            ("entity_caller", "durable entities (call_entity)"),
            ("entity_beside_timer", "durable entities (call_entity)"),
            ("entity_signaller", "durable entities (signal_entity)"),
            ("http_caller", "durable HTTP calls (call_http)"),
        ],
    )
    def test_refused_by_name(self, host, name, feature):
        """A feature that is not there fails the instance at once, whatever it waits for beside it, and is named."""
        status = host.run(name)

        assert (status.runtime_status.name, feature in status.output) == ("Failed", True)
        assert f"instance {status.instance_id} fails: localcloud does not support {feature}" in (
            (host.state / "log").read_text()
        )

    def test_entity_endpoints_are_refused_by_name(self, host):
        """The client's calls about entities are answered 501, which the SDK raises."""
        answer = host.manage("GET", "entities/Counter/a")

        assert (answer.status_code, "durable entities" in answer.text) == (501, True)
        for entity_call in (
            host.client.read_entity_state(df.EntityId("Counter", "a")),
            host.client.signal_entity(df.EntityId("Counter", "a"), "add", 1),
        ):
            with pytest.raises(Exception, match="501"):
                call(entity_call)

    def test_changed_code(self, own_host):
        """What history says was scheduled must be scheduled again under the same id."""
        instance_id = own_host.begin("changing")
        own_host.until(instance_id, lambda _: (COMPLETED, 0) in own_host.stored_history(instance_id))
        own_host.gate.touch()
        own_host.raise_event(instance_id, "E")

        status = own_host.ended(instance_id)
        assert status.runtime_status.name == "Failed"
        assert status.output.startswith(
            "A previous execution of this orchestration scheduled an activity task with sequence ID 0 and name 'hello'"
        )


class TestControl:
    def test_terminate(self, host):
        """Termination is at once, ahead of open tasks; the output is the reason as plain text."""
        instance_id = host.begin("two_events")
        call(host.client.terminate(instance_id, "no longer needed"))
        status = host.ended(instance_id)

        assert (status.runtime_status.name, status.output) == ("Terminated", "no longer needed")
        call(host.client.terminate(instance_id, "again"))  # 410 counts as success in the SDK
        assert host.manage("POST", f"instances/{instance_id}/terminate?reason=x").status_code == 410

    def test_suspend_and_resume(self, host):
        """While suspended events are stored and nothing is scheduled; suspending twice is an error."""
        instance_id = host.begin("monitor")
        host.until(instance_id, lambda status: status.runtime_status.name == "Running")
        call(host.client.suspend(instance_id, "lunch"))
        again = host.manage("POST", f"instances/{instance_id}/suspend?reason=x")
        host.manage("POST", f"instances/{instance_id}/raiseEvent/E", json="stop")
        host.until(instance_id, lambda _: (15, -1) in host.stored_history(instance_id))

        assert again.status_code == 500
        assert again.json()["ExceptionMessage"] == (
            f"Cannot suspend the orchestration instance {instance_id} because instance is in the Suspended state."
        )
        refused = f"instance {instance_id}: Cannot suspend orchestration instance in the Suspended state."
        assert refused in (host.state / "log").read_text()
        assert host.status(instance_id).runtime_status.name == "Suspended"
        call(host.client.resume(instance_id, "back"))
        assert host.ended(instance_id).output == []

    def test_rewind(self, host):
        """A failed instance goes on from before its failure; what had completed does not run again."""
        instance_id = host.begin("rewindable")
        assert host.ended(instance_id).runtime_status.name == "Failed"
        call(host.client.rewind(instance_id, "fixed"))

        assert host.until(instance_id, lambda s: s.runtime_status.name == "Completed").output == [
            *(instance_id, f"{instance_id}-r")
        ]
        assert host.noted().count(instance_id) == 1
        assert host.manage("POST", f"instances/{instance_id}/rewind?reason=x").status_code == 410

    def test_rewind_of_children(self, host):
        """Failed sub-orchestrations are rewound with their parent, under the same ids; what had completed stays."""
        instance_id = host.begin("parent_of_rewindable")
        children = [f"{instance_id}-a", f"{instance_id}-b"]
        assert host.ended(instance_id).runtime_status.name == "Failed"
        for child in children:
            assert host.ended(child).runtime_status.name == "Failed"
        call(host.client.rewind(instance_id, "fixed"))

        status = host.until(instance_id, lambda s: s.runtime_status.name == "Completed")
        assert status.output == [[child, f"{child}-r"] for child in children]
        assert [host.noted().count(name) for name in (instance_id, *children)] == [1, 1, 1]

    def test_rewind_of_a_retried_call(self, host):
        """The timers between attempts stay in the history, which has the attempts no more: it fails, as in Azure."""
        instance_id = host.run("retried_in_vain").instance_id
        call(host.client.rewind(instance_id, "again"))
        status = host.until(instance_id, lambda s: "boom" not in (s.output or "boom"))

        assert status.runtime_status.name == "Failed"
        assert status.output.startswith(
            "A previous execution of this orchestration scheduled a timer task with sequence ID 1"
        )

    def test_restart(self, host):
        """restart starts the same orchestrator with the stored input and returns the check-status payload."""
        instance_id = host.begin("without_yield", {"k": 1})
        host.ended(instance_id)
        payload = call(host.client.restart(instance_id))

        assert payload["id"] != instance_id
        assert host.ended(payload["id"]).output == {"k": 1}

    def test_purge(self, host):
        """Purging deletes an instance, finished or not; the second time there is none."""
        instance_id = host.begin("two_events")

        assert call(host.client.purge_instance_history(instance_id)).instances_deleted == 1
        assert call(host.client.purge_instance_history(instance_id)).instances_deleted == 0
        assert not host.status(instance_id)

    def test_existing_id(self, host):
        """A running id cannot be started again, and says so with 500; a finished one is replaced."""
        instance_id = host.begin("two_events", instance_id="taken")
        host.until(instance_id, lambda status: status.runtime_status.name == "Running")

        with pytest.raises(Exception, match="An Orchestration instance with the status Running already exists"):
            host.begin("chain", instance_id="taken")
        call(host.client.terminate("taken", "done"))
        host.ended("taken")
        assert host.ended(host.begin("without_yield", 5, instance_id="taken")).output == 5

    def test_bad_starts(self, host):
        """An unknown orchestrator, an id that is none and a body that is no JSON are 400."""
        with pytest.raises(Exception, match="The function 'nothing' doesn't exist"):
            host.begin("nothing")
        with pytest.raises(Exception, match="must not start with @"):
            host.begin("chain", instance_id="@me")
        no_json = host.manage("POST", "orchestrators/chain", data="{")
        assert (no_json.status_code, no_json.json()["Message"]) == (400, "Invalid JSON content")
        unknown = host.manage("POST", "orchestrators/nothing").json()
        assert unknown["Message"] == "One or more of the arguments submitted is incorrect"

    def test_other_task_hub(self, host):
        """There is one task hub: a request for another one is refused by name, in whatever case its own is written."""
        other = host.manage("GET", "instances/x?taskHub=Other")

        assert other.status_code == 501
        assert "task hubs other than the app's own: Other is not TestHub" in other.text
        assert host.manage("GET", "instances/x?TASKHUB=testhub").status_code == 404


class TestQueries:
    def test_status_by_filter(self, own_host):
        """Queries filter by prefix, state and creation; pages follow the continuation token."""
        for number in range(5):
            own_host.ended(own_host.begin("without_yield", number, instance_id=f"many-{number}"))
        own_host.begin("two_events", instance_id="many-waiting")
        completed = [df.OrchestrationRuntimeStatus.Completed]

        found = call(own_host.client.get_status_by(instance_id_prefix="many-", runtime_status=completed))
        assert sorted(status.instance_id for status in found) == [f"many-{n}" for n in range(5)]
        either = own_host.manage("GET", "instances?runtimeStatus=Completed&runtimeStatus=Running, Pending&top=9").json()
        assert len(either) == 6
        later = datetime.now(UTC) + timedelta(hours=1)
        assert call(own_host.client.get_status_by(created_time_from=later)) == []

        first = own_host.manage("GET", "instances?top=4")
        token = {"x-ms-continuation-token": first.headers["x-ms-continuation-token"]}
        rest = own_host.manage("GET", "instances?top=4", headers=token)
        assert len(first.json()) == 4
        assert len(rest.json()) == 2
        assert "x-ms-continuation-token" not in rest.headers

    def test_purge_by_filter(self, own_host):
        """A purge needs a beginning; states that are not final are struck from its filter."""
        own_host.ended(own_host.begin("without_yield", instance_id="old"))
        own_host.begin("two_events", instance_id="busy")
        since = datetime.now(UTC) - timedelta(hours=1)
        completed = [df.OrchestrationRuntimeStatus.Completed]

        endless = own_host.manage("DELETE", "instances")
        assert (endless.status_code, endless.json()) == (400, "Please provide value for 'createdTimeFrom' parameter.")
        assert call(own_host.client.purge_instance_history_by(since, None, completed)).instances_deleted == 1
        assert call(own_host.client.purge_instance_history_by(since, None, completed)).instances_deleted == 0
        assert own_host.status("busy").name == "two_events"

    def test_status_answers(self, host):
        """202 with Location while it runs, 200 when finished, 404 with no body when unknown; 500 only on demand."""
        waiting = host.begin("two_events")
        failed = host.run("failing").instance_id
        running = host.manage("GET", f"instances/{waiting}?showInput=false")

        assert (running.status_code, running.headers["Retry-After"]) == (202, "5")
        assert running.headers["Location"] == running.url
        assert host.manage("GET", f"instances/{failed}").status_code == 200
        on_demand = host.manage("GET", f"INSTANCES/{failed}?returnInternalServerErrorOnFailure=true")
        assert on_demand.status_code == 500
        unknown = host.manage("GET", "instances/nobody")
        assert (unknown.status_code, unknown.content) == (404, b"")

    def test_inputs(self, host):
        """An input started by the SDK is shown as JSON text, one from the webhook in its shape, none on demand."""
        by_sdk = host.begin("without_yield", {"a": 1})
        by_webhook = host.manage("POST", "orchestrators/without_yield", json={"a": 1}).json()["id"]
        host.ended(by_sdk)

        assert host.manage("GET", f"instances/{by_sdk}").json()["input"] == '{"a": 1}'
        assert host.manage("GET", f"instances/{by_webhook}").json()["input"] == {"a": 1}
        assert host.manage("GET", f"instances/{by_webhook}?showInput=false").json()["input"] is None

    def test_history(self, host):
        """Histories fold scheduled tasks into their completions and name the kinds."""
        instance_id = host.run("chain").instance_id
        events = host.history(instance_id)

        assert [event["EventType"] for event in events] == [
            *("ExecutionStarted", "TaskCompleted", "TaskCompleted", "TaskCompleted", "ExecutionCompleted")
        ]
        assert events[0]["FunctionName"] == "chain"
        assert (events[1]["FunctionName"], events[1]["Result"]) == ("hello", "Hello Tokyo!")
        assert events[1]["Input"] == '["\\"Tokyo\\""]'
        assert events[1]["ScheduledTime"] <= events[1]["Timestamp"]
        assert events[-1]["OrchestrationStatus"] == "Completed"
        assert not {"EventId", "IsPlayed", "TaskScheduledId"} & set(events[1])

    def test_start_and_wait(self, host):
        """A start with timeout and pollingInterval answers the bare output once it is there; so does a restart."""
        wait = "timeout=60&pollingInterval=1"
        answer = host.manage("POST", f"orchestrators/without_yield/waited?{wait}", json={"a": 1})
        again = host.manage("POST", f"instances/waited/restart?{wait}")
        failed = host.manage("POST", f"orchestrators/failing?{wait}")
        late = host.manage("POST", "orchestrators/two_events?timeout=0.1&pollingInterval=0.1")

        assert (answer.status_code, answer.json()) == (200, {"a": 1})
        assert (again.status_code, again.json()) == (200, {"a": 1})
        assert (failed.status_code, failed.json()["runtimeStatus"]) == (200, "Failed")
        assert late.status_code == 202
        assert host.manage("POST", "orchestrators/two_events?timeout=1&pollingInterval=2").status_code == 400

    def test_key(self, host):
        """The public API wants its system key or the master key; the SDK's own endpoint wants none."""
        url = f"{host.url}/runtime/webhooks/durabletask/instances/x"

        assert requests.get(url, timeout=60).status_code == 401
        assert requests.get(f"{url}?code={host.keys['default']}", timeout=60).status_code == 401
        assert requests.get(f"{url}?code={host.keys['master']}", timeout=60).status_code == 404


class TestHostJson:
    def start(self, tmp_path: Path, durable: dict[str, object], **settings: object) -> RunningHost:
        """Start the app with other settings in its host.json."""
        app = Path(shutil.copytree(APPS / "durable", tmp_path / "app"))
        document = json.loads((app / "host.json").read_text())
        document["extensions"]["durableTask"] |= durable
        (app / "host.json").write_text(json.dumps(document | settings))
        return RunningHost(app, tmp_path / "state").start()

    def test_function_timeout(self, tmp_path):
        """An activity that takes longer fails; its thread, which nobody can end, does not hold up the host's end."""
        host = self.start(tmp_path, {}, functionTimeout="00:00:02")
        status = host.run("event_after_activity")

        assert "Timeout value of 2 s was exceeded by function: hold" in status.output
        assert host.stop() == 0

    def test_concurrent_activities(self, tmp_path):
        """No more activities run at a time than maxConcurrentActivityFunctions says."""
        host = self.start(tmp_path, {"maxConcurrentActivityFunctions": 2})
        ids = [host.begin("event_after_activity") for _ in range(4)]
        host.wait_for_note("busy", times=2)
        for instance_id in ids:
            host.until(instance_id, lambda _, i=instance_id: (SCHEDULED, 0) in tasks_of(host, i))
        assert len(host.noted()) == 2

        host.gate.touch()
        host.wait_for_note("busy", times=4)
        host.kill()

    def test_overridable_states(self, tmp_path):
        """With AnyState a start replaces an instance that runs; what belonged to the old one reaches nobody."""
        host = self.start(tmp_path, {"overridableExistingInstanceStates": "AnyState"})
        host.begin("event_after_activity", instance_id="taken")
        host.wait_for_note("busy")
        host.begin("two_events", instance_id="taken")
        host.gate.touch()
        for value in (1, 2):
            host.manage("POST", "instances/taken/raiseEvent/E", json=value)
            host.until("taken", lambda _, n=value: host.stored_history("taken").count((15, -1)) == n)

        assert host.ended("taken").output == [1, 2]
        assert not tasks_of(host, "taken")
        host.kill()


class TestCrashes:
    def test_kill_loses_no_result(self, own_host):
        """After kill -9 every instance goes on; completed activities do not run again, the interrupted one does."""
        ids = [own_host.begin("steps", instance_id=f"run{n}") for n in range(4)]
        for instance_id in ids:
            own_host.wait_for_note(f"{instance_id}-held")
        own_host.kill()
        own_host.start()
        for instance_id in ids:
            own_host.wait_for_note(f"{instance_id}-held", times=2)
        own_host.gate.touch()

        assert [own_host.ended(instance_id).output for instance_id in ids] == ["done"] * 4
        for instance_id in ids:
            assert [own_host.noted().count(f"{instance_id}-{n}") for n in range(10)] == [1] * 10

    @pytest.mark.parametrize(
        ("operation", "phase"),
        [("ActivityStarted", "before"), ("ActivityCompleted", "before"), ("ActivityCompleted", "after")],
    )
    def test_crash_around_a_result(self, own_host, operation, phase):
        """A crash before a result is stored repeats the activity; after that it counts once and for all."""
        own_host.gate.touch()
        own_host.fault({"crash": True}, operation=operation, name="note", phase=phase, nth=3)
        instance_id = own_host.begin("steps", instance_id="run")
        own_host.process.wait(PATIENCE)
        own_host.start()

        assert own_host.ended(instance_id).output == "done"
        ran_twice = (operation, phase) == ("ActivityCompleted", "before")
        assert own_host.noted().count("run-2") == (2 if ran_twice else 1)
        assert own_host.noted().count("run-1") == 1

    @pytest.mark.parametrize("phase", ["before", "after"])
    def test_crash_around_an_episode(self, own_host, phase):
        """An episode that was not committed is run again with the same outcome."""
        own_host.gate.touch()
        own_host.fault({"crash": True}, operation="EpisodeCommitted", name="steps", phase=phase, nth=4)
        instance_id = own_host.begin("steps", instance_id="run")
        own_host.process.wait(PATIENCE)
        own_host.start()

        assert own_host.ended(instance_id).output == "done"
        assert [own_host.noted().count(f"run-{n}") for n in range(10)] == [1] * 10

    def test_timers_and_events_survive(self, own_host):
        """Timers that came due while the host was dead fire when it is back; accepted events are not lost."""
        sleeping = own_host.begin("sleep", 1)
        own_host.until(sleeping, lambda _: TIMER_CREATED in dict(own_host.stored_history(sleeping)))
        waiting = own_host.begin("monitor")
        own_host.manage("POST", f"instances/{waiting}/raiseEvent/E", json="stop")
        own_host.kill()
        own_host.clock.advance(90_000)
        own_host.start()

        assert own_host.ended(sleeping).runtime_status.name == "Completed"
        assert own_host.ended(waiting).output == []

    def test_parent_gone(self, own_host):
        """The host dies at once when its standard input ends."""
        own_host.process.stdin.close()

        assert own_host.process.wait(PATIENCE) == 1

    def test_stop(self, own_host):
        """SIGTERM ends the host in order."""
        assert own_host.stop() == 0
