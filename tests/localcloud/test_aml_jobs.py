"""Jobs through the unmodified azure-ai-ml client, over TLS, with tokens."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.ai.ml import Input, MLClient, Output, command
from azure.ai.ml.constants import ListViewType
from azure.ai.ml.entities import Data, Environment
from azure.ai.ml.exceptions import JobException
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.localcloud.aml_workspace import WORKSPACE, Served, served
from tests.localcloud.sleepers import nap, running
from tests.running import PATIENCE, eventually

ENDED = {"Completed", "Failed", "Canceled"}
MODELS = "azureml://datastores/models/paths"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A workspace with an environment ``python`` version 1."""
    with pytest.MonkeyPatch.context() as patch, served(tmp_path_factory.mktemp("state")) as workspace:
        patch.setenv("AZUREML_DEV_URL_MFE", workspace.endpoints.aml)
        patch.setenv("REQUESTS_CA_BUNDLE", str(workspace.tls.bundle))
        client_of(workspace).environments.create_or_update(Environment(name="python", version="1", image="python:3.11"))
        yield workspace


@pytest.fixture
def client(cloud: Served) -> MLClient:
    """The client of the app."""
    return client_of(cloud)


def client_of(cloud: Served, principal: str = "app") -> MLClient:
    """Make the client of a principal; it sends each request once, so that refusals come at once."""
    _, _, subscription, _, group, *_, name = WORKSPACE.split("/")
    return MLClient(cloud.credential(principal), subscription, group, name, retry_total=0)


def job(name: str, text: str, **more: Any) -> Any:
    """Describe a command job."""
    more = {"environment": "azureml:python:1", "compute": "cpu-cluster", "experiment_name": "tests", **more}
    return command(name=name, command=text, **more)


def ended(client: MLClient, name: str) -> str:
    """Wait for a job's end and return its status."""
    eventually(lambda: client.jobs.get(name).status in ENDED)
    return str(client.jobs.get(name).status.value)


def get(cloud: Served, path: str, principal: str = "app", **params: str) -> Any:
    """Read an address of the service without the SDK; ``path`` may be absolute."""
    url = path if path.startswith("https:") else cloud.endpoints.aml + path
    token = cloud.credential(principal).get_token("https://management.azure.com/.default").token
    return requests.get(url, params=params, headers={"Authorization": f"Bearer {token}"}, timeout=60)


def details(cloud: Served, name: str) -> dict[str, Any]:
    """Return the details of a run from run history."""
    return get(cloud, f"/history/v1.0{WORKSPACE}/runs/{name}/details").json()


def log_of(cloud: Served, name: str) -> str:
    """Return what a job wrote; its address needs no token."""
    return requests.get(details(cloud, name)["logFiles"]["user_logs/std_log.txt"], timeout=60).text


def folder(uri: str) -> dict[str, str]:
    """Describe an input or output that is a folder, as it travels."""
    return {"jobInputType": "uri_folder", "jobOutputType": "uri_folder", "uri": uri}


