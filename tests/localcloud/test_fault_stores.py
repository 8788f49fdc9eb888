"""Faults of what is stored: disks that are full, locks that are held, objects and messages that are damaged."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobClient

from tests.localcloud.disturbance import Disturbed, news
from tests.running import PATIENCE, eventually

FULL = {"service": "disk"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[Disturbed]:
    """One cloud for all."""
    one = Disturbed(tmp_path_factory.mktemp("fault-stores") / "state", authority)
    yield one
    one.stop()
    for name in ("cloud.db", "functions.db"):  # no fault of this file may have cost a database its integrity
        with closing(sqlite3.connect(one.cloud.state / name)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.fixture
def disturbed(shared: Disturbed) -> Iterator[Disturbed]:
    """The cloud, calm at the start of each test."""
    yield shared
    shared.calm()


class TestFullDisks:
    """LO-2: a store cannot grow. A clear error, nothing half done, and all is well once there is room again."""

    def test_of_the_lake(self, disturbed: Disturbed) -> None:
        """What fits is taken, the first file that does not is refused whole, and may be sent again."""
        lake = disturbed.lake()
        disturbed.fault({"full": 5000}, **FULL, name="lake")
        lake.get_file_client("full/fits").upload_data(b"1" * 4000, overwrite=True)
        with pytest.raises(HttpResponseError, match="disk is full") as refusal:
            lake.get_file_client("full/not").upload_data(b"2" * 4000, overwrite=True)
        assert (refusal.value.status_code, refusal.value.error_code) == (500, "InternalError")
        blob = BlobClient(
            disturbed.cloud.endpoints.storage_tls, "landing", "full/blob",
            credential=disturbed.cloud.credential("writer"), retry_total=0,
        )  # fmt: skip
        with pytest.raises(HttpResponseError, match="disk is full"):
            blob.upload_blob(b"2" * 4000)
        assert not blob.exists()
        assert lake.get_file_client("full/fits").download_file().readall() == b"1" * 4000
        disturbed.calm()
        lake.get_file_client("full/not").upload_data(b"2" * 4000, overwrite=True)
        assert disturbed.file("full/not") == b"2" * 4000

    def test_of_the_services_database(self, disturbed: Disturbed) -> None:
        """The lake takes no names, and Event Grid no events; nothing of what was refused is there."""
        lake, taken = disturbed.lake(), []
        disturbed.fault({"full": 0}, **FULL, name="cloud")

        def until_refused() -> None:
            for number in range(2000):
                lake.create_directory(f"crowd/{number}-{'x' * 200}")
                taken.append(number)

        with pytest.raises(HttpResponseError, match="full") as refusal:
            until_refused()
        assert (refusal.value.status_code, refusal.value.error_code) == (500, "InternalError")
        with pytest.raises(HttpResponseError):
            disturbed.publish(news("Told", "x" * 60_000))
        listed = {path.name for path in lake.get_paths("crowd")} if taken else set()
        assert listed == {f"crowd/{number}-{'x' * 200}" for number in taken}
        assert sum(disturbed.fired()) >= 1
        disturbed.calm()
        lake.create_directory(f"crowd/{len(taken)}-{'x' * 200}")
        disturbed.publish(news("Told", "room"))
        eventually(lambda: [one for one in disturbed.told() if one["subject"] == "room"])

    def test_of_the_engine(self, disturbed: Disturbed) -> None:
        """Starts are refused, what runs waits; with room again it goes on, and each activity's result counts once."""
        disturbed.begin("sleeper", "before-full")
        disturbed.asleep("before-full")
        disturbed.fault({"full": 0}, **FULL, name="engine")

        def refused() -> bool:
            begun.append(disturbed.begin("steps", f"full-{len(begun)}"))
            return begun[-1].status_code != 202

        begun: list[requests.Response] = []
        eventually(refused)
        assert begun[-1].status_code == 500
        assert "full" in begun[-1].json()["error"]["message"]
        disturbed.cloud.advance("2h")  # a timer is due that cannot be noted
        assert disturbed.instance("before-full")["runtimeStatus"] == "Running"
        disturbed.calm()
        for number in range(len(begun) - 1):
            assert disturbed.ended(f"full-{number}")["runtimeStatus"] == "Completed"
            assert disturbed.noted().count(f"full-{number}-1") == 1
        assert disturbed.ended("before-full")["runtimeStatus"] == "Completed"

    def test_of_the_jobs(self, disturbed: Disturbed) -> None:
        """An input that does not fit fails the job and is named, what its command writes fails; the next one runs."""
        disturbed.lake().get_file_client("inputs/large").upload_data(b"1" * 100_000, overwrite=True)
        given = {
            "jobInputType": "uri_folder",
            "uri": "azureml://datastores/landing/paths/inputs",
            "mode": "ReadOnlyMount",
        }
        disturbed.fault({"full": 50_000}, **FULL, name="jobs")
        disturbed.submit("does-not-fit", "true", inputs={"rows": given})
        eventually(lambda: disturbed.job("does-not-fit") == "Failed")
        assert "input rows" in disturbed.error_of("does-not-fit")["message"]
        assert "No space left" in disturbed.error_of("does-not-fit")["message"]
        disturbed.submit("writes", "head -c 200000 /dev/zero > out")
        eventually(lambda: disturbed.job("writes") == "Failed")
        disturbed.calm()
        disturbed.submit("fits", "head -c 200000 /dev/zero > out", inputs={"rows": given})
        eventually(lambda: disturbed.job("fits") == "Completed")

    def test_a_job_ends_when_its_state_cannot_be_stored_for_a_while(self, disturbed: Disturbed, tmp_path: Path) -> None:
        """No transition is lost: the states come in their order once there is room."""
        gate = tmp_path / "gate"
        disturbed.submit("patient", f"touch {gate}.up; until test -e {gate}; do sleep 0.05; done")
        eventually(Path(f"{gate}.up").exists)
        disturbed.fault({"lock": "cloud", "seconds": 2}, service="identity")
        disturbed.cloud.token("writer")
        gate.touch()
        eventually(lambda: disturbed.job("patient") == "Completed")


