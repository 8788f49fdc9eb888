"""How loud an incident is: told from the model's tier, the kind of failure and the time until outputs are due. Pure.

The words are those of PagerDuty's events, which other receivers know as well.
Source: PagerDuty, Events API v2, PD-CEF, `severity`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from slipway.failure import Kind


class Severity(StrEnum):
    """From what can wait to what cannot."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Its place in that order, from 0."""
        return _ORDER.index(self)


_ORDER = tuple(Severity)
#: From here on the due time is near.
NEAR = timedelta(hours=4)
#: By tier: with time enough (or no due time), near the due time, and late.
_TIERS = {
    1: (Severity.ERROR, Severity.CRITICAL, Severity.CRITICAL),
    2: (Severity.WARNING, Severity.ERROR, Severity.ERROR),
    3: (Severity.INFO, Severity.INFO, Severity.WARNING),
}
#: The tier of what has none.
USUAL_TIER = 2


def severity(tier: int, kind: str, due: datetime | None, now: datetime) -> Severity:
    """The severity of a failure of this kind now. `due` is None where nobody waits.

    Missing or wrong data are one step quieter until the outputs are late, since corrected data start a run unasked; a
    fault of Slipway itself is one step louder, since it may not stay with one model.
    """
    is_late = due is not None and now >= due
    near = due is not None and now >= due - NEAR
    base = _TIERS[tier][2 if is_late else 1 if near else 0]
    shift = {Kind.DATA: 0 if is_late else -1, Kind.SLIPWAY: 1}.get(Kind(kind), 0)
    return _ORDER[min(max(base.rank + shift, 0), len(_ORDER) - 1)]


def rises_at(tier: int, kind: str, due: datetime | None, above: Severity) -> datetime | None:
    """The first moment at which time alone has raised the severity above this one; None if it never does."""
    if due is None:
        return None
    return next((at for at in (due - NEAR, due) if severity(tier, kind, due, at).rank > above.rank), None)
