"""The job document, from what a person wrote to the job of one attempt."""

from __future__ import annotations

from slipway import job
from slipway.period import Period
from slipway.run import RunId

WORKSPACE = "/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w"
WRITTEN = {
    "type": "command",
    "code": "src",
    "command": "python clean.py ${{inputs.observations}} ${{inputs.depth}} ${{outputs.hours}}",
    "environment": {"image": "python:3.11", "conda_file": "conda.yaml"},
    "compute": "azureml:cpu-cluster",
    "identity": {"type": "managed"},
    "limits": {"timeout": 300},
    "inputs": {"observations": {"type": "uri_folder", "mode": "ro_mount"}, "depth": 3},
    "outputs": {"hours": {"type": "uri_folder", "mode": "rw_mount"}},
    "tags": {"team": "weather"},
}
RUN = RunId("weather-daily", Period.parse("2013-01-31"), "0123abcd", 2)


def test_resolving_pins_code_and_environment_and_leaves_the_rest() -> None:
    """What could move between two runs is exact; what the author wrote stays, word for word."""
    resolved = job.resolve(WRITTEN, f"{WORKSPACE}/codes/c/versions/1", f"{WORKSPACE}/environments/e/versions/3")

    assert resolved["code"] == f"azureml:{WORKSPACE}/codes/c/versions/1"
    assert resolved["environment"] == f"azureml:{WORKSPACE}/environments/e/versions/3"
    unchanged = WRITTEN.keys() - {"code", "environment"}
    assert {name: resolved[name] for name in unchanged} == {name: WRITTEN[name] for name in unchanged}


def test_an_environment_of_a_registry_keeps_its_own_address() -> None:
    """Only ARM ids take the prefix the schema asks for."""
    address = "azureml://registries/azureml/environments/sklearn-1.5/versions/33"

    assert job.resolve(WRITTEN, None, address)["environment"] == address


def test_filling_says_where_and_whose() -> None:
    """Inputs are the run's, outputs the attempt's own; name and tags tell run, attempt and pinned version."""
    filled = job.fill(WRITTEN, RUN, 3, version="f00d", datastore="models")

    name = "weather-daily--2013-01-31--0123abcd-2-a3"
    folder = "azureml://datastores/models/paths/weather-daily/2013-01-31/weather-daily--2013-01-31--0123abcd-2"
    assert (filled.name, filled.key, filled.document["name"]) == (name, name, name)
    assert filled.document["experiment_name"] == "weather-daily"
    assert filled.document["inputs"] == {
        "observations": {"type": "uri_folder", "mode": "ro_mount", "path": f"{folder}/inputs/observations/"},
        "depth": 3,
    }
    assert filled.document["outputs"]["hours"]["path"] == f"{folder}/work-3/hours/"
    assert filled.document["tags"] == {
        "team": "weather",
        "slipway.run": name,
        "slipway.model": "weather-daily",
        "slipway.period": "2013-01-31",
        "slipway.version": "f00d",
    }


def test_filling_twice_gives_the_same_job() -> None:
    """A submit that is done again asks for the same, and the document it came from is not touched."""
    once = job.fill(WRITTEN, RUN, 1, version="f00d", datastore="models")

    assert job.fill(WRITTEN, RUN, 1, version="f00d", datastore="models") == once
    assert WRITTEN["tags"] == {"team": "weather"}


def test_the_running_limit_is_the_documents_own() -> None:
    """In seconds; a document without one has none."""
    assert job.running_limit(WRITTEN) == 300.0
    assert job.running_limit({}) is None
