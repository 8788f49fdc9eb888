"""Code, environments, components, data and models through the unmodified azure-ai-ml client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from azure.ai.ml import MLClient, command, load_component
from azure.ai.ml.entities import Data, Environment, Model
from azure.ai.ml.entities._assets import Code
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from tests.localcloud.aml_workspace import WORKSPACE, Served, served
from tests.running import eventually

MODELS = "azureml://datastores/models/paths"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A workspace."""
    with pytest.MonkeyPatch.context() as patch, served(tmp_path_factory.mktemp("state")) as workspace:
        patch.setenv("AZUREML_DEV_URL_MFE", workspace.endpoints.aml)
        patch.setenv("REQUESTS_CA_BUNDLE", str(workspace.tls.bundle))
        yield workspace


@pytest.fixture
def client(cloud: Served) -> MLClient:
    """The client of the app."""
    _, _, subscription, _, group, *_, name = WORKSPACE.split("/")
    return MLClient(cloud.credential(), subscription, group, name, retry_total=0)


def finished(client: MLClient, name: str) -> str:
    """Wait for a job's end and return its status."""
    ended = {"Completed", "Failed", "Canceled"}
    return str(eventually(lambda: (status := client.jobs.get(name).status) in ended and status).value)


def test_a_job_runs_the_code_of_a_local_folder(cloud: Served, client: MLClient, tmp_path: Path) -> None:
    """The SDK uploads the folder with the SAS it is given; the same folder is uploaded once only."""
    folder = tmp_path / "code"
    (folder / "package").mkdir(parents=True)
    (folder / "main.py").write_text("from package import word; print(word)")
    (folder / "package" / "__init__.py").write_text("word = 'of the package'")

    for name in ("with-code-1", "with-code-2"):
        job = command(
            name=name,
            command="python main.py",
            code=str(folder),
            environment=Environment(image="python:3.11"),
            compute="cpu-cluster",
            experiment_name="tests",
        )
        client.jobs.create_or_update(job)
        assert finished(client, name) == "Completed"
        assert (cloud.state / "jobs" / name / "user_logs" / "std_log.txt").read_text() == "of the package\n"

    codes = {client.jobs.get(name).component.code for name in ("with-code-1", "with-code-2")}
    assert len(codes) == 1


def test_registered_code_runs_by_its_id(cloud: Served, client: MLClient, tmp_path: Path) -> None:
    """Two versions of one code lie apart, though their folders have the same name."""
    client.environments.create_or_update(Environment(name="plain", version="1", image="python:3.11"))
    for version in ("1", "2"):
        folder = tmp_path / version / "code"
        folder.mkdir(parents=True)
        (folder / "main.py").write_text(f"print('version', {version})")
        code = client._code.create_or_update(Code(name="mine", version=version, path=str(folder)))
        name = f"by-id-{version}"
        client.jobs.create_or_update(
            command(
                name=name,
                command="python main.py",
                code=code.id,
                environment="azureml:plain:1",
                compute="cpu-cluster",
                experiment_name="tests",
            )
        )
        assert finished(client, name) == "Completed"
        assert (cloud.state / "jobs" / name / "user_logs" / "std_log.txt").read_text() == f"version {version}\n"


def test_a_version_of_an_environment_never_changes(client: MLClient) -> None:
    """409 for another body; without a version the next number is taken only if something changed."""
    client.environments.create_or_update(Environment(name="fixed", version="1", image="python:3.11"))

    with pytest.raises(ResourceExistsError, match="already exists"):
        client.environments.create_or_update(Environment(name="fixed", version="1", image="python:3.12"))
    same = client.environments.create_or_update(Environment(name="fixed", image="python:3.11"))
    other = client.environments.create_or_update(Environment(name="fixed", image="python:3.12"))

    assert [same.version, other.version] == ["1", "2"]
    assert client.environments.get("fixed", label="latest").version == "2"
    assert client.environments.get("fixed", version="1").image == "python:3.11"
    with pytest.raises(ResourceNotFoundError):
        client.environments.get("fixed", version="3")


def test_latest_is_by_time_not_by_number(client: MLClient) -> None:
    """The version that was made last is the latest."""
    for version in ("7", "3"):
        client.environments.create_or_update(Environment(name="numbers", version=version, image=f"python:{version}"))

    assert client.environments.get("numbers", label="latest").version == "3"
    assert [one.version for one in client.environments.list("numbers")] == ["3", "7"]


def test_archived_versions_are_not_listed(client: MLClient) -> None:
    """Archiving changes a version's mark, not its place."""
    for version in ("1", "2"):
        client.environments.create_or_update(Environment(name="old", version=version, image=f"python:{version}"))

    client.environments.archive("old", version="2")

    assert [one.version for one in client.environments.list("old")] == ["1"]
    assert client.environments.get("old", version="2").image == "python:2"


