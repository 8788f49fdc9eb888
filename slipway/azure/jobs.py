"""Azure ML jobs: submit one, read it, end it.

azure-ai-ml submits, because it knows how a job document becomes a request. What it does slowly (reading costs it 7 ms
of CPU a job) or hides (the service's own time) goes through a thin client; why a job failed stands in job_details.
Nothing here repeats a request: the orchestration does, on durable timers, so that no worker sits out a Retry-After.

Source: Azure ML REST reference, Jobs - Create Or Update, Get, Cancel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    AzureError,
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
    map_error,
)
from azure.core.rest import HttpRequest, HttpResponse

from slipway.azure import job_document
from slipway.azure.credential import credential
from slipway.azure.failures import failure_of
from slipway.azure.workspace import ml_client, thin_client
from slipway.failure import Failed, Failure, Kind
from slipway.job import KEY_TAG
from slipway.settings import Settings, settings

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

API_VERSION = "2024-04-01"

Phase = Literal["queued", "preparing", "running", "ended"]
Outcome = Literal["completed", "failed", "canceled"]

#: What is not named here runs: Running, Finalizing, CancelRequested, and any word to come.
_PHASES: Mapping[str, Phase] = {
    "NotStarted": "queued",
    "Starting": "queued",
    "Queued": "queued",
    "Provisioning": "preparing",
    "Preparing": "preparing",
    "Completed": "ended",
    "Failed": "ended",
    "Canceled": "ended",
}
_OUTCOMES: Mapping[str, Outcome] = {"Completed": "completed", "Failed": "failed", "Canceled": "canceled"}
_SILENT = frozenset({"NotResponding", "Paused", "Unknown"})


@dataclass(frozen=True)
class Submitted:
    """A job that Azure ML has accepted. `adopted`: an earlier submit of the same attempt had created it."""

    name: str
    status: str
    studio_url: str | None
    adopted: bool


@dataclass(frozen=True)
class Job:
    """A job as the service saw it at `read_at`. All times are aware UTC, by the service's clock.

    `status` is Azure ML's word; `phase` and `outcome` are what the orchestration goes by. Post-processing and a
    cancellation under way count as running, for outputs may still be written. `responding` is False while the
    job's heartbeat is lost or its state unknown: it may come back. Not every workspace tells start and end.
    """

    name: str
    status: str
    phase: Phase
    outcome: Outcome | None
    responding: bool
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    read_at: datetime
    studio_url: str | None
    tags: dict[str, str]


class Jobs:
    """The jobs of one workspace. Threads may share it; nothing is sent before the first call."""

    def __init__(self, settings: Settings, credential: TokenCredential) -> None:
        self._settings = settings
        self._credential = credential
        self._arm = thin_client(settings.arm_url, credential)

    def submit(self, name: str, document: Mapping[str, Any], tags: Mapping[str, str], key: str) -> Submitted:
        """Create the job `name` from a filled-in document, which follows the schema of a command job's YAML.

        Doing it again finds the first one's job: whenever the service complains about the name or its answer was
        lost, the job of that name is read, and it is ours if its tag `slipway.run` equals `key`.

        Raises:
            Failed: `name-taken` (permanent) if the job of that name is somebody else's; otherwise what the service
                objected to, or `no-answer` (transient) if the request was lost.
        """
        body = {**document, "name": name, "tags": {**document.get("tags", {}), **tags, KEY_TAG: key}}
        job = job_document.read(body)
        try:
            created = self._ml.jobs.create_or_update(job)
        except AzureError as error:
            if _may_exist(error):
                return self._adopted(name, key, error)
            raise Failed(failure_of(error)) from error
        return Submitted(name, _word(created.status), created.studio_url, adopted=False)

    def read(self, name: str) -> Job | None:
        """Read the job `name`; None if there is none.

        Raises:
            Failed: The service did not say; a damaged answer is transient, never "none".
        """
        response = self._send("GET", self._path(name))
        if response is None:
            return None
        try:
            return _job(name, response.json(), response.headers)
        except (ValueError, KeyError, TypeError, AttributeError, DecodeError) as error:
            message = f"Azure ML's answer about job {name} could not be read: {error}"
            raise Failed(Failure(Kind.PLATFORM, "damaged-answer", message, transient=True)) from error

    def own(self, name: str) -> Job | None:
        """As `read`, for a job that Slipway submitted; a stranger's job of the name is none, and is left alone."""
        job = self.read(name)
        return job if job is not None and job.tags.get(KEY_TAG) == name else None

    def cancel(self, name: str) -> None:
        """Ask the service to end the job `name`. It takes seconds to minutes: read the job until it has ended.

        A refusal of the request itself (no such job, already ended, just ending) is no failure: the next read tells.

        Raises:
            Failed: The request could not be made: lost, throttled, not allowed.
        """
        self._send("POST", self._path(name, "/cancel"), tolerated=frozenset({400, 404, 409}))

    def has_compute(self, name: str) -> bool:
        """Whether the workspace has a compute target of this name. Source: REST reference, Compute - Get.

        Raises:
            Failed: The service did not say.
        """
        return self._send("GET", f"{self._settings.workspace_id}/computes/{quote(name, safe='')}") is not None

    @cached_property
    def _ml(self) -> MLClient:
        return ml_client(self._settings, self._credential, retries=0)

    def _adopted(self, name: str, key: str, error: AzureError) -> Submitted:
        job = self.read(name)
        if job is None:
            raise Failed(failure_of(error)) from error
        if job.tags.get(KEY_TAG) != key:
            message = (
                f"The workspace has a job named {name} whose tag {KEY_TAG} is {job.tags.get(KEY_TAG)!r}, not {key!r}. "
                "Slipway neither adopts nor cancels a stranger's job; rerun the period to get another name."
            )
            raise Failed(Failure(Kind.PLATFORM, "name-taken", message)) from error
        return Submitted(name, job.status, job.studio_url, adopted=True)

    def _path(self, name: str, action: str = "") -> str:
        return f"{self._settings.workspace_id}/jobs/{quote(name, safe='')}{action}"

    def _send(self, method: str, path: str, tolerated: frozenset[int] = frozenset({404})) -> HttpResponse | None:
        """Send one request; None for a tolerated refusal, Failed for any other."""
        request = HttpRequest(method, self._arm.format_url(path), params={"api-version": API_VERSION})
        try:
            response: HttpResponse = self._arm.send_request(request)
            if response.status_code in tolerated:
                return None
            if response.status_code >= 400:
                map_error(response.status_code, response, {})
                raise HttpResponseError(response=response)
        except AzureError as error:
            raise Failed(failure_of(error)) from error
        return response


