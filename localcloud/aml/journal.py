"""Each change of a job's status and the events that tell of it, committed together.

Source: "Azure Machine Learning as an Event Grid source".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from localcloud.aml import rules
from localcloud.aml.names import PROVIDER, Workspace
from localcloud.aml.rules import Job, Status
from localcloud.aml.store import JobStore
from localcloud.clock import Clock
from localcloud.database import Database
from localcloud.eventgrid.rules import Events


class Journal:
    """The only way to change a job."""

    def __init__(self, database: Database, store: JobStore, events: Events, workspace: Workspace, clock: Clock) -> None:
        self._database = database
        self._store = store
        self._events = events
        self._workspace = workspace
        self._clock = clock

    def get(self, name: str) -> Job:
        """Return a job that is known to be there."""
        job = self._store.get(name)
        if job is None:
            raise LookupError(f"job {name} was deleted while it was being carried out")
        return job

    def add(self, job: Job) -> None:
        """Store a new job and tell of it."""
        with self._database.transaction():
            self._store.add(job)
            self._tell(job)

    def move(self, name: str, status: Status, **facts: Any) -> Job:
        """Bring a job into its next status, with further ``facts`` of it, and tell of it.

        Once it is completed its outputs are whole: from there on they stay, whatever happens.
        """
        with self._database.transaction():
            if status is Status.COMPLETED:
                self._store.forget_uploads(name)
            job = replace(rules.enter(self.get(name), status, self._clock.now()), **facts)
            self._store.save(job)
            self._tell(job)
        return job

    def note(self, name: str, **facts: Any) -> Job:
        """Change ``facts`` of a job that no event tells of."""
        job = replace(self.get(name), **facts)
        self._store.save(job)
        return job

    def _tell(self, job: Job) -> None:
        self._events.emit("aml", self._event(job, "RunStatusChanged", runStatus=job.status.value))
        if job.status is Status.COMPLETED:  # this event is for runs that succeeded
            self._events.emit("aml", self._event(job, "RunCompleted"))

    def _event(self, job: Job, kind: str, **more: str) -> dict[str, Any]:
        experiment = self._workspace.experiment_id(job.experiment)
        return {
            "subject": f"experiments/{experiment}/runs/{job.name}",
            "eventType": f"{PROVIDER}.{kind}",
            "eventTime": self._clock.now().isoformat().replace("+00:00", "Z"),
            "data": {
                "experimentId": experiment,
                "experimentName": job.experiment,
                "runId": job.name,
                "runType": "azureml.scriptrun",
                "runTags": job.tags,
                "runProperties": job.properties,
                **more,
            },
        }
