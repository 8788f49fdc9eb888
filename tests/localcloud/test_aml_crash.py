"""What a ``kill -9`` leaves of running jobs, and what the next start makes of it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from localcloud.aml import processes
from tests.localcloud.aml_workspace import WORKSPACE, Served, served
from tests.localcloud.sleepers import nap, running
from tests.running import PATIENCE, eventually

Request = Callable[..., Any]
SERVER = Path(__file__).with_name("aml_workspace.py")
ROOT = SERVER.parents[2]


class Doomed:
    """A workspace in a process of its own, to be killed."""

    def __init__(self, state: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER), str(state)], stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        self.identity = Served(state)  # not started: for its tokens and its certificate

    def kill(self) -> None:
        """Kill the workspace as a crash does."""
        self.process.kill()
        self.process.wait()

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Make a request as the app."""
        return ask(self.identity, self.address, method, path, body)


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[Doomed]:
    """A workspace with an environment ``python`` version 1, that the test kills."""
    one = Doomed(tmp_path)
    one.request("PUT", "environments/python/versions/1", {"image": "python:3.11"})
    yield one
    one.kill()


def ask(cloud: Served, address: str, method: str, path: str, body: Any = None) -> Any:
    """Make a request as the app and return its JSON."""
    token = cloud.credential().get_token("https://management.azure.com/.default").token
    answer = requests.request(
        method,
        f"{address}{WORKSPACE}/{path}",
        json=None if body is None else {"properties": body},
        headers={"Authorization": f"Bearer {token}"},
        verify=str(cloud.tls.bundle),
        timeout=60,
    )
    assert answer.ok, answer.text
    return answer.json() if answer.content else None


def submit(request: Request, name: str, text: str) -> None:
    """Submit a job with one output."""
    job = {
        "jobType": "Command",
        "command": text,
        "outputs": {"y": {"jobOutputType": "uri_folder", "uri": f"azureml://datastores/models/paths/out/{name}/"}},
        "environmentId": f"{WORKSPACE}/environments/python/versions/1",
        "computeId": f"{WORKSPACE}/computes/cpu-cluster",
    }
    request("PUT", f"jobs/{name}", job)


def uploaded(state: Path) -> int:
    """Return how many files of outputs the cloud on ``state`` notes as written."""
    with closing(sqlite3.connect(state / "cloud.db", timeout=60)) as database:
        return int(database.execute("SELECT count(*) FROM aml_uploads").fetchone()[0])


def runner_of(doomed: Doomed) -> psutil.Process:
    """Return the process that watches over the one job of a workspace."""
    (runner,) = [one for one in running("-m localcloud.aml.runner") if one.ppid() == doomed.process.pid]
    return runner


def status(cloud: Served, name: str) -> str:
    """Return a job's status."""
    return str(ask(cloud, cloud.endpoints.aml, "GET", f"jobs/{name}")["properties"]["status"])


def once(marker: Path, first: str, again: str) -> str:
    """Return a command that does ``first`` when it is run for the first time, and then ``again``."""
    return f"if [ -e '{marker}' ]; then {again}; else touch '{marker}'; {first}; fi"


def test_a_jobs_processes_die_with_the_local_cloud(doomed: Doomed, tmp_path: Path) -> None:
    """Killed without a chance to tidy up, it leaves no process behind, not even one in another session."""
    submit(doomed.request, "mourned", once(tmp_path / "marker", f"setsid {nap(979)} & {nap(978)}", "true"))
    eventually(lambda: running(nap(979)) and running(nap(978)))

    doomed.kill()

    eventually(lambda: not running(nap(979)) and not running(nap(978)))


def test_an_interrupted_job_runs_again_under_its_name(doomed: Doomed, tmp_path: Path) -> None:
    """It is queued again, its folder is new, and it completes; the state of before is not seen by its command."""
    first = "echo old > ${{outputs.y}}/old; " + nap(977)
    submit(doomed.request, "again", once(tmp_path / "marker", first, "echo new > ${{outputs.y}}/new"))
    eventually(lambda: running(nap(977)))
    doomed.kill()

    with served(tmp_path) as cloud:
        eventually(lambda: status(cloud, "again") == "Completed")

        assert cloud.files("models", "out/again") == ["out/again/new"]
        told = [event["data"].get("runStatus") for event in cloud.events("again")]
        assert told[-6:] == ["Running", "Queued", "Running", "Finalizing", "Completed", None]