@cache
def jobs() -> Jobs:
    """Return the jobs of the configured workspace; one client for the process."""
    return Jobs(settings(), credential())


def _may_exist(error: AzureError) -> bool:
    """Whether, after this answer to a submit, the job may be there all the same."""
    if isinstance(error, ServiceRequestError | ServiceResponseError | DecodeError):
        return True
    if not isinstance(error, HttpResponseError) or error.status_code is None:
        return False
    # A name that exists is 400 with an inner error, not 409, unless the body is the same (then it is 200).
    named = error.status_code == 400 and any(word in str(error) for word in ("already exists", "JobPropertyImmutable"))
    return named or error.status_code in (408, 409) or error.status_code >= 500


def _job(name: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Job:
    properties = body["properties"]
    status = properties["status"]
    more = properties.get("properties") or {}
    return Job(
        name=name,
        status=status,
        phase=_PHASES.get(status, "running"),
        outcome=_OUTCOMES.get(status),
        responding=status not in _SILENT,
        created_at=_time((body.get("systemData") or {}).get("createdAt")),
        started_at=_time(more.get("StartTimeUtc")),
        ended_at=_time(more.get("EndTimeUtc")),
        read_at=parsedate_to_datetime(headers["Date"]),
        studio_url=((properties.get("services") or {}).get("Studio") or {}).get("endpoint"),
        tags=properties.get("tags") or {},
    )


def _time(text: str | None) -> datetime | None:
    """Read a time of the service. One without a zone is UTC; seven decimals of a second are cut to six."""
    if not text:
        return None
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _word(status: Any) -> str:
    # A str enum whose formatted form is its member's name; a status unknown to the SDK is a plain string.
    return str(getattr(status, "value", status))
