"""`slipway release` against the services: all or none, and the same content is the same version."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from slipway import catalog, paths
from slipway.azure.lake import lake
from slipway.cli import app
from slipway.cli.exits import Exit
from slipway.cli.release import release_models
from slipway.problems import DefinitionError
from tests.flows.conftest import ActAs
from tests.running import PROJECT

MODEL_FILE = """
description: Counts what landed.
owner: airline-operations
readers: [planning]
cadence: daily
first_period: 2013-01-01
inputs:
  rows: {path: "landing/rows/{period:%Y-%m-%d}/", complete: {files: 1}}
outputs:
  counts: {must_have: ["*.json"]}
"""
JOB_FILE = """
type: command
code: src
command: python main.py ${{inputs.rows}} ${{outputs.counts}}
environment: {image: "python:3.11-slim", conda_file: conda.yaml}
compute: azureml:cpu-cluster
limits: {timeout: 60}
inputs:
  rows: {type: uri_folder}
outputs:
  counts: {type: uri_folder}
"""
WORKSPACE = (
    "azureml:/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/local"
    "/providers/Microsoft.MachineLearningServices/workspaces/local"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder to hold models; what it holds is named after the test, since the catalog is the session's."""
    return tmp_path / "some models"


def a_model(root: Path, name: str, main: str = "print('counted')\n") -> Path:
    """Write a model's folder."""
    folder = root / name
    (folder / "src").mkdir(parents=True)
    (folder / "model.yaml").write_text(MODEL_FILE)
    (folder / "job.yaml").write_text(JOB_FILE)
    (folder / "conda.yaml").write_text("dependencies: [python=3.11]\n")
    (folder / "src" / "main.py").write_text(main)
    return folder