class TestLocks:
    """LO-3: somebody else holds a database's write lock."""

    @pytest.mark.parametrize("seconds", [2, 8], ids=["shorter than anybody's patience", "longer"])
    def test_of_the_engine(self, disturbed: Disturbed, seconds: int) -> None:
        """Writes wait, or are tried again; no transition is lost, and no activity runs twice for it."""
        name = f"locked-{seconds}"
        disturbed.fault(
            {"lock": "engine", "seconds": seconds},
            service="functions", operation="ActivityStarted", name="note", caller=name, nth=2,
        )  # fmt: skip
        disturbed.begin("steps", name)
        assert disturbed.ended(name)["runtimeStatus"] == "Completed"
        assert sorted(line for line in disturbed.noted() if line.startswith(f"{name}-")) == [
            f"{name}-{step}" for step in ("0", "1", "2", "left", "right")
        ]

    def test_of_the_services(self, disturbed: Disturbed) -> None:
        """A request waits for it; one that is held for longer is told to try again."""
        lake = disturbed.lake()
        disturbed.fault({"lock": "cloud", "seconds": 600}, service="identity", times=1)
        disturbed.cloud.token("writer")
        with pytest.raises(HttpResponseError) as refusal:
            lake.create_directory("locked/out")
        assert (refusal.value.status_code, refusal.value.error_code) == (503, "ServerBusy")
        disturbed.calm()
        lake.create_directory("locked/in")
        assert lake.get_directory_client("locked/in").exists()

    def test_it_is_let_go_when_its_rule_is_off(self, disturbed: Disturbed) -> None:
        """At once."""
        disturbed.fault({"lock": "engine", "seconds": 600}, service="identity", times=1)
        disturbed.cloud.token("writer")
        with ThreadPoolExecutor() as pool:
            begun = pool.submit(disturbed.begin, "steps", "let-go")
            disturbed.calm()
            assert begun.result(PATIENCE).status_code == 202
        assert disturbed.ended("let-go")["runtimeStatus"] == "Completed"


