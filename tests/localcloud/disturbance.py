"""A running cloud of the sample app ``disturbed``, and how tests disturb it and see what came of it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import requests
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent, EventGridPublisherClient
from azure.storage.filedatalake import FileSystemClient
from azure.storage.queue import QueueClient

from localcloud.secrets import Secrets
from tests.running import LocalCloud, eventually

APP = Path(__file__).parent / "cloud_apps" / "disturbed"
ENDED = ("Completed", "Failed", "Terminated")
WORKSPACE = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/local"
    "/providers/Microsoft.MachineLearningServices/workspaces/local"
)


class Disturbed:
    """The cloud on ``state``; ``ledger`` is the file in which the app's activities note what they did."""

    def __init__(self, state: Path, authority: Path, *options: str) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.ledger = state.with_suffix(".ledger")
        self.cloud = LocalCloud(APP, state, authority, *options, variables={"SAMPLE_LEDGER": str(self.ledger)})
        self.cloud.start()

    def stop(self) -> None:
        """Stop the cloud."""
        self.cloud.stop()

    # Faults

    def fault(self, action: dict[str, Any], **where: Any) -> None:
        """Switch a fault on."""
        self.cloud.control.post("/faults", {**where, "action": action})

    def refusal(self, rule: object) -> str:
        """Return why a rule is not taken."""
        answer = requests.post(
            f"{self.cloud.endpoints.control}/faults", json=rule, headers={"X-Localcloud": "1"}, timeout=60
        )
        assert answer.status_code == 400, answer.text
        return str(answer.json()["error"]["message"])

    def calm(self) -> None:
        """No faults, events as they are."""
        self.cloud.control.delete("/faults")
        self.cloud.control.post("/events", {"hold": False, "off": False, "duplicate": 1, "delay": 0, "shuffle": 0})

    def fired(self) -> list[int]:
        """Return how often each rule that is on has fired."""
        return [rule["fired"] for rule in self.cloud.control.get("/faults")["rules"]]

    # Orchestrations

    def begin(self, name: str, instance: str, slot: bool = False) -> requests.Response:
        """Start an orchestration, its id in its input."""
        return self.durable("POST", f"orchestrators/{name}/{instance}", slot, body={"of": instance})

    def instance(self, instance: str, slot: bool = False) -> dict[str, Any]:
        """Return the status of an instance."""
        return dict(self.durable("GET", f"instances/{instance}", slot).json())

    def asleep(self, instance: str) -> None:
        """Wait until a sleeper's timer is there: only then does moving the clock wake it."""
        eventually(lambda: self.instance(instance)["customStatus"] == "asleep")

    def ended(self, instance: str, slot: bool = False) -> dict[str, Any]:
        """Wait for the end of an instance and return its status."""

        def end() -> dict[str, Any] | None:
            try:
                status = self.instance(instance, slot)
            except (requests.ConnectionError, ValueError):
                return None  # the host is away
            return status if status["runtimeStatus"] in ENDED else None

        return dict(eventually(end))

    def noted(self) -> list[str]:
        """Return what activities have noted, in order."""
        return self.ledger.read_text().splitlines() if self.ledger.exists() else []

    def durable(
        self, method: str, path: str, slot: bool = False, query: dict[str, str] | None = None, body: Any = None
    ) -> requests.Response:
        """Ask the management API of the app's host, or of the slot's."""
        where = self.cloud.endpoints.slot if slot else self.cloud.endpoints.functions
        code = {"code": Secrets.load(self.cloud.state).function_keys["durabletask_extension"], **(query or {})}
        address = f"{where}/runtime/webhooks/durabletask/{path}"
        return requests.request(method, address, params=code, json=body, timeout=60)

    # Events

    def publish(self, *events: EventGridEvent | CloudEvent) -> None:
        """Send events to the topic."""
        credential = self.cloud.credential("writer")
        EventGridPublisherClient(self.cloud.endpoints.topic("news"), credential).send(list(events))

    def told(self) -> list[dict[str, str]]:
        """Return the events that the app was told of since its host was started."""
        found: list[dict[str, str]] = requests.get(f"{self.cloud.endpoints.functions}/api/told", timeout=60).json()
        return found

    def messages(self) -> list[bytes]:
        """Take the messages off the queue."""
        queue = QueueClient(self.cloud.endpoints.storage_tls, "events", credential=self.cloud.credential("writer"))
        taken = []
        for message in queue.receive_messages(max_messages=32):
            taken.append(base64.b64decode(message.content))
            queue.delete_message(message)
        return taken

    # Jobs

    def submit(self, name: str, command: str, **more: Any) -> None:
        """Submit a job that runs a command."""
        body = {
            "jobType": "Command",
            "command": command,
            "computeId": f"{WORKSPACE}/computes/cpu-cluster",
            "environmentId": "azureml://registries/azureml/environments/minimal/versions/1",
            **more,
        }
        answer = self._arm("PUT", f"jobs/{name}", {"properties": body})
        assert answer.status_code == 201, answer.text

    def job(self, name: str) -> str:
        """Return the state of a job."""
        return str(self._arm("GET", f"jobs/{name}").json()["properties"]["status"])

    def error_of(self, name: str) -> dict[str, str]:
        """Return the code and message with which a job failed."""
        history = f"{self.cloud.endpoints.aml}/history/v1.0{WORKSPACE}/runs/{name}"
        error: dict[str, str] = self._ask("GET", history).json()["error"]["error"]
        return error

    def _arm(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self._ask(method, f"{self.cloud.endpoints.aml}{WORKSPACE}/{path}?api-version=2025-01-01-preview", body)

    def _ask(self, method: str, address: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.cloud.token('app', 'https://management.azure.com')}"}
        return requests.request(method, address, json=body, headers=headers, timeout=60)

    # Lake

    def lake(self) -> FileSystemClient:
        """Return the landing filesystem, as a client that tries nothing twice."""
        return FileSystemClient(
            self.cloud.endpoints.storage_tls, "landing", credential=self.cloud.credential("writer"), retry_total=0
        )

    def file(self, path: str) -> bytes:
        """Return the bytes of a file."""
        return bytes(self.lake().get_file_client(path).download_file().readall())


def news(kind: str, subject: str) -> EventGridEvent:
    """Return an event in Event Grid's schema."""
    return EventGridEvent(subject=subject, event_type=f"News.{kind}", data={"n": 1}, data_version="1")


def dump(document: object) -> str:
    """Return a document as the command line takes it."""
    return json.dumps(document)
