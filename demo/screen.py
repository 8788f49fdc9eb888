"""What people see while the demonstration runs: lines with their time, and a progress bar for each model.

All of it goes to standard error; standard output is for the result.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

#: The width where nobody's terminal says one.
WIDTH = 120


def console(*, stderr: bool = False) -> Console:
    """Return a console; beyond a terminal it is wide enough for the table."""
    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=WIDTH)


class Screen:
    """Lines, and bars below them."""

    def __init__(self) -> None:
        self._console = console(stderr=True)
        self._began = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description:<14}"),
            BarColumn(24),
            TextColumn("{task.fields[text]}"),
            console=self._console,
        )
        self._tasks: dict[str, TaskID] = {}

    @property
    def seconds(self) -> float:
        """How long it has been."""
        return time.monotonic() - self._began

    def say(self, text: str, style: str = "") -> None:
        """Write a line with the seconds since the beginning."""
        line = Text.assemble((f"{self.seconds:5.1f} s  ", "dim"), (text, style))
        self._console.print(line, soft_wrap=True)  # commands are to be copied as they are

    @contextmanager
    def bars(self) -> Iterator[None]:
        """Show bars within the block; they stay as they were at its end."""
        with self._progress:
            yield

    def bar(self, name: str, done: float, total: float, text: str) -> None:
        """Draw the bar of this name."""
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, text="")
        self._progress.update(self._tasks[name], completed=done, total=total, text=text)
