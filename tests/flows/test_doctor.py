"""The doctor: an environment that is well, and one with wrong rights, settings and compute, each with what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from slipway.cli import app
from tests.flows.yard import JOB_YAML, Yard
from tests.running import eventually


def ask(yard: Yard, monkeypatch: pytest.MonkeyPatch, *options: str) -> Result:
    """Run `slipway doctor` against the yard."""
    monkeypatch.setattr("slipway.cli.environments.DESK_URL", yard.cloud.endpoints.functions)
    return CliRunner().invoke(app, ["doctor", *options])


def checks(result: Result) -> dict[str, dict[str, Any]]:
    """The checks by name, of a JSON answer."""
    return {row["name"]: row for row in json.loads(result.stdout)["checks"]}


def test_an_environment_that_is_well(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 0; every check answers, and probing leaves nothing behind."""
    yard.a_model("doctor")
    eventually(lambda: yard.get("overview")["reconciled_at"])
    result = ask(yard, monkeypatch, "--json")
    found = checks(result)
    assert {name for name, row in found.items() if row["state"] == "failed"} == set()
    assert result.exit_code == 0
    assert {"identity", "models filesystem", "models rights", "control rights", "landing rights", "clock"} <= set(found)
    assert {"workspace", "compute", "readers", "reconcile", "queue", "versions", "app", "secrets"} <= set(found)
    assert "cpu-cluster" in found["compute"]["found"]
    for filesystem in ("models", "control"):
        assert list(yard.lake("app", filesystem).get_paths("_doctor")) == []
    assert "What cannot be seen from here" in ask(yard, monkeypatch).stdout
    status, problem = yard.call("GET", "doctor", headers=yard_token(yard, "viewer"))
    assert (status, problem["title"]) == (403, "Not allowed"), "it tells who may what"


def yard_token(yard: Yard, principal: str) -> dict[str, str]:
    """The header of a signed-in principal."""
    return {"Authorization": f"Bearer {yard.cloud.token(principal, yard.cloud.endpoints.functions)}"}


def test_what_is_wrong_is_found_and_said_with_its_remedy(
    own_yard: Callable[..., Yard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Landing and models mixed up in the settings: what the app should write it may not, and the other way round."""
    yard = own_yard(
        SLIPWAY_MODELS_FILESYSTEM="landing",
        SLIPWAY_LANDING_FILESYSTEMS='["models"]',
        SLIPWAY_MODELS_DATASTORE="nowhere",
        SLIPWAY_READERS="{}",
        SLIPWAY_ROUTING_SECRET="@Microsoft.KeyVault(SecretUri=https://vault.example/secrets/key)",
    )
    yard.a_model("lost", job_yaml=JOB_YAML.replace("cpu-cluster", "moon-cluster"))
    result = ask(yard, monkeypatch, "--json")
    found = checks(result)
    wrong = {name: row["state"] for name, row in found.items() if row["state"] != "ok"}
    assert result.exit_code == 4
    for name in ("models rights", "workspace", "readers", "compute", "secrets"):
        assert wrong[name] == "failed", found[name]
        assert found[name]["remedy"]
    assert "Storage Blob Data Owner" in found["models rights"]["remedy"]
    assert wrong["landing rights"] == "warning"
    assert "moon-cluster, of lost" in found["compute"]["found"]
    assert "SLIPWAY_ROUTING_SECRET" in found["secrets"]["found"]
    assert "vault.example" not in result.stdout
    told = ask(yard, monkeypatch).stdout
    assert told.index("moon-cluster") < told.index("control rights"), "what is wrong comes first"

    yard.cloud.stop()
    gone = CliRunner().invoke(app, ["doctor", "--json"])
    assert gone.exit_code == 3
    assert checks(gone)["app"]["state"] == "failed"