def test_components_are_registered_and_found_without_a_version(client: MLClient, tmp_path: Path) -> None:
    """The default version is the one that was made last; what it does never changes."""
    client.environments.create_or_update(Environment(name="plain", version="1", image="python:3.11"))
    file = tmp_path / "component.yml"
    text = "name: churn\nversion: 1.4.0\ntype: command\ncommand: echo {word}\nenvironment: azureml:plain:1\n"
    file.write_text(text.format(word="one"))
    client.components.create_or_update(load_component(file))

    default = client.components.get("churn")
    assert (default.version, default.resources.instance_count) == ("1.4.0", 1)
    assert default.id.endswith("/components/churn/labels/default")
    assert client.components.get("churn", "1.4.0").command == "echo one"
    file.write_text(text.format(word="one") + "description: How likely is it that a customer leaves?\n")
    assert client.components.create_or_update(load_component(file)).description
    file.write_text(text.format(word="two"))
    with pytest.raises(HttpResponseError, match="already exists"):
        client.components.create_or_update(load_component(file))


def test_a_component_that_is_no_object_is_refused(cloud: Served) -> None:
    """By name, as bad input of any kind."""
    token = cloud.credential().get_token("https://management.azure.com/.default").token
    answer = requests.put(
        f"{cloud.endpoints.aml}{WORKSPACE}/components/odd/versions/1",
        json={"properties": {"componentSpec": "echo"}},
        headers={"Authorization": f"Bearer {token}"},
        verify=str(cloud.tls.bundle),
        timeout=60,
    )
    assert (answer.status_code, "componentSpec" in answer.text) == (400, True)


def test_what_an_anonymous_component_is_called_is_no_part_of_it(client: MLClient, tmp_path: Path) -> None:
    """Two of other names that do the same are one."""
    client.environments.create_or_update(Environment(name="plain", version="1", image="python:3.11"))
    file = tmp_path / "component.yml"
    made = []
    for name in ("one", "other"):
        file.write_text(f"name: {name}\nversion: 1\ntype: command\ncommand: echo\nenvironment: azureml:plain:1\n")
        made.append(client.components.create_or_update(load_component(file), is_anonymous=True))

    assert made[0].id == made[1].id
    assert [one.name for one in made] == ["one", "other"]


def test_a_component_without_a_version_takes_the_next(client: MLClient, tmp_path: Path) -> None:
    """The client learns which from the specification; it may ask to skip one that is the newest already."""
    client.environments.create_or_update(Environment(name="plain", version="1", image="python:3.11"))
    file = tmp_path / "component.yml"
    made = []
    for word in ("one", "two", "two"):
        file.write_text(f"name: numbered\ntype: command\ncommand: echo {word}\nenvironment: azureml:plain:1\n")
        made.append(client.components.create_or_update(load_component(file), skip_if_no_change=True).version)

    assert made == ["1", "2", "2"]
    assert client.components.get("numbered").command == "echo two"


def test_data_takes_the_next_version(client: MLClient) -> None:
    """The path of a version never changes; a folder's ends with a slash, given or not."""
    for path in ("a", "b/"):
        client.data.create_or_update(Data(name="sales", type="uri_folder", path=f"{MODELS}/{path}"))

    assert client.data.get("sales", label="latest").version == "2"
    assert client.data.get("sales", version="1").path.endswith("/paths/a/")
    with pytest.raises(HttpResponseError, match="already exists"):
        client.data.create_or_update(Data(name="sales", version="1", type="uri_folder", path=f"{MODELS}/c/"))


def test_models_can_be_read_by_the_sdk(client: MLClient) -> None:
    """The answer holds flavors, without which the SDK cannot read it."""
    made = client.models.create_or_update(Model(name="trained", path=f"{MODELS}/m/", type="custom_model"))

    assert made.version == "1"
    assert client.models.get("trained", label="latest").path.endswith("/paths/m/")


def test_datastores_and_computes_come_from_the_declared_resources(client: MLClient) -> None:
    """A datastore of the lake has no credential; an unknown compute is a 404."""
    assert client.datastores.get("models").filesystem == "models"
    assert client.datastores.get_default().name == "workspaceblobstore"
    assert client.compute.get("cpu-cluster").max_instances == 2
    with pytest.raises(ResourceNotFoundError):
        client.compute.get("gpu-cluster")


def test_the_workspace_can_be_read(client: MLClient) -> None:
    """It knows where its discovery service is."""
    workspace = client.workspaces.get("local")

    assert workspace.location == "local"
    assert workspace.discovery_url.endswith("/discovery")
