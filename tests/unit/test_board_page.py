"""The board stays light, whatever the estate."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from triggers.pages import SHOWN, columns_that_fit
from triggers.rendering import shown


def board(count: int, length: int, columns: int) -> bytes:
    """The board's page, of daily models with names of this length, each period run."""
    models = []
    for number in range(count):
        name = f"m{number:03}".ljust(length, "x")
        cells = {f"2024-01-{day:02}": cell(name, f"2024-01-{day:02}") for day in range(1, columns + 1)}
        models.append({"model": name, "owner": "airline-operations", "cells": cells})
    days = sorted(models[0]["cells"], reverse=True)
    totals = {"models": count, "bad": 0, "late": 0, "busy": 0}
    found: bytes = shown(
        "board.html", here="/dashboard", twin="/api/board", cadences=[("daily", models)], columns={"daily": days},
        totals=totals,
    ).get_body()  # fmt: skip
    return found


def cell(name: str, period: str) -> dict[str, Any]:
    """A period that failed and is late: the longest words."""
    at = datetime(2024, 1, 1, tzinfo=UTC)
    run = f"{name}--{period}--0a1b2c3d-1"
    return {"period": period, "state": "superseded", "run": run, "late": True, "timing": "late", "at": at}


@pytest.mark.parametrize(("count", "length"), [(1, 1), (200, 9), (200, 40), (400, 20)])
def test_the_board_weighs_less_than_200_kb(count: int, length: int) -> None:
    """A few hundred models, with names as long as they may be."""
    columns = columns_that_fit([" " * length] * count)
    assert 1 <= columns <= SHOWN
    assert len(board(count, length, columns)) < 200_000


def test_a_usual_estate_shows_a_week() -> None:
    """Two hundred daily models."""
    assert columns_that_fit([f"model-{number:03}" for number in range(200)]) == SHOWN
    assert columns_that_fit([]) == SHOWN
