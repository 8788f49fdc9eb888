"""Faults of processes: jobs, the functions host, the host of a slot; at a point, or at a random instant."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError

from tests.localcloud.disturbance import APP, Disturbed
from tests.localcloud.test_cloud import host_pid, is_alive
from tests.running import PATIENCE, PROJECT, LocalCloud, eventually

#: Runs until its folder's gate is there; says on its log when it was asked to end.
PATIENT = "trap 'echo asked to end; exit 3' TERM; echo up > $GATE.up; until test -e $GATE; do sleep 0.05; done"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[Disturbed]:
    """One cloud for all, with the host of a slot."""
    one = Disturbed(tmp_path_factory.mktemp("fault-processes") / "state", authority, "--slot", "second", "--seed", "3")
    yield one
    one.stop()


@pytest.fixture
def disturbed(shared: Disturbed) -> Iterator[Disturbed]:
    """The cloud, calm at the start of each test."""
    yield shared
    shared.calm()
    eventually(lambda: shared.cloud.control.get("/health")["healthy"])


class TestJobs:
    """The process tree of a job, at a point of its life."""

    def patient(self, disturbed: Disturbed, name: str, tmp_path: Path) -> Path:
        """Submit a job that runs until its gate is there; return the gate."""
        gate = tmp_path / "gate"
        disturbed.submit(name, f"GATE={gate}; {PATIENT}")
        return gate

    @pytest.mark.parametrize(("kind", "told"), [("crash", "signal 9"), ("terminate", "status code 3")])
    def test_its_command_is_ended(self, disturbed: Disturbed, kind: str, told: str, tmp_path: Path) -> None:
        """WT-6: as by the machine's memory killer, or as by a node that is given back: with a grace to say so."""
        disturbed.fault({kind: "job"}, service="storage", operation="GetBlobProperties", name="landing/now")
        disturbed.fault({"delay": 0}, operation="JobCommand", phase="after", name=f"ended-by-{kind}")
        self.patient(disturbed, f"ended-by-{kind}", tmp_path)
        eventually((tmp_path / "gate.up").exists)
        eventually(lambda: disturbed.fired() == [0, 1])  # the cloud knows the command's process
        disturbed.lake().get_file_client("now").exists()
        eventually(lambda: disturbed.job(f"ended-by-{kind}") == "Failed")
        assert told in disturbed.error_of(f"ended-by-{kind}")["message"]

    def test_all_that_came_of_it_is_ended(self, disturbed: Disturbed, tmp_path: Path) -> None:
        """LO-6: children, too, an hour after the command's start."""
        pids = tmp_path / "pids"
        pids.touch()
        disturbed.fault({"crash": "job", "delay": "1h"}, operation="JobCommand", phase="after", name="tree")
        disturbed.submit("tree", f"(setsid sleep 600 & echo $! >> {pids}); sleep 600 & echo $! >> {pids}; wait")
        eventually(lambda: len(pids.read_text().splitlines()) == 2)
        eventually(lambda: disturbed.fired() == [1])
        disturbed.cloud.advance("1h")
        eventually(lambda: disturbed.job("tree") == "Failed")
        numbers = [int(line) for line in pids.read_text().split()]
        eventually(lambda: not [pid for pid in numbers if psutil.pid_exists(pid)])

    def test_it_stands_still_and_goes_on(self, disturbed: Disturbed, tmp_path: Path) -> None:
        """CL-7: as a virtual machine that is suspended; over at once when the fault is switched off."""
        action = {"pause": "job", "seconds": 600, "delay": 0.3}
        disturbed.fault(action, operation="JobCommand", phase="after", name="still")
        gate = self.patient(disturbed, "still", tmp_path)
        eventually(lambda: disturbed.fired() == [1])

        def states() -> set[str]:
            home = str(disturbed.cloud.state / "jobs" / "still" / "work" / "home")
            return {_status(one) for one in psutil.process_iter() if one.pid != os.getpid() and _home(one) == home}

        eventually(lambda: states() == {psutil.STATUS_STOPPED})
        gate.touch()
        assert disturbed.job("still") == "Running"
        disturbed.calm()
        eventually(lambda: disturbed.job("still") == "Completed")

    @pytest.mark.parametrize("step", ["JobPreparing", "JobQueued", "JobRunning", "JobFinalizing"])
    def test_its_node_is_lost_where_no_command_runs(self, disturbed: Disturbed, step: str) -> None:
        """Before its command, or after it: the service says that it was not the job's fault."""
        disturbed.fault({"crash": "job"}, service="aml", operation=step, name=f"lost-{step.lower()}")
        disturbed.submit(f"lost-{step.lower()}", "true")
        eventually(lambda: disturbed.job(f"lost-{step.lower()}") == "Failed")
        error = disturbed.error_of(f"lost-{step.lower()}")
        assert (error["code"], "node" in error["message"]) == ("ServiceError", True)

    def test_it_stays_queued_for_six_hours(self, disturbed: Disturbed) -> None:
        """WT-6, QT-1: by the cloud's clock; then it runs."""
        disturbed.fault({"delay": "6h"}, service="aml", operation="JobRunning", name="queued")
        disturbed.submit("queued", "true")
        eventually(lambda: disturbed.fired() == [1])
        assert disturbed.job("queued") == "Queued"
        disturbed.cloud.advance("5h")
        assert disturbed.job("queued") == "Queued"
        disturbed.cloud.advance("61m")
        eventually(lambda: disturbed.job("queued") == "Completed")

    def test_a_random_instant_is_the_same_for_the_same_seed(self, disturbed: Disturbed) -> None:
        """LO-1: within so many seconds of the command's start; the command goes on until then."""
        rule = {"operation": "JobCommand", "phase": "after", "name": "random*", "times": 2}
        disturbed.fault({"crash": "job", "within": 1.5}, **rule)
        for name in ("random-1", "random-2"):
            disturbed.submit(name, "sleep 600")
            eventually(lambda name=name: disturbed.job(name) == "Failed")
        disturbed.submit("random-3", "true")
        eventually(lambda: disturbed.job("random-3") == "Completed")
        log = (disturbed.cloud.state / "logs" / "localcloud.log").read_text()
        assert "(seed 3) strikes 0." in log or "(seed 3) strikes 1." in log


