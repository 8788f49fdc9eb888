"""A log in stretches: each line once and whole, none cut in the middle of a secret."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slipway.failure import redact
from slipway.job_log import UNREAD, Stretch, stretch

SECRET = "AccountKey=" + "k" * 40


def read(log: bytes, since: int, size: int, most: int = 1000, *, newest: bool = False, over: bool = True) -> Stretch:
    """What a reader sees that asks for `size` bytes of a log from byte `since` on, with the byte before."""
    return stretch(log[max(0, since - 1) : since + size], since, len(log), most, newest=newest, over=over)


LINES = st.lists(st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=6), max_size=40)


@given(lines=LINES, size=st.integers(8, 60), most=st.integers(1, 9))
def test_stretch_by_stretch_each_line_comes_once(lines: list[str], size: int, most: int) -> None:
    """Whatever a stretch holds: those that go on where the one before ended make the whole log."""
    log = "".join(f"{line}\n" for line in lines).encode()
    seen: list[str] = []
    since, place = 0, -1
    while since > place:
        place = since
        found = read(log, since, size, most)
        assert found.begins == since
        seen += found.lines
        since = found.ends

    assert since == len(log)
    assert seen == [redact(line) for line in lines]


def test_the_end_of_a_log_begins_with_a_whole_line() -> None:
    """What was cut in two is not shown: no pattern knows the second half of a secret."""
    log = f"one\n{SECRET}\nthree\nfour\n".encode()
    found = read(log, 20, 1000, newest=True)

    assert found == Stretch(("three", "four"), None, log.index(b"three"), len(log), len(log))
    assert read(log, log.index(b"three"), 1000, newest=True) == found
    assert read(log, 0, 1000).lines[1] == "AccountKey=[redacted]"


def test_of_many_lines_the_newest_are_shown_or_the_next() -> None:
    """And the bytes between which they stand."""
    log = b"a\nbb\nccc\n"

    assert read(log, 0, 100, 2, newest=True) == Stretch(("bb", "ccc"), None, 2, 9, 9)
    assert read(log, 0, 100, 2) == Stretch(("a", "bb"), None, 0, 5, 9)


def test_the_last_line_of_a_job_that_still_prints_may_be_half_a_line() -> None:
    """It is told apart and read again; once the job is over it is a line."""
    log = b"one\nepoch 1 "

    assert read(log, 0, 100, over=False) == Stretch(("one",), "epoch 1 ", 0, 4, 12)
    assert read(log, 4, 100, over=False) == Stretch((), "epoch 1 ", 4, 4, 12)
    assert read(log, 4, 100) == Stretch(("epoch 1 ",), None, 4, 12, 12)
    assert read(log, 0, 8, over=False) == Stretch(("one",), None, 0, 4, 12)


def test_a_bar_of_progress_is_a_line_for_each_step() -> None:
    """A carriage return ends a line; one at the very end may be half of a line's end."""
    log = b"10%\r20%\rdone\r\nbye\r"

    assert read(log, 0, 100, over=False) == Stretch(("10%", "20%", "done"), "bye", 0, 14, 18)


def test_a_line_longer_than_a_stretch_is_not_shown_and_passed() -> None:
    """Its pieces might hold half a secret each; what follows is read as ever."""
    log = b"x" * 100 + b"\nnext\n"
    first = read(log, 0, 40)
    assert first == Stretch((UNREAD,), None, 0, 40, 106)
    assert read(log, 40, 40) == Stretch((UNREAD,), None, 40, 80, 106)
    assert read(log, 80, 40).lines == ("next",)
    assert read(log, 90, 10, newest=True).lines == (UNREAD,)
    assert read(b"x" * 100, 60, 40, newest=True, over=False) == Stretch((), UNREAD, 60, 60, 100)


def test_an_empty_log_has_no_lines() -> None:
    """Nor has the end of one that was read to its end."""
    assert read(b"", 0, 100) == Stretch((), None, 0, 0, 0)
    assert read(b"one\n", 4, 100) == Stretch((), None, 4, 4, 4)