def test_what_survived_is_ended_before_the_job_runs_again(doomed: Doomed, tmp_path: Path) -> None:
    """If the runner was killed as well, the next start finds the command by number and start time, and ends it."""
    submit(doomed.request, "survivor", once(tmp_path / "marker", f"setsid {nap(976)} & {nap(975)}", "true"))
    eventually(lambda: running(nap(976)) and running(nap(975)))
    runner = runner_of(doomed)
    doomed.process.send_signal(signal.SIGSTOP)  # it must not see its runner go
    runner.kill()
    doomed.kill()
    assert running(nap(976))
    assert running(nap(975))

    with served(tmp_path) as cloud:
        eventually(lambda: status(cloud, "survivor") == "Completed")

    assert not running(nap(976))
    assert not running(nap(975))


def test_half_written_outputs_are_emptied(doomed: Doomed, tmp_path: Path) -> None:
    """A job that was interrupted while its outputs were being written leaves only what its second execution wrote."""
    files = 10_000  # so many that the kill comes long before the last
    first = f"cd ${{{{outputs.y}}}}; for n in $(seq {files}); do echo > old-$n; done"
    submit(doomed.request, "halfway", once(tmp_path / "marker", first, "echo > ${{outputs.y}}/new"))
    eventually(lambda: uploaded(tmp_path))
    doomed.kill()
    assert 0 < uploaded(tmp_path) < files

    with served(tmp_path) as cloud:
        eventually(lambda: status(cloud, "halfway") == "Completed")

        assert cloud.files("models", "out/halfway") == ["out/halfway/new"]


def test_a_job_whose_cancellation_was_interrupted_is_canceled(doomed: Doomed, tmp_path: Path) -> None:
    """A wish to cancel that was taken is not forgotten, and what it was to end is ended."""
    submit(doomed.request, "unwanted", nap(974))
    eventually(lambda: running(nap(974)))
    runner_of(doomed).suspend()  # so that the command does not end at once
    doomed.request("POST", "jobs/unwanted/cancel")
    assert doomed.request("GET", "jobs/unwanted")["properties"]["status"] == "CancelRequested"
    doomed.kill()
    assert running(nap(974))

    with served(tmp_path) as cloud:
        eventually(lambda: status(cloud, "unwanted") == "Canceled")

    assert not running(nap(974))


def test_a_job_canceled_while_it_is_recovered_leaves_nothing(
    doomed: Doomed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the kill left of it is wiped out first, and it is Canceled after that."""
    submit(doomed.request, "recovered", f"touch left; {nap(972)}")
    eventually(lambda: running(nap(972)))
    doomed.kill()
    begun, go_on, end_leftovers = threading.Event(), threading.Event(), processes.end_leftovers

    def held(*arguments: Any) -> int:
        begun.set()
        assert go_on.wait(PATIENCE)
        return end_leftovers(*arguments)

    monkeypatch.setattr(processes, "end_leftovers", held)
    with served(tmp_path) as cloud:
        assert begun.wait(PATIENCE)
        ask(cloud, cloud.endpoints.aml, "POST", "jobs/recovered/cancel")
        assert status(cloud, "recovered") == "CancelRequested"
        go_on.set()
        eventually(lambda: status(cloud, "recovered") == "Canceled")

    assert not (tmp_path / "jobs" / "recovered" / "work").exists()
    assert not running(nap(972))


def test_the_state_folder_may_have_spaces(tmp_path: Path) -> None:
    """A command holds its paths as plain text, and is not cut by a space in them."""
    with served(tmp_path / "my state's $folder") as cloud:
        request = partial(ask, cloud, cloud.endpoints.aml)
        request("PUT", "environments/python/versions/1", {"image": "python:3.11"})
        submit(request, "spaced", 'echo 1 > ${{outputs.y}}/one; echo 2 > "${{outputs.y}}/two"')
        eventually(lambda: status(cloud, "spaced") == "Completed")

        assert cloud.files("models", "out/spaced") == ["out/spaced/one", "out/spaced/two"]


def test_a_graceful_stop_leaves_its_jobs_to_the_next_start(tmp_path: Path) -> None:
    """Jobs that run when the local cloud is stopped are not lost either."""
    with served(tmp_path) as cloud:
        request = partial(ask, cloud, cloud.endpoints.aml)
        request("PUT", "environments/python/versions/1", {"image": "python:3.11"})
        submit(request, "paused", once(tmp_path / "marker", nap(973), "true"))
        eventually(lambda: running(nap(973)))
    assert not running(nap(973))

    with served(tmp_path) as cloud:
        eventually(lambda: status(cloud, "paused") == "Completed")
