"""Staging: the head of a snapshot, and how what was staged compares with it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.snapshot import MIB, Blocks, File, fingerprint, parts
from slipway.staging import TOLD, differences, index, target
from tests.unit.builders import a_file

MD5, OTHER_MD5 = "0" * 32, "1" * 32


def staged(*files: File) -> dict[str, tuple[int, str | None]]:
    """Build what the lake lists after a faultless staging of these files."""
    return {target(file): (file.length, file.md5) for file in files}


@pytest.mark.parametrize(
    ("file", "place"),
    [
        pytest.param(a_file("a.csv"), "flights/2013-01/a.csv", id="of a period"),
        pytest.param(a_file("x/a.csv"), "flights/2013-01/x/a.csv", id="in a folder"),
        pytest.param(a_file("a.csv", input="planes", period=None), "planes/a.csv", id="static"),
    ],
)
def test_a_files_place_depends_on_its_input_period_and_name_alone(file: File, place: str) -> None:
    """Never on where upstream keeps it."""
    assert target(file) == place


def test_the_index_counts_what_the_snapshot_holds() -> None:
    """By input and in all; with the blocks of each file that is copied in blocks."""
    files = [a_file("a.csv"), a_file("b.csv", length=20), a_file("p.csv", input="planes", period=None, length=5 * MIB)]

    head = index(files, parts(files, copy_limit=MIB, block_size=2 * MIB))

    assert (head["files"], head["bytes"], head["fingerprint"]) == (3, 30 + 5 * MIB, fingerprint(files))
    assert head["inputs"] == {"flights": {"files": 2, "bytes": 30}, "planes": {"files": 1, "bytes": 5 * MIB}}
    assert head["large"] == {"planes/p.csv": 3}
    assert head["parts"] == len(parts(files, copy_limit=MIB, block_size=2 * MIB))


A, B = a_file("a.csv", hash=MD5), a_file("b.csv")


@pytest.mark.parametrize(
    ("found", "told"),
    [
        pytest.param(staged(A, B), [], id="equal"),
        pytest.param(staged(A), ["flights/2013-01/b.csv is missing"], id="ST-3 one is missing"),
        pytest.param(
            staged(A, B, a_file("c.csv")),
            ["flights/2013-01/c.csv was staged and is not in the snapshot"],
            id="ST-6 one too many",
        ),
        pytest.param(
            staged(A, a_file("b.csv", length=11)), ["flights/2013-01/b.csv has 11 bytes of 10"], id="ST-6 written over"
        ),
        pytest.param(
            staged(A, a_file("b.csv", length=9)), ["flights/2013-01/b.csv has 9 bytes of 10"], id="ST-4 cut short"
        ),
        pytest.param(
            staged(a_file("a.csv", hash=OTHER_MD5), B),
            ["flights/2013-01/a.csv has other bytes than its source"],
            id="ST-4 other bytes",
        ),
        pytest.param(staged(a_file("a.csv"), B), [], id="the copy has no MD5 to compare"),
        pytest.param(staged(A, a_file("b.csv", hash=MD5)), [], id="the source has no MD5 to compare"),
    ],
)
def test_what_was_staged_is_held_against_the_snapshot(found: dict[str, Any], told: list[str]) -> None:
    """Names, lengths always, and bytes where the source's MD5 is known."""
    assert differences(parts([A, B]), found) == told


def test_a_file_copied_in_blocks_is_compared_by_length_alone() -> None:
    """The service computes no MD5 over blocks; what it may show is none of the source's."""
    large = a_file("a.csv", length=5 * MIB, hash=MD5)
    cut = parts([large], copy_limit=MIB, block_size=MIB)

    assert all(isinstance(item, Blocks) for part in cut for item in part.items)
    assert differences(cut, {target(large): (5 * MIB, OTHER_MD5)}) == []
    assert differences(cut, {target(large): (4 * MIB, None)}) != []


def test_many_differences_make_a_short_message() -> None:
    """I18."""
    files = [a_file(f"{number:03d}.csv") for number in range(50)]

    told = differences(parts(files), {})

    assert len(told) == TOLD + 1
    assert told[-1] == f"and {50 - TOLD} more"


names = st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1)


@given(names, st.data())
def test_any_single_damage_is_noticed(letters: list[str], data: st.DataObject) -> None:
    """I5: the staged set equals the snapshot, or staging says what is wrong."""
    files = [a_file(letter, hash=MD5) for letter in letters]
    found = staged(*files)
    assert differences(parts(files), found) == []

    place = data.draw(st.sampled_from(sorted(found)))
    damage = data.draw(st.sampled_from(["lost", "shortened", "altered", "added"]))
    match damage:
        case "lost":
            del found[place]
        case "shortened":
            found[place] = (9, None)
        case "altered":
            found[place] = (10, OTHER_MD5)
        case "added":
            found["flights/2013-01/extra"] = (0, None)

    assert len(differences(parts(files), found)) == 1
