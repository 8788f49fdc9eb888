"""Leases of paths and filesystems: the states, what moves between them, and what a write needs.

Source: REST reference, Lease Blob. A lease ends by the clock alone, so it is stored with its absolute end.
"""

from __future__ import annotations

import math
import re
import uuid
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from localcloud.lake.errors import StorageError

INFINITE = -1


@dataclass(frozen=True)
class Lease:
    """One lease: ``duration`` in seconds (-1 infinite), ``ends`` as seconds since 1970 (None = never)."""

    id: str
    duration: int
    ends: float | None
    broken: bool = False

    def state(self, now: float) -> Literal["leased", "expired", "breaking", "broken"]:
        """Return the state at ``now``, seconds since 1970."""
        over = self.ends is not None and self.ends <= now
        if self.broken:
            return "broken" if over else "breaking"
        return "expired" if over else "leased"

    def locks(self, now: float) -> bool:
        """Tell whether writes need the lease's id at ``now``."""
        return self.state(now) in ("leased", "breaking")

    def document(self) -> dict[str, Any]:
        """Return the lease as plain values."""
        return asdict(self)


def headers(lease: Lease | None, now: float) -> dict[str, str]:
    """Return the lease headers of a properties answer."""
    if lease is None:
        return {"x-ms-lease-status": "unlocked", "x-ms-lease-state": "available"}
    state = lease.state(now)
    answer = {"x-ms-lease-status": "locked" if lease.locks(now) else "unlocked", "x-ms-lease-state": state}
    if state == "leased":
        answer["x-ms-lease-duration"] = "infinite" if lease.duration == INFINITE else "fixed"
    return answer


def check_write(lease: Lease | None, given: str | None, now: float) -> None:
    """Refuse a write that names no lease, another one, a needless or an ended one."""
    if lease is not None and lease.locks(now):
        if not given:
            raise StorageError(
                "LeaseIdMissing", "There is currently a lease on the resource and no lease ID was specified."
            )
        if not _same(lease.id, given):
            raise StorageError("LeaseIdMismatchWithBlobOperation", "The lease ID specified did not match the lease ID.")
    elif given:
        if lease is not None and _same(lease.id, given) and lease.state(now) == "expired":
            raise StorageError("LeaseLost", "A lease ID was specified, but the lease for the resource has expired.")
        raise StorageError("LeaseNotPresentWithBlobOperation", "There is currently no lease on the resource.")


def check_read(lease: Lease | None, given: str | None, now: float) -> None:
    """Refuse a read that names a lease id which is not the current one; a read need not name any."""
    if given:
        check_write(lease, given, now)


@dataclass(frozen=True)
class Wish:
    """What a lease request asks for: the id it holds, the id it proposes, seconds."""

    given: str | None = None
    proposed: str | None = None
    duration: int = INFINITE
    break_period: int | None = None


@dataclass(frozen=True)
class Change:
    """What ``x-ms-lease-action`` of an append or flush asks for: acquire, auto-renew, release or acquire-release."""

    action: str
    proposed: str | None = None
    duration: int = INFINITE

    def __post_init__(self) -> None:
        if self.action not in ("acquire", "auto-renew", "release", "acquire-release"):
            raise StorageError(
                "InvalidHeaderValue",
                f"x-ms-lease-action is acquire, auto-renew, release or acquire-release, not '{self.action}'.",
            )


def act(lease: Lease | None, action: str, wish: Wish, now: float) -> tuple[Lease | None, int]:
    """Return the lease after ``action`` (acquire, renew, change, release, break) and a broken one's seconds left."""
    match action.lower():
        case "acquire":
            return acquire(lease, wish.duration, wish.proposed, now), 0
        case "renew":
            return renew(lease, wish.given, now), 0
        case "change":
            return change(lease, wish.given, wish.proposed, now), 0
        case "release":
            release(lease, wish.given)
            return None, 0
        case "break":
            return break_(lease, wish.break_period, now)
    raise StorageError(
        "InvalidHeaderValue", f"x-ms-lease-action is acquire, renew, change, release or break, not '{action}'."
    )


