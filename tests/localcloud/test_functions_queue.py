"""The queue trigger on a whole local cloud: messages sent with the real SDK reach a function by the app's identity."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.queue import QueueClient, TextBase64DecodePolicy, TextBase64EncodePolicy

from localcloud.config import ACCOUNT_KEY
from tests.localcloud.functions_harness import APPS, ROOT
from tests.running import PATIENCE, eventually

PORTS = ("functions", "storage", "storage-tls", "aml", "eventgrid", "identity", "control")


class Cloud:
    """A local cloud with the queue app in it."""

    def __init__(self, app: Path, endpoints: dict[str, str]) -> None:
        self._notes, self._gate = app / "notes", app / "gate"
        self._storage = endpoints["storage"]

    def queue(self, name: str) -> QueueClient:
        """Return a client whose messages are base64 text, as queue triggers expect."""
        return QueueClient(
            self._storage,
            name,
            credential=ACCOUNT_KEY,
            message_encode_policy=TextBase64EncodePolicy(),
            message_decode_policy=TextBase64DecodePolicy(),
        )

    def open_gate(self) -> None:
        """Let the slow message's function return."""
        self._gate.touch()

    def noted(self) -> list[str]:
        """Return what the function has noted: message and delivery."""
        return self._notes.read_text().splitlines() if self._notes.exists() else []

    def wait_for(self, *lines: str) -> None:
        """Return once all lines are noted."""
        eventually(lambda: set(lines) <= set(self.noted()))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Start ``localcloud up`` on a copy of the app, which notes into its own folder."""
    base = tmp_path_factory.mktemp("queues")
    app = Path(shutil.copytree(APPS / "queues", base / "app"))
    ports = [text for port in PORTS for text in (f"--{port}-port", "0")]
    command = [sys.executable, "-m", "localcloud", "up", "--app", str(app), "--state", str(base / "state"), *ports]
    with (base / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    endpoints = base / "state" / "endpoints.json"
    while not endpoints.exists():
        assert process.poll() is None, (base / "log").read_text()
        time.sleep(0.05)
    yield Cloud(app, json.loads(endpoints.read_text())["endpoints"])
    process.terminate()
    process.wait(PATIENCE)


def test_messages_reach_the_function(cloud):
    """Each message is one invocation with its delivery count, and is deleted when the function returns."""
    queue = cloud.queue("work")
    for number in range(10):
        queue.send_message(f"m{number}")

    cloud.wait_for(*(f"m{number} 1" for number in range(10)))
    eventually(lambda: not queue.get_queue_properties().approximate_message_count)


def test_failing_messages_are_poison(cloud):
    """A message that fails is delivered again up to maxDequeueCount, then moved to the poison queue as it was."""
    cloud.queue("work").send_message("bad one")

    cloud.wait_for("bad one 1", "bad one 2", "bad one 3")
    poison = cloud.queue("work-poison")
    moved = eventually(lambda: [message.content for message in poison.receive_messages()])
    assert moved == ["bad one"]
    assert "bad one 4" not in cloud.noted()


def test_a_slow_message_holds_up_no_other(cloud):
    """Messages are fetched while others are still worked on, up to newBatchThreshold of them."""
    cloud.queue("work").send_message("slow")
    cloud.wait_for("slow 1")
    cloud.queue("work").send_message("quick")

    cloud.wait_for("quick 1")
    cloud.open_gate()
