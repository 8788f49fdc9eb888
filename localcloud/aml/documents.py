"""A job as the service writes it: the ARM resource, and the run in run history.

Source: REST reference, Jobs - Get; the run history client of azure-ai-ml.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from localcloud.aml.names import PROVIDER, Workspace
from localcloud.aml.rules import Job, Status

_OUTPUT = "_output_data_"
_ABSENT = ("componentId", "identity", "codeId", "resources", "distribution", "limits", "queueSettings")


def job(workspace: Workspace, one: Job) -> dict[str, Any]:
    """Return the ARM resource. There is no output ``default``: streams would look for its logs in storage, live."""
    properties = {
        **dict.fromkeys(_ABSENT),
        **one.sent,
        "status": one.status.value,
        "displayName": one.display_name,
        "description": one.description,
        "tags": one.tags,
        "properties": {"_azureml.ComputeTargetType": "amlctrain", **one.properties},
        "isArchived": one.archived,
        "services": _services(workspace, one),
        "parameters": {},
    }
    return {
        "id": f"{workspace.id}/jobs/{one.name}",
        "name": one.name,
        "type": f"{PROVIDER}/workspaces/jobs",
        "properties": properties,
        "systemData": system_data(one.created, one.created_by),
    }


def run(workspace: Workspace, one: Job) -> dict[str, Any]:
    """Return the run of run history."""
    return {
        "runId": one.name,
        "runUuid": one.name,
        "rootRunId": one.name,
        "parentRunId": None,
        "experimentId": workspace.experiment_id(one.experiment),
        "runType": "azureml.scriptrun",
        "status": one.status.value,
        "displayName": one.display_name,
        "name": one.display_name,
        "description": one.description,
        "tags": one.tags,
        "properties": one.properties,
        "hidden": one.archived,
        "target": target(one),
        "createdUtc": one.created.isoformat(),
        "startTimeUtc": one.started and one.started.isoformat(),
        "endTimeUtc": one.ended and one.ended.isoformat(),
        "cancelationReason": one.warning,
        "error": error(workspace, one),
        "warnings": [{"source": "localcloud", "message": one.warning}] if one.warning else [],
    }


def outputs(workspace: Workspace, one: Job) -> dict[str, Any]:
    """Return the outputs of a completed run, as the data assets that the service makes of them; their name is assumed.

    Source: the run history client of azure-ai-ml, which ``jobs.download`` uses.
    """
    if one.status is not Status.COMPLETED:
        return {}
    data = f"azureml://locations/{workspace.region}/workspaces/{workspace.guid}/data"
    return {
        name: {"assetId": f"{data}/azureml_{one.name}{_OUTPUT}{name}/versions/1", "type": "uri_folder"}
        for name in one.sent["outputs"]
    }


def output_of(asset: str) -> tuple[str, str]:
    """Return the job and the output that the id of such an asset names, two empty texts for another id."""
    match = re.fullmatch(rf".*/data/azureml_(.+){_OUTPUT}([^/]+)/versions/1", asset)
    return (match[1], match[2]) if match else ("", "")


def details(workspace: Workspace, one: Job, logs: dict[str, str]) -> dict[str, Any]:
    """Return the run's details; ``logs`` are the addresses of its log files by their names."""
    seconds = (one.ended - one.started).total_seconds() if one.started and one.ended else None
    return {
        **run(workspace, one),
        "logFiles": logs,
        "compute": {"target": target(one), "targetType": "amlctrain", "instanceCount": 1, "region": workspace.region},
        "computeDuration": None if seconds is None else str(seconds),
        "jobCost": {
            "chargedCpuCoreSeconds": one.cpu_seconds,
            "chargedCpuMemoryMegabyteSeconds": one.peak_memory / 2**20 * (seconds or 0.0),
            "chargedGpuSeconds": 0.0,
            "chargedNodeUtilizationSeconds": seconds or 0.0,
        },
    }


def error(workspace: Workspace, one: Job) -> dict[str, Any] | None:
    """Return the error of a failed job in run history's shape; its message is not in the ARM resource."""
    if one.status is not Status.FAILED or one.error is None:
        return None
    return {
        "error": {**one.error, "messageFormat": one.error["message"], "messageParameters": {}, "details": []},
        "correlation": {"operation": one.name, "request": one.name},
        "environment": workspace.region,
        "location": workspace.region,
        "time": one.ended and one.ended.isoformat(),
        "componentName": "execution-wrapper",
    }


def target(one: Job) -> str:
    """Return the name of the job's compute target."""
    return str(one.sent["computeId"]).rsplit("/", 1)[-1]


def system_data(created: datetime, by: str) -> dict[str, str]:
    """Return who made a resource and when."""
    return {
        "createdAt": created.isoformat(),
        "createdBy": by,
        "createdByType": "User",
        "lastModifiedAt": created.isoformat(),
    }


def _services(workspace: Workspace, one: Job) -> dict[str, Any]:
    none = {"port": None, "status": None, "errorMessage": None, "properties": None, "nodes": None}
    tracking = f"azureml://{workspace.region}.api.azureml.ms/mlflow/v1.0{workspace.id}?"
    studio = f"https://ml.azure.com/runs/{one.name}?wsid={workspace.id}"
    return {
        "Tracking": {"jobServiceType": "Tracking", "endpoint": tracking, **none},
        "Studio": {"jobServiceType": "Studio", "endpoint": studio, **none},
    }