def acquire(lease: Lease | None, duration: int, proposed: str | None, now: float) -> Lease:
    """Return the new lease of ``duration`` seconds (15 to 60, or -1); the holder's own id may acquire again."""
    if duration != INFINITE and not 15 <= duration <= 60:
        raise StorageError("InvalidHeaderValue", f"x-ms-lease-duration is -1 or 15 to 60 seconds, not {duration}.")
    identity = _valid(proposed) if proposed else str(uuid.uuid4())
    if lease is not None and lease.locks(now):
        if lease.broken:
            if _same(lease.id, identity):
                raise StorageError(
                    "LeaseIsBreakingAndCannotBeAcquired", "The lease is breaking and cannot be acquired."
                )
            raise StorageError("LeaseAlreadyPresent", "There is already a lease present.")
        if not _same(lease.id, identity):
            raise StorageError("LeaseAlreadyPresent", "There is already a lease present.")
    return Lease(identity, duration, None if duration == INFINITE else now + duration)


def renew(lease: Lease | None, given: str | None, now: float) -> Lease:
    """Return the lease with its time started anew; also one that expired, if nobody took or wrote through it."""
    held = _held(lease, given)
    if held.broken:
        raise StorageError("LeaseIsBrokenAndCannotBeRenewed", "The lease has been broken and cannot be renewed.")
    return replace(held, ends=None if held.duration == INFINITE else now + held.duration)


def change(lease: Lease | None, given: str | None, proposed: str | None, now: float) -> Lease:
    """Return the lease under its new id; repeating a change that succeeded succeeds."""
    if lease is None or lease.state(now) in ("expired", "broken"):
        raise StorageError("LeaseNotPresentWithLeaseOperation", "There is currently no lease on the resource.")
    if not proposed:
        raise StorageError("MissingRequiredHeader", "x-ms-proposed-lease-id is required to change a lease.")
    if lease.broken:
        raise StorageError("LeaseIsBreakingAndCannotBeChanged", "The lease is breaking and cannot be changed.")
    if not _same(lease.id, proposed):
        _held(lease, given)
    return replace(lease, id=_valid(proposed))


def release(lease: Lease | None, given: str | None) -> None:
    """Check that ``given`` may end the lease; afterwards there is none."""
    _held(lease, given)


def break_(lease: Lease | None, period: int | None, now: float) -> tuple[Lease, int]:
    """Return the breaking lease and the whole seconds until it is broken.

    ``period`` shortens what is left of a fixed lease and never lengthens it; an infinite one ends after ``period``.
    """
    if lease is None:
        raise StorageError("LeaseNotPresentWithLeaseOperation", "There is currently no lease on the resource.")
    if period is not None and not 0 <= period <= 60:
        raise StorageError("InvalidHeaderValue", f"x-ms-lease-break-period is 0 to 60 seconds, not {period}.")
    left = 0.0 if lease.ends is None else max(0.0, lease.ends - now)
    wait = float(period or 0) if lease.ends is None else left if period is None else min(left, period)
    return replace(lease, broken=True, ends=now + wait), math.ceil(wait)


def _held(lease: Lease | None, given: str | None) -> Lease:
    if not given:
        raise StorageError("MissingRequiredHeader", "x-ms-lease-id is required for this lease action.")
    if lease is None:
        raise StorageError("LeaseNotPresentWithLeaseOperation", "There is currently no lease on the resource.")
    if not _same(lease.id, given):
        raise StorageError("LeaseIdMismatchWithLeaseOperation", "The lease ID specified did not match the lease ID.")
    return lease


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def _valid(identity: str) -> str:
    if not re.fullmatch(r"\{?[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\}?", identity):
        raise StorageError("InvalidHeaderValue", f"A lease id is a GUID, not '{identity}'.")
    return identity
