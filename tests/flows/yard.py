"""A yard to launch runs in: the whole app on a local cloud, small models made for a test, and what a client can see.

Nothing here looks inside the app: data are landed through the storage SDK, everything else goes over HTTP, and what
was published is read as a granted reader reads it, from the pointer through the manifest to the bytes.
"""

from __future__ import annotations

import hashlib
import json
import textwrap
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobClient
from azure.storage.filedatalake import DataLakeServiceClient, FileSystemClient
from typer.testing import CliRunner

from slipway.cli import app as slipway
from tests.running import PATIENCE, LocalCloud, eventually

#: What every test model does: it puts its input files together, and does as a file's first line tells it.
JOB = """
import pathlib, sys, time

inputs, outputs = map(pathlib.Path, sys.argv[1:3])
lines = []
for path in sorted(p for p in inputs.rglob("*") if p.is_file()):
    text = path.read_text()
    if text.startswith("fail"):
        sys.exit("the input told me to fail")
    if text.startswith("hang"):
        time.sleep(3600)
    if text.startswith("nothing"):
        sys.exit(0)
    lines.append(f"{path.relative_to(inputs)}: {text.strip()}")
(outputs / "all.txt").write_text("\\n".join(lines))
"""
MODEL = """
description: Puts its rows together.
owner: yard
readers: [airline-analysts]
cadence: daily
first_period: "2024-01-01"
last_period: "2024-03-31"
inputs:
  rows: {path: "landing/NAME/{period:%Y-%m-%d}/", complete: {marker: _SUCCESS}}
outputs:
  all: {must_have: ["*.txt"]}
"""
#: As it and its job, for a model that says of itself how many files it read and how many letters one has.
SAYING_MODEL = MODEL + "metrics: all/metrics.json\n"
SAYING_JOB = (
    JOB
    + """
import json
read = {"files": len(lines), "letters": {"mean": sum(map(len, lines)) / len(lines)}}
(outputs / "metrics.json").write_text("NaN" if lines[0].endswith("says nothing") else json.dumps(read))
"""
)
JOB_YAML = """
type: command
code: src
command: python main.py ${{inputs.rows}} ${{outputs.all}}
environment: {image: "python:3.11-slim"}
compute: azureml:cpu-cluster
limits: {timeout: TIMEOUT}
inputs:
  rows: {type: uri_folder}
outputs:
  all: {type: uri_folder}
"""

Files = Mapping[str, bytes | str]


