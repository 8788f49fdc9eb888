"""Local files that the SDK uploads to the workspace's own container, and what it downloads of models and of jobs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.ai.ml import MLClient, Output, command
from azure.ai.ml.entities import Data, Environment, Model
from azure.identity import DefaultAzureCredential

from tests.running import LocalCloud, eventually

APP = Path(__file__).parent / "cloud_apps" / "histories"
RESOURCES = """
storage:
  filesystems: {models: {}}
  roles: [{principal: app, role: Storage Blob Data Owner}]
aml: {datastores: {models: models}}
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[MLClient]:
    """The unmodified client with its credential, of a cloud with a datastore for the filesystem ``models``."""
    folder = tmp_path_factory.mktemp("uploads")
    shutil.copytree(APP, folder / "app")
    (folder / "app" / "localcloud.yaml").write_text(RESOURCES)
    cloud = LocalCloud(folder / "app", folder / "state", authority, "--only", "storage,identity,eventgrid,aml").start()
    with cloud.acting_as("app"):
        yield MLClient(
            DefaultAzureCredential(), "00000000-0000-0000-0000-000000000001", "local", "local", show_progress=False
        )
    cloud.stop()


def test_local_files_become_models_and_data(client: MLClient, tmp_path: Path) -> None:
    """By the unmodified client and its credential; the next version is given by the service."""
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "weights.txt").write_text("1 2 3")
    (folder / "deep" / "notes.txt").write_text("none")

    made = [client.models.create_or_update(Model(path=folder, name="mine")) for _ in range(2)]
    data = client.data.create_or_update(Data(path=folder / "weights.txt", name="weights", type="uri_file"))
    client.models.download("mine", made[0].version, download_path=tmp_path / "back")

    assert [one.version for one in made] == ["1", "2"]
    assert data.path.endswith("/weights.txt")
    back = tmp_path / "back" / "mine" / "model"
    assert (back / "weights.txt").read_text() == "1 2 3"
    assert (back / "deep" / "notes.txt").read_text() == "none"


def submit(client: MLClient, name: str, text: str) -> None:
    """Submit a job with one output to the datastore of its own filesystem, and wait for its end."""
    environment = client.environments.create_or_update(Environment(name="python", version="1", image="python:3.11"))
    job = command(
        name=name,
        command=text,
        environment=environment,
        compute="cpu-cluster",
        outputs={"scores": Output(type="uri_folder", path=f"azureml://datastores/models/paths/out/{name}/")},
    )
    client.jobs.create_or_update(job)
    eventually(lambda: client.jobs.get(name).status in ("Completed", "Failed", "Canceled"))


def downloaded(client: MLClient, name: str, folder: Path) -> dict[str, str]:
    """Download all of a job; return the files' texts by their paths."""
    client.jobs.download(name, download_path=folder, all=True)
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_job_is_downloaded_with_its_log_and_all_it_wrote(client: MLClient, tmp_path: Path) -> None:
    """The log and ``./outputs`` as artifacts, declared outputs by their names; links lead nowhere."""
    text = "echo said; mkdir outputs logs; echo 1 > outputs/a; echo 2 > logs/b; ln -s /etc/passwd outputs/link"
    submit(client, "kept", f"{text}; echo 3 > ${{{{outputs.scores}}}}/c")

    assert downloaded(client, "kept", tmp_path) == {
        "artifacts/user_logs/std_log.txt": "said\n",
        "artifacts/outputs/a": "1\n",
        "artifacts/logs/b": "2\n",
        "named-outputs/scores/c": "3\n",
    }


def test_a_failed_job_leaves_its_log_and_artifacts(client: MLClient, tmp_path: Path) -> None:
    """So that somebody may see why it failed."""
    submit(client, "failing", "mkdir outputs; echo half > outputs/a; echo broken; exit 3")

    assert downloaded(client, "failing", tmp_path) == {
        "artifacts/user_logs/std_log.txt": "broken\n",
        "artifacts/outputs/a": "half\n",
    }