class TestHost:
    """The functions host."""

    def test_clearing_the_faults_while_a_crash_is_in_flight(self, disturbed: Disturbed) -> None:
        """LO-1: the host was ended by a fault, whether that is still on or not: the cloud goes on."""
        for _ in range(3):
            child = host_pid(disturbed.cloud)
            disturbed.fault({"crash": "functions"}, service="identity", phase="after")
            with ThreadPoolExecutor() as pool:
                asked = pool.submit(requests.get, f"{disturbed.cloud.endpoints.identity}/msi/token", timeout=60)
                token = pool.submit(disturbed.cloud.token, "writer")
                eventually(lambda: sum(disturbed.fired()))
                disturbed.cloud.control.delete("/faults")
                asked.exception(), token.exception()
            eventually(lambda child=child: not is_alive(child))
            eventually(lambda: disturbed.cloud.control.get("/health")["healthy"])
            eventually(lambda child=child: host_pid(disturbed.cloud) != child)

    @pytest.mark.parametrize("target", [True, "functions"], ids=["itself", "by its name"])
    def test_a_crash_at_a_point_of_its_own_and_the_faults_cleared_at_once(
        self, disturbed: Disturbed, target: bool | str
    ) -> None:
        """The same where the rule strikes in the host's own process."""
        child = host_pid(disturbed.cloud)
        disturbed.fault({"crash": target}, service="functions", operation="ActivityStarted")
        disturbed.begin("steps", f"own-crash-{target}")
        eventually(lambda: disturbed.fired() == [1])
        disturbed.cloud.control.delete("/faults")
        assert disturbed.ended(f"own-crash-{target}")["runtimeStatus"] == "Completed"
        eventually(lambda: disturbed.cloud.control.get("/health")["healthy"])
        assert is_alive(host_pid(disturbed.cloud))
        assert is_alive(child) is (host_pid(disturbed.cloud) == child)

    def test_three_kills_in_one_run_lose_nothing(self, disturbed: Disturbed) -> None:
        """LO-1: a rule goes on counting in the host that is started again."""
        rule = {"service": "functions", "operation": "ActivityCompleted", "name": "note", "every": 2, "times": 3}
        disturbed.fault({"crash": True}, **rule)
        disturbed.begin("steps", "thrice")
        assert disturbed.ended("thrice")["output"] == "thrice"
        (counted,) = disturbed.cloud.control.get("/faults")["rules"]
        assert (counted["fired"], counted["matched"] >= 6) == (3, True)
        noted = [line for line in disturbed.noted() if line.startswith("thrice-")]
        assert {f"thrice-{step}" for step in (0, 1, 2, "left", "right")} == set(noted)
        assert len(noted) >= 5 + 3  # a kill costs the results of all that ran

    def test_a_kill_before_the_nth_write(self, disturbed: Disturbed) -> None:
        """LO-1: between any two transactions of the engine; whatever was promised is kept."""
        for nth in (1, 3, 7):
            disturbed.fault({"crash": True}, service="disk", name="engine", nth=nth)

            def begun(nth: int = nth) -> bool:
                with contextlib.suppress(requests.ConnectionError):
                    return disturbed.begin("steps", f"write-{nth}").status_code in (202, 409)
                return False

            eventually(begun)
            assert disturbed.ended(f"write-{nth}")["runtimeStatus"] == "Completed"
            assert all(disturbed.fired())

    def test_kills_while_it_starts(self, disturbed: Disturbed) -> None:
        """A crash before the app is loaded is one like any other."""
        child = host_pid(disturbed.cloud)
        disturbed.fault({"crash": "functions"}, service="identity", times=3)

        def struck() -> bool:
            with contextlib.suppress(ClientAuthenticationError):  # whoever asks sees a connection that ends
                disturbed.cloud.token("writer")
            return disturbed.fired() == [3]

        eventually(struck)
        eventually(lambda: disturbed.cloud.control.get("/health")["healthy"])
        assert not is_alive(child)
        assert host_pid(disturbed.cloud) != child

    def test_a_second_host_on_its_folder_is_refused(self, disturbed: Disturbed, tmp_path: Path) -> None:
        """LO-4: with the owner; after a kill -9 of the first the next one starts at once."""
        state = tmp_path / "state"
        command = [
            sys.executable,
            "-m",
            "localcloud.functions",
            "--app",
            str(APP),
            "--state",
            str(state),
            "--port",
            "0",
        ]
        environment = {**os.environ, "PYTHONPATH": str(PROJECT), "WHO": "x", "SAMPLE_LEDGER": str(tmp_path / "ledger")}
        ready = state / "functions.ready.json"

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE)

        first = start()
        eventually(ready.exists)
        second = start()
        _, told = second.communicate(timeout=PATIENCE)
        assert second.returncode == 3
        assert f"belongs to a running cloud (process {first.pid})" in told.decode()
        first.kill()
        first.wait()
        ready.unlink()
        third = start()
        eventually(ready.exists)
        third.send_signal(signal.SIGTERM)
        assert third.wait(PATIENCE) == 0


