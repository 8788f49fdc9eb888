"""The board as people scan it: a grid for each cadence, marks that can be read without colour, what needs a person."""

from __future__ import annotations

from typing import Any

from slipway.cli.screen import STYLES
from slipway.cli.status import INCIDENT, LATE, MARKS, UNDER_WAY, cell, concerns, in_common, rendered
from slipway.period_record import End, Stage
from tests.unit.printed import printed
from triggers.shapes.models import Board


def row(period: str, state: str = "none", **more: Any) -> dict[str, Any]:
    """A period at a glance."""
    rest = {"run": None, "attempt": None, "at": None, "published": None, "incident": None, "due": None, "late": False}
    row = {"period": period, "state": state, **rest, "timing": None, "expected": None, **more}
    return row | ({"timing": "late"} if row["late"] else {})


def board(*models: tuple[str, str, list[dict[str, Any]]]) -> dict[str, Any]:
    """A board of (name, cadence, periods)."""
    rows = [
        {"model": name, "owner": "retail", "cadence": cadence, "periods": periods} for name, cadence, periods in models
    ]
    document = {"now": "2024-03-03T06:00:00Z", "models": rows}
    Board.model_validate(document)
    return document


MIXED = board(
    ("forecast", "monthly", [row("2024-02", "running"), row("2024-01", "succeeded")]),
    (
        "shop-revenue",
        "daily",
        [
            row("2024-03-02", late=True, due="2024-03-03T05:00:00Z"),
            row("2024-03-01", "failed", incident="job-failed", run="shop-revenue--2024-03-01--84b477cc-1"),
            row("2024-02-29", "waived"),
            row("2024-02-28", "succeeded"),
        ],
    ),
    ("stock", "daily", [row("2024-03-02", "staging"), row("2024-03-01", "canceled")]),
)


def test_models_of_one_cadence_share_their_periods_and_each_state_has_a_mark() -> None:
    """The newest first; what needs a person is listed below, with what it takes to go on."""
    assert printed(rendered(MIXED, 100)).split("\n") == [
        "             2024-03    2024-02",
        "daily        02      01 29      28",
        "shop-revenue ·L      ✗! ~       ✓",
        "stock        ▸       ⊘",
        "",
        "         2024",
        "monthly  02   01",
        "forecast ▸    ✓",
        "",
        "✓ succeeded   ✗ failed   ⊘ canceled   ~ waived   · none   ▸ under way   ! open incident   L late",
        "",
        "needs a person  period      state   incident    was due",
        "shop-revenue    2024-03-02  none    -           2024-03-03 05:00:00Z",
        "shop-revenue    2024-03-01  failed  job-failed  -",
    ]
    wide = printed(rendered(MIXED, 140)).split("\n")
    assert wide[-1].split()[-2:] == ["retail", "shop-revenue--2024-03-01--84b477cc-1"]


def test_every_state_has_a_mark_of_its_own_and_a_colour() -> None:
    """How runs end, what people decide, and nothing at all; all stages of an active run share one."""
    assert set(MARKS) == {*End, "waived", "retracted", "none"} == set(STYLES)
    assert len({*MARKS.values(), UNDER_WAY, INCIDENT, LATE}) == len(MARKS) + 3
    assert {cell(row("2024-03-01", stage)).plain for stage in Stage} == {UNDER_WAY}


def test_what_needs_a_person() -> None:
    """An open incident, or lateness; nothing else."""
    assert [(one.model, one.row["period"]) for one in concerns(MIXED)] == [
        ("shop-revenue", "2024-03-02"),
        ("shop-revenue", "2024-03-01"),
    ]
    assert concerns(board(("stock", "daily", [row("2024-03-01", "failed")]))) == []


def test_on_a_narrow_terminal_the_oldest_periods_are_left_out() -> None:
    """No line is broken."""
    days = [row(f"2024-03-{day:02}", "succeeded") for day in range(31, 0, -1)]

    shown = printed(rendered(board(("shop-revenue", "daily", days)), 40), 40).split("\n")

    assert shown[1] == "daily        31      30 29 28 27 26 25"
    assert max(map(len, shown)) <= 40


def test_hours_weeks_and_quarters_have_short_names() -> None:
    """What they share stands above."""
    for cadence, periods, head in (
        ("hourly", ["2024-03-02T00Z", "2024-03-01T23Z"], ["       2024-03-02 2024-03-01", "hourly 00         23"]),
        ("weekly", ["2024-W01", "2023-W52"], ["       2024 2023", "weekly W01  W52"]),
        ("quarterly", ["2024-Q2", "2024-Q1"], ["          2024", "quarterly Q2   Q1"]),
    ):
        one = board(("a", cadence, [row(period, "succeeded") for period in periods]))
        assert printed(rendered(one, 100)).split("\n")[:2] == head


def test_an_empty_installation_says_so() -> None:
    """Instead of nothing at all."""
    assert printed(rendered(board(), 80)) == "No model is released here."


def test_what_concerns_many_is_told_below_the_board() -> None:
    """An incident of the platform is no model's; a period's own stands on the board already."""
    rows = [
        {"model": None, "period": None, "platform": "event-path-silent", "key": "platform--event-path-silent"},
        {"model": "shop", "period": "2024-03-01", "platform": None, "key": "shop--2024-03-01"},
    ]
    told = [{**row, "code": "events-silent", "message": "no event came"} for row in rows]
    overview = {"reconcile_stale": True, "reconciled_at": "2024-03-02T06:00:00Z", "incidents": told}

    assert [str(line) for line in in_common(overview)] == [
        "The reconciler is silent since 2024-03-02 06:00:00Z: slipway doctor says what it finds",
        "platform event-path-silent  events-silent: no event came  → slipway incidents platform--event-path-silent",
    ]
