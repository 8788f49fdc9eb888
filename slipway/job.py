"""The job document: what compute does, from the `job.yaml` a person wrote to the job of one attempt.

`resolve` replaces what could still move (code in a folder, an environment's newest version) by exact ids, once, when a
definition is released. `fill` adds what only a run knows: where its inputs and outputs lie, its name, whose it is.
Everything between the two stays as the model's author wrote it; the schema is Azure ML's own for command jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from slipway import paths
from slipway.run import RunId, job_name

#: The tag that says whose a job is: the run and its attempt.
KEY_TAG = "slipway.run"


@dataclass(frozen=True)
class Filled:
    """The job of one attempt: its name in the workspace, its document, its tags, and the key a later look compares."""

    name: str
    document: dict[str, Any]
    tags: dict[str, str]
    key: str


def resolve(job: Mapping[str, Any], code_id: str | None, environment_id: str) -> dict[str, Any]:
    """Return the document with exact versions, as the catalog stores it.

    Args:
        job: `job.yaml` as it was read.
        code_id: ARM id of the registered code, beginning with a slash; None for a job without code.
        environment_id: ARM id of an environment's version, or an `azureml://registries/…/versions/…` address.
    """
    resolved = {**job, "environment": _reference(environment_id)}
    if code_id is not None:
        resolved["code"] = _reference(code_id)
    return resolved


def fill(
    document: Mapping[str, Any],
    run: RunId,
    attempt: int,
    *,
    version: str,
    datastore: str,
    compute: str | None = None,
) -> Filled:
    """Return the job of one attempt: the same arguments always give the same job.

    Args:
        document: A resolved document.
        run: Whose inputs are read; they were staged once, for all its attempts.
        attempt: From 1 on. Every attempt writes into a folder of its own.
        version: The definition's version, for the tags.
        datastore: The Azure ML datastore of the models filesystem.
        compute: Where a person wants it to run instead: see `moved`.
    """
    name = job_name(run, attempt)
    tags = {
        KEY_TAG: name,
        "slipway.model": run.model,
        "slipway.period": str(run.period),
        "slipway.version": version,
    }
    filled = {
        **(moved(document, compute) if compute else document),
        "name": name,
        "display_name": name,
        "experiment_name": run.model,
        "inputs": _placed(document.get("inputs"), datastore, lambda name: paths.inputs_folder(run, name)),
        "outputs": _placed(document.get("outputs"), datastore, lambda name: paths.work_folder(run, attempt, name)),
        "tags": {**(document.get("tags") or {}), **tags},
    }
    return Filled(name, filled, tags, key=name)


def moved(document: Mapping[str, Any], compute: str) -> dict[str, Any]:
    """The document on another compute target; a serverless job, which names none, takes it as its size."""
    if document.get("compute"):
        return {**document, "compute": f"azureml:{compute}"}
    return {**document, "resources": {**(document.get("resources") or {}), "instance_type": compute}}


def running_limit(document: Mapping[str, Any]) -> float | None:
    """How long the job may run, in seconds, by its own `limits.timeout`; None if it says nothing."""
    timeout = (document.get("limits") or {}).get("timeout")
    return None if timeout is None else float(timeout)


def _placed(ports: Mapping[str, Any] | None, datastore: str, folder: Callable[[str], str]) -> dict[str, Any]:
    """Give each folder-like input or output its address; a literal (`n: 3`) stays what it is."""
    return {
        name: {**port, "path": f"azureml://datastores/{datastore}/paths/{folder(name).strip('/')}/"}
        if isinstance(port, Mapping) and "value" not in port
        else port
        for name, port in (ports or {}).items()
    }


def _reference(asset_id: str) -> str:
    # The schema wants the prefix before an ARM id; a registry's address has one of its own.
    return f"azureml:{asset_id}" if asset_id.startswith("/") else asset_id
