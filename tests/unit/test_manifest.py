"""The outputs of a run: what breaks the contract, how they are read in batches, and the manifest that names them."""

from __future__ import annotations

import json
import posixpath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slipway.manifest import (
    BATCH_BYTES,
    BATCH_FILES,
    DEEPEST,
    LARGEST_FILE,
    MANIFEST,
    MARKER,
    TOLD,
    OutputFile,
    batches,
    manifest,
    violations,
)

SCORES = {"scores": ["*.parquet"]}


def an_output(name: str, length: int = 10) -> OutputFile:
    """Build a file that a job wrote."""
    return OutputFile(name, length, f"0x{name}")


@pytest.mark.parametrize(
    ("names", "must_have"),
    [
        pytest.param(["scores/a.parquet"], SCORES, id="what is demanded"),
        pytest.param(["scores/a.parquet", "scores/notes.txt"], SCORES, id="and more"),
        pytest.param(["scores/2013/01/a.parquet"], SCORES, id="further below"),
        pytest.param(["scores/a b (1).csv"], {"scores": []}, id="nothing demanded"),
        pytest.param(["scores/" + "/".join("d" * (DEEPEST - 1))], {"scores": []}, id="as deep as allowed"),
        pytest.param(["scores/_SUCCESS"], {"scores": []}, id="a marker of the job's own"),
    ],
)
def test_outputs_that_keep_the_contract(names: list[str], must_have: dict[str, list[str]]) -> None:
    """Every declared output holds a file for each pattern; what else lies there is the model's business."""
    assert violations([an_output(name) for name in names], must_have) == []


@pytest.mark.parametrize(
    ("names", "must_have", "told"),
    [
        pytest.param([], SCORES, "'scores' is empty", id="no file at all"),
        pytest.param(["scores/a.csv"], SCORES, "no file '*.parquet'", id="not the file demanded"),
        pytest.param(["scores/a.parquet", "extra/a.csv"], SCORES, "outside the declared", id="an output not declared"),
        pytest.param(["scores/a.parquet", "notes.txt"], SCORES, "outside the declared", id="a file beside the outputs"),
        pytest.param(["scores/a.parquet", "scores"], SCORES, "outside the declared", id="a file in an output's place"),
        pytest.param(["scores/a.parquet", MANIFEST], SCORES, "outside the declared", id="a manifest of the job's own"),
        pytest.param(["scores/a.parquet", MARKER], SCORES, "outside the declared", id="a top marker of the job's own"),
        pytest.param(["scores/x" + "/x" * DEEPEST], {"scores": []}, "deeper than", id="too deep"),
    ],
)
def test_what_breaks_the_contract_is_told_in_a_sentence(
    names: list[str], must_have: dict[str, list[str]], told: str
) -> None:
    """PB-1: missing, extra, misplaced."""
    [sentence] = violations([an_output(name) for name in names], must_have)

    assert told in sentence


def test_a_file_that_one_function_cannot_hash_is_refused_with_the_remedy() -> None:
    """One byte less is read."""
    kept, refused = an_output("scores/a.bin", LARGEST_FILE), an_output("scores/b.bin", LARGEST_FILE + 1)

    [sentence] = violations([kept, refused], {"scores": []})

    assert "'scores/b.bin' has 34,359,738,369 bytes" in sentence
    assert sentence.endswith("split it")


@pytest.mark.parametrize(
    "name",
    [
        "scores/../../other/x",
        "scores/./x",
        "scores//x",
        "scores/",
        "scores/a\\b",
        "scores/a\nb",
        "scores/a\x00b",
        "scores/a\u202egpj.exe",
        "scores/a\u2028b",
        "scores/..%2f..%2fx",
        "scores/ends-in-a-dot.",
        "../scores/x",
        "/scores/x",
    ],
)
def test_a_hostile_name_is_refused_and_shown_harmlessly(name: str) -> None:
    """PB-10: it builds no path, and the sentence that tells it holds no control character or line break."""
    told = violations([an_output(name)], {"scores": []})

    assert told
    assert all(sentence.isprintable() and sentence.isascii() for sentence in told)


@given(st.text(max_size=60) | st.text(max_size=40).map("scores/".__add__))
@example("scores/<script>alert(1)</script>")
def test_an_accepted_name_stays_inside_its_output(name: str) -> None:
    """I17: for any name at all."""
    if not violations([an_output(name)], {"scores": []}):
        assert name.startswith("scores/")
        assert posixpath.normpath(name) == name


def test_a_hundred_thousand_bad_names_make_a_short_message() -> None:
    """I18: the first are told, the rest is counted."""
    told = violations([an_output(f"junk/{number}") for number in range(1000)] + [an_output("scores/a")], {"scores": []})

    assert len(told) == TOLD + 1
    assert told[-1] == f"and {1000 - TOLD} more"


# Batches

sizes = st.lists(st.integers(0, 3 * BATCH_BYTES), max_size=50)


@given(sizes)
def test_batches_hold_every_file_once_in_order_and_stay_within_bounds(lengths: list[int]) -> None:
    """A file above the bound is a batch of its own."""
    files = [an_output(f"scores/{number:05d}", length) for number, length in enumerate(lengths)]

    made = batches(files)

    assert [file for batch in made for file in batch] == files
    for batch in made:
        assert 1 <= len(batch) <= BATCH_FILES
        assert len(batch) == 1 or sum(file.length for file in batch) <= BATCH_BYTES


@pytest.mark.parametrize(
    ("count", "expected"), [(0, 0), (1, 1), (BATCH_FILES, 1), (BATCH_FILES + 1, 2), (3 * BATCH_FILES, 3)]
)
def test_small_files_fill_their_batches(count: int, expected: int) -> None:
    """Work grows with the files, not with the batches."""
    assert len(batches([an_output(f"scores/{number}") for number in range(count)])) == expected


# The manifest


@given(st.permutations([{"name": f"scores/{letter}", "length": 10, "etag": "e", "sha256": "s"} for letter in "dacb"]))
def test_the_manifest_is_the_same_whoever_writes_it(files: list[dict[str, object]]) -> None:
    """Twice writes the same bytes twice: by name, and without a time."""
    document = manifest({"run": "r", "attempt": 1}, files)

    assert [file["name"] for file in document["files"]] == ["scores/a", "scores/b", "scores/c", "scores/d"]
    assert (document["total_files"], document["total_bytes"]) == (4, 40)
    assert json.dumps(document, sort_keys=True) == json.dumps(
        manifest({"attempt": 1, "run": "r"}, sorted(files, key=str)), sort_keys=True
    )
