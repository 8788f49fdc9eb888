"""Jobs over HTTP: submit, read, list, cancel, delete.

Source: REST reference, Azure Machine Learning, Jobs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from aiohttp import web

from localcloud.aml import documents, specification
from localcloud.aml.cluster import Cluster
from localcloud.aml.door import CALLER, WORKSPACE, Door, check_query, is_listed, number, read_properties
from localcloud.aml.errors import ArmError, not_found, user_error
from localcloud.aml.journal import Journal
from localcloud.aml.names import Workspace, check_job_name
from localcloud.aml.rules import Job
from localcloud.aml.specification import Rulebook
from localcloud.aml.store import JobStore
from localcloud.clock import Clock

_JOBS = f"{WORKSPACE}/jobs"
_OPERATIONS = (
    "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{region}/mfeOperationResults"
)
_PAGE = 100


class JobRoutes:
    """The handlers of jobs; each reads a request, asks the rules, and writes the answer."""

    def __init__(
        self,
        workspace: Workspace,
        rulebook: Rulebook,
        store: JobStore,
        journal: Journal,
        cluster: Cluster,
        clock: Clock,
    ) -> None:
        self._workspace = workspace
        self._rulebook = rulebook
        self._store = store
        self._journal = journal
        self._cluster = cluster
        self._clock = clock

    def add_to(self, app: web.Application, door: Door) -> None:
        """Add the routes."""
        app.router.add_put(f"{_JOBS}/{{name}}", door.opens("PutJob", self._put))
        app.router.add_get(f"{_JOBS}/{{name}}", door.opens("GetJob", self._get))
        app.router.add_get(_JOBS, door.opens("ListJobs", self._list))
        app.router.add_post(f"{_JOBS}/{{name}}/cancel", door.opens("CancelJob", self._cancel))
        app.router.add_delete(f"{_JOBS}/{{name}}", door.opens("DeleteJob", self._delete))
        app.router.add_get(f"{_OPERATIONS}/{{kind}}/{{name}}", door.opens("GetOperationResult", self._operation))

    async def _put(self, request: web.Request) -> web.Response:
        name = check_job_name(request.match_info["name"])
        properties = await read_properties(request)
        sent = self._rulebook.read(name, properties)
        if (known := self._store.get(name)) is not None:
            return web.json_response(documents.job(self._workspace, self._update(known, sent, properties)))
        if self._store.was_deleted(name):
            raise ArmError(
                409, "Conflict", f"The name {name} belonged to a job that was deleted; use a different name."
            )
        job = Job(
            name=name,
            sent=sent,
            created=self._clock.now(),
            created_by=request[CALLER].name,
            **_changeable(name, properties),
        )
        self._journal.add(job)
        self._cluster.submit(name)
        document = documents.job(self._workspace, job)
        return web.json_response(document, status=201, headers={"Location": f"{request.url.origin()}{document['id']}"})

    def _update(self, known: Job, sent: dict[str, Any], properties: dict[str, Any]) -> Job:
        """Change what may be changed; tags are replaced, not merged."""
        if refusal := specification.changed(known.sent, sent):
            raise refusal
        updated = replace(known, **_changeable(known.name, properties))
        self._store.save(updated)
        return updated

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(documents.job(self._workspace, self._job(request)))

    async def _list(self, request: web.Request) -> web.Response:
        check_query(request, "listViewType", "jobType", "tag", "properties", "$skip")
        found = [job for job in self._store.newest_first() if _matches(job, request.query)]
        skip = number(request, "$skip", 0)
        answer: dict[str, Any] = {"value": [documents.job(self._workspace, job) for job in found[skip : skip + _PAGE]]}
        if len(found) > skip + _PAGE:
            following = request.url.update_query({"$skip": str(skip + _PAGE)})
            answer["nextLink"] = str(following)
        return web.json_response(answer)

    async def _cancel(self, request: web.Request) -> web.Response:
        job = self._job(request)
        if job.has_ended:
            return web.Response(status=200)
        self._cluster.cancel(job.name)
        return self._accepted(request, "cancel", job.name)

    async def _delete(self, request: web.Request) -> web.Response:
        job = self._job(request)
        if not job.has_ended:
            raise user_error(
                f"Job {job.name} is {job.status}; cancel it and wait for its end before deleting it.", "Conflict"
            )
        await self._cluster.delete_files_of(job.name)
        self._store.delete(job.name)
        return self._accepted(request, "delete", job.name)

    async def _operation(self, request: web.Request) -> web.Response:
        kind, name = request.match_info["kind"], request.match_info["name"]
        job = self._store.get(name)
        if kind == "cancel" and job is not None and not job.has_ended:
            return self._accepted(request, kind, name)
        if kind in ("cancel", "delete"):
            return web.Response(status=200)
        raise not_found("OperationResult", f"{kind}/{name}")

    def _accepted(self, request: web.Request, kind: str, name: str) -> web.Response:
        at = _OPERATIONS.format(subscription=self._workspace.subscription, region=self._workspace.region)
        headers = {"Location": f"{request.url.origin()}{at}/{kind}/{name}", "Retry-After": "1"}
        return web.Response(status=202, headers=headers)

    def _job(self, request: web.Request) -> Job:
        name = check_job_name(request.match_info["name"])
        job = self._store.get(name)
        if job is None:
            raise not_found("Job", name)
        return job


def _changeable(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "display_name": properties.get("displayName") or name,
        "description": properties.get("description"),
        "tags": properties.get("tags") or {},
        "properties": properties.get("properties") or {},
        "archived": bool(properties.get("isArchived")),
    }


def _matches(job: Job, query: Any) -> bool:
    if not is_listed(query.get("listViewType", "ActiveOnly"), job.archived):
        return False
    if query.get("jobType", "Command").lower() != "command":
        return False
    if "tag" in query and query["tag"] not in job.tags:
        return False
    return _has_properties(job.properties, filter(None, query.get("properties", "").split(",")))


def _has_properties(properties: dict[str, str], wanted: Iterable[str]) -> bool:
    """Say whether all of ``key`` or ``key=value`` are there."""
    for one in wanted:
        key, has_value, value = one.partition("=")
        if key not in properties or (has_value and properties[key] != value):
            return False
    return True
