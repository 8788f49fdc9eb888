"""Snapshots: the fingerprint of what was selected, and how its copying is cut into batches."""

import json
import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.snapshot import (
    BATCH_BYTES,
    BATCH_FILES,
    COPY_LIMIT,
    MIB,
    Blocks,
    Copy,
    File,
    Part,
    block_count,
    fingerprint,
    parts,
)
from tests.unit.builders import NOON, a_file

GIB = 1 << 30
MD5 = "d41d8cd98f00b204e9800998ecf8427e"

sizes = st.one_of(st.integers(0, 10_000), st.integers(0, 6 * GIB))
snapshots = st.lists(sizes, max_size=300).map(
    lambda lengths: [a_file(f"{n}.csv", length=s) for n, s in enumerate(lengths)]
)


def test_a_fingerprint_does_not_depend_on_the_order_of_a_listing() -> None:
    """The same files are the same data."""
    files = [a_file(f"{n}.csv") for n in range(20)]
    shuffled = random.Random(1).sample(files, len(files))

    assert fingerprint(files) == fingerprint(shuffled)
    assert len(fingerprint(files)) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"input": "planes"},
        {"name": "b.csv"},
        {"length": 11},
        {"hash": MD5.replace("d", "e")},
    ],
)
def test_other_data_are_another_fingerprint(change: dict[str, object]) -> None:
    """Input, name, length, content."""
    file = a_file("a.csv", hash=MD5)

    assert fingerprint([replace(file, **change)]) != fingerprint([file])  # type: ignore[arg-type]


def test_the_datasets_period_counts() -> None:
    """The same file delivered for another day is other data."""
    assert fingerprint([a_file("a.csv", period="2013-01")]) != fingerprint([a_file("a.csv", period="2013-02")])
    assert fingerprint([a_file("a.csv", period=None)]) != fingerprint([a_file("a.csv", period="2013-02")])


def test_a_changed_etag_without_changed_bytes_is_nothing_new() -> None:
    """RD-8: metadata, tier and rights change it too. Neither do times and places count."""
    file = a_file("a.csv", hash=MD5)
    touched = replace(file, etag="0x2", modified=NOON + timedelta(days=1), source="elsewhere/a.csv")

    assert fingerprint([touched]) == fingerprint([file])


def test_without_a_content_hash_the_etag_decides() -> None:
    """Better one run too many than a correction overlooked."""
    assert fingerprint([a_file("a.csv", etag="0x2")]) != fingerprint([a_file("a.csv", etag="0x1")])
    assert fingerprint([a_file("a.csv", etag=MD5)]) != fingerprint([a_file("a.csv", hash=MD5)])


def test_names_cannot_imitate_other_fields() -> None:
    """Whatever stands in a name, two different snapshots differ."""
    assert fingerprint([a_file('a", 10, "x'), a_file("b")]) != fingerprint([a_file("a"), a_file('b", 10, "x')])


@given(snapshots)
def test_batches_hold_every_byte_once_and_keep_their_limits(files: list[File]) -> None:
    """For any snapshot: nothing is copied twice or forgotten, and no batch grows beyond 200 items and 4 GiB."""
    batches = parts(files)

    covered: dict[str, list[tuple[int, int]]] = {}
    for item in (item for batch in batches for item in batch.items):
        extents = [(0, item.file.length)] if isinstance(item, Copy) else [e[1:] for e in item.extents()]
        covered.setdefault(item.file.name, []).extend(extents)
    for file in files:
        offset = 0
        for start, length in sorted(covered[file.name]):
            assert start == offset
            offset += length
        assert offset == file.length
    for batch in batches:
        assert 1 <= len(batch.items) <= BATCH_FILES
        assert batch.size <= BATCH_BYTES or len(batch.items) == 1


@given(snapshots, st.randoms(use_true_random=False))
def test_the_same_files_give_the_same_batches(files: list[File], chance: random.Random) -> None:
    """A second plan finds the first one's receipts."""
    shuffled = chance.sample(files, len(files))

    assert parts(files) == parts(shuffled)


def test_batches_carry_about_equal_work() -> None:
    """The slowest batch decides how long a round lasts."""
    files = [a_file(f"{n:04}.csv", length=MIB) for n in range(3000)]

    counts = [len(batch.items) for batch in parts(files)]

    assert max(counts) - min(counts) <= 1


def test_files_that_do_not_fit_together_get_batches_of_their_own() -> None:
    """Three of 2.5 GiB are less than two full batches, and still need three."""
    batches = parts([a_file(f"{n}.csv", length=5 * GIB // 2) for n in range(3)])

    assert [len(batch.items) for batch in batches] == [1, 1, 1]


@pytest.mark.parametrize(
    ("length", "kind", "blocks"),
    [
        pytest.param(COPY_LIMIT, Copy, 1, id="the largest that one call copies"),
        pytest.param(COPY_LIMIT + 1, Blocks, 20, id="a byte more"),
    ],
)
def test_only_files_beyond_the_limit_of_one_call_go_in_blocks(length: int, kind: type, blocks: int) -> None:
    """Put Blob From URL takes 5,000 MiB."""
    items = [item for batch in parts([a_file("a", length=length)]) for item in batch.items]

    assert all(isinstance(item, kind) for item in items)
    assert sum(len(item.extents()) if isinstance(item, Blocks) else 1 for item in items) == blocks


def test_a_lowered_limit_and_block_size_cut_small_files_too() -> None:
    """So the block-wise path can be tried at a desk."""
    file = a_file("a", length=10)
    (batch,) = parts([file], copy_limit=5, block_size=4)

    (item,) = batch.items
    assert isinstance(item, Blocks)
    assert item.extents() == [(0, 0, 4), (1, 4, 4), (2, 8, 2)]
    assert block_count(file, 4) == 3


@given(snapshots)
def test_files_and_batches_are_plain_json(files: list[File]) -> None:
    """They are kept in the lake, not in history."""
    for batch in parts([*files, a_file("static", period=None), a_file("huge", length=9 * GIB)]):
        assert Part.from_document(json.loads(json.dumps(batch.to_document()))) == batch


def test_staged_files_lie_in_their_periods_folder() -> None:
    """A window may hold the same name for every day; a static input has no days."""
    assert a_file("a/b.csv", period="2013-01-31").staged == "2013-01-31/a/b.csv"
    assert a_file("a/b.csv", period=None).staged == "a/b.csv"


def test_only_an_md5_can_be_checked_by_the_service() -> None:
    """Manifests state SHA-256."""
    assert a_file("a", hash=MD5).md5 == MD5
    assert a_file("a", hash="0" * 64).md5 is None
    assert a_file("a").md5 is None


@pytest.mark.timeout(150)
def test_two_hundred_thousand_files_are_cut_in_seconds() -> None:
    """RD-7."""
    files = [a_file(f"{n:06}.csv") for n in range(200_000)]

    assert len(parts(files)) == pytest.approx(1000, rel=0.02)
