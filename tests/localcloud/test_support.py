"""The page on what is supported and refused is held to the cloud: each refusal is asked for, each support has tests.

A feature that is refused answers 501 (or is a message at start) with the words of its row in the page.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from localcloud.config import Resources
from localcloud.secrets import Secrets
from tests.running import PROJECT, LocalCloud, eventually

HERE = Path(__file__).parent
PAGE = (PROJECT / "docs/reference/localcloud.md").read_text(encoding="utf-8")
MARKS = {"documented", "observed", "assumed", "ours"}
VERSION = {"x-ms-version": "2024-08-04"}
SAS = "sv=2024-08-04&sp=r&se=2099-01-01T00%3A00%3A00Z&sig=AAAA"

#: Asks for a feature; returns the answer.
Ask = Callable[["Client"], requests.Response]


class Client:
    """Requests to one cloud, as the lake's owner."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.where = cloud.endpoints
        self._token = cloud.token("app")
        self._topic = cloud.token("app", "https://eventgrid.azure.net")
        self.log = cloud.state / "logs" / "functions.log"
        self._key = Secrets.load(cloud.state).function_keys["master"]
        self._arm = cloud.token("app", "https://management.azure.com")
        ml = Resources.load(cloud.app).aml
        self._workspace = (
            f"/subscriptions/{ml.subscription}/resourceGroups/{ml.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{ml.workspace}"
        )

    def lake(self, method: str, path: str, query: str = "", **headers: str) -> requests.Response:
        """Ask the lake, with a token and over TLS."""
        given = {**VERSION, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if "sig=" not in query:
            given["Authorization"] = f"Bearer {self._token}"
        return requests.request(method, f"{self.where.storage_tls}/{path}?{query}", headers=given, timeout=60)

    def job(self, **properties: Any) -> requests.Response:
        """Submit a job to Azure ML."""
        body = {"properties": {"jobType": "Command", "command": "true", **properties}}
        address = f"{self.where.aml}{self._workspace}/jobs/asked?api-version=2025-01-01-preview"
        return requests.put(address, json=body, headers={"Authorization": f"Bearer {self._arm}"}, timeout=60)

    def whole_job(self, **properties: Any) -> requests.Response:
        """Submit a job that says where and in what it runs."""
        environment = "azureml://registries/azureml/environments/minimal/versions/1"
        return self.job(computeId=f"{self._workspace}/computes/cpu-cluster", environmentId=environment, **properties)

    def models(self, query: str, below: str = "") -> requests.Response:
        """List the workspace's models, or begin the upload of one."""
        address = f"{self.where.aml}{self._workspace}/models{below}?api-version=2024-04-01&{query}"
        given = {"Authorization": f"Bearer {self._arm}"}
        if below:
            return requests.post(address, json={}, headers=given, timeout=60)
        return requests.get(address, headers=given, timeout=60)

    def topic_management(self) -> requests.Response:
        """Create a topic as Azure Resource Manager would."""
        return requests.put(f"{self.where.eventgrid}/subscriptions/s/topics/t", json={}, timeout=60)

    def host(self, method: str, path: str, **query: str) -> requests.Response:
        """Ask the functions host, with its keys."""
        return requests.request(
            method, f"{self.where.functions}/{path}", params={"code": self._key, **query}, json={}, timeout=60
        )

    def topic(self, **headers: str) -> requests.Response:
        """Publish to a topic."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.post(f"{self.where.eventgrid}/topics/news/api/events", json=[], headers=given, timeout=60)


#: The refused features, as the page names them, and how each is asked for.
REFUSED: dict[str, Ask] = {
    # Lake
    "append blobs": lambda ask: ask.lake("PUT", "landing/f", x_ms_blob_type="AppendBlob"),
    "page blobs": lambda ask: ask.lake("PUT", "landing/f", x_ms_blob_type="PageBlob"),
    "snapshots": lambda ask: ask.lake("PUT", "landing/f", "comp=snapshot"),
    "snapshots and versions": lambda ask: ask.lake("GET", "landing/f", "versionid=1"),
    "access tiers": lambda ask: ask.lake("PUT", "landing/f", "comp=tier"),
    "blob index tags": lambda ask: ask.lake("PUT", "landing/f", "comp=tags"),
    "finding blobs by their tags": lambda ask: ask.lake("GET", "", "comp=blobs"),
    "files that expire": lambda ask: ask.lake("PUT", "landing/f", "comp=expiry"),
    "soft delete": lambda ask: ask.lake("PUT", "landing/f", "comp=undelete"),
    "quick query": lambda ask: ask.lake("POST", "landing/f", "comp=query"),
    "immutability policies": lambda ask: ask.lake("PUT", "landing/f", "comp=immutabilitypolicies"),
    "legal holds": lambda ask: ask.lake("PUT", "landing/f", "comp=legalhold"),
    "copies from other accounts": lambda ask: ask.lake(
        "PUT", "landing/f", x_ms_copy_source="https://other.blob.core.windows.net/c/f"
    ),
    "public access to containers": lambda ask: ask.lake(
        "PUT", "open", "restype=container", x_ms_blob_public_access="blob"
    ),
    "stored access policies and public access": lambda ask: ask.lake("PUT", "landing", "restype=container&comp=acl"),
    "renaming containers": lambda ask: ask.lake("PUT", "landing", "restype=container&comp=rename"),
    "changing service properties": lambda ask: ask.lake("PUT", "", "restype=service&comp=properties"),
    "uncommitted blobs in a listing": lambda ask: ask.lake(
        "GET", "landing", "restype=container&comp=list&include=uncommittedblobs"
    ),
    "service statistics": lambda ask: ask.lake("GET", "", "restype=service&comp=stats"),
    "user delegation keys": lambda ask: ask.lake("POST", "", "restype=service&comp=userdelegationkey"),
    "the delimiter '|'": lambda ask: ask.lake("GET", "landing", "restype=container&comp=list&delimiter=%7C"),
    "customer-provided keys": lambda ask: ask.lake("GET", "landing/f", x_ms_encryption_key="k"),
    "encryption scopes": lambda ask: ask.lake("GET", "landing/f", x_ms_encryption_scope="s"),
    "encryption contexts": lambda ask: ask.lake("PUT", "landing/f", "resource=file", x_ms_encryption_context="c"),
    "structured message bodies": lambda ask: ask.lake("GET", "landing/f", x_ms_structured_body="XSM/1.0"),
    "CRC64 checksums": lambda ask: ask.lake("GET", "landing/f", x_ms_range_get_content_crc64="true"),
    "conditions on blob index tags": lambda ask: ask.lake("GET", "landing/f", x_ms_if_tags="a = 'b'"),
    "endbefore in a listing of blobs": lambda ask: ask.lake(
        "GET", "landing", "restype=container&comp=list&endBefore=a"
    ),
    "a SAS of the version": lambda ask: ask.lake("GET", "landing/f", SAS.replace("2024-08-04", "2019-12-12") + "&sr=b"),
    "stored access policies": lambda ask: ask.lake("GET", "landing/f", f"{SAS}&sr=b&si=policy"),
    "user delegation SAS": lambda ask: ask.lake("GET", "landing/f", f"{SAS}&sr=b&skoid=o"),
    "IP ranges in a SAS": lambda ask: ask.lake("GET", "landing/f", f"{SAS}&sr=b&sip=10.0.0.1"),
    # Azure ML
    "jobs of type Pipeline": lambda ask: ask.job(jobType="Pipeline"),
    "jobs of type Sweep": lambda ask: ask.job(jobType="Sweep"),
    "jobs without a compute target": lambda ask: ask.job(),
    "serverless compute": lambda ask: ask.job(computeId="serverless"),
    "jobs on more than one instance": lambda ask: ask.job(resources={"instanceCount": 2}),
    "the job property distribution": lambda ask: ask.job(distribution={"distributionType": "Mpi"}),
    "the job property services": lambda ask: ask.job(services={"ssh": {"jobServiceType": "SSH"}}),
    "the job property notificationSetting": lambda ask: ask.job(notificationSetting={"emails": ["a@b"]}),
    "jobs with identityType UserIdentity": lambda ask: ask.whole_job(identity={"identityType": "UserIdentity"}),
    "inputs of type mltable": lambda ask: ask.whole_job(inputs={"i": {"jobInputType": "mltable", "uri": "u"}}),
    "input mode EvalMount": lambda ask: ask.whole_job(
        inputs={"i": {"jobInputType": "uri_folder", "uri": "u", "mode": "EvalMount"}}
    ),
    "outputs of type mlflow_model": lambda ask: ask.whole_job(outputs={"o": {"jobOutputType": "mlflow_model"}}),
    "output mode Direct": lambda ask: ask.whole_job(outputs={"o": {"jobOutputType": "uri_folder", "mode": "Direct"}}),
    "outputs that register themselves as data assets": lambda ask: ask.whole_job(
        outputs={"o": {"jobOutputType": "uri_folder", "assetName": "a"}}
    ),
    "https:// data": lambda ask: ask.whole_job(inputs={"i": {"jobInputType": "uri_file", "uri": "https://h/f"}}),
    "wasbs:// data": lambda ask: ask.whole_job(inputs={"i": {"jobInputType": "uri_file", "uri": "wasbs://c@a/f"}}),
    "the query parameter": lambda ask: ask.models("stage=Production"),
    "pending uploads of type": lambda ask: ask.models("", "/m/versions/1/startPendingUpload"),
    # Event Grid
    "access keys of topics": lambda ask: ask.topic(aeg_sas_key="k"),
    "shared access signatures of topics": lambda ask: ask.topic(aeg_sas_token="t"),
    "CloudEvents in binary content mode": lambda ask: ask.topic(ce_specversion="1.0"),
    "channels of partner namespaces": lambda ask: ask.topic(aeg_channel_name="c"),
    "topics and subscriptions are declared in localcloud.yaml": lambda ask: ask.topic_management(),
    # Functions and Durable Functions
    "the binding blob": lambda ask: ask.host("GET", "api/bound"),
    "the retry decorator": lambda ask: ask.host("GET", "api/retried"),
    "requests of other types than func.HttpRequest": lambda ask: ask.host("GET", "api/streamed"),
    "durable clients with a connection of their own": lambda ask: ask.host("GET", "api/other_connection"),
    "durable entities": lambda ask: ask.host("GET", "runtime/webhooks/durabletask/entities/counter/a"),
    "task hubs other than the app's own": lambda ask: ask.host(
        "GET", "runtime/webhooks/durabletask/instances/x", taskHub="Other"
    ),
}
#: What an app may declare, and is said not to run, in the host's log.
REFUSED_IN_THE_LOG = ("the trigger blobTrigger", "the trigger entityTrigger", "a second HTTP output binding")
#: What ends an orchestration at once, by the orchestrator that asks for it.
REFUSED_IN_AN_ORCHESTRATION = {"calls_entity": "durable entities", "calls_http": "durable HTTP calls"}


def rows(heading: str) -> list[list[str]]:
    """The cells of each row of the table below a heading of the page."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[1:]]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[Client]:
    """A cloud with an app that declares what is refused."""
    cloud = LocalCloud(HERE / "cloud_apps" / "refused", tmp_path_factory.mktemp("refused") / "state", authority).start()
    yield Client(cloud)
    cloud.stop()


@pytest.mark.parametrize("feature", REFUSED)
def test_a_refusal_names_the_feature(client: Client, feature: str) -> None:
    """501, and the words of the page."""
    answer = REFUSED[feature](client)
    assert (answer.status_code, feature in answer.text) == (501, True), answer.text


def test_a_client_of_another_hub_is_refused_too(client: Client) -> None:
    """It would be given the addresses of this app's own hub."""
    answer = client.host("GET", "api/other_hub")
    assert (answer.status_code, "task hubs other than the app's own" in answer.text) == (501, True)


@pytest.mark.parametrize("orchestrator", REFUSED_IN_AN_ORCHESTRATION)
def test_an_orchestration_that_asks_for_one_fails_and_names_it(client: Client, orchestrator: str) -> None:
    """At once, never left hanging."""
    started = client.host("POST", f"runtime/webhooks/durabletask/orchestrators/{orchestrator}/{orchestrator}")
    assert started.status_code == 202

    def end() -> dict[str, Any] | None:
        status = client.host("GET", f"runtime/webhooks/durabletask/instances/{orchestrator}")
        return dict(status.json()) if status.status_code == 200 else None

    ended = eventually(end)
    assert ended["runtimeStatus"] == "Failed"
    assert REFUSED_IN_AN_ORCHESTRATION[orchestrator] in ended["output"]


@pytest.mark.parametrize("feature", REFUSED_IN_THE_LOG)
def test_what_an_app_declares_in_vain_is_told_at_start(client: Client, feature: str) -> None:
    """The rest of the app runs."""
    assert f"localcloud does not support {feature}" in client.log.read_text()


def test_encrypted_settings_and_connection_strings_of_queues_are_refused_at_start(
    events_app: Path, start_cloud: Callable[..., LocalCloud]
) -> None:
    """With the remedy, before anything runs."""
    (events_app / "local.settings.json").write_text('{"IsEncrypted": true, "Values": {}}')
    with pytest.raises(AssertionError, match="encrypted settings are not supported; run func settings decrypt"):
        start_cloud(events_app)
    (events_app / "local.settings.json").unlink()
    function = (
        "\n\n@app.queue_trigger(arg_name='m', queue_name='events', connection='Q')\ndef q(m: func.QueueMessage): ...\n"
    )
    with (events_app / "function_app.py").open("a") as file:
        file.write(function)
    with pytest.raises(AssertionError, match="connection strings are not supported"):
        start_cloud(events_app, variables={"SAMPLE_Q": "UseDevelopmentStorage=true"})


def test_the_page_lists_what_is_refused_and_nothing_else() -> None:
    """A row enters with the request that asks for it, and leaves with it."""
    at_start = {"encrypted settings", "connection strings for queue triggers"}
    listed = [feature.replace("\\|", "|") for _, cell, _ in rows("Refused by name") for feature in cell.split("; ")]
    assert sorted(listed) == sorted({*REFUSED, *REFUSED_IN_THE_LOG, *REFUSED_IN_AN_ORCHESTRATION.values(), *at_start})


def test_every_supported_row_has_tests_of_its_own() -> None:
    """Each names tests of this folder that exist; they run with all others, so the row is true when they pass."""
    written = {
        f"{path.stem}::{node.name}" if not isinstance(node, ast.Module) else path.stem
        for path in HERE.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module)
    }
    for service, what, mark, tests in rows("Supported"):
        named = re.findall(r"`([^`]+)`", tests)
        assert named, f"{service}: {what} names no test"
        assert set(named) <= written, f"{service}: {what}: {sorted(set(named) - written)}"
        assert set(re.split(r", (?:error bodies )?", mark)) <= MARKS, mark


def test_every_row_says_how_azure_s_side_is_known() -> None:
    """Documented, observed or assumed; or that it is ours alone."""
    for row in rows("Refused by name") + rows("Known differences"):
        assert row[-1] in MARKS, row