class TestDamagedFiles:
    """Bytes that are not those that were written, behind an ETag and a length that say nothing of it."""

    def test_one_wrong_bit_for_good(self, disturbed: Disturbed) -> None:
        """I4: from that moment on, for every reader; its copy is whole."""
        client = disturbed.lake().get_file_client("damaged/whole.txt")
        client.upload_data(b"0123456789" * 1000, overwrite=True)
        before = client.get_file_properties()
        disturbed.fault({"corrupt": {"flip": 5003}}, service="storage", operation="GetBlob", name="*/whole.txt", nth=1)
        for _ in range(2):
            content = disturbed.file("damaged/whole.txt")
            assert [place for place, byte in enumerate(content) if byte != ord("0") + place % 10] == [5003]
        after = client.get_file_properties()
        assert (after.etag, after.size, after.last_modified) == (before.etag, before.size, before.last_modified)

    @pytest.mark.parametrize(
        ("how", "seen"), [({"flip": 1}, b"hallo"), ({"truncate": 2}, b"he"), (True, b"iello")], ids=str
    )
    def test_a_copy_that_was_answered_as_done_and_is_wrong(self, disturbed: Disturbed, how: Any, seen: bytes) -> None:
        """ST-4: the destination alone, after the effect, with the answer of success."""
        disturbed.lake().get_file_client("copied/from").upload_data(b"hello", overwrite=True)
        name = f"copied/to-{hashlib.md5(repr(how).encode()).hexdigest()}"
        rule = {"service": "storage", "operation": "PutBlobFromURL", "phase": "after", "name": f"landing/{name}"}
        disturbed.fault({"corrupt": how}, **rule, times=1)
        token = disturbed.cloud.token("writer")
        where = f"{disturbed.cloud.endpoints.storage_tls}/landing"
        answer = requests.put(
            f"{where}/{name}",
            headers={
                "Authorization": f"Bearer {token}", "x-ms-copy-source-authorization": f"Bearer {token}",
                "x-ms-copy-source": f"{where}/copied/from", "x-ms-version": "2024-08-04",
                "x-ms-blob-type": "BlockBlob", "Content-Length": "0",
            },
            timeout=60,
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
        expected = bytes([ord("h") ^ 1]) + b"ello" if how is True else seen
        assert disturbed.file(name) == (b"h" + bytes([ord("e") ^ 1]) + b"llo" if how == {"flip": 1} else expected)
        assert disturbed.file("copied/from") == b"hello"


class TestPoisonMessages:
    """DP-7: a message of the engine that nobody can read."""

    @pytest.mark.parametrize(
        ("kind", "orchestrator"),
        [("ExecutionStarted", "steps"), ("TaskCompleted", "steps"), ("TimerFired", "sleeper")],
    )
    def test_it_stops_its_instance_and_no_other(self, disturbed: Disturbed, kind: str, orchestrator: str) -> None:
        """It is left in its queue and told of in the log; a terminate gets through."""
        name = f"poisoned-{kind.lower()}"
        disturbed.fault({"corrupt": True}, service="functions", operation=kind, caller=name, times=1)
        disturbed.begin(orchestrator, name)
        disturbed.begin("steps", f"{name}-neighbour")
        if kind == "TimerFired":
            disturbed.asleep(name)
            disturbed.cloud.advance("2h")
        eventually(lambda: disturbed.fired() == [1])
        assert disturbed.ended(f"{name}-neighbour")["runtimeStatus"] == "Completed"
        log = disturbed.cloud.state / "logs" / "functions.log"
        eventually(lambda: f"instance {name}: a message cannot be read" in log.read_text())
        assert disturbed.instance(name)["runtimeStatus"] in ("Pending", "Running")
        disturbed.durable("POST", f"instances/{name}/terminate")
        assert disturbed.ended(name)["runtimeStatus"] == "Terminated"

    def test_a_result_that_is_no_json_fails_its_instance(self, disturbed: Disturbed) -> None:
        """IN-8: the message can be read, what it carries cannot: the code's own failure handler never runs."""
        rule = {"service": "functions", "operation": "TaskCompleted", "caller": "bad-result", "nth": 2}
        disturbed.fault({"corrupt": {"Result": '{"half'}}, **rule)
        disturbed.begin("steps", "bad-result")
        assert disturbed.ended("bad-result")["runtimeStatus"] == "Failed"
