"""A backfill as lists and people see it."""

from __future__ import annotations

from datetime import timedelta

from slipway.backfill import Of, State
from slipway.backfill_view import LONGEST_SHOWN, index, periods, row_of_listing, view
from tests.unit.builders import NOON
from tests.unit.test_backfill import a_backfill

BASED_ON = {"runs": 3, "job_seconds": 60, "run_seconds": 100, "nodes": 1}


def test_a_listing_shows_a_row_that_reads_back_as_the_document_has_it() -> None:
    """As ASCII, within the 8 KiB that a blob's metadata may have, whatever people write."""
    record = {**a_backfill(state=State.RUNNING), "by": "Žofie 🛫", "reason": "💥" * 500}
    shown = index(record)

    assert all(value.isascii() and value == value.strip() for value in shown.values())
    assert sum(len(name) + len(value) for name, value in shown.items()) < 8192
    row, document = row_of_listing(record["backfill"], shown), view(record, NOON, 20)
    assert row == {name: document[name] for name in row} | {"reason": "💥" * LONGEST_SHOWN}


def test_the_listing_says_what_is_still_to_be_done() -> None:
    """So that the reconciler reads nothing of what rests."""
    assert [index(a_backfill(state=state))["open"] for state in State] == ["yes", "no", "yes", "no", "no", "no"]
    assert "alarm" not in index(a_backfill())
    assert index({**a_backfill(), "alarm": "2013-01-01"})["alarm"] == "yes"


def test_the_end_is_told_from_what_past_runs_took() -> None:
    """Of what is left, so many at a time; not where nothing tells it, and not of what rests."""
    planned = {**a_backfill(parallel=2), "estimate": {"based_on": BASED_ON}}
    assert view(planned, NOON, 20)["finishes_at"] == NOON + timedelta(seconds=300)
    assert view(planned, NOON, 1)["finishes_at"] == NOON + timedelta(seconds=600), "no more than there is for all"
    half = {text: {"state": Of.PUBLISHED} for text in list(planned["periods"])[:5]}
    last = {**planned, "state": State.RUNNING, "periods": {**planned["periods"], **half}}
    assert view(last, NOON, 20)["finishes_at"] == NOON + timedelta(seconds=100)
    own = {**last, "took": [200, 400, 300]}
    assert view(own, NOON, 20)["finishes_at"] == NOON + timedelta(seconds=300), "its own runs know better"
    assert view({**own, "estimate": None}, NOON, 20)["finishes_at"] == NOON + timedelta(seconds=300)
    assert view(a_backfill(), NOON, 20)["finishes_at"] is None
    assert view({**planned, "state": State.PAUSED}, NOON, 20)["finishes_at"] is None


def test_its_periods_are_told_in_order() -> None:
    """With all members, whatever the record leaves out."""
    first, *_ = periods(a_backfill(order="newest"))
    assert first == {"period": "2013-01-01", "state": "pending", "why": None, "run": None, "joined": False}
