"""The state page, in a real browser: what is there, and every text as text."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from localcloud.secrets import Secrets
from tests.localcloud.disturbance import Disturbed, news
from tests.running import PATIENCE, LocalCloud, eventually

APP = Path(__file__).parent / "cloud_apps" / "histories"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[LocalCloud]:
    """A cloud with an app of orchestrations."""
    state = tmp_path_factory.mktemp("pages") / "state"
    running = LocalCloud(APP, state, authority, "--only", "functions,storage,identity").start()
    yield running
    running.stop()


def start(cloud: LocalCloud, name: str, instance: str, given: object) -> None:
    """Start an orchestration over the management API and wait for its end."""
    base = f"{cloud.endpoints.functions}/runtime/webhooks/durabletask"
    code = {"code": Secrets.load(cloud.state).function_keys["durabletask_extension"]}
    asked = requests.post(f"{base}/orchestrators/{name}/{instance}", params=code, json=given, timeout=60)
    assert asked.status_code == 202, asked.text
    eventually(lambda: requests.get(f"{base}/instances/{instance}", params=code, timeout=60).status_code == 200)


def rendered(address: str) -> str:
    """The document as a browser has it once it is loaded."""
    assert BROWSER
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", address]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_instances_and_their_histories(cloud: LocalCloud) -> None:
    """From the state page to a list of instances, and to the history of one that failed."""
    start(cloud, "greeting", "it-greets", {"name": "<b>Ada</b>"})
    start(cloud, "greeting", "it-fails", {"name": "nobody"})
    home = rendered(cloud.endpoints.control)
    assert "<td>greeting</td>" in home
    assert '<a href="/instances">' in home

    assert '<a href="/instances/it-fails">it-fails</a>' in rendered(f"{cloud.endpoints.control}/instances")

    history = rendered(f"{cloud.endpoints.control}/instances/it-fails")
    assert '<span class="bad">TaskFailed</span>' in history
    assert "<i>" not in history
    assert "<b>Ada</b>" not in rendered(f"{cloud.endpoints.control}/instances/it-greets")


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[Disturbed]:
    """A cloud whose events and faults are looked at."""
    one = Disturbed(tmp_path_factory.mktemp("disturbed") / "state", authority, "--seed", "5")
    yield one
    one.stop()


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_deliveries_and_faults_themselves(disturbed: Disturbed) -> None:
    """What was sent to whom and how that ended, what waits and for what, which faults fired; and all of it as JSON."""
    # Of all statuses, this one is followed by the longest wait: the next try is minutes away.
    disturbed.fault({"status": 404}, service="eventgrid", operation="Deliver", name="told", times=1)
    disturbed.publish(news("Told", "files/<b>one</b>.csv"))
    eventually(lambda: disturbed.cloud.events()["told"].get("failed_tries") == 1)
    disturbed.publish(news("Told", "files/two.csv"), news("Hooked", "nobody agreed"))
    eventually(lambda: disturbed.cloud.events()["told"].get("delivered") == 1)

    state = disturbed.cloud.control.get("/state")
    newest = {one["subject"]: one for one in state["deliveries"]["newest"]}
    assert (newest["files/two.csv"]["outcome"], newest["files/two.csv"]["status"]) == ("Accepted", 202)
    assert newest["files/two.csv"]["destination"] == "function told"
    assert (newest["files/<b>one</b>.csv"]["outcome"], newest["files/<b>one</b>.csv"]["then"]) == ("Fault", "again")
    waiting = {one["subject"]: (one["state"], one["attempts"]) for one in state["deliveries"]["waiting"]}
    assert waiting == {"files/<b>one</b>.csv": ("again", 1), "nobody agreed": ("not validated", 0)}
    (fired,) = state["faults"]["newest"]
    assert (fired["seed"], fired["operation"], fired["caller"]) == (5, "Deliver", "files/<b>one</b>.csv")
    assert state["faults"]["repeat"].startswith("localcloud up --app ")

    page = rendered(disturbed.cloud.endpoints.control)
    assert "<b>one</b>" not in page
    for text in ("Faults that fired", "Newest deliveries", "Deliveries to be made", "not validated", "--seed 5"):
        assert text in page


def test_the_same_as_json(cloud: LocalCloud) -> None:
    """For who asks for no page; and an instance that is not there is none."""
    start(cloud, "greeting", "as-json", {"name": "Ada"})
    assert "as-json" in [one["instanceId"] for one in cloud.control.get("/instances")["instances"]]
    events = cloud.control.get("/instances/as-json")["historyEvents"]
    assert events[0]["EventType"] == "ExecutionStarted"
    assert requests.get(f"{cloud.endpoints.control}/instances/nobody", timeout=60).status_code == 404


def test_the_cloud_s_own_questions_are_no_news(cloud: LocalCloud) -> None:
    """The newest requests are those of clients."""
    for _ in range(3):
        cloud.control.get("/state")
    assert "/admin/host/status" not in [one["path"] for one in cloud.control.get("/state")["requests"]]
