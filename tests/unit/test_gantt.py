"""The timeline of a run as bars."""

from __future__ import annotations

from typing import Any

from triggers.gantt import LABELS, WIDTH, bars


def task(what: str, began: int, ended: int, attempt: int = 1, error: str | None = None) -> dict[str, Any]:
    """An entry of the timeline."""
    begin, end = (f"2024-01-06T03:00:{second:02d}Z" for second in (began, ended))
    return {"what": what, "began_at": begin, "ended_at": end, "attempt": attempt, "error": error}


def test_nothing_has_no_bars() -> None:
    """A run that was only claimed."""
    assert bars([])["rows"] == []


def test_rows_are_to_scale_and_tries_are_one_row() -> None:
    """From the first begin to the last end; bad only if the last try was."""
    shown = bars([task("a", 0, 10), task("b", 10, 12, error="busy"), task("b", 15, 20)])["rows"]
    assert [(row["what"], row["x"], row["width"], row["bad"]) for row in shown] == [
        ("a", LABELS, (WIDTH - LABELS) / 2, False),
        ("b", LABELS + (WIDTH - LABELS) / 2, (WIDTH - LABELS) / 2, False),
    ]
    assert bars([task("a", 0, 1, error="no")])["rows"][0]["bad"]


def test_attempts_are_told_apart_where_there_are_several() -> None:
    """And every bar can be seen, however short the task was."""
    shown = bars([task("a", 0, 50), task("a", 50, 50, attempt=2)])["rows"]
    assert [row["what"] for row in shown] == ["a (1)", "a (2)"]
    assert shown[1]["width"] == 2
