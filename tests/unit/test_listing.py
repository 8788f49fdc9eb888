"""Which files of a landing folder are data (EV-4, EV-7): one rule for readiness, fingerprint and staging."""

import pytest

from slipway.listing import Folder, is_data
from tests.unit.builders import a_listing, an_entry


@pytest.mark.parametrize(
    "name", ["part-1.parquet", "a/b/c.csv", "year=2013/x", "empty", "x.tmp.csv", "tmp", "a_b", "a.crc.gz"]
)
def test_files_that_are_data(name: str) -> None:
    """Whatever is not excluded by name; an empty file too."""
    assert is_data(an_entry(name, length=0))


@pytest.mark.parametrize(
    "name",
    [
        "_SUCCESS",
        "_committed_1",
        ".part-1.crc",
        ".hidden",
        "x.tmp",
        "x.crc",
        "_rejects/x.csv",
        "a/_temporary/0/x.csv",
        "a/.x/y",
    ],
)
def test_odd_residents_that_are_never_data(name: str) -> None:
    """EV-7: markers, temporary and hidden names, checksums, folders of rejects."""
    assert not is_data(an_entry(name))


def test_directories_are_never_data() -> None:
    """The Blob listing of a hierarchical account shows them as blobs of length 0."""
    assert not is_data(an_entry("part", is_directory=True, length=0))


@pytest.mark.parametrize(
    ("status", "expected"), [(None, True), ("success", True), ("pending", False), ("failed", False), ("aborted", False)]
)
def test_a_copy_that_is_not_complete_is_absent(status: str | None, expected: bool) -> None:
    """EV-4: a server-side copy is listed when it begins."""
    assert is_data(an_entry("x.csv", copy_status=status)) is expected


def test_a_marker_is_not_data_even_if_its_name_could_be() -> None:
    """A dataset may call its marker as it likes."""
    listing = a_listing("b.csv", "done.txt", "a.csv")

    assert [entry.name for entry in listing.data(marker="done.txt")] == ["a.csv", "b.csv"]
    assert listing.marker("done.txt") is not None


def test_a_marker_in_a_subfolder_or_as_a_folder_is_none() -> None:
    """Only a file directly in the dataset's folder speaks for it."""
    listing = a_listing(
        "part/_SUCCESS", an_entry("_DONE", is_directory=True), an_entry("_COPIED", copy_status="pending")
    )

    assert [listing.marker(name) for name in ("_SUCCESS", "_DONE", "_COPIED")] == [None, None, None]


def test_a_folder_is_cut_out_of_the_listing_of_a_folder_above() -> None:
    """One listing may serve many datasets."""
    listing = a_listing("2013/01/05/a.csv", "2013/01/05/b/c.csv", "2013/01/050/x.csv", "2013/01/06/a.csv")

    assert [entry.name for entry in listing.below("2013/01/05").entries] == ["a.csv", "b/c.csv"]


def test_a_folder_is_cut_out_in_whatever_order_the_service_lists() -> None:
    """A hierarchical account is walked folder by folder: `a/x` before `a-b`."""
    listing = a_listing("a/x", "a/y", "a-b/x", "a0/x", "b/a/x", "a.csv")

    assert [entry.name for entry in listing.below("a").entries] == ["x", "y"]
    assert [entry.name for entry in listing.below("a-b").entries] == ["x"]
    assert listing.below("c").entries == ()


def test_a_folder_covers_itself_and_what_lies_below() -> None:
    """By whole segments, in its own filesystem."""
    folder = Folder("landing", "a/b")

    assert folder.covers(Folder("landing", "a/b"))
    assert folder.covers(Folder("landing", "a/b/c"))
    assert not folder.covers(Folder("landing", "a/bc"))
    assert not folder.covers(Folder("other", "a/b"))
