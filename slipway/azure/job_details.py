"""What the job resource does not tell and the run history service does: why a job failed, and what it printed.

Both are for people to read, so both are best effort: nothing is decided by them.

Source: the service as azure-ai-ml's own `jobs.stream` calls it (`runs/{name}/details`).
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import Any
from urllib.parse import quote, urlsplit

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.rest import HttpRequest

from slipway.azure.credential import credential
from slipway.azure.workspace import ThinClient, thin_client
from slipway.failure import redact
from slipway.settings import Settings, settings

#: How much of a log is read to find its end, in bytes. A longer one is for the studio.
LOG_LIMIT = 32 * 1024 * 1024

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

    def log(self, name: str, tail: int = 64 * 1024) -> str:
        """Read the last `tail` bytes of what the job `name` printed, each line redacted; empty where there is nothing.

        Log files lie at addresses the service hands out. Only those of the workspace's own services and storage
        account are read, and never with a token: such an address carries its own signature.
        """
        return "\n".join(self.last_lines(name, tail)[1])

    def last_lines(self, name: str, tail: int = 64 * 1024) -> tuple[int, list[str]]:
        """As `log`, line by line, with the number of the first one (from 1)."""
        try:
            files = self._details(name).get("logFiles") or {}
            printed = sorted(path for path in files if path.startswith("user_logs/"))
            return self._end_of(files[printed[0]], tail) if printed else (1, [])
        except (AzureError, ValueError, LookupError, AttributeError) as problem:
            logger.warning("the log of job %s could not be read: %s", name, redact(str(problem)))
            return 1, []

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

    def _end_of(self, url: str, tail: int) -> tuple[int, list[str]]:
        if urlsplit(_https(url)).netloc not in self._services.log_hosts:
            raise ValueError(f"logs are not read from {urlsplit(url).netloc}, which is no service of the workspace")
        last: deque[bytes] = deque()
        read = kept = lines = 0
        with self._without_token.send_request(HttpRequest("GET", url), stream=True) as response:
            if response.status_code != 200:
                raise HttpResponseError(response=response)
            for chunk in response.iter_bytes():
                last.append(chunk)
                read, kept = read + len(chunk), kept + len(chunk)
                while kept - len(last[0]) >= tail:
                    gone = last.popleft()
                    kept, lines = kept - len(gone), lines + gone.count(b"\n")
                if read > LOG_LIMIT:
                    raise ValueError(f"it is longer than {LOG_LIMIT} bytes; read it in the studio")
        whole = b"".join(last)
        begin = max(0, len(whole) - tail)
        lines += whole[:begin].count(b"\n")
        return lines + 1, [redact(line) for line in whole[begin:].decode(errors="replace").splitlines()]


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
