"""Incidents in a few lines each."""

from __future__ import annotations

from typing import Any

from slipway.cli.incidents import rendered
from tests.unit.printed import printed
from triggers.shapes import IncidentRow


def incident(**more: Any) -> dict[str, Any]:
    """An open one."""
    row = {
        "key": "k",
        "model": "shop",
        "period": "2024-03-01",
        "backfill": None,
        "platform": None,
        "status": "open",
        "kind": "model",
        "code": "job-failed",
        "severity": "warning",
        "message": "exit 1",
        "owner": "retail",
        "run": "shop--2024-03-01--84b477cc-1",
        "first_step": "Read the job's log.",
        "occurrences": 2,
        "opened_at": "2024-03-02T06:00:00Z",
        "acknowledged": {"by": "dana", "reason": "looking", "at": "2024-03-02T06:30:00Z"},
        "resolved_at": None,
        "resolved_by": None,
        **more,
    }
    IncidentRow.model_validate(row)
    return row


def test_an_open_incident_says_what_to_do_first() -> None:
    """And a resolved one what ended it."""
    resolved = {"status": "resolved", "occurrences": 1, "run": None}
    ended = {"resolved_at": "2024-03-02T07:00:00Z", "resolved_by": "waived by dana"}

    assert printed(rendered([incident(), incident(**resolved, **ended)])).split("\n") == [
        "shop 2024-03-01  model/job-failed  warning",
        "  since 2024-03-02 06:00:00Z, 2 times, retail is called, dana is on it",
        "  shop--2024-03-01--84b477cc-1",
        "  exit 1",
        "  → Read the job's log.",
        "",
        "shop 2024-03-01  model/job-failed",
        "  since 2024-03-02 06:00:00Z, resolved 2024-03-02 07:00:00Z by waived by dana",
        "  exit 1",
        "",
    ]