class TestRunning:
    """What a job's command finds, and what becomes of what it writes."""

    def test_a_job_turns_inputs_into_outputs(self, cloud: Served, client: MLClient) -> None:
        """Inputs are folders, files and literals; what the command writes lies in the lake once it is Completed."""
        cloud.put("models", "in/a/one.csv", b"1")
        cloud.put("models", "in/a/deep/two.csv", b"22")
        cloud.put("models", "in/three.csv", b"333")
        text = (
            "cd ${{outputs.result}}; mkdir deep; echo said; echo ${{inputs.number}} $GREETING > deep/number.txt; "
            "cat ${{inputs.folder}}/one.csv ${{inputs.folder}}/deep/two.csv ${{inputs.file}} > all.csv"
        )
        inputs = {
            "folder": Input(type="uri_folder", path=f"{MODELS}/in/a"),
            "file": Input(type="uri_file", path="abfss://models@devstoreaccount1.dfs.core.windows.net/in/three.csv"),
            "number": 3,
        }
        outputs = {"result": Output(type="uri_folder", path=f"{MODELS}/out/first/")}
        sent = job("first", text, inputs=inputs, outputs=outputs, environment_variables={"GREETING": "hello there"})

        created = client.jobs.create_or_update(sent)

        assert created.name == "first"
        assert ended(client, "first") == "Completed"
        assert cloud.read("models", "out/first/all.csv") == b"122333"
        assert cloud.read("models", "out/first/deep/number.txt") == b"3 hello there\n"
        assert log_of(cloud, "first") == "said\n"

    def test_a_part_of_a_command_may_depend_on_an_input(self, cloud: Served, client: MLClient) -> None:
        """What stands in $[[ ]] is left out if its input is not given."""
        text = "echo begin $[[--n ${{inputs.n}}]] $[[--m ${{inputs.m}}]] end"
        client.jobs.create_or_update(job("optional", text, inputs={"n": 3}))

        assert ended(client, "optional") == "Completed"
        assert log_of(cloud, "optional") == "begin --n 3 end\n"

    def test_code_is_writable_and_inputs_are_not(self, cloud: Served, client: MLClient, tmp_path: Path) -> None:
        """Programs may write beside themselves; an input is a read-only mount."""
        (tmp_path / "src").mkdir()
        (tmp_path / "src" / "main.py").write_text("open('beside', 'w')")
        cloud.put("models", "in/modes/one.csv", b"1")
        inputs = {"x": Input(type="uri_folder", path=f"{MODELS}/in/modes")}
        text = "python main.py; stat -c %A . main.py ${{inputs.x}} ${{inputs.x}}/one.csv"
        client.jobs.create_or_update(job("modes", text, inputs=inputs, code=str(tmp_path / "src")))

        assert ended(client, "modes") == "Completed"
        modes = [line[2] for line in log_of(cloud, "modes").splitlines()]
        assert modes == ["w", "w", "-", "-"]

    def test_the_environment_is_the_services_and_the_jobs_own(
        self, cloud: Served, client: MLClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing of the host's environment but PATH reaches the command, and python is this interpreter."""
        monkeypatch.setenv("AZURE_CLIENT_SECRET", "secret of the host")
        outputs = {"y": Output(type="uri_folder", path=f"{MODELS}/out/environment/")}
        client.jobs.create_or_update(
            job(
                "environment", "env; python -c 'import sys; print(sys.prefix)'; pwd", inputs={"x": "5"}, outputs=outputs
            )
        )

        assert ended(client, "environment") == "Completed"
        said = log_of(cloud, "environment")
        assert "AZUREML_RUN_ID=environment\n" in said
        assert "AZUREML_ARM_WORKSPACE_NAME=local\n" in said
        assert "AZUREML_ARM_PROJECT_NAME=tests\n" in said
        assert "AZURE_ML_INPUT_x=5\n" in said
        assert "AZURE_ML_OUTPUT_y=" in said
        assert f"\n{sys.prefix}\n" in said
        assert "secret" not in said

    def test_an_output_without_a_path_goes_to_the_workspaces_own_datastore(
        self, cloud: Served, client: MLClient
    ) -> None:
        """The service fills in workspaceblobstore, which has its own credential."""
        sent = job("pathless", "echo 1 > ${{outputs.y}}/one", outputs={"y": Output(type="uri_folder")})
        path = client.jobs.create_or_update(sent).outputs["y"].path

        assert path == "azureml://datastores/workspaceblobstore/paths/azureml/pathless/y/"
        assert ended(client, "pathless") == "Completed"

    def test_a_failed_command_is_told_in_run_history(self, cloud: Served, client: MLClient) -> None:
        """The error has the exit code and the traceback; the job resource has neither."""
        client.jobs.create_or_update(job("failing", "python -c 'print(1); raise ValueError(\"no such column\")'"))

        assert ended(client, "failing") == "Failed"
        error = details(cloud, "failing")["error"]["error"]
        assert error["code"] == "UserError"
        assert "User process 'python' exited with status code 1" in error["message"]
        assert "ValueError: no such column" in error["message"]

    @pytest.mark.parametrize(
        ("name", "path", "code"),
        [
            ("missing", f"{MODELS}/nowhere/", "NotFound"),
            ("refused", "azureml://datastores/locked/paths/x", "Authentication"),
        ],
    )
    def test_an_input_that_cannot_be_read_fails_the_job(
        self, cloud: Served, client: MLClient, name: str, path: str, code: str
    ) -> None:
        """Inputs are read with the rights of the job's identity, before the command runs."""
        cloud.put("locked", "x/secret.txt", b"s")
        client.jobs.create_or_update(job(name, "echo ran", inputs={"x": Input(type="uri_folder", path=path)}))

        assert ended(client, name) == "Failed"
        message = details(cloud, name)["error"]["error"]["message"]
        assert f"ScriptExecution.StreamAccess.{code}" in message
        assert path in message

    def test_an_output_that_cannot_be_written_fails_the_job(self, cloud: Served, client: MLClient) -> None:
        """Outputs are written with the rights of the job's identity."""
        outputs = {"y": Output(type="uri_folder", path="azureml://datastores/locked/paths/out/")}
        client.jobs.create_or_update(job("unwritable", "echo 1 > ${{outputs.y}}/one", outputs=outputs))

        assert ended(client, "unwritable") == "Failed"
        assert "AuthorizationPermissionMismatch" in details(cloud, "unwritable")["error"]["error"]["message"]

    def test_links_are_not_followed_out_of_an_output(self, cloud: Served, client: MLClient) -> None:
        """A job cannot publish a file of the machine by a link to it."""
        outputs = {"y": Output(type="uri_folder", path=f"{MODELS}/out/link/")}
        client.jobs.create_or_update(job("linking", "ln -s /etc/hosts ${{outputs.y}}/hosts", outputs=outputs))

        assert ended(client, "linking") == "Failed"
        assert "hosts is no ordinary file" in details(cloud, "linking")["error"]["error"]["message"]

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("link-output", "rmdir ${{outputs.y}}; ln -s OUTSIDE/y ${{outputs.y}}"),
            ("link-outputs", "cd $HOME/..; mv outputs other; ln -s OUTSIDE outputs"),
            ("link-work", "cd $HOME/../..; mv work other; ln -s OUTSIDE work"),
            ("link-log", "ln -sf OUTSIDE/y/secret.txt $HOME/../../user_logs/std_log.txt"),
            ("no-output", "rmdir ${{outputs.y}}"),
        ],
    )
    def test_links_in_place_of_its_own_folders_lead_nowhere(
        self, cloud: Served, client: MLClient, tmp_path: Path, name: str, text: str
    ) -> None:
        """Nothing outside of the job's folder is uploaded, shown as its log, changed or deleted: the job fails."""
        (tmp_path / "y").mkdir(mode=0o755)
        (tmp_path / "y" / "secret.txt").write_text("secret")
        outputs = {"y": Output(type="uri_folder", path=f"{MODELS}/out/{name}")}
        client.jobs.create_or_update(job(name, text.replace("OUTSIDE", str(tmp_path)), outputs=outputs))

        assert ended(client, name) == "Failed"
        assert f"out/{name}/secret.txt" not in cloud.files("models", "out")
        told = details(cloud, name)
        assert told["error"]["error"]["code"] == "UserError"
        assert not any("secret" in requests.get(url, timeout=60).text for url in told["logFiles"].values())
        assert (tmp_path / "y" / "secret.txt").read_text() == "secret"
        assert (tmp_path / "y").stat().st_mode & 0o777 == 0o755

    def test_outputs_are_capped(self, cloud: Served, client: MLClient) -> None:
        """A job that writes more than the declared number of bytes is ended; nothing is uploaded."""
        outputs = {"y": Output(type="uri_folder", path=f"{MODELS}/out/big/")}
        text = "head -c 9000000 /dev/zero > ${{outputs.y}}/zeros; sleep 60"
        client.jobs.create_or_update(job("big", text, outputs=outputs))

        assert ended(client, "big") == "Failed"
        assert "larger than 8388608 bytes" in details(cloud, "big")["error"]["error"]["message"]

    def test_a_log_is_read_in_ranges(self, cloud: Served, client: MLClient) -> None:
        """As a blob is: first and last byte, or from one on; behind the end is 416, the last bytes alone refused."""
        client.jobs.create_or_update(job("ranges", "printf abcdefghij"))
        assert ended(client, "ranges") == "Completed"
        url = details(cloud, "ranges")["logFiles"]["user_logs/std_log.txt"]

        def read(text: str) -> tuple[int, str, str | None]:
            answer = requests.get(url, headers={"Range": text}, timeout=60)
            return answer.status_code, answer.text, answer.headers.get("Content-Range")

        assert read("bytes=2-4") == (206, "cde", "bytes 2-4/10")
        assert read("bytes=8-99") == (206, "ij", "bytes 8-9/10")
        assert read("bytes=9-") == (206, "j", "bytes 9-9/10")
        assert read("bytes=10-12")[0] == 416
        assert read("bytes=-3")[0] == 501

    def test_the_log_is_capped(self, cloud: Served, client: MLClient) -> None:
        """A job may write any amount of log; the first mebibyte is kept."""
        client.jobs.create_or_update(job("talkative", "head -c 3000000 /dev/zero | tr '\\0' x; echo done"))

        assert ended(client, "talkative") == "Completed"
        assert log_of(cloud, "talkative").endswith("\n[the log ends here: it is longer than 1048576 bytes]\n")

    def test_what_a_command_leaves_running_is_ended(self, cloud: Served, client: MLClient) -> None:
        """A background process in a session of its own does not outlive its job."""
        client.jobs.create_or_update(job("leaving", f"setsid {nap(987)} & sleep 0.3"))

        assert ended(client, "leaving") == "Completed"
        assert not running(nap(987))

    def test_use_of_cpu_and_memory_is_measured(self, cloud: Served, client: MLClient) -> None:
        """Azure Monitor's metrics of the workspace answer per run, minute by minute."""
        busy = "from time import process_time as t; e = t() + 1\nwhile t() < e: pass"  # a second of a processor
        text = f"python -c 'b = bytearray(64 * 2**20); {busy}'"
        client.jobs.create_or_update(job("working", text))
        assert ended(client, "working") == "Completed"
        told = details(cloud, "working")

        answer = get(
            cloud,
            f"{WORKSPACE}/providers/Microsoft.Insights/metrics",
            metricnames="CpuUtilizationMillicores,CpuMemoryUtilizationMegabytes,CpuMemoryCapacityMegabytes",
            timespan=f"{told['startTimeUtc']}/{told['endTimeUtc']}",
            interval="PT1M",
            aggregation="Average,Maximum",
            **{"$filter": "RunId eq 'working' and InstanceId eq '*'"},
        ).json()

        most = {
            one["name"]["value"]: max(p.get("maximum", 0) for p in one["timeseries"][0]["data"])
            for one in answer["value"]
        }
        assert 50 < most["CpuUtilizationMillicores"] < 2000  # how much of a processor it got is the machine's to say
        assert 64 < most["CpuMemoryUtilizationMegabytes"] < 200
        assert told["jobCost"]["chargedCpuCoreSeconds"] > 0.7


