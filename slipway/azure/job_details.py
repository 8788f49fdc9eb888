"""What the job resource does not tell and the run history service does: why a job failed, and what it printed.

Both are for people to read, and nothing is decided by them: the reason of a failed job is best effort.

Source: the service as azure-ai-ml's own `jobs.stream` calls it (`runs/{name}/details`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.rest import HttpRequest

from slipway.azure.credential import credential
from slipway.azure.failures import failure_of
from slipway.azure.workspace import ThinClient, thin_client
from slipway.failure import Failed, Failure, Kind, redact
from slipway.job_log import NOTHING, STRETCH, Stretch, stretch
from slipway.settings import Settings, settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Services:
    """Where a workspace's own services are: the base URL of its API, and the hosts its logs may lie at."""

    api: str
    log_hosts: frozenset[str]


class JobDetails:
    """The run history of one workspace. Threads may share it; nothing is sent before the first call."""

    def __init__(self, settings: Settings, credential: TokenCredential) -> None:
        self._settings = settings
        self._with_token = thin_client(settings.arm_url, credential)
        self._without_token = thin_client(settings.arm_url, None)

    def error(self, name: str) -> str:
        """Say why the job `name` failed, as `code: message`, redacted; empty where the service tells nothing."""
        try:
            error = (self._details(name).get("error") or {}).get("error") or {}
        except (AzureError, ValueError, LookupError, AttributeError) as problem:
            logger.warning("the error of job %s could not be read: %s", name, redact(str(problem)))
            return ""
        return redact(": ".join(str(error[part]) for part in ("code", "message") if error.get(part)))

    def ran(self, name: str) -> timedelta | None:
        """How long the job `name` ran; None where the service does not tell."""
        try:
            began, ended = (datetime.fromisoformat(self._details(name)[f"{end}TimeUtc"]) for end in ("start", "end"))
            return ended - began
        except (AzureError, ValueError, LookupError, TypeError) as problem:
            logger.warning("how long job %s ran could not be read: %s", name, redact(str(problem)))
            return None

    def log(self, name: str, since: int | None = None, *, most: int = 1000, over: bool = True) -> Stretch:
        """What the job `name` printed: at most `most` of its last lines, or of those from byte `since` on.

        Log files lie at addresses the service hands out. Only those of the workspace's own services and storage
        account are read, and never with a token: such an address carries its own signature. `over` says that the job
        prints no more. A log that is shorter than `since` was begun anew, and is read from its beginning.

        Raises:
            Failed: The service did not say, or said what cannot be read.
        """
        try:
            files = self._details(name).get("logFiles") or {}
            printed = sorted(path for path in files if path.startswith("user_logs/"))
            return self._stretch(files[printed[0]], since, most, over=over) if printed else NOTHING
        except AzureError as error:
            raise Failed(failure_of(error)) from error
        except (ValueError, LookupError, AttributeError, TypeError) as problem:
            message = f"The log of job {name} could not be read: {problem}"
            raise Failed(Failure(Kind.PLATFORM, "damaged-answer", message, transient=True)) from problem

    @cached_property
    def _services(self) -> _Services:
        resource = f"{self._settings.arm_url}{self._settings.workspace_id}?api-version=2024-04-01"
        workspace = _json(self._with_token, resource)["properties"]
        api = _json(self._without_token, _https(workspace["discoveryUrl"]))["api"]
        account = str(workspace.get("storageAccount") or "").rsplit("/", 1)[-1]
        cloud = (urlsplit(self._settings.blob_url).hostname or "").partition(".blob.")[2]
        hosts = {urlsplit(_https(api)).netloc, urlsplit(self._settings.arm_url).netloc}
        if account and cloud:
            hosts.add(f"{account}.blob.{cloud}")
        return _Services(api.rstrip("/"), frozenset(hosts))

    def _details(self, name: str) -> dict[str, Any]:
        path = f"/history/v1.0{self._settings.workspace_id}/runs/{quote(name, safe='')}/details"
        return _json(self._with_token, self._services.api + path)

    def _stretch(self, url: str, since: int | None, most: int, *, over: bool) -> Stretch:
        if urlsplit(_https(url)).netloc not in self._services.log_hosts:
            raise ValueError(f"logs are not read from {urlsplit(url).netloc}, which is no service of the workspace")
        begin = since or 0
        data, length = self._bytes(url, begin)
        if since is None and length > STRETCH:
            begin = length - STRETCH
            data, length = self._bytes(url, begin)
        elif begin > length:
            begin = 0
            data, length = self._bytes(url, begin)
        return stretch(data, begin, length, most, newest=since is None, over=over)

    def _bytes(self, url: str, begin: int) -> tuple[bytes, int]:
        """A stretch of a log from `begin` on, with the byte before it, and the length of the whole log.

        Source: REST reference, "Specifying the range header for Blob service operations": a range that begins behind
        the end, as any of an empty blob does, is 416.
        """
        first, last = max(0, begin - 1), begin + STRETCH - 1
        # A range counts the bytes that are sent: packed ones would be others.
        headers = {"Range": f"bytes={first}-{last}", "Accept-Encoding": "identity"}
        with self._without_token.send_request(HttpRequest("GET", url, headers=headers), stream=True) as response:
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return b"", 0
            if response.status_code == HTTPStatus.OK:
                raise ValueError("its server sends no part of it alone; read it in the studio")
            if response.status_code != HTTPStatus.PARTIAL_CONTENT:
                raise HttpResponseError(response=response)
            return b"".join(response.iter_bytes()), int(response.headers["Content-Range"].rpartition("/")[2])


@cache
def job_details() -> JobDetails:
    """Return the job details of the configured workspace; one client for the process."""
    return JobDetails(settings(), credential())


def _json(client: ThinClient, url: str) -> dict[str, Any]:
    response = client.send_request(HttpRequest("GET", url))
    if response.status_code != 200:
        raise HttpResponseError(response=response)
    answer: dict[str, Any] = response.json()
    return answer


def _https(url: str) -> str:
    if not url.startswith("https://"):
        raise ValueError(f"{url.split('?', maxsplit=1)[0]} is not an https address")
    return url
