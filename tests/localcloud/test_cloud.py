"""The cloud as a whole: start and stop, its state folder, its child, its command line."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import requests

from localcloud import environment
from localcloud.config import Ports, Resources, oid
from localcloud.endpoints import Endpoints, PortTakenError, settle
from tests.running import PROJECT, LocalCloud, eventually

StartCloud = Callable[..., LocalCloud]
ALONE = ("--only", "identity")


def is_alive(pid: int) -> bool:
    """Say whether a process is there."""
    return Path(f"/proc/{pid}").exists() if sys.platform == "linux" else subprocess.call(["ps", "-p", str(pid)]) == 0


def host_pid(cloud: LocalCloud) -> int:
    """Return the process of the functions host."""
    return int(json.loads((cloud.state / "functions.ready.json").read_text())["pid"])


class TestLife:
    """Start, stop, death."""

    def test_it_stops_in_order(self, events_app: Path, start_cloud: StartCloud) -> None:
        """SIGTERM ends parent and child, and the addresses are taken back."""
        cloud = start_cloud(events_app)
        child = host_pid(cloud)
        assert cloud.stop() == 0
        assert not is_alive(child)
        assert not (cloud.state / "endpoints.json").exists()

    def test_its_child_dies_with_it(self, events_app: Path, start_cloud: StartCloud) -> None:
        """After kill -9 nothing is left, and the next start goes on from the state."""
        cloud = start_cloud(events_app)
        child = host_pid(cloud)
        cloud.advance("1h")
        cloud.kill()
        eventually(lambda: not is_alive(child))
        assert cloud.run("status").returncode == 3
        cloud.start()
        assert cloud.control.get("/clock")["offset"] == pytest.approx(3600)

    def test_a_dead_functions_host_ends_it_and_says_why(self, events_app: Path, start_cloud: StartCloud) -> None:
        """A crash must not look like a quiet cloud: exit code 5 and the last words."""
        cloud = start_cloud(events_app)
        with pytest.raises(requests.ConnectionError):
            requests.post(f"{cloud.endpoints.functions}/api/die", timeout=60)
        assert cloud.wait() == 5
        assert "last words of the app" in cloud.output.read_text()

    def test_an_app_that_does_not_load_ends_the_start(self, events_app: Path, start_cloud: StartCloud) -> None:
        """With the host's own message."""
        (events_app / "function_app.py").write_text("import nothing_of_that_name")
        with pytest.raises(AssertionError, match=r"(?s)ended with 5.*nothing_of_that_name"):
            start_cloud(events_app)

    def test_a_second_one_on_the_same_state_is_refused(self, events_app: Path, start_cloud: StartCloud) -> None:
        """The lock names its owner; it dies with the process, however that ends."""
        cloud = start_cloud(events_app, *ALONE)
        second = cloud.run("up", "--app", str(events_app))
        assert second.returncode == 4
        assert f"process {cloud.pid}" in second.stderr

    def test_a_taken_port_is_named_with_its_option(self, events_app: Path, tmp_path: Path) -> None:
        """The message says what to type."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            command = [sys.executable, "-m", "localcloud", "up", "--app", events_app, "--state", tmp_path / "s"]
            done = subprocess.run(
                [*command, "--only", "aml", "--control-port", "0", "--aml-port", port],
                cwd=PROJECT,
                capture_output=True,
                text=True,
                check=False,
            )
        assert done.returncode == 4
        assert f"port {port}" in done.stderr
        assert "--aml-port" in done.stderr

    def test_its_ports_are_the_ones_people_expect(self) -> None:
        """`func start` and Azurite chose before us."""
        done = subprocess.run(
            [sys.executable, "-m", "localcloud", "up", "--help"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
        for port in ("7071", "10000", "10443"):
            assert port in done.stdout

    def test_a_wrong_declaration_is_shown_with_its_line(self, events_app: Path, start_cloud: StartCloud) -> None:
        """Nothing is started on half an understanding."""
        (events_app / "localcloud.yaml").write_text("principals:\n  app: {}\n  app: {}\nstorrage: {}\n")
        with pytest.raises(AssertionError, match=r"(?s)localcloud.yaml:3: .*localcloud.yaml:4: storrage"):
            start_cloud(events_app)

    def test_slipways_own_declaration_is_whole(self) -> None:
        """The file at the root of this repository: every name in it is declared, every placeholder known."""
        resources = Resources.load(PROJECT)
        filled = environment.settings(resources, Endpoints.of(Ports()))
        assert not [text for text in filled.values() if "{oid" in text or "{topic" in text]
        assert json.loads(filled["SLIPWAY_READERS"])["planning"] == oid("planning")
        roles = {role.principal for role in resources.storage.roles}
        assert not roles & {"job", "analyst", "planner", "stranger", "airline-analysts", "planning"}


class TestEnvironment:
    """What the app and clients are given."""

    def test_the_app_sees_its_settings_and_nothing_of_the_developers(
        self, events_app: Path, start_cloud: StartCloud
    ) -> None:
        """AZURE_* of the developer stay outside; the declared prefix comes in; placeholders are filled."""
        (events_app / "local.settings.json").write_text(json.dumps({"Values": {"FROM_FILE": "1", "OID": "over"}}))
        secrets = {"AZURE_CLIENT_SECRET": "s", "AWS_SECRET": "s", "SAMPLE_SIZE": "3", "OTHER": "x"}
        cloud = start_cloud(events_app, variables=secrets)
        seen = requests.get(f"{cloud.endpoints.functions}/api/environment", timeout=60).json()
        assert not {"AZURE_CLIENT_SECRET", "AWS_SECRET", "OTHER"} & set(seen)
        assert seen["SAMPLE_SIZE"] == "3"
        assert (seen["FROM_FILE"], seen["OID"]) == ("1", oid("readers"))
        assert seen["TOPIC"] == cloud.endpoints.topic("news")
        assert json.loads(seen["STRUCTURE"]) == {"list": ["devstoreaccount1"]}
        assert seen["AZURE_TOKEN_CREDENTIALS"] == "ManagedIdentityCredential"
        assert seen["IDENTITY_HEADER"] == cloud.environment("app")["IDENTITY_HEADER"]

    def test_env_prints_what_a_shell_can_read(self, cloud: LocalCloud) -> None:
        """`eval "$(python -m localcloud env --as writer)"`."""
        done = cloud.run("env", "--as", "writer")
        shell = subprocess.run(
            ["sh", "-c", f"{done.stdout}\nprintf %s $IDENTITY_HEADER"], capture_output=True, text=True, check=True
        )
        assert shell.stdout == cloud.environment("writer")["IDENTITY_HEADER"]
        assert json.loads(cloud.run("env", "--as", "writer", "--json").stdout) == cloud.environment("writer")

    def test_env_of_nobody_known_is_refused(self, cloud: LocalCloud) -> None:
        """Exit code 1, and the names that are known."""
        done = cloud.run("env", "--as", "bob")
        assert done.returncode == 1
        assert "writer" in done.stderr


class TestControl:
    """The control endpoint and the commands that use it."""

    def test_status_knows_every_service(self, cloud: LocalCloud) -> None:
        """And its exit code says whether all is well."""
        done = cloud.run("status", "--json")
        health = json.loads(done.stdout)
        assert done.returncode == 0
        names = {"functions", "storage", "storage (TLS)", "aml", "eventgrid", "identity"}
        assert {one["name"] for one in health["services"]} == names

    def test_the_state_page_shows_what_runs(self, cloud: LocalCloud) -> None:
        """Names and numbers, whatever is in them is text."""
        page = requests.get(cloud.endpoints.control, timeout=60)
        assert page.headers["Content-Type"].startswith("text/html")
        for text in ("Services", cloud.endpoints.functions, "Event deliveries", "Newest requests"):
            assert text in page.text

    def test_files_can_be_listed_and_copied_out(self, cloud: LocalCloud, tmp_path: Path) -> None:
        """`ls` and `get`, for people."""
        landing = {"Authorization": f"Bearer {cloud.token('writer')}", "x-ms-version": "2024-08-04"}
        address = f"{cloud.endpoints.storage_tls}/landing/a%20folder/f.txt"
        put = requests.put(address, data=b"hello", headers=landing | {"x-ms-blob-type": "BlockBlob"}, timeout=60)
        assert put.status_code == 201
        assert "landing/" in cloud.run("ls").stdout
        assert "f.txt" in cloud.run("ls", "landing/a folder/").stdout
        assert cloud.run("get", "landing/a folder/f.txt", "-o", str(tmp_path / "f")).returncode == 0
        assert (tmp_path / "f").read_bytes() == b"hello"
        assert cloud.run("get", "landing/a folder/f.txt").stdout == "hello"
        assert cloud.run("get", "landing/none").returncode == 1

    def test_the_clock_is_moved_by_command(self, cloud: LocalCloud) -> None:
        """advance and set; the functions host follows, for it shares the clock."""
        before = json.loads(cloud.run("clock").stdout)["offset"]
        after = json.loads(cloud.run("clock", "advance", "90m").stdout)["offset"]
        assert after - before == pytest.approx(5400)
        assert json.loads(cloud.run("clock", "set", "2030-01-01T00:00:00Z").stdout)["now"].startswith(
            "2030-01-01T00:00"
        )
        assert json.loads(cloud.run("clock", "advance", "-1h").stdout)["now"].startswith("2029-12-31T23:00")
        assert cloud.run("clock", "advance", "soon").returncode == 2

    def test_a_change_needs_the_header_and_the_loopbacks_name(self, cloud: LocalCloud) -> None:
        """So that no page in a browser can steer the cloud."""
        address = f"{cloud.endpoints.control}/clock"
        assert requests.post(address, json={"advance": "1s"}, timeout=60).status_code == 403
        assert requests.get(address, headers={"Host": "evil.example"}, timeout=60).status_code == 403

    def test_nothing_of_it_can_be_reached_from_another_machine(self, cloud: LocalCloud) -> None:
        """T18: services, control endpoint and fault switches listen on the loopback, and nowhere else."""
        listening = [
            (one.laddr.ip, one.laddr.port)
            for pid in (cloud.pid, host_pid(cloud))
            for one in psutil.Process(pid).net_connections("inet")
            if one.status == psutil.CONN_LISTEN
        ]
        assert len(listening) >= 8
        assert {address for address, _ in listening} == {"127.0.0.1"}

    def test_answers_are_dated_by_the_clouds_clock(self, cloud: LocalCloud) -> None:
        """Date headers agree with everything else."""
        cloud.control.post("/clock", {"set": "2031-05-05T12:00:00+00:00"})
        assert "05 May 2031" in requests.get(cloud.endpoints.control, timeout=60).headers["Date"]


def test_only_the_ports_of_what_is_started_must_be_free() -> None:
    """A second cloud with fewer services beside the first: what another listens on is no concern of theirs."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        ports = Ports(0, 0, 0, aml=other.getsockname()[1], eventgrid=0, identity=0, control=0)
        assert settle(ports, ["storage", "identity"]).aml == ports.aml
        with pytest.raises(PortTakenError, match=f"port {ports.aml} .* in use.*\n.*--aml-port"):
            settle(ports, ["aml"])
