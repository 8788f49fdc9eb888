"""The life of a job, as pure functions of the job and the time.

The order of the states is the service's (Source: Azure Machine Learning REST reference, JobStatus)::

    NotStarted -> Starting -> Preparing -> Queued -> Running -> Finalizing -> Completed
                                             ^---------+------------+           (interrupted: queued again)
    any state before the end -> Failed
    any state before the end -> CancelRequested -> Canceled
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

#: The tag by which a job declares how long it lasts on the cloud's clock.
DURATION_TAG = "localcloud.duration"
_ISO_DURATION = re.compile(
    r"P(?:(?P<days>\d+(?:\.\d+)?)D)?(?:T(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


class Status(StrEnum):
    """Where a job is in its life; the values are the service's words."""

    NOT_STARTED = "NotStarted"
    STARTING = "Starting"
    PREPARING = "Preparing"
    QUEUED = "Queued"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"


ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED})
_NEXT: dict[Status, set[Status]] = {
    Status.NOT_STARTED: {Status.STARTING},
    Status.STARTING: {Status.PREPARING},
    Status.PREPARING: {Status.QUEUED},
    Status.QUEUED: {Status.RUNNING},
    Status.RUNNING: {Status.FINALIZING, Status.QUEUED},
    Status.FINALIZING: {Status.COMPLETED, Status.QUEUED},
    Status.CANCEL_REQUESTED: {Status.CANCELED},
}


class IllegalTransitionError(Exception):
    """A job was about to go where its state does not lead: a bug of this program."""


@dataclass(frozen=True)
class Job:
    """A job as it stands.

    ``sent`` is the ``properties`` of the first PUT, with defaults filled in and without what may be changed later.
    Moments are aware, in UTC, by the cloud's clock. ``error`` is ``{code, message}`` of a failed job; ``warning`` says
    why a job was canceled that nobody canceled.
    """

    name: str
    sent: dict[str, Any]
    display_name: str
    description: str | None
    tags: dict[str, str]
    properties: dict[str, str]
    archived: bool
    created: datetime
    created_by: str
    status: Status = Status.NOT_STARTED
    started: datetime | None = None
    ended: datetime | None = None
    error: dict[str, str] | None = None
    warning: str | None = None
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    processes: list[list[float]] = field(default_factory=list)

    @property
    def experiment(self) -> str:
        """The experiment's name."""
        return str(self.sent["experimentName"])

    @property
    def has_ended(self) -> bool:
        """Whether the job will never change its status again."""
        return self.status in ENDED


def enter(job: Job, status: Status, now: datetime) -> Job:
    """Return ``job`` in its next ``status``; raises :class:`IllegalTransitionError` where it cannot go."""
    if not may_enter(job.status, status):
        raise IllegalTransitionError(f"job {job.name} is {job.status} and cannot become {status}")
    if status is Status.RUNNING:
        return replace(job, status=status, started=now)
    if status is Status.QUEUED:
        return replace(job, status=status, started=None)
    return replace(job, status=status, ended=now if status in ENDED else None)


def may_enter(before: Status, after: Status) -> bool:
    """Say whether a job's life leads from one status to the other."""
    if before in ENDED:
        return False
    if before is Status.CANCEL_REQUESTED:
        return after is Status.CANCELED
    return after in _NEXT[before] or after in (Status.FAILED, Status.CANCEL_REQUESTED)


def parse_duration(text: str) -> timedelta:
    """Read an ISO 8601 duration (``PT10M``, ``P1DT2H``) or a number of seconds; raises ``ValueError``."""
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return timedelta(seconds=float(text))
    match = _ISO_DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is no duration: write ISO 8601 such as PT10M or P1DT2H, or seconds")
    return timedelta(**{unit: float(value) for unit, value in match.groupdict().items() if value})


def time_limit(job: Job) -> timedelta | None:
    """Return ``limits.timeout``: how long the job may be Running."""
    limits = job.sent.get("limits") or {}
    return parse_duration(limits["timeout"]) if limits.get("timeout") else None


def declared_duration(job: Job) -> timedelta | None:
    """Return how long the job says it lasts on the cloud's clock, if it says so."""
    text = job.tags.get(DURATION_TAG)
    return parse_duration(text) if text else None


def earliest_end(job: Job, started: datetime) -> datetime:
    """Return the moment before which a job stays Running, though its process may have ended."""
    return started + (declared_duration(job) or timedelta())


def times_out_at(job: Job, started: datetime) -> datetime | None:
    """Return the moment at which the job is canceled for being too long, or None.

    A job with a declared duration lasts exactly that long, however far the clock is moved at once: it times out if
    the declared duration is over its limit, and otherwise never.
    """
    limit, declared = time_limit(job), declared_duration(job)
    if limit is None or (declared is not None and declared <= limit):
        return None
    return started + limit


def is_too_long(job: Job, started: datetime, now: datetime) -> bool:
    """Say whether the job's time was over at ``now``."""
    limit = times_out_at(job, started)
    return limit is not None and now >= limit
