"""Names and paths from outside (T4): allowed or refused, never cleaned."""

import pytest

from slipway import names
from slipway.names import InvalidName


@pytest.mark.parametrize("text", ["a", "flight-delay", "m2", "a" * 40, "a-1-b"])
def test_models_names(text: str) -> None:
    """Short, lower case, made for paths and ids."""
    assert names.model_name(text) == text


@pytest.mark.parametrize("text", ["", "A", "1a", "-a", "a--b", "a-", "a" * 41, "a_b", "a b", "ä", "a\n", "../a", "a/b"])
def test_names_that_no_model_may_have(text: str) -> None:
    """`--` separates the parts of a run's id, so neither it nor a hyphen beside it may stand in a name."""
    with pytest.raises(InvalidName):
        names.model_name(text)


@pytest.mark.parametrize(
    "text", ["part-1.parquet", "a/b/c.csv", "year=2013/x y (1).csv", "ünïcode.csv", "_SUCCESS", "100%.csv"]
)
def test_ordinary_paths_pass_unchanged(text: str) -> None:
    """What data owners really write."""
    assert names.relative_path(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "../a",
        "a/../b",
        "a/./b",
        "a./b",
        "a...",
        "a\\b",
        "a\x00b",
        "a\nb",
        "a\u202eb",
        "a\u2028b",
        "a%2fb",
        "a%2Fb",
        "%2e%2e/a",
        "a%5Cb",
        "a%00",
        "a\ud800",
        "x" * 256,
        "/".join("abcdefghij" for _ in range(100)),
        "/".join("a" for _ in range(64)),
    ],
)
def test_paths_that_could_lead_elsewhere_are_refused(text: str) -> None:
    """Dot segments, encoded or foreign separators, control and invisible characters, more than the lake takes."""
    with pytest.raises(InvalidName):
        names.relative_path(text)


def test_messages_show_hostile_texts_escaped_and_cut() -> None:
    """T8: a name cannot forge a line of a log."""
    with pytest.raises(InvalidName) as caught:
        names.model_name("a\nERROR all is lost" + "x" * 1000)

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (names.port_name, "scores_2", "Scores"),
        (names.group_name, "airline-analysts", "airline_analysts"),
        (names.request_id, "2013-request_1", "-x"),
        (names.version, "0123456789ab", "0123456789AB"),
        (names.filesystem_name, "landing-2", "l"),
        (names.filesystem_name, "a" * 63, "a--b"),
    ],
)
def test_other_names_have_their_grammar_too(check: object, good: str, bad: str) -> None:
    """One allow-list each."""
    assert callable(check)
    assert check(good) == good
    with pytest.raises(InvalidName):
        check(bad)
