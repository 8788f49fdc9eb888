"""Waiting for a job: what a look at it means. Pure; all ages are measured by the service's own clock.

Three clocks with limits of their own: queued, preparing, running. A fourth counts how long the job's state could not
be learned: a job that cannot be read has not ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from slipway.failure import Failure, Kind

#: How long a job's state may stay unknown (not readable, not found, not responding) before the run is given up.
UNKNOWN_LIMIT = timedelta(hours=3)
#: What a running job may take beyond its own limit, which Azure ML enforces, before Slipway ends it.
RUNNING_GRACE = timedelta(minutes=15)
#: A cancellation nobody asked for, this close to the job's limit, was the limit.
NEAR_LIMIT = 0.98
#: The service tells whole seconds: between two of them may lie up to a second more than it says.
ROUNDING = timedelta(seconds=1)

#: (age in this phase, wait until the next look): looks grow sparse, since the job's end is also announced.
_PACE = ((timedelta(minutes=1), 5), (timedelta(minutes=5), 15), (timedelta(hours=1), 60))
_SLOWEST = 300


class Seen(Protocol):
    """What a look needs of a job; `slipway.azure.jobs.Job` has it."""

    @property
    def phase(self) -> str:
        """`queued`, `preparing`, `running` or `ended`."""

    @property
    def outcome(self) -> str | None:
        """`completed`, `failed` or `canceled` once it ended."""

    @property
    def responding(self) -> bool:
        """False while its state cannot be trusted."""

    @property
    def created_at(self) -> datetime | None:
        """When it was submitted, by the service's clock."""

    @property
    def started_at(self) -> datetime | None:
        """When it began to run, where the service says so."""

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, where the service says so."""

    @property
    def read_at(self) -> datetime:
        """The service's clock at this look."""


@dataclass(frozen=True)
class Limits:
    """How long each phase may last."""

    queued: timedelta
    preparing: timedelta
    running: timedelta

    def of(self, phase: str) -> timedelta:
        """The limit of a phase, with its grace."""
        return {"queued": self.queued, "preparing": self.preparing, "running": self.running + RUNNING_GRACE}[phase]


@dataclass(frozen=True)
class Look:
    """What a look at the job means: it completed (`ended`), it failed (`failure`), or look again after a while.

    `clocks` is what the next look counts from: the phase, since when, and since when the state is unknown (ISO 8601).
    """

    ended: bool
    failure: Failure | None
    look_again: int
    clocks: dict[str, Any]


def look(job: Seen | None, clocks: dict[str, Any], limits: Limits, now: datetime) -> Look:
    """Judge one look. `job` is None when its state could not be learned, at `now`; `clocks` is the last look's."""
    if job is None or not job.responding:
        return _unknown(clocks, job.read_at if job else now)
    if job.phase == "ended":
        return Look(job.outcome == "completed", _ended_badly(job, clocks, limits), 0, clocks)
    # A job that lost its node is queued once more: what it waited at first and ran since is not counted again.
    queued_at = None if "phase" in clocks else job.created_at
    began = {"running": job.started_at, "queued": queued_at}.get(job.phase) or job.read_at
    same = clocks.get("phase") == job.phase
    since = datetime.fromisoformat(clocks["since"]) if same else began
    age = job.read_at - since
    if age > limits.of(job.phase):
        grace = f" and {_words(RUNNING_GRACE)} of grace" if job.phase == "running" else ""
        limit = {"queued": limits.queued, "preparing": limits.preparing, "running": limits.running}[job.phase]
        message = f"The job was {job.phase} for {_words(age)}; its limit is {_words(limit)}{grace}."
        kind = Kind.MODEL if job.phase == "running" else Kind.PLATFORM
        return Look(False, Failure(kind, f"{job.phase}-too-long", message), 0, clocks)
    pace = next((wait for most, wait in _PACE if age < most), _SLOWEST)
    return Look(False, None, pace, {"phase": job.phase, "since": since.isoformat()})


def patience(clocks: Mapping[str, Any], limits: Limits) -> datetime:
    """Until when a job of these clocks may take to begin, or once it runs to end: what its owner's claim outlasts."""
    until = limits.of("running") if clocks["phase"] == "running" else limits.queued + limits.preparing
    return datetime.fromisoformat(clocks["since"]) + until


def _unknown(clocks: dict[str, Any], at: datetime) -> Look:
    since = datetime.fromisoformat(clocks["unknown_since"]) if "unknown_since" in clocks else at
    if at - since > UNKNOWN_LIMIT:
        message = f"The job's state could not be learned for {_words(at - since)}: it may still be running."
        return Look(False, Failure(Kind.PLATFORM, "job-state-unknown", message), 0, clocks)
    pace = next((wait for most, wait in _PACE if at - since < most), _SLOWEST)
    return Look(False, None, pace, {**clocks, "unknown_since": since.isoformat()})


def _ended_badly(job: Seen, clocks: dict[str, Any], limits: Limits) -> Failure | None:
    if job.outcome == "completed":
        return None
    if job.outcome == "failed":
        return Failure(Kind.MODEL, "job-failed", "The job failed.")
    seen_running = datetime.fromisoformat(clocks["since"]) if clocks.get("phase") == "running" else None
    began = job.started_at or seen_running
    return canceled_unasked((job.ended_at or job.read_at) - began if began else None, limits)


def canceled_unasked(ran: timedelta | None, limits: Limits) -> Failure:
    """What ended a job that Slipway did not cancel: its limit if it `ran` about so long, None if nobody knows how long.

    A look sees a job running some time after it began: who judges by looks alone may take a limit for a cancellation.
    """
    if ran is not None and ran + ROUNDING >= limits.running * NEAR_LIMIT:
        return Failure(Kind.MODEL, "job-timed-out", f"The job reached its limit of {_words(limits.running)}.")
    return Failure(Kind.PLATFORM, "job-canceled", "The job was canceled, and not by Slipway.")


def _words(time: timedelta) -> str:
    minutes = round(time.total_seconds() / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
