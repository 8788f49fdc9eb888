"""Faults on request: what happens to a client."""

from __future__ import annotations

import json
import shlex
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from azure.core.exceptions import HttpResponseError
from azure.storage.filedatalake import DataLakeServiceClient

from tests.localcloud.test_cloud import ALONE, StartCloud, host_pid, is_alive
from tests.running import PATIENCE, LocalCloud, eventually


class TestFaults:
    """Faults on request: what happens to a client."""

    @pytest.fixture(autouse=True)
    def _clear(self, cloud: LocalCloud) -> None:
        cloud.control.delete("/faults")

    def ask(self, cloud: LocalCloud) -> requests.Response:
        """Ask the identity service for a token."""
        variables = cloud.environment("app")
        return requests.get(
            variables["IDENTITY_ENDPOINT"],
            params={"api-version": "2019-08-01", "resource": "r"},
            headers={"X-IDENTITY-HEADER": variables["IDENTITY_HEADER"]},
            timeout=60,
        )

    def test_a_status_with_headers(self, cloud: LocalCloud) -> None:
        """In the service's own shape, for the second request only."""
        action = {"status": 429, "code": "Throttled", "headers": {"Retry-After": "7"}}
        cloud.control.post("/faults", {"service": "identity", "operation": "GetToken", "nth": 2, "action": action})
        answers = [self.ask(cloud) for _ in range(3)]
        assert [one.status_code for one in answers] == [200, 429, 200]
        assert answers[1].headers["Retry-After"] == "7"
        assert answers[1].json()["code"] == "Throttled"

    def test_a_reset_connection(self, cloud: LocalCloud) -> None:
        """The client sees no answer."""
        cloud.control.post("/faults", {"service": "identity", "caller": "app", "times": 1, "action": {"reset": True}})
        with pytest.raises(requests.ConnectionError):
            self.ask(cloud)
        assert self.ask(cloud).status_code == 200

    def test_a_truncated_answer(self, cloud: LocalCloud) -> None:
        """The length that was promised does not come."""
        cloud.control.post("/faults", {"service": "identity", "times": 1, "action": {"truncate": 10}})
        with pytest.raises(requests.exceptions.RequestException):
            self.ask(cloud)

    def test_an_effect_whose_answer_is_lost(self, cloud: LocalCloud) -> None:
        """After: the blob is there, the client was told 500."""
        rule = {"service": "storage", "operation": "PutBlob", "phase": "after", "times": 1, "action": {"status": 500}}
        cloud.control.post("/faults", rule)
        headers = {"Authorization": f"Bearer {cloud.token('writer')}", "x-ms-version": "2024-08-04"}
        address = f"{cloud.endpoints.storage_tls}/landing/lost.txt"
        put = requests.put(address, data=b"1", headers=headers | {"x-ms-blob-type": "BlockBlob"}, timeout=60)
        assert put.status_code == 500
        assert requests.head(address, headers=headers, timeout=60).status_code == 200

    def test_a_delay_is_over_when_its_rule_is_switched_off(self, cloud: LocalCloud) -> None:
        """So a test wakes what it has put to sleep, and waits for no time of its own guess."""
        cloud.control.post("/faults", {"service": "identity", "action": {"delay": 600}})
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(cloud.token, "writer")
            eventually(lambda: cloud.control.get("/faults")["rules"][0]["fired"])
            assert not asked.done()
            cloud.control.delete("/faults")
            assert asked.result(PATIENCE)

    def test_a_request_that_is_applied_twice(self, cloud: LocalCloud) -> None:
        """As a proxy that sends again: the second one meets the first one's effect."""
        rule = {"service": "storage", "operation": "PutBlob", "times": 1, "action": {"duplicate": True}}
        cloud.control.post("/faults", rule)
        headers = {"Authorization": f"Bearer {cloud.token('writer')}", "x-ms-version": "2024-08-04"}
        address = f"{cloud.endpoints.storage_tls}/landing/twice.txt"
        extra = {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"}
        assert requests.put(address, data=b"123", headers=headers | extra, timeout=60).status_code == 409
        assert requests.get(address, headers=headers, timeout=60).content == b"123"

    def _blob(self, cloud: LocalCloud, name: str, content: bytes = b"0123456789") -> tuple[str, dict[str, str]]:
        """Put a blob; its address, and the headers to ask for it."""
        headers = {"Authorization": f"Bearer {cloud.token('writer')}", "x-ms-version": "2024-08-04"}
        address = f"{cloud.endpoints.storage_tls}/landing/{name}"
        extra = {"x-ms-blob-type": "BlockBlob"}
        assert requests.put(address, data=content, headers=headers | extra, timeout=60).status_code == 201
        return address, headers

    @pytest.mark.parametrize(
        ("action", "seen"),
        [({"flip": 3}, b"0122456789"), ({"empty": True}, b""), ({"drip": 100}, b"0123456789")],
        ids=["a bit is wrong", "empty", "slow"],
    )
    def test_a_spoiled_answer(self, cloud: LocalCloud, action: dict[str, Any], seen: bytes) -> None:
        """Status and headers are the right ones; the next answer is whole."""
        address, headers = self._blob(cloud, "spoiled.txt")
        cloud.control.post("/faults", {"operation": "GetBlob", "times": 1, "action": action})
        answers = [requests.get(address, headers=headers, timeout=60) for _ in range(2)]
        assert [(one.status_code, one.content) for one in answers] == [(200, seen), (200, b"0123456789")]

    def test_an_answer_that_is_late_news(self, cloud: LocalCloud) -> None:
        """What the same request was answered some time ago; kept while the rule is on."""
        address, headers = self._blob(cloud, "late.txt", b"old")
        cloud.control.post("/faults", {"operation": "GetBlob", "nth": 3, "action": {"stale": 60}})
        assert requests.get(address, headers=headers, timeout=60).content == b"old"
        cloud.control.post("/clock", {"advance": "2m"})
        self._blob(cloud, "late.txt", b"new")
        answers = [requests.get(address, headers=headers, timeout=60).content for _ in range(3)]
        assert answers == [b"new", b"old", b"new"]

    def test_an_answer_that_is_dated_wrongly(self, cloud: LocalCloud) -> None:
        """As by a party whose clock is ahead."""
        cloud.control.post("/faults", {"service": "identity", "times": 1, "action": {"skew": 7200}})
        dates = [parsedate_to_datetime(self.ask(cloud).headers["Date"]) for _ in range(2)]
        assert 7100 < (dates[0] - dates[1]).total_seconds() <= 7200

    def test_somebody_else_was_quicker(self, cloud: LocalCloud) -> None:
        """A conditional write meets another ETag than the one that was read a moment ago."""
        address, headers = self._blob(cloud, "etag.txt")
        etag = requests.head(address, headers=headers, timeout=60).headers["ETag"]
        rule = {"service": "storage", "operation": "PutBlob", "times": 1, "action": {"touch": True}}
        cloud.control.post("/faults", rule)
        extra = {"x-ms-blob-type": "BlockBlob", "If-Match": etag}
        assert requests.put(address, data=b"mine", headers=headers | extra, timeout=60).status_code == 412
        assert requests.get(address, headers=headers, timeout=60).content == b"0123456789"

    def test_half_of_a_recursive_grant(self, cloud: LocalCloud) -> None:
        """The first entries have it, the answer is an error; asked again it is whole."""
        for name in ("tree/a", "tree/b", "tree/c"):
            self._blob(cloud, name)
        tree = DataLakeServiceClient(
            cloud.endpoints.storage_tls, credential=cloud.credential("writer"), retry_total=0
        ).get_directory_client("landing", "tree")
        rule = {"operation": "SetAccessControlRecursive", "times": 1, "action": {"partial": 2}}
        cloud.control.post("/faults", rule)
        entry = "user:11111111-1111-1111-1111-111111111111:r-x"

        def granted() -> list[bool]:
            files = [tree.get_file_client(name).get_access_control()["acl"] for name in ("a", "b", "c")]
            return [entry in str(acl) for acl in files]

        with pytest.raises(HttpResponseError):
            tree.update_access_control_recursive(acl=entry)
        assert granted() == [True, False, False]
        tree.update_access_control_recursive(acl=entry)
        assert granted() == [True, True, True]

    def test_a_copy_that_stays_pending(self, cloud: LocalCloud) -> None:
        """Until it is let go; what is copied meanwhile has no bytes."""
        source, headers = self._blob(cloud, "from.txt")
        target = f"{cloud.endpoints.storage_tls}/landing/to.txt"
        cloud.control.post("/copies", {"held": True})
        requests.put(target, headers=headers | {"x-ms-copy-source": source}, timeout=60)
        held = requests.head(target, headers=headers, timeout=60).headers
        cloud.control.post("/copies", {"held": False})
        done = requests.head(target, headers=headers, timeout=60).headers
        shown = [(one["x-ms-copy-status"], one["Content-Length"]) for one in (held, done)]
        assert shown == [("pending", "0"), ("success", "10")]

    def test_a_window_of_time(self, cloud: LocalCloud) -> None:
        """By the cloud's clock."""
        now = datetime.fromisoformat(cloud.control.get("/clock")["now"])
        window = {
            "since": (now + timedelta(hours=1)).isoformat(),
            "until": (now + timedelta(hours=2)).isoformat(),
        }
        cloud.control.post("/faults", {"service": "identity", "action": {"status": 503}, **window})
        seen = []
        for _ in range(3):
            seen.append(self.ask(cloud).status_code)
            cloud.control.post("/clock", {"advance": "1h"})
        assert seen == [200, 503, 200]

    @pytest.mark.parametrize("kind", ["terminate", "pause"])
    def test_a_host_that_ends_in_order_or_stands_still(
        self, kind: str, events_app: Path, start_cloud: StartCloud
    ) -> None:
        """The one is another process afterwards, the other the same."""
        cloud = start_cloud(events_app)
        child = host_pid(cloud)
        action = {"terminate": "functions"} if kind == "terminate" else {"pause": "functions", "seconds": 600}
        cloud.control.post("/faults", {"service": "identity", "times": 1, "action": action})
        if kind == "terminate":
            with pytest.raises(requests.ConnectionError):
                self.ask(cloud)
            eventually(lambda: not is_alive(child))
        else:
            assert self.ask(cloud).status_code == 200
            eventually(lambda: psutil.Process(child).status() == psutil.STATUS_STOPPED)
            cloud.control.delete("/faults")
        eventually(lambda: cloud.control.get("/health")["healthy"])
        assert (host_pid(cloud) == child) is (kind == "pause")

    @pytest.mark.parametrize(
        "rule", [{}, [], {"action": {"status": "503"}}, {"service": "nope", "action": {"reset": True}}]
    )
    def test_a_wrong_rule_is_refused(self, cloud: LocalCloud, rule: object) -> None:
        """With 400 and the reason; see test_fault_rules for all of them."""
        answer = requests.post(
            f"{cloud.endpoints.control}/faults", json=rule, headers={"X-Localcloud": "1"}, timeout=60
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest")

    @pytest.mark.parametrize("service", ["*", "control"])
    def test_a_rule_for_everything_can_be_switched_off(self, cloud: LocalCloud, service: str) -> None:
        """The switch itself is out of reach of all faults."""
        cloud.control.post("/faults", {"service": service, "action": {"reset": True}})
        cloud.control.get("/faults")
        cloud.control.delete("/faults")
        assert cloud.control.get("/clock")

    def test_an_answer_that_has_begun_can_only_break_off(self, cloud: LocalCloud) -> None:
        """After a large file was read, no status can be told any more: the connection ends, nothing else is hurt."""
        address, headers = self._blob(cloud, "begun.txt", b"0" * 3_000_000)
        rule = {"operation": "GetBlob", "phase": "after", "times": 1, "action": {"status": 503}}
        cloud.control.post("/faults", rule)
        with requests.Session() as session, suppress(requests.RequestException):  # unless all of it was sent by then
            assert session.get(address, headers=headers, timeout=60).status_code == 200
        assert len(requests.get(address, headers=headers, timeout=60).content) == 3_000_000

    def test_a_host_that_a_rule_crashed_is_started_again(self, events_app: Path, start_cloud: StartCloud) -> None:
        """The cloud goes on, for this death was asked for."""
        cloud = start_cloud(events_app)
        child = host_pid(cloud)
        cloud.control.post("/faults", {"service": "identity", "phase": "after", "action": {"crash": "functions"}})
        with pytest.raises(requests.ConnectionError):
            self.ask(cloud)
        eventually(lambda: not is_alive(child))
        eventually(lambda: cloud.control.get("/health")["healthy"])
        assert host_pid(cloud) != child

    def test_a_crash_before_an_effect_leaves_none(self, events_app: Path, start_cloud: StartCloud) -> None:
        """Whoever asked is dead before the request was sent; what ends a process fires once."""
        cloud = start_cloud(events_app)
        cloud.control.post("/faults", {"operation": "DeleteBlob", "action": {"crash": "functions"}})
        cloud.control.post("/faults", {"operation": "PutBlob", "action": {"crash": "functions"}})
        child = host_pid(cloud)
        headers = {"Authorization": f"Bearer {cloud.token('writer')}", "x-ms-version": "2024-08-04"}
        address = f"{cloud.endpoints.storage_tls}/landing/never.txt"
        with pytest.raises(requests.ConnectionError):
            requests.put(address, data=b"1", headers=headers | {"x-ms-blob-type": "BlockBlob"}, timeout=60)
        eventually(lambda: not is_alive(child))
        eventually(lambda: cloud.control.get("/health")["healthy"])
        assert requests.head(address, headers=headers, timeout=60).status_code == 404
        rules = cloud.control.get("/faults")["rules"]
        assert [(rule["operation"], rule["fired"]) for rule in rules] == [("DeleteBlob", 0), ("PutBlob", 1)]

    def test_a_crash_of_the_cloud_itself(self, events_app: Path, start_cloud: StartCloud) -> None:
        """kill -9 at a named point."""
        cloud = start_cloud(events_app, *ALONE)
        cloud.control.post("/faults", {"service": "identity", "action": {"crash": True}})
        with pytest.raises(requests.ConnectionError):
            self.ask(cloud)
        assert cloud.wait() == -signal.SIGKILL
        assert cloud.run("status").returncode == 3


class TestRepetition:
    """One seed gives one trace, and one line has it again."""

    def trace(self, cloud: LocalCloud) -> list[int]:
        """What 40 requests are answered while two clients are at work."""
        ask = partial(TestFaults.ask, TestFaults(), cloud)
        with ThreadPoolExecutor(2) as pool:
            for answer in [pool.submit(cloud.control.get, "/clock") for _ in range(20)]:
                answer.result()
            return [ask().status_code for _ in range(40)]

    def test_the_line_that_localcloud_prints_has_the_same_again(
        self, events_app: Path, start_cloud: StartCloud
    ) -> None:
        """With rules and switches from the first moment, and the same chances."""
        rule = {"service": "identity", "probability": 0.4, "action": {"status": 503, "body": "it's $HOME"}}
        first = start_cloud(events_app, *ALONE, "--seed", "11")
        first.control.post("/faults", rule)
        first.control.post("/events", {"duplicate": 2})
        told = json.loads(first.run("faults").stdout)
        assert (told["seed"], told["rules"][0]["matched"]) == (11, 0)
        seen = self.trace(first)
        assert {200, 503} == set(seen)

        words = shlex.split(told["repeat"])
        assert words[:4] == ["localcloud", "up", "--app", str(events_app)]
        second = start_cloud(events_app, *words[4:])
        assert self.trace(second) == seen
        assert second.control.get("/events")["switches"]["duplicate"] == 2
        assert second.control.get("/faults")["rules"][0]["fired"] == seen.count(503)

    def test_each_start_and_each_fault_that_fires_logs_the_seed(
        self, events_app: Path, start_cloud: StartCloud
    ) -> None:
        """So that what happened can be had again from the log alone."""
        rule = {"service": "identity", "nth": 2, "action": {"status": 503}}
        cloud = start_cloud(events_app, *ALONE, "--seed", "12", "--fault", json.dumps(rule))
        statuses = [TestFaults.ask(TestFaults(), cloud).status_code for _ in range(3)]
        assert statuses == [200, 503, 200]
        log = (cloud.state / "logs" / "localcloud.log").read_text()
        assert "seed 12" in log.splitlines()[0]
        assert "fault 1 (seed 12) before" in log
        (fired,) = cloud.control.get("/faults")["newest"]
        assert (fired["fault"], fired["match"], fired["seed"], fired["action"]) == (1, 2, 12, {"status": 503})

    def test_a_wrong_rule_or_switch_ends_the_start(self, events_app: Path, start_cloud: StartCloud) -> None:
        """With the reason: nothing runs on half an understanding."""
        with pytest.raises(AssertionError, match=r"(?s)ended with 1.*one of"):
            start_cloud(events_app, *ALONE, "--fault", '{"action": {}}')
        with pytest.raises(AssertionError, match=r"(?s)ended with 1.*no such thing"):
            start_cloud(events_app, *ALONE, "--fault", '{"action": {"crash": "functions"}}')
        with pytest.raises(AssertionError, match=r"(?s)ended with 1.*no switch 'loud'"):
            start_cloud(events_app, *ALONE, "--events", '{"loud": true}')
