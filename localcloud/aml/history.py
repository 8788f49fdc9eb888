"""Run history and what leads to it: the workspace, discovery, runs, details with error and logs.

Source: the run history client of azure-ai-ml, which ``jobs.stream`` uses.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import replace

from aiohttp import web

from localcloud.aml import documents, specification
from localcloud.aml.cluster import Cluster
from localcloud.aml.door import HISTORY, WORKSPACE, Door, read_object
from localcloud.aml.errors import ArmError, not_found, unsupported
from localcloud.aml.names import PROVIDER, Workspace, check_job_name
from localcloud.aml.rules import Job
from localcloud.aml.store import JobStore
from localcloud.aml.workplace import LOG
from localcloud.clock import Clock
from localcloud.http import announce

#: Seconds for which the address of a log can be used.
_LOG_LIFETIME = 3600


class HistoryRoutes:
    """The handlers of run history. ``key`` signs the addresses of logs, which are read without a token."""

    def __init__(self, workspace: Workspace, store: JobStore, cluster: Cluster, clock: Clock, key: str) -> None:
        self._workspace = workspace
        self._store = store
        self._cluster = cluster
        self._clock = clock
        self._key = key.encode()

    def add_to(self, app: web.Application, door: Door) -> None:
        """Add the routes."""
        run = f"{HISTORY}/runs/{{name}}"
        app.router.add_get(WORKSPACE, door.opens("GetWorkspace", self._workspace_document))
        app.router.add_get("/discovery", self._discovery)
        app.router.add_get(run, door.opens("GetRun", self._run))
        app.router.add_get(f"{run}/details", door.opens("GetRunDetails", self._details))
        app.router.add_get(f"{run}/children", door.opens("GetRunChildren", self._children))
        app.router.add_get(f"{run}/serviceinstances/{{node}}", door.opens("GetServiceInstances", self._instances))
        app.router.add_post(f"{HISTORY}/rundata", door.opens("GetRunData", self._run_data))
        app.router.add_patch(f"{HISTORY}/experiments/{{experiment}}/runs/{{name}}", door.opens("PatchRun", self._patch))
        resolved = f"/data/v1.0{WORKSPACE}/dataversion/batchGetResolvedUris"
        app.router.add_post(resolved, door.opens("GetResolvedUris", self._resolved))
        app.router.add_get("/logs/{name}", self._log)

    async def _workspace_document(self, request: web.Request) -> web.Response:
        workspace, origin = self._workspace, request.url.origin()
        properties = {
            "friendlyName": workspace.name,
            "workspaceId": workspace.guid,
            "discoveryUrl": f"{origin}/discovery",
            "mlFlowTrackingUri": f"azureml://{workspace.region}.api.azureml.ms/mlflow/v1.0{workspace.id}",
            "provisioningState": "Succeeded",
        }
        return web.json_response(
            {
                "id": workspace.id,
                "name": workspace.name,
                "type": f"{PROVIDER}/workspaces",
                "location": workspace.region,
                "kind": "Default",
                "tags": {},
                "properties": properties,
            }
        )

    async def _discovery(self, request: web.Request) -> web.Response:
        await announce(request, "GetDiscovery")
        origin = str(request.url.origin())
        return web.json_response({"api": origin, "history": origin})

    async def _run(self, request: web.Request) -> web.Response:
        return web.json_response(documents.run(self._workspace, self._job(request.match_info["name"])))

    async def _details(self, request: web.Request) -> web.Response:
        job = self._job(request.match_info["name"])
        logs = {}
        if self._cluster.log_of(job.name):
            until = int(self._clock.time()) + _LOG_LIFETIME
            logs[LOG] = f"{request.url.origin()}/logs/{job.name}?se={until}&sig={self._signature(job.name, until)}"
        return web.json_response(documents.details(self._workspace, job, logs))

    async def _children(self, request: web.Request) -> web.Response:
        self._job(request.match_info["name"])
        return web.json_response({"value": []})  # only pipelines and sweeps have children

    async def _instances(self, request: web.Request) -> web.Response:
        self._job(request.match_info["name"])
        return web.json_response({"instances": {}})

    async def _run_data(self, request: web.Request) -> web.Response:
        job = self._job(str((await read_object(request)).get("runId")))
        outputs = documents.outputs(self._workspace, job)
        return web.json_response({"runMetadata": {**documents.run(self._workspace, job), "outputs": outputs}})

    async def _resolved(self, request: web.Request) -> web.Response:
        """Tell where the outputs lie that run data names; those of other kinds, and unknown ones, are left out."""
        found = {}
        for asset in (await read_object(request)).get("values") or []:
            name, output = documents.output_of(str(asset))
            job = self._store.get(name)
            if job is not None and output in job.sent["outputs"]:
                found[asset] = {"uri": job.sent["outputs"][output]["uri"], "type": "uri_folder"}
        return web.json_response({"values": found})

    async def _patch(self, request: web.Request) -> web.Response:
        """Change a job the way the SDK's ``update`` does: tags and properties are merged, not replaced."""
        job = self._job(request.match_info["name"])
        if request.match_info["experiment"] != job.experiment:
            raise not_found("Run", f"{request.match_info['experiment']}/{job.name}")
        change = await read_object(request)
        merged = {field: {**getattr(job, field), **(change.get(field) or {})} for field in ("tags", "properties")}
        specification.check_texts({"command": job.sent["command"], **merged})
        updated = replace(
            job,
            tags=merged["tags"],
            properties=merged["properties"],
            display_name=change.get("displayName") or job.display_name,
            description=change.get("description", job.description),
            archived=bool(change.get("hidden", job.archived)),
        )
        self._store.save(updated)
        return web.json_response(documents.run(self._workspace, updated))

    async def _log(self, request: web.Request) -> web.StreamResponse:
        """Serve a log, or a range of it, to whoever holds its signed address, as a SAS does.

        Source: REST reference, "Specifying the range header for Blob service operations": the last bytes cannot be
        asked for without knowing the length.
        """
        name, query = request.match_info["name"], request.query
        await announce(request, "GetLog", name)
        until = query.get("se", "")
        if not until.isdecimal() or not hmac.compare_digest(self._signature(name, int(until)), query.get("sig", "")):
            raise ArmError(403, "AuthenticationFailed", "The signature of this address is not valid.")
        if self._clock.time() > int(until):
            raise ArmError(403, "AuthenticationFailed", "This address has expired; read the run's details again.")
        asked = request.headers.get("Range", "bytes=0-")
        if "x-ms-range" in request.headers or not re.fullmatch(r"bytes=\d+-\d*", asked):
            raise unsupported("a range of a log other than by Range: bytes=FIRST-LAST or bytes=FIRST-")
        path = self._cluster.log_of(self._job(name).name)
        if path is None:
            raise not_found("Log", LOG)
        return web.FileResponse(path, headers={"Content-Type": "text/plain; charset=utf-8"})

    def _signature(self, name: str, until: int) -> str:
        return hmac.new(self._key, f"aml log\n{name}\n{until}".encode(), hashlib.sha256).hexdigest()

    def _job(self, name: str) -> Job:
        job = self._store.get(check_job_name(name))
        if job is None:
            raise not_found("Run", name)
        return job
