"""The picture of what a model's runs took."""

from __future__ import annotations

from typing import Any

import pytest

from triggers.trend import HEIGHT, TOP, size, span, trend


def row(period: str, seconds: float | None, job: float | None = None) -> dict[str, Any]:
    """A period as a list has it."""
    used = None if seconds is None else {"seconds": seconds, "job_seconds": job}
    return {"period": period, "used": used}


def test_bars_are_to_scale_from_the_oldest_on_and_leave_gaps() -> None:
    """The longest fills the height; a period without a publication has no bar, and its place stays free."""
    found = trend([row("2024-01-03", 100.0, 50.0), row("2024-01-02", None), row("2024-01-01", 50.0)])

    first, last = found["bars"]
    assert [first["words"], last["words"]] == ["2024-01-01: 50.0 s", "2024-01-03: 2 min"]
    assert last["height"] == 2 * first["height"] == HEIGHT - TOP
    assert (first["job_height"], last["job_height"]) == (0, last["height"] / 2)
    assert last["x"] == 2 * last["width"] / 0.8


def test_without_runs_there_is_no_picture() -> None:
    """Nothing is drawn of nothing, nor of runs that took no time at all."""
    assert (
        trend([])["bars"] == trend([row("2024-01-01", None)])["bars"] == trend([row("2024-01-01", 0.0)])["bars"] == []
    )


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, ""), (0.04, "0.0 s"), (59.9, "59.9 s"), (90, "2 min"), (9000, "2.5 h")]
)
def test_durations_in_words(seconds: float | None, words: str) -> None:
    """In the unit that people would choose."""
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"), [(None, ""), (6, "6 B"), (1536, "1.5 KiB"), (3 << 40, "3.0 TiB"), (5 << 50, "5120.0 TiB")]
)
def test_sizes_in_words(count: int | None, words: str) -> None:
    """In powers of 1,024."""
    assert size(count) == words
