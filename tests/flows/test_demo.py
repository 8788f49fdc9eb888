"""The demonstration, in its short form: it ends by itself and says the truth, however its cloud ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import PATIENCE, PROJECT, eventually

Demo = subprocess.Popen[str]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder whose path has a space."""
    return tmp_path / "a demo"


@pytest.fixture
def demo(state: Path) -> Iterator[Demo]:
    """The demonstration under way: two days of weather, the second of which is broken at first.

    It hears Ctrl-C as from a terminal, also where the tests run in the background, for which a shell ignores it.
    """
    command = [sys.executable, "-m", "demo", "--days", "2", "--json", "--state", str(state)]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        signal.signal(signal.SIGINT, before)
        yield started
        started.terminate()


def cloud_of(state: Path) -> int:
    """The process of the demonstration's cloud, once it is up."""
    path = state / "endpoints.json"
    eventually(path.exists)
    return int(json.loads(path.read_text())["pid"])


def is_alive(pid: int) -> bool:
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_ends_by_itself_with_every_check_true(demo: Demo, state: Path) -> None:
    """Two days are published, one after a failed run, an incident and a correction; nothing is left running."""
    cloud = cloud_of(state)
    output, talk = demo.communicate(timeout=3 * PATIENCE)
    assert demo.returncode == 0, talk
    result: dict[str, Any] = json.loads(output)

    assert result["passed"]
    assert all(check["passed"] for check in result["checks"])
    told = [(run["period"], run["state"], run["rows"]) for run in result["runs"]]
    assert told == [
        ("2013-01-01", "succeeded", 72),
        ("2013-01-02", "failed", None),
        ("2013-01-02", "succeeded", 72),
    ]
    assert not is_alive(cloud)


def test_a_killed_cloud_ends_it_with_the_way_to_go_on(demo: Demo, state: Path) -> None:
    """No hang and no traceback: one message with the command that continues on the same state."""
    os.kill(cloud_of(state), signal.SIGKILL)
    output, talk = demo.communicate(timeout=PATIENCE)

    assert (demo.returncode, output) == (3, "")
    assert f"-m localcloud up --app . --state '{state}'" in talk
    assert "Traceback" not in talk


def test_ctrl_c_stops_the_cloud_too(demo: Demo, state: Path) -> None:
    """As a shell expects it, with 130."""
    cloud = cloud_of(state)
    demo.send_signal(signal.SIGINT)
    _, talk = demo.communicate(timeout=PATIENCE)

    assert demo.returncode == 130
    assert "Traceback" not in talk
    assert not is_alive(cloud)


def test_it_touches_no_folder_that_is_not_a_cloud_s(tmp_path: Path) -> None:
    """A wrong --state costs nothing."""
    (tmp_path / "thesis.tex").touch()
    command = [sys.executable, "-m", "demo", "--days", "1", "--state", str(tmp_path)]
    ended = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)

    assert (ended.returncode, "name another folder" in ended.stderr) == (1, True)
    assert (tmp_path / "thesis.tex").exists()
