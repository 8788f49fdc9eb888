"""Faults of the engine: workers that die unnoticed, turns on two hosts, starts whose answers are lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.localcloud.disturbance import Disturbed
from tests.localcloud.test_cloud import host_pid
from tests.running import eventually

STEPS = ("0", "1", "2", "left", "right")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[Disturbed]:
    """One cloud for all."""
    one = Disturbed(tmp_path_factory.mktemp("fault-engine") / "state", authority)
    yield one
    one.stop()


@pytest.fixture
def disturbed(shared: Disturbed) -> Iterator[Disturbed]:
    """The cloud, calm at the start of each test."""
    yield shared
    shared.calm()


def noted(disturbed: Disturbed, instance: str) -> list[str]:
    """What the activities of an instance noted, sorted."""
    return sorted(line.removeprefix(f"{instance}-") for line in disturbed.noted() if line.startswith(f"{instance}-"))


class TestWorkers:
    """DP-5: the host counts an activity as running whose worker is dead."""

    def test_a_result_that_comes_an_hour_later(self, disturbed: Disturbed) -> None:
        """By the cloud's clock; the activity ran once."""
        disturbed.fault({"delay": "1h"}, operation="ActivityCompleted", caller="late", nth=2)
        disturbed.begin("steps", "late")
        eventually(lambda: disturbed.fired() == [1])
        assert disturbed.instance("late")["runtimeStatus"] == "Running"
        disturbed.cloud.advance("30m")
        assert disturbed.instance("late")["runtimeStatus"] == "Running"
        disturbed.cloud.advance("30m")
        assert disturbed.ended("late")["runtimeStatus"] == "Completed"
        assert noted(disturbed, "late") == sorted(STEPS)

    def test_a_result_that_never_comes(self, disturbed: Disturbed) -> None:
        """Until the host is another: then the activity runs again, for nobody knows how it ended."""
        child = host_pid(disturbed.cloud)
        disturbed.fault({"delay": "10000h"}, operation="ActivityCompleted", caller="never", nth=2)
        disturbed.begin("steps", "never")
        eventually(lambda: disturbed.fired() == [1])
        disturbed.fault({"crash": "functions"}, service="storage", operation="GetBlobProperties", name="landing/now")
        with pytest.raises(Exception, match=r"(?i)connection"):
            disturbed.lake().get_file_client("now").exists()
        assert disturbed.ended("never")["runtimeStatus"] == "Completed"
        assert noted(disturbed, "never") == sorted([*STEPS, "1"])
        assert host_pid(disturbed.cloud) != child

    def test_a_start_that_nobody_takes_for_a_day(self, disturbed: Disturbed) -> None:
        """CL-6: it is Pending all the while."""
        disturbed.fault({"delay": "24h"}, operation="EpisodeCommitted", caller="swallowed", nth=1)
        disturbed.begin("steps", "swallowed")
        eventually(lambda: disturbed.fired() == [1])
        assert disturbed.instance("swallowed")["runtimeStatus"] == "Pending"
        disturbed.cloud.advance("25h")
        assert disturbed.ended("swallowed")["runtimeStatus"] == "Completed"


class TestTurns:
    """DP-6: one turn on two hosts; one of the two checkpoints is rejected."""

    def test_the_activities_of_the_turn_run_twice_and_count_once(self, disturbed: Disturbed) -> None:
        """The fourth turn schedules two activities; its history has each once."""
        disturbed.fault({"duplicate": True}, operation="EpisodeCommitted", caller="both", nth=4)
        disturbed.begin("steps", "both")
        ended = disturbed.ended("both")
        assert (ended["runtimeStatus"], ended["output"]) == ("Completed", "both")
        eventually(lambda: noted(disturbed, "both") == sorted([*STEPS, "left", "right"]))
        history = disturbed.cloud.control.get("/instances/both")["historyEvents"]
        assert [one["EventType"] for one in history].count("TaskCompleted") == len(STEPS)

    def test_every_turn(self, disturbed: Disturbed) -> None:
        """For as long as it is on, whatever the turn does: starts, timers, ends."""
        disturbed.fault({"duplicate": True}, service="functions", operation="EpisodeCommitted")
        disturbed.begin("sleeper", "always")
        eventually(lambda: noted(disturbed, "always") == ["before"] * 2)
        eventually(lambda: disturbed.cloud.advance("61m") or "after" in noted(disturbed, "always"))
        assert disturbed.ended("always")["runtimeStatus"] == "Completed"
        eventually(lambda: noted(disturbed, "always") == ["after"] * 2 + ["before"] * 2)


class TestClient:
    """The durable client's requests are points too."""

    def test_a_start_whose_answer_is_lost(self, disturbed: Disturbed) -> None:
        """CL-4: the instance is there; the client saw the connection end."""
        disturbed.fault({"reset": True}, operation="StartOrchestration", name="lost", phase="after", times=1)
        with pytest.raises(requests.ConnectionError):
            disturbed.begin("steps", "lost")
        assert disturbed.ended("lost")["runtimeStatus"] == "Completed"
        assert disturbed.begin("steps", "not-lost").status_code == 202

    def test_some_of_what_was_to_be_purged(self, disturbed: Disturbed) -> None:
        """Two of four, and an error."""
        for number in range(4):
            disturbed.begin("steps", f"purged-{number}")
            disturbed.ended(f"purged-{number}")
        disturbed.fault({"partial": 2}, service="functions", operation="PurgeInstances", times=1)
        chosen = {"createdTimeFrom": "2000-01-01T00:00:00Z", "instanceIdPrefix": "purged-"}
        assert disturbed.durable("DELETE", "instances", query=chosen).status_code == 500
        left = [disturbed.durable("GET", f"instances/purged-{n}").status_code for n in range(4)]
        assert left.count(404) == 2