class TestSubmitting:
    """What a second submit does, and what is refused."""

    def test_the_first_put_creates_and_the_second_finds(self, cloud: Served, client: MLClient) -> None:
        """201, then 200 for an identical body; nothing runs twice."""
        body = raw(
            "put-twice", outputs={"y": {"jobOutputType": "uri_folder", "uri": f"{MODELS}/out/twice/", "mode": None}}
        )

        first, second = put(cloud, "put-twice", body), put(cloud, "put-twice", body)

        assert [first.status_code, second.status_code] == [201, 200]
        assert first.headers["Location"].endswith("/jobs/put-twice")
        assert ended(client, "put-twice") == "Completed"
        assert [event["data"].get("runStatus") for event in cloud.events("put-twice")].count("Running") == 1

    def test_another_body_under_the_same_name_is_refused(self, cloud: Served, client: MLClient) -> None:
        """400 UserError, JobPropertyImmutable, in the service's own words."""
        client.jobs.create_or_update(job("fixed", "echo 1"))

        with pytest.raises(HttpResponseError, match="A job with this name already exists") as refusal:
            client.jobs.create_or_update(job("fixed", "echo 2"))

        assert refusal.value.status_code == 400
        assert refusal.value.error.code == "UserError"
        assert "JobPropertyImmutable" in str(refusal.value.error.additional_info[-1].info)

    @pytest.mark.parametrize(
        "environment",
        ["azureml:AzureML-sklearn-1.5:33", "azureml://registries/azureml/environments/minimal/versions/1"],
    )
    def test_environments_of_others_are_taken_on_trust(self, client: MLClient, environment: str) -> None:
        """Those of a registry and curated ones, which the SDK hands over by their short names, come back as given."""
        made = client.jobs.create_or_update(job(f"trusting-{len(environment)}", "true", environment=environment))

        assert client.jobs.get(made.name).environment == environment

    def test_tags_are_replaced_by_a_put_and_merged_by_an_update(self, cloud: Served, client: MLClient) -> None:
        """Only description, tags, display name, properties and the archived mark may change."""
        client.jobs.create_or_update(job("tagged", "true", tags={"a": "1", "b": "2"}))

        replaced = client.jobs.create_or_update(job("tagged", "true", tags={"c": "3"}, description="new"))
        merged = client.jobs.update("tagged", tags={"d": "4"})

        assert replaced.tags == {"c": "3"}
        assert merged.tags == {"c": "3", "d": "4"}
        assert client.jobs.get("tagged").description == "new"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"computeId": f"{WORKSPACE}/computes/gpu"}, "Unknown compute target 'gpu'"),
            ({"environmentId": f"{WORKSPACE}/environments/python/versions/9"}, "name: python, version: 9"),
            ({"codeId": f"{WORKSPACE}/codes/none/versions/1"}, "No code asset exists"),
            ({"command": "cat ${{inputs.other}}"}, r"refers to \${{inputs.other}}"),
            ({"command": " "}, "cannot be empty"),
            ({"inputs": {"x": folder("azureml://datastores/no/paths/x")}}, "no datastore 'no'"),
            ({"inputs": {"x": folder(f"{MODELS}/a/../../b")}}, "not allowed in a path"),
            ({"outputs": {"y": folder("abfss://models@devstoreaccount1.dfs.core.windows.net/x")}}, "cannot be abfss"),
            ({"outputs": {"../y": {"jobOutputType": "uri_folder"}}}, "is not valid"),
            ({"limits": {"jobLimitsType": "Command", "timeout": "soon"}}, "is no duration"),
            ({"identity": {"identityType": "Managed", "clientId": "another"}}, "not assigned to the compute"),
            ({"tags": {f"t{n}": "" for n in range(51)}}, "at most 50 tags"),
        ],
    )  # fmt: skip
    def test_a_wrong_specification_is_refused(self, cloud: Served, change: dict[str, Any], message: str) -> None:
        """400 UserError that names the part; nothing is stored."""
        answer = put(cloud, "wrong", raw("wrong", **change))

        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "UserError"
        assert re.search(message, answer.json()["error"]["message"])
        assert get(cloud, f"{WORKSPACE}/jobs/wrong").status_code == 404

    @pytest.mark.parametrize("name", ["..%2F..%2Fx", "-first", "with%20space", "x" * 256, "a.b"])
    def test_a_name_that_is_none_is_refused(self, cloud: Served, name: str) -> None:
        """Names from outside never build a path unchecked."""
        answer = put(cloud, name, raw("x"))

        assert answer.status_code == 400
        assert "is not valid" in answer.json()["error"]["message"]

    @pytest.mark.parametrize(
        "change",
        [
            {"jobType": "Sweep"}, {"jobType": "Pipeline"}, {"jobType": "Spark"}, {"jobType": "AutoML"},
            {"distribution": {"distributionType": "Mpi"}}, {"resources": {"instanceCount": 2}},
            {"identity": {"identityType": "UserIdentity"}}, {"computeId": None},
            {"inputs": {"x": {"jobInputType": "mltable", "uri": "x"}}},
            {"inputs": {"x": folder("wasbs://models@devstoreaccount1.blob.core.windows.net/x")}},
            {"inputs": {"x": folder("https://example.com/x")}},
            {"outputs": {"y": {"jobOutputType": "uri_folder", "mode": "Direct"}}},
            {"outputs": {"y": {"jobOutputType": "uri_folder", "assetName": "scores"}}},
        ],
    )  # fmt: skip
    def test_what_is_not_supported_is_refused_by_name(self, cloud: Served, change: dict[str, Any]) -> None:
        """501 with an ARM body."""
        answer = put(cloud, "unsupported", raw("unsupported", **change))

        assert answer.status_code == 501
        assert answer.json()["error"]["message"].startswith("localcloud does not support ")

    def test_an_unknown_address_is_refused_by_name(self, cloud: Served) -> None:
        """Nothing is answered that is not there."""
        answer = get(cloud, f"{WORKSPACE}/onlineEndpoints")

        assert answer.status_code == 501
        assert "onlineEndpoints" in answer.json()["error"]["message"]

    def test_who_has_no_token_or_no_right_stays_out(self, cloud: Served) -> None:
        """401 without a token, 403 for a principal that the workspace does not list, 404 for another workspace."""
        bare = requests.get(f"{cloud.endpoints.aml}{WORKSPACE}/jobs", timeout=60)
        assert bare.status_code == 401
        assert bare.json()["error"]["code"] == "AuthenticationFailed"
        with pytest.raises(HttpResponseError, match="AuthorizationFailed") as refusal:
            client_of(cloud, "stranger").jobs.get("first")

        assert refusal.value.status_code == 403
        assert get(cloud, WORKSPACE.replace("workspaces/local", "workspaces/other") + "/jobs").status_code == 404
        assert get(cloud, WORKSPACE.replace("resourceGroups", "resourcegroups") + "/jobs").status_code == 200


