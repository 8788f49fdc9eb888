"""YAML from people (T5): hostile files are harmless, and every value knows its line."""

from pathlib import Path

import pytest

from slipway.document import DEEPEST, LARGEST, parse, read
from slipway.problems import DefinitionError


def problem_of(text: str) -> str:
    """Parse a text that must be refused, and return its one problem."""
    with pytest.raises(DefinitionError) as caught:
        parse(text, "model.yaml")
    (problem,) = caught.value.problems
    return str(problem)


def test_values_know_their_lines() -> None:
    """Keys and list items, however deep; what is not there has the line of what is around it."""
    document = parse("a: 1\nb:\n  c:\n    - x\n    - y\n", "model.yaml")

    assert document.data == {"a": 1, "b": {"c": ["x", "y"]}}
    assert document.line(("b", "c", 1)) == 5
    assert document.line(("b", "missing", "deeper")) == 2
    assert document.line(("nowhere",)) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2013-01-31", "2013-01-31"),
        ("2013-01", "2013-01"),
        ("10:30", "10:30"),
        ("no", "no"),
        ("on", "on"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("'5'", "5"),
        ("5", 5),
        ("-5", -5),
        ("5.5", 5.5),
        ("1e3", 1000.0),
        ("true", True),
        ("null", None),
        ("~", None),
        ("", None),
        ("9" * 100_000, "9" * 100_000),
        (".inf", ".inf"),
    ],
)
def test_only_plain_numbers_booleans_and_null_are_more_than_text(text: str, value: object) -> None:
    """Dates, times and the Norway problem stay texts, and a number of a million digits costs nothing."""
    assert parse(f"x: {text}", "model.yaml").data == {"x": value}


@pytest.mark.parametrize(
    ("text", "line", "rule"),
    [
        ("a: 1\nb: !!python/object/apply:os.system [ls]\n", 2, "tags"),
        ("a: !!str 1\n", 1, "tags"),
        ("a: &x [1]\nb: *x\n", 1, "anchors"),
        ("a: *x\n", 1, "anchors"),
        ("a: 1\n<<: 2\na: 3\n", 3, "'a' stands here a second time"),
        ("x:\n  a: 1\n  a: 1\n", 3, "second time"),
        ("1: a\n", 1, "key must be a text"),
        ("[a]: b\n", 1, "key must be a text"),
        ("a: 1\n---\nb: 2\n", 2, "more than one document"),
        ("", 1, "empty"),
        ("# nothing\n", 1, "empty"),
        ("a: [1,\n", 2, "not YAML"),
        ("a: b: c\n", 1, "not YAML"),
        ("a:\n\t- b\n", 2, "not YAML"),
        ("a: 1\nb: \x00\n", 2, "character that YAML forbids"),
        ("[" * 40 + "]" * 40, 1, "nested deeper"),
        ("[" * 100_000, 1, "nested deeper"),
        ("{a: " * 100_000, 1, "nested deeper"),
    ],
)
def test_what_is_more_than_plain_data_is_refused_with_its_line(text: str, line: int, rule: str) -> None:
    """Nothing is built from it first."""
    problem = problem_of(text)

    assert problem.startswith(f"model.yaml:{line}: ")
    assert rule in problem


def test_the_depth_that_is_allowed() -> None:
    """At the limit."""
    assert parse("[" * DEEPEST + "]" * DEEPEST, "model.yaml")


@pytest.mark.timeout(10)
def test_alias_bombs_do_not_explode() -> None:
    """The first anchor is refused."""
    bomb = "a: &a [x, x]\n" + "".join(f"{c}: &{c} [*{p}, *{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True))

    assert "anchors" in problem_of(bomb)


def test_files_are_read_up_to_a_limit(tmp_path: Path) -> None:
    """256 KB."""
    (tmp_path / "good.yaml").write_text("a: '" + "x" * (LARGEST - 6) + "'\n")
    (tmp_path / "bad.yaml").write_text("a: '" + "x" * (LARGEST - 4) + "'\n")

    assert read(tmp_path / "good.yaml").data
    with pytest.raises(DefinitionError, match="larger than 256 KB"):
        read(tmp_path / "bad.yaml")


def test_missing_files_and_other_encodings_are_problems_too(tmp_path: Path) -> None:
    """Not exceptions of Python's."""
    (tmp_path / "latin.yaml").write_bytes("a: 1\nb: ü\n".encode("latin-1"))

    with pytest.raises(DefinitionError, match="cannot be read"):
        read(tmp_path / "missing.yaml")
    with pytest.raises(DefinitionError, match=r"latin.yaml:2: the file is not UTF-8"):
        read(tmp_path / "latin.yaml")
