"""A backfill on a terminal: what differs is seen among two years of periods, and what is not known is said."""

from __future__ import annotations

from typing import Any

import pytest

from slipway.backfill import Of, State
from slipway.cli.backfill_screen import STATES, WORDS, listed, progress, rendered, standing, summed
from tests.unit.printed import printed
from triggers.shapes.backfills import Backfill, BackfillPeriod, BackfillRow

SAID = {"by": "ann", "reason": "a new price list", "at": "2025-03-05T06:00:00Z"}
ROW = {
    "backfill": "bf-0123456789",
    "model": "shop-revenue",
    "state": "planned",
    "only": "missing",
    "first": "2025-01-01",
    "last": "2025-01-06",
    "counts": {"pending": 3, "blocked": 2, "good": 1},
    **SAID,
    "ended_at": None,
}
ESTIMATE = {
    "runs": 3,
    "compute": "cpu-cluster",
    "node_hours": 0.5,
    "money": {"amount": 0.115, "currency": "EUR"},
    "seconds": 600,
    "based_on": {"runs": 15, "job_seconds": 600, "run_seconds": 640, "nodes": 1},
    "unknown": [],
}
UNKNOWN = {**ESTIMATE, "node_hours": None, "money": None, "seconds": None, "based_on": None}


def a_backfill(**more: Any) -> dict[str, Any]:
    """The document of a backfill that is planned."""
    nothing = dict.fromkeys(("finishes_at", "held", "started", "paused", "canceled"))
    rest = {"order": "oldest", "parallel": 4, "version": "0123456789ab", "planned_at": SAID["at"], "links": {}}
    document = {**ROW, **nothing, **rest, "estimate": ESTIMATE, **more}
    Backfill.model_validate(document)
    return document


def a_period(day: int, state: str, why: str | None = None, run: str | None = None) -> dict[str, Any]:
    """One of its periods."""
    period = {"period": f"2025-01-{day:02}", "state": state, "why": why, "run": run, "joined": False}
    BackfillPeriod.model_validate(period)
    return period


PERIODS = [
    a_period(1, "good", "published"),
    *(a_period(day, "pending") for day in (2, 3, 4)),
    a_period(5, "blocked", "rows: landing/5/ has no data"),
    a_period(6, "blocked", "rows: landing/6/ has no data"),
]


def test_a_plan_is_scanned_in_rows_of_neighbours_that_stand_alike() -> None:
    """With what it takes, and the command that comes next."""
    lines = printed(rendered(a_backfill(), PERIODS, 100)).split("\n")
    assert [" ".join(line.split()) for line in lines] == [
        "bf-0123456789 of shop-revenue planned",
        "3 will run, 2 inputs missing, 1 already good (missing of 2025-01-01 to 2025-01-06, 4 at a time, oldest first)",
        "by ann at 2025-03-05 06:00:00Z: a new price list",
        "",
        "periods number why",
        "2025-01-01 1 already good published",
        "2025-01-02 to 2025-01-04 3 will run",
        "2025-01-05 to 2025-01-06 2 inputs missing rows: landing/5/ has no data, and 1 more",
        "",
        "Planned: 3 runs on cpu-cluster, about 10m 00s, 0.5 node-hours, 0.12 EUR, by the median of 15 published runs.",
        "slipway backfill start bf-0123456789",
    ]


def test_what_nobody_knows_is_said() -> None:
    """Rather than guessed."""
    unknown = {**UNKNOWN, "unknown": ["no published run of this model tells how long one takes"]}
    told = printed(rendered(a_backfill(estimate=unknown), PERIODS, 100))

    assert "Planned: 3 runs on cpu-cluster." in told
    assert "Not known: no published run of this model tells how long one takes." in told


def test_one_that_goes_on_says_who_decided_what_and_what_holds_it_back() -> None:
    """And when it ends; one run is named, several are counted."""
    runs = [a_period(day, "published", run=f"shop-revenue--2025-01-0{day}--0123abcd-1") for day in (1, 2)]
    going = a_backfill(
        state="running",
        counts={"published": 2, "failed": 1},
        started=SAID,
        held="shop 2025-03-04 is queued and goes first",
        finishes_at="2025-03-05T07:00:00Z",
    )
    failed = a_period(3, "failed", run="shop-revenue--2025-01-03--0123abcd-1")
    told = " ".join(printed(rendered(going, [*runs, failed], 200)).split())

    assert "started by ann at 2025-03-05 06:00:00Z: a new price list" in told
    assert "Held back: shop 2025-03-04 is queued and goes first" in told
    assert "2025-01-01 to 2025-01-02 2 published 2 runs" in told
    assert "2025-01-03 1 failed shop-revenue--2025-01-03--0123abcd-1" in told
    assert "The last run ends at about 2025-03-05 07:00:00Z." in told
    assert "slipway backfill watch bf-0123456789" in told
    canceled = a_backfill(state="canceled", canceled={**SAID, "runs": "finish"})
    assert "canceled by ann at 2025-03-05 06:00:00Z (finish its runs)" in printed(rendered(canceled, [], 200))


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"state": "planning", "counts": {"pending": 6}}, "planning: 6 periods are being looked at"),
        ({}, "bf-0123456789 is planned and not started: slipway backfill start bf-0123456789"),
        (
            {"held": "bf-1 has it"},
            "bf-0123456789 is planned and not started; held back: bf-1 has it: slipway backfill start bf-0123456789",
        ),
        (
            {"state": "running", "counts": {"active": 2}, "held": "shop 2025-03-04 is queued and goes first"},
            "running: 2 running; held back: shop 2025-03-04 is queued and goes first",
        ),
        (
            {"state": "paused", "counts": {"pending": 2}, "paused": SAID},
            "paused by ann: 2 will run; it goes on with: slipway backfill resume bf-0123456789",
        ),
        (
            {"state": "canceled", "counts": {"active": 1, "canceled": 5}, "canceled": {**SAID, "runs": "finish"}},
            "canceled: 1 running, 5 canceled; what runs goes on to its end",
        ),
        ({"state": "finished", "counts": {"published": 6}}, "finished: 6 published"),
    ],
)
def test_who_watches_is_told_what_it_waits_for_and_what_makes_it_go_on(more: dict[str, Any], told: str) -> None:
    """In each state; nobody waits in silence for what a person has to do."""
    assert standing(a_backfill(**more)) == told


def test_a_plan_that_is_being_made_promises_nothing() -> None:
    """Nobody knows yet which of its periods will run."""
    told = printed(rendered(a_backfill(state="planning", counts={"pending": 6}, estimate=None), [], 200))
    assert "6 periods are being looked at" in told
    assert "will run" not in told


def test_a_list_is_a_table_and_texts_of_others_steer_no_terminal() -> None:
    """The newest first, as the API has them."""
    nasty = {**ROW, "reason": "\x1b[2J"}
    BackfillRow.model_validate(nasty)
    told = " ".join(printed(listed([nasty], 150)).split())

    assert "bf-0123456789 shop-revenue planned 3 will run, 2 inputs missing, 1 already good" in told
    assert "\\x1b[2J" in told


def test_every_state_has_its_words() -> None:
    """And the bar counts those that are done with."""
    assert set(WORDS) == {state.value for state in Of}
    assert set(STATES) == {state.value for state in State}
    assert summed(dict.fromkeys(WORDS, 1)).count(",") == len(WORDS) - 1
    assert progress({"pending": 2, "published": 3, "skipped": 1, "active": 1}) == (4, 7)