class TestSlot:
    """CL-8: two hosts of one app, each with an engine store of its own, on one lake."""

    def test_it_is_another_host_with_settings_of_its_own(self, disturbed: Disturbed) -> None:
        """On a port of its own; the placeholders of its settings know that."""
        where = disturbed.cloud.endpoints
        assert requests.get(f"{where.functions}/api/who", timeout=60).text == "production"
        assert requests.get(f"{where.slot}/api/who", timeout=60).text == f"second at {where.slot}"

    def test_their_orchestrations_do_not_mix(self, disturbed: Disturbed) -> None:
        """The same id runs in both, and each knows its own."""
        disturbed.begin("steps", "in-both")
        disturbed.begin("steps", "in-both", slot=True)
        disturbed.begin("steps", "in-slot", slot=True)
        for slot in (False, True):
            assert disturbed.ended("in-both", slot)["runtimeStatus"] == "Completed"
        disturbed.ended("in-slot", slot=True)
        assert disturbed.noted().count("in-both-1") == 2
        assert disturbed.durable("GET", "instances/in-slot").status_code == 404

    def test_each_can_be_struck_alone(self, disturbed: Disturbed) -> None:
        """A crash of the slot's host leaves the other running, and it is started again."""
        child, path = host_pid(disturbed.cloud), disturbed.cloud.state / "slots" / "second" / "functions.ready.json"
        before = path.read_text()
        disturbed.fault({"crash": True}, service="slot", operation="ActivityStarted")
        disturbed.begin("steps", "struck-slot", slot=True)
        assert disturbed.ended("struck-slot", slot=True)["runtimeStatus"] == "Completed"
        disturbed.begin("steps", "not-struck")
        assert disturbed.ended("not-struck")["runtimeStatus"] == "Completed"
        assert host_pid(disturbed.cloud) == child
        assert path.read_text() != before

    def test_one_that_is_not_declared_is_refused(self, tmp_path: Path, authority: Path) -> None:
        """With those that are."""
        cloud = LocalCloud(APP, tmp_path / "state", authority, "--slot", "third")
        with pytest.raises(AssertionError, match="no slot 'third'; declared: second"):
            cloud.start()


def _status(process: psutil.Process) -> str | None:
    try:
        return str(process.status())
    except psutil.Error:
        return None


def _home(process: psutil.Process) -> str | None:
    try:
        return str(process.environ().get("HOME"))
    except (psutil.Error, OSError):
        return None
