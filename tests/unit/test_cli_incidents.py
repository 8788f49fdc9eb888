"""Incidents in a few lines each."""

from __future__ import annotations

from typing import Any

from slipway.cli.changes import of_the_same_cause
from slipway.cli.incidents import in_full, rendered
from tests.unit.printed import printed
from triggers.shapes.incidents import IncidentRow


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
        "  → Read the job's log. Each remedy: slipway incidents k",
        "",
        "shop 2024-03-01  model/job-failed",
        "  since 2024-03-02 06:00:00Z, resolved 2024-03-02 07:00:00Z by waived by dana",
        "  exit 1",
        "",
    ]


def test_one_incident_in_full_has_the_words_that_were_told() -> None:
    """From the title to the last command, so that a lost message costs nothing."""
    last = "If nobody needs this period: slipway waive shop 2024-03-01"
    told = {"title": "shop 2024-03-01: exit 1", "text": f"exit 1\n{last}"}

    shown = printed(in_full({**incident(), **told})).split("\n")

    assert shown[:3] == ["shop 2024-03-01: exit 1  open, warning", "exit 1", last]


def test_what_failed_of_a_common_cause_is_resumed_together() -> None:
    """Of its models, what failed alike and has a run; what else they suffer from, and who else suffers, is left."""
    common = {"models": ["shop", "stock"], "kind": "platform", "code": "queued-too-long", "run": None}
    alike = {"kind": "platform", "code": "queued-too-long"}
    rows = [
        incident(**alike),
        incident(**alike, model="stock", run="stock--2024-03-01--0a1b2c3d-1"),
        incident(**alike, model="other", run="other--2024-03-01--0a1b2c3d-1"),
        incident(model="stock", run="stock--2024-02-29--0a1b2c3d-1"),
        incident(**alike, model="stock", run=None),
    ]

    assert of_the_same_cause(common, rows) == ["shop--2024-03-01--84b477cc-1", "stock--2024-03-01--0a1b2c3d-1"]
    assert of_the_same_cause(incident(), rows) == ["shop--2024-03-01--84b477cc-1"]
