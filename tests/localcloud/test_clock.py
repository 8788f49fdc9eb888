"""The cloud's clock: real time plus an offset that every process shares."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from localcloud.clock import Clock, parse_duration


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """Return a clock of its own."""
    return Clock(tmp_path / "clock")


def test_a_new_clock_shows_real_time(clock: Clock) -> None:
    """Nothing is moved until somebody moves it."""
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)


def test_a_moved_clock_goes_on_from_there(clock: Clock) -> None:
    """Setting and advancing add up."""
    clock.set(datetime(2013, 2, 1, tzinfo=UTC))
    clock.advance(3600)
    assert timedelta() <= clock.now() - datetime(2013, 2, 1, 1, tzinfo=UTC) < timedelta(minutes=5)


def test_a_time_without_zone_is_refused(clock: Clock) -> None:
    """A naive time could mean any moment."""
    with pytest.raises(ValueError, match="time zone"):
        clock.set(datetime(2013, 2, 1))  # noqa: DTZ001


def test_waiting_ends_when_the_clock_is_moved_past_its_end(clock: Clock) -> None:
    """Hours of waiting pass in no time."""

    async def wait_six_hours() -> None:
        waiting = asyncio.create_task(clock.sleep(6 * 3600))
        await asyncio.sleep(0.01)
        clock.advance(3 * 3600)
        await asyncio.sleep(0.05)
        assert not waiting.done(), "three hours are left"
        clock.advance(3 * 3600)
        await asyncio.wait_for(waiting, 60)

    asyncio.run(wait_six_hours())


def test_another_process_sees_the_move_at_once(clock: Clock, tmp_path: Path) -> None:
    """The functions host and the job runner live in other processes."""
    clock.set(datetime(2013, 2, 1, tzinfo=UTC))
    program = f"from localcloud.clock import *; print(Clock(Path({str(tmp_path / 'clock')!r})).now().year)"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "2013\n"
    )


def test_the_offset_survives_its_process(clock: Clock, tmp_path: Path) -> None:
    """A cloud that is started again goes on at its own time."""
    clock.advance(86400)
    assert Clock(tmp_path / "clock").offset == pytest.approx(86400)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("45s", 45), ("30m", 1800), ("6h", 21600), ("2d", 172800), ("1h30m", 5400), ("-1h", -3600), ("0", 0)],
)
def test_durations_as_people_write_them(text: str, seconds: float) -> None:
    """The forms the command line takes."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "6 hours", "1m1h", "-", "PT1H"])
def test_other_durations_are_refused_by_example(text: str) -> None:
    """The error shows the right forms."""
    with pytest.raises(ValueError, match="1h30m"):
        parse_duration(text)