def release(root: Path, *options: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(app, ["release", "--from", str(root), "--json", *options], catch_exceptions=False)


def changes(result: Result) -> dict[str, str]:
    """What a release did, by model."""
    assert result.exit_code == Exit.OK, result.output
    return {one["model"]: one["change"] for one in json.loads(result.stdout)["models"]}


def pointer() -> dict[str, Any]:
    """The catalog's pointer as it stands."""
    record = lake().control.read(paths.catalog_pointer())
    return record.data["models"] if record else {}


def test_a_release_pins_code_and_environment(root: Path, act_as: ActAs) -> None:
    """The stored job names exact versions of both, and is otherwise what its author wrote."""
    a_model(root, "counts-pinned")

    with act_as("deployer"):
        assert changes(release(root)) == {"counts-pinned": "new"}
        version = pointer()["counts-pinned"]["version"]
        job = catalog.pinned(lake().control, "counts-pinned", version).job

    assert job["code"] == f"{WORKSPACE}/codes/counts-pinned/versions/{version}"
    assert job["environment"] == f"{WORKSPACE}/environments/counts-pinned/versions/{version}"
    assert (job["limits"], job["compute"]) == ({"timeout": 60}, "azureml:cpu-cluster")


def test_the_same_content_is_left_unchanged(root: Path, act_as: ActAs) -> None:
    """Comments apart, what counts is the bytes that are released: caches, tests and hidden files are not."""
    folder = a_model(root, "counts-same")
    with act_as("deployer"):
        release(root)
        before = pointer()["counts-same"]
        for left_over in ("src/__pycache__/main.pyc", "tests/test_main.py", ".DS_Store"):
            (folder / left_over).parent.mkdir(exist_ok=True)
            (folder / left_over).touch()

        assert changes(release(root)) == {"counts-same": "unchanged"}
        assert pointer()["counts-same"] == before


def test_a_change_is_a_new_version_and_going_back_is_the_old_one(root: Path, act_as: ActAs) -> None:
    """Both stay stored; the model keeps the time since when it is here."""
    folder = a_model(root, "counts-changed")
    with act_as("deployer"):
        release(root)
        first = pointer()["counts-changed"]
        (folder / "src" / "main.py").write_text("print('counted better')\n")

        assert changes(release(root)) == {"counts-changed": "changed"}
        second = pointer()["counts-changed"]
        (folder / "src" / "main.py").write_text("print('counted')\n")
        assert changes(release(root)) == {"counts-changed": "changed"}
        third = pointer()["counts-changed"]

    assert second["version"] != first["version"] == third["version"]
    assert first["first_released_at"] == third["first_released_at"] <= second["released_at"] <= third["released_at"]


def test_a_dry_run_changes_nothing(root: Path, act_as: ActAs) -> None:
    """It tells what a release would do."""
    a_model(root, "counts-dry")

    with act_as("deployer"):
        assert changes(release(root, "--dry-run")) == {"counts-dry": "new"}
        assert "counts-dry" not in pointer()


def test_one_wrong_definition_stops_all(root: Path, act_as: ActAs) -> None:
    """Nothing is released, not even the good ones; the problem has its file and line."""
    a_model(root, "counts-good")
    wrong = a_model(root, "counts-wrong")
    (wrong / "model.yaml").write_text(MODEL_FILE.replace("daily", "dayly"))

    with act_as("deployer"):
        result = release(root)

        assert result.exit_code == Exit.INVALID
        assert pointer().keys().isdisjoint({"counts-good", "counts-wrong"})
    [problem] = json.loads(result.stdout)["problems"]
    assert (Path(problem["file"]), problem["line"]) == (wrong / "model.yaml", 5)


def test_a_job_that_azure_ml_would_not_read_is_a_problem(root: Path, act_as: ActAs) -> None:
    """Found before anything is changed, not by the first run."""
    folder = a_model(root, "counts-unread")
    (folder / "job.yaml").write_text(JOB_FILE + "resources: {instance_count: many}\n")

    with act_as("deployer"):
        result = release(root)

    assert result.exit_code == Exit.INVALID
    [problem] = json.loads(result.stdout)["problems"]
    assert Path(problem["file"]) == folder / "job.yaml"
    assert "instance_count" in problem["rule"]


def test_a_reader_nobody_knows_here_is_a_problem(root: Path, act_as: ActAs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which readers there are is the environment's; a definition that names another cannot be published there."""
    a_model(root, "counts-strangers")

    with act_as("deployer"):
        monkeypatch.setenv("SLIPWAY_READERS", "{}")
        result = release(root)

    assert result.exit_code == Exit.INVALID
    [problem] = json.loads(result.stdout)["problems"]
    assert (problem["line"], "planning" in problem["rule"]) == (4, True)


def a_reader(root: Path, name: str, producer: str) -> None:
    """Write the folder of a model that reads another one's counts."""
    text = MODEL_FILE.replace(
        'path: "landing/rows/{period:%Y-%m-%d}/", complete: {files: 1}', f"from: {producer}/counts"
    )
    (a_model(root, name) / "model.yaml").write_text(text)


def drop_counts(folder: Path) -> None:
    """Let a model give totals in place of counts."""
    for name in ("model.yaml", "job.yaml"):
        text = (folder / name).read_text().replace("counts:", "totals:").replace("outputs.counts", "outputs.totals")
        (folder / name).write_text(text)


def test_a_producer_cannot_take_away_what_others_read(root: Path, act_as: ActAs) -> None:
    """A released consumer counts, although it is not released again."""
    a_model(root, "counts-producer")
    a_reader(root, "counts-consumer", "counts-producer")
    with act_as("deployer"):
        changes(release(root))
        drop_counts(root / "counts-producer")

        result = release(root, "counts-producer")

    assert result.exit_code == Exit.INVALID, result.output
    assert "counts-producer has no output counts" in result.stdout


def test_of_two_releases_at_once_the_later_one_must_fit_the_other(root: Path, act_as: ActAs) -> None:
    """Each was right by the catalog that it found: a reader of what the other one takes away."""
    producer = a_model(root, "counts-source")
    a_reader(root, "counts-taker", "counts-source")

    def meanwhile(step: str) -> None:
        if step.startswith("moving"):
            changes(release(root, "counts-taker"))

    with act_as("deployer"):
        changes(release(root, "counts-source"))
        before = pointer()["counts-source"]
        drop_counts(producer)

        with pytest.raises(DefinitionError, match="counts-source has no output counts"):
            release_models(root, ["counts-source"], dry_run=False, step=meanwhile)

        assert pointer()["counts-source"] == before
        assert "counts-taker" in pointer()


def test_without_rights_nothing_is_released(root: Path, act_as: ActAs) -> None:
    """Azure's refusal is told as it is, with an exit code of its own."""
    a_model(root, "counts-forbidden")

    with act_as("stranger"):
        result = release(root)

    assert result.exit_code == Exit.REFUSED
    assert json.loads(result.stdout)["failure"]["code"] == "access"


def test_a_release_cut_off_before_the_pointer_releases_nothing(root: Path, act_as: ActAs, services: Any) -> None:
    """Code, environment and definitions are stored by then; doing it again finds them and moves the pointer."""
    a_model(root, "counts-cut")
    rule = {
        "operation": "PutBlob",
        "name": "control/catalog/current.json",
        "action": {"status": 503, "code": "ServerBusy"},
    }
    with act_as("deployer"):
        services.control.post("/faults", rule)
        result = release(root)
        services.control.delete("/faults")

        assert result.exit_code == Exit.REFUSED
        assert "counts-cut" not in pointer()
        assert changes(release(root)) == {"counts-cut": "new"}


def test_the_example_models_are_released_as_they_are(tmp_path: Path, act_as: ActAs) -> None:
    """What the repository shows is right, all together."""
    shutil.copytree(PROJECT / "models", tmp_path / "models")

    with act_as("deployer"):
        assert changes(release(tmp_path / "models")).keys() == {"delay-report", "flight-delay", "weather-daily"}
