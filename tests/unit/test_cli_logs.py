"""Following a log: each line once, none lost without a word, half a line not taken for a whole one."""

from __future__ import annotations

from typing import Any

from slipway.cli.logs import Reader
from triggers.shapes import Log


def log(first: int, *lines: str, state: str = "Running", attempt: int = 1) -> dict[str, Any]:
    """The end of a log."""
    document = {
        "run": "r",
        "attempt": attempt,
        "job": f"r-a{attempt}",
        "state": state,
        "first_line": first,
        "lines": list(lines),
    }
    Log.model_validate(document)
    return document


def read(*seen: dict[str, Any]) -> list[tuple[int, list[str]]]:
    """What a reader takes for new of one look after the other."""
    reader = Reader()
    return [(missed, list(lines)) for missed, lines in map(reader.new, seen)]


def test_each_line_is_new_once() -> None:
    """The last one of a job that still prints only when it stays as it is, or the job has ended."""
    assert read(
        log(1),
        log(1, "one", "tw"),
        log(1, "one", "two", "three"),
        log(1, "one", "two", "three"),
        log(1, "one", "two", "three"),
        log(1, "one", "two", "three", "four", state="Completed"),
    ) == [(0, []), (0, ["one"]), (0, ["two"]), (0, ["three"]), (0, []), (0, ["four"])]


def test_a_line_that_grew_after_all_is_new_again() -> None:
    """A program that thinks for a while in the middle of a line."""
    half, whole = log(1, "epoch 1 "), log(1, "epoch 1 done", "bye")

    assert read(half, half, whole, log(1, "epoch 1 done", "bye", state="Failed")) == [
        (0, []),
        (0, ["epoch 1 "]),
        (0, ["epoch 1 done"]),
        (0, ["bye"]),
    ]


def test_a_log_is_read_from_where_it_begins_and_lines_that_came_too_fast_are_counted() -> None:
    """Only its end is shown; what was there before the first look is not missed."""
    assert read(log(5001, "a", "b", "c"), log(5010, "x", "y", "z"), log(5010, "x", "y", "z", state="Canceled")) == [
        (0, ["a", "b"]),
        (7, ["x", "y"]),
        (0, ["z"]),
    ]


def test_the_next_attempt_has_a_log_of_its_own() -> None:
    """Its line numbers begin anew."""
    second = log(1, "uno", "dos", attempt=2)

    assert read(log(1, "one", "two"), second, {**second, "state": "Completed"}) == [
        (0, ["one"]),
        (0, ["uno"]),
        (0, ["dos"]),
    ]