class TestLife:
    """States, events, time and the end of a job."""

    def test_states_come_in_order_and_each_is_told(self, cloud: Served, client: MLClient) -> None:
        """RunStatusChanged for every state, RunCompleted for success."""
        client.jobs.create_or_update(job("orderly", "true", tags={"run": "r1"}))
        assert ended(client, "orderly") == "Completed"

        events = cloud.events("orderly")

        states = ["NotStarted", "Starting", "Preparing", "Queued", "Running", "Finalizing", "Completed", None]
        assert states == [event["data"].get("runStatus") for event in events]
        assert events[-1]["eventType"] == "Microsoft.MachineLearningServices.RunCompleted"
        assert events[-1]["data"]["runTags"] == {"run": "r1"}
        assert re.fullmatch(r"experiments/[0-9a-f-]{36}/runs/orderly", events[-1]["subject"])

    def test_a_canceled_job_and_all_its_processes_end(self, cloud: Served, client: MLClient) -> None:
        """The poller sees 202, then the end; descendants in other sessions are ended too."""
        client.jobs.create_or_update(job("endless", f"setsid {nap(986)} & {nap(985)}"))
        eventually(lambda: running(nap(985)) and running(nap(986)))

        client.jobs.begin_cancel("endless").result(PATIENCE)

        assert ended(client, "endless") == "Canceled"
        assert not running(nap(985))
        assert not running(nap(986))
        assert [event["data"]["runStatus"] for event in cloud.events("endless")][-2:] == ["CancelRequested", "Canceled"]
        client.jobs.begin_cancel("endless").result(PATIENCE)
        with pytest.raises(ResourceNotFoundError):
            client.jobs.begin_cancel("nobody", polling=False)

    def test_a_job_over_its_time_is_canceled(self, cloud: Served, client: MLClient) -> None:
        """The limit counts on the cloud's clock, from Running on."""
        sent = job("slow", nap(984))
        sent.set_limits(timeout=3600)
        client.jobs.create_or_update(sent)
        eventually(lambda: running(nap(984)))

        cloud.advance(3601)

        assert ended(client, "slow") == "Canceled"
        assert "exceeded its timeout of 1:00:00" in details(cloud, "slow")["warnings"][0]["message"]
        assert not running(nap(984))

    def test_a_declared_duration_passes_on_the_clock(self, cloud: Served, client: MLClient) -> None:
        """The job stays Running though its process has ended; its limit does not strike before its duration is over."""
        sent = job("six-hours", "echo soon done", tags={"localcloud.duration": "PT6H"})
        sent.set_limits(timeout=8 * 3600)
        client.jobs.create_or_update(sent)
        eventually(lambda: details(cloud, "six-hours")["logFiles"] and "soon" in log_of(cloud, "six-hours"))
        cloud.advance(5 * 3600)
        assert details(cloud, "six-hours")["status"] == "Running"

        cloud.advance(6 * 3600)

        assert ended(client, "six-hours") == "Completed"

    def test_no_more_jobs_run_than_there_are_nodes(self, cloud: Served, client: MLClient) -> None:
        """The third of three waits, Queued, until one has ended."""
        for number in (1, 2, 3):
            client.jobs.create_or_update(job(f"queue-{number}", "echo on", tags={"localcloud.duration": "3600"}))
        numbers, first = (1, 2, 3), ["Running", "Running", "Queued"]
        eventually(lambda: [details(cloud, f"queue-{number}")["status"] for number in numbers] == first)

        client.jobs.begin_cancel("queue-3").result(PATIENCE)
        cloud.advance(3600)

        assert [ended(client, f"queue-{n}") for n in (1, 2, 3)] == ["Completed", "Completed", "Canceled"]

    def test_a_deleted_job_is_gone_but_its_name_is_taken(self, cloud: Served, client: MLClient) -> None:
        """Only an ended job can be deleted."""
        client.jobs.create_or_update(job("short-lived", "true"))
        ended(client, "short-lived")

        client.jobs.begin_delete("short-lived").result(PATIENCE)

        with pytest.raises(ResourceNotFoundError):
            client.jobs.get("short-lived")
        assert not (cloud.state / "jobs" / "short-lived").exists()
        assert put(cloud, "short-lived", raw("short-lived")).status_code == 409