class Yard:
    """One running app and its cloud. `models` is a folder for the definitions that tests make."""

    def __init__(self, cloud: LocalCloud, models: Path) -> None:
        self.cloud = cloud
        self.models = models

    # Models

    def a_model(
        self, name: str, model: str = MODEL, job: str = JOB, timeout: int = 60, tags: str = "", job_yaml: str = JOB_YAML
    ) -> str:
        """Write a model's folder and release it; returns its name."""
        folder = self.models / name
        (folder / "src").mkdir(parents=True, exist_ok=True)
        (folder / "model.yaml").write_text(textwrap.dedent(model).replace("NAME", name))
        (folder / "job.yaml").write_text(job_yaml.replace("TIMEOUT", str(timeout)) + tags)
        (folder / "src" / "main.py").write_text(job)
        self.release(name)
        return name

    def release(self, *names: str) -> None:
        """Release models as the deployer; all that there are, if none is named."""
        with self.cloud.acting_as("deployer"):
            forget_clients()
            result = CliRunner().invoke(slipway, ["release", *names, "--from", str(self.models)])
            forget_clients()
        assert result.exit_code == 0, f"{result.output}\n{result.stderr}\n{result.exception}"

    # Landing

    def lake(self, principal: str, filesystem: str) -> FileSystemClient:
        """A filesystem as a principal sees it."""
        url = self.cloud.endpoints.storage_tls
        return DataLakeServiceClient(url, credential=self.cloud.credential(principal)).get_file_system_client(
            filesystem
        )

    def land(self, folder: str, files: Files, marker: str | None = "_SUCCESS") -> None:
        """Write files into a landing folder, one by one, the marker last; one that is there goes first.

        A file is empty between its creation and its flush: beside a marker, it would be run on as it is.
        """
        landing = self.lake("upstream", "landing")
        if marker is not None:
            with suppress(ResourceNotFoundError):
                landing.get_file_client(f"{folder}/{marker}").delete_file()
        for name, content in files.items():
            put(landing, f"{folder}/{name}", content.encode() if isinstance(content, str) else content)
        if marker is not None:
            put(landing, f"{folder}/{marker}", b"")

    def put_record(self, path: str, content: bytes, metadata: Mapping[str, str] | None = None) -> None:
        """Write a blob of the control filesystem as the app does, in one request: nobody's write comes between."""
        url = f"{self.cloud.endpoints.storage_tls}/control/{path}"
        blob = BlobClient.from_blob_url(url, credential=self.cloud.credential("app"))
        blob.upload_blob(content, overwrite=True, metadata=dict(metadata or {}))

    # Disturbances

    def fault(self, action: Mapping[str, Any], **where: Any) -> None:
        """Switch a fault on (see `localcloud.faults.Rule`) until the flow is over."""
        self.cloud.control.post("/faults", {**where, "action": action})

    @contextmanager
    def held_up(self, **where: Any) -> Iterator[None]:
        """Within the block such requests wait before their effect (see `fault`); all faults end with the block.

        Not the first one alone: a client that waits too long sends it again.
        """
        self.fault({"delay": 600}, **where)
        yield
        self.calm()

    def events(self, **switches: Any) -> None:
        """Change what becomes of events (see `localcloud.eventgrid.switches`) until the flow is over."""
        self.cloud.control.post("/events", switches)

    def calm(self) -> None:
        """No faults, and every event once."""
        self.cloud.control.delete("/faults")
        self.events(off=False, duplicate=1, shuffle=0, delay=0, hold=False)

    # Time

    def now(self) -> datetime:
        """The cloud's time, UTC."""
        return datetime.fromisoformat(self.cloud.control.get("/clock")["now"])

    def reconciled(self) -> None:
        """Wait until the reconciler has made a whole pass that begins after now."""
        begun, control = self.now(), self.lake("app", "control")
        eventually(
            lambda: datetime.fromisoformat(json.loads(read(control, "heartbeat/reconcile.json"))["started_at"]) > begun
        )

    # What a client sees

    def get(self, path: str) -> dict[str, Any]:
        """A GET of the app's API that must succeed."""
        status, document = self.call("GET", path)
        assert status == 200, document
        return document

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Any request to the app's API: status and JSON body. `body` may be bytes, to be sent as they are."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.cloud.endpoints.functions}/api/{path}",
            data=data,
            method=method,
            headers={"Content-Type": "application/json", **(headers or {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            is_json = "json" in error.headers.get("Content-Type", "")
            return error.code, json.loads(error.read()) if is_json else {}

    def period(self, model: str, period: str) -> dict[str, Any]:
        """The readiness card."""
        return self.get(f"models/{model}/periods/{period}")

    def run(self, run: str) -> dict[str, Any]:
        """A run as people see it."""
        return self.get(f"runs/{run}")

    def published(
        self, model: str, period: str, within: float = PATIENCE, other_than: str | None = None
    ) -> dict[str, Any]:
        """Wait until the period is published and its run ended; returns what the card says of the publication."""

        def done() -> dict[str, Any] | None:
            card = self.period(model, period)
            published = card["published"]
            ended = published and not card["active"]
            return published if ended and published["run"] != other_than else None

        found: dict[str, Any] = eventually(done, within)
        return found

    def ended(self, model: str, period: str, state: str) -> dict[str, Any]:
        """Wait until the period's last run ended in this state; returns the run."""

        def done() -> str | None:
            card = self.period(model, period)
            last = card["last"]
            return last["run"] if last and last["state"] == state and not card["active"] else None

        return self.run(eventually(done))

    def outputs(self, model: str, period: str, principal: str = "analyst") -> dict[str, tuple[int, str]]:
        """What a reader reads: each file's length and SHA-256 by name, checked against the manifest."""
        lake = self.lake(principal, "models")
        pointer = json.loads(read(lake, f"{model}/published/{period}.json"))
        manifest = json.loads(read(lake, pointer["manifest"]))
        found = {}
        for file in manifest["files"]:
            content = read(lake, f"{pointer['folder']}/{file['name']}")
            found[file["name"]] = (len(content), hashlib.sha256(content).hexdigest())
            assert found[file["name"]] == (file["length"], file["sha256"])
        return found

    def text(self, model: str, period: str, name: str, principal: str = "analyst") -> str:
        """A published file, as a reader reads it by way of the pointer."""
        lake = self.lake(principal, "models")
        pointer = json.loads(read(lake, f"{model}/published/{period}.json"))
        return read(lake, f"{pointer['folder']}/{name}").decode()

    def can_read(self, principal: str, path: str) -> bool:
        """Whether a principal can read a file of the models filesystem; measured by trying."""
        try:
            read(self.lake(principal, "models"), path)
        except ResourceNotFoundError:
            raise
        except HttpResponseError as error:
            if error.status_code != 403:
                raise
            return False
        return True

    def jobs(self, run: str) -> list[str]:
        """The names of the workspace's jobs of a run, or of all runs whose ids begin so."""
        return sorted(self.job_states(run))

    def job_states(self, run: str) -> dict[str, str]:
        """As `jobs`, each with its status."""
        link: str | None = f"{self._workspace()}/jobs?api-version=2024-01-01-preview"
        states = {}
        while link is not None:
            page = self._of_azure_ml(link)
            states |= {job["name"]: job["properties"]["status"] for job in page["value"]}
            link = page.get("nextLink")
        return {name: status for name, status in states.items() if name.startswith(run)}

    def job(self, name: str) -> dict[str, Any]:
        """A job as Azure ML has it."""
        return self._of_azure_ml(f"{self._workspace()}/jobs/{name}?api-version=2024-01-01-preview")

    def _workspace(self) -> str:
        return (
            f"{self.cloud.endpoints.aml}/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/local"
            "/providers/Microsoft.MachineLearningServices/workspaces/local"
        )

    def _of_azure_ml(self, address: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.cloud.token('app', 'https://management.azure.com')}"}
        request = urllib.request.Request(address, headers=headers)
        with urllib.request.urlopen(request, timeout=60, context=self.cloud.trust) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


def put(filesystem: FileSystemClient, path: str, content: bytes) -> None:
    """Write a file as writers of landing data do: create, append, flush and close."""
    file = filesystem.get_file_client(path)
    if content:
        file.upload_data(content, overwrite=True)
    else:
        file.create_file()


def read(filesystem: FileSystemClient, path: str) -> bytes:
    """The bytes of a file."""
    return bytes(filesystem.get_file_client(path).download_file().readall())


def forget_clients() -> None:
    """Let the process make its clients anew, for another principal."""
    from slipway.azure.credential import credential
    from slipway.azure.job_details import job_details
    from slipway.azure.jobs import jobs
    from slipway.azure.lake import lake
    from slipway.settings import settings

    for kept in (settings, credential, lake, jobs, job_details):
        kept.cache_clear()
