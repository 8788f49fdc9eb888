"""Models and data from local files: the SDK uploads them to the workspace's own container, and gets them back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from azure.ai.ml import MLClient
from azure.ai.ml.entities import Data, Model
from azure.identity import DefaultAzureCredential

from tests.running import LocalCloud

APP = Path(__file__).parent / "cloud_apps" / "histories"


def test_local_files_become_models_and_data(start_cloud: Callable[..., LocalCloud], tmp_path: Path) -> None:
    """By the unmodified client and its credential; the next version is given by the service."""
    cloud = start_cloud(APP, "--only", "storage,identity,eventgrid,aml")
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "weights.txt").write_text("1 2 3")
    (folder / "deep" / "notes.txt").write_text("none")
    with cloud.acting_as("app"):
        workspace = ("00000000-0000-0000-0000-000000000001", "local", "local")
        client = MLClient(DefaultAzureCredential(), *workspace, show_progress=False)

        made = [client.models.create_or_update(Model(path=folder, name="mine")) for _ in range(2)]
        data = client.data.create_or_update(Data(path=folder / "weights.txt", name="weights", type="uri_file"))
        client.models.download("mine", made[0].version, download_path=tmp_path / "back")

    assert [one.version for one in made] == ["1", "2"]
    assert data.path.endswith("/weights.txt")
    back = tmp_path / "back" / "mine" / "model"
    assert (back / "weights.txt").read_text() == "1 2 3"
    assert (back / "deep" / "notes.txt").read_text() == "none"