class TestReading:
    """Lists, streams, run history."""

    def test_lists_are_newest_first_filtered_and_paged(self, cloud: Served, client: MLClient) -> None:
        """By key of a tag, by properties, by archived or not; pages follow each other by nextLink."""
        for number in range(3):
            sent = job(f"listed-{number}", "true", tags={"batch-7": str(number)}, properties={"runId": f"r{number}"})
            client.jobs.create_or_update(sent)
        ended(client, "listed-2")
        client.jobs.archive("listed-0")

        assert [one.name for one in client.jobs.list(tag="batch-7")] == ["listed-2", "listed-1"]
        everything = client.jobs.list(tag="batch-7", list_view_type=ListViewType.ALL)
        assert [one.name for one in everything] == ["listed-2", "listed-1", "listed-0"]
        assert [one.name for one in client.jobs.list(properties="runId=r1")] == ["listed-1"]
        page = get(cloud, f"{WORKSPACE}/jobs", **{"$skip": "1", "tag": "batch-7"}).json()
        assert [one["name"] for one in page["value"]] == ["listed-1"]

    def test_a_stream_shows_the_log_and_the_error(
        self, cloud: Served, client: MLClient, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """jobs.stream prints the log as it grows and raises the error that run history holds."""
        client.jobs.create_or_update(job("streamed", "echo streaming; sleep 1; echo 'Error: out of luck'; exit 3"))

        with pytest.raises(JobException, match="exited with status code 3"):
            client.jobs.stream("streamed")

        assert "streaming" in capsys.readouterr().out

    def test_a_log_is_read_by_its_signed_address_only(self, cloud: Served, client: MLClient) -> None:
        """A changed signature opens nothing, an old one no longer."""
        client.jobs.create_or_update(job("signed", "echo hidden"))
        ended(client, "signed")
        address = details(cloud, "signed")["logFiles"]["user_logs/std_log.txt"]

        assert requests.get(address, timeout=60).text == "hidden\n"
        assert requests.get(address[:-2], timeout=60).status_code == 403
        cloud.advance(3601)
        assert requests.get(address, timeout=60).status_code == 403

    def test_a_data_asset_is_resolved_to_its_path(self, cloud: Served, client: MLClient) -> None:
        """An input may name a registered version of data."""
        cloud.put("models", "in/asset/one.txt", b"by asset")
        client.data.create_or_update(Data(name="numbers", version="1", type="uri_folder", path=f"{MODELS}/in/asset"))
        inputs = {"x": Input(type="uri_folder", path="azureml:numbers:1")}
        client.jobs.create_or_update(job("by-asset", "cat ${{inputs.x}}/one.txt", inputs=inputs))

        assert ended(client, "by-asset") == "Completed"
        assert log_of(cloud, "by-asset") == "by asset"


def raw(name: str, **changes: Any) -> dict[str, Any]:
    """Return the properties of a job as they travel, to be changed in ways the SDK would not let through."""
    return {
        "jobType": "Command",
        "displayName": name,
        "experimentName": "tests",
        "command": "true",
        "environmentId": f"{WORKSPACE}/environments/python/versions/1",
        "computeId": f"{WORKSPACE}/computes/cpu-cluster",
        "inputs": {},
        "outputs": {},
        **changes,
    }


def put(cloud: Served, name: str, properties: dict[str, Any]) -> requests.Response:
    """Submit a job without the SDK."""
    token = cloud.credential().get_token("https://management.azure.com/.default").token
    url = f"{cloud.endpoints.aml}{WORKSPACE}/jobs/{name}?api-version=2025-01-01-preview"
    return requests.put(url, json={"properties": properties}, headers={"Authorization": f"Bearer {token}"}, timeout=60)
