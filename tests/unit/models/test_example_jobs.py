"""The examples' job.yaml: plain Azure ML command jobs that agree with their model.yaml."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from slipway.definition import load

ROOT = Path(__file__).parents[3]
MODELS = ("weather-daily", "flight-delay", "delay-report")


@pytest.fixture(params=MODELS)
def folder(request) -> Path:
    """Return the folder of one of the examples."""
    return ROOT / "models" / request.param


def document(path: Path) -> dict:
    """Read a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_azure_ml_reads_the_job_without_a_network(folder, monkeypatch):
    """azure-ai-ml's own loader takes the file as it is, finds its code, and asks nobody."""
    from azure.ai.ml import load_job

    def refuse(*_):
        raise AssertionError("load_job went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    job = load_job(folder / "job.yaml")

    assert job.type == "command"
    assert job.experiment_name == folder.name
    assert job.compute == "cpu-cluster"
    assert (folder / job.component.code).samefile(folder / "src")
    assert job.limits.timeout > 0
    assert job.environment.conda_file == document(folder / "conda.yaml")


def test_slipway_accepts_the_definition(folder):
    """The example is one that `slipway release` would take; it ends where the data end."""
    definition = load(folder)

    assert definition.name == folder.name
    assert str(definition.last_period).startswith("2013-12")


def test_both_files_name_the_same_inputs_and_outputs(folder):
    """Slipway stages and publishes by the names the job uses; every one of them is in the command."""
    model, job = document(folder / "model.yaml"), document(folder / "job.yaml")
    used = set(re.findall(r"\$\{\{(\w+\.\w+)}}", job["command"]))

    assert model["inputs"].keys() == job["inputs"].keys()
    assert model["outputs"].keys() == job["outputs"].keys()
    assert used == {f"inputs.{name}" for name in job["inputs"]} | {f"outputs.{name}" for name in job["outputs"]}
    assert not any("path" in one for one in [*job["inputs"].values(), *job["outputs"].values()])


def test_the_environment_is_pinned_within_what_the_desk_installs(folder):
    """Each package has one version, which requirements-dev.txt would allow where it names the package."""
    lines = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    wanted = {r.name: r.specifier for line in lines if re.match(r"\w", line) for r in [Requirement(line.split("#")[0])]}
    packages = document(folder / "conda.yaml")["dependencies"][-1]["pip"]

    for name, version in (line.split("==") for line in packages):
        assert name not in wanted or wanted[name].contains(Version(version)), f"{folder.name}: {name}"
    assert re.search(r":\d{8}\.v\d+$", document(folder / "job.yaml")["environment"]["image"])
