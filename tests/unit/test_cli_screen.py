"""How facts are written for people, and that a text of others cannot steer a terminal."""

from __future__ import annotations

import pytest

from slipway.cli.asking import in_words
from slipway.cli.screen import clean, size, span, text, when
from tests.unit.printed import printed


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a\x1b[2J\x1b]0;owned\x07b", "a\\x1b[2J\\x1b]0;owned\\x07b"),
        ("a\rb\nc\td", "a\\rb\\nc\td"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("[bold]Zürich[/bold] 東京 :smile:", "[bold]Zürich[/bold] 東京 :smile:"),
    ],
)
def test_control_characters_are_written_out_and_nothing_is_markup(given: str, shown: str) -> None:
    """A log or a reason is somebody else's text."""
    assert clean(given) == shown
    assert printed(text(given)).replace(" ", "") == shown.expandtabs(8).replace(" ", "")


def test_times_are_utc_to_the_second() -> None:
    """Whatever zone they came in."""
    assert when("2024-03-01T06:00:00.123456+05:30") == "2024-03-01 00:30:00Z"
    assert when(None) == "-"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0.0s"), (59.94, "59.9s"), (61, "1m 01s"), (3599, "59m 59s"), (7260, "2h 01m")]
)
def test_spans(seconds: float, shown: str) -> None:
    """As precise as it matters."""
    assert span(seconds) == shown


def test_sizes() -> None:
    """In powers of ten, as Azure's portal and bills count."""
    assert [size(count) for count in (0, 999, 1000, 1_500_000, 7 * 10**15)] == [
        "0 B",
        "999 B",
        "1.0 KB",
        "1.5 MB",
        "7000.0 TB",
    ]


def test_a_problem_is_a_sentence_with_the_parts_of_a_body_that_were_refused() -> None:
    """Title and detail are the API's."""
    problem = {"title": "Malformed body", "detail": "No.", "errors": [{"where": "reason", "rule": "too\x1b short"}]}
    assert in_words(problem) == "Malformed body: No.\n  reason: too\\x1b short"
