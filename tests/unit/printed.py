"""What a terminal of a given width shows of something, without its colours."""

from __future__ import annotations

import io
from collections.abc import Iterable

from rich.console import Console, RenderableType


def printed(parts: RenderableType | Iterable[RenderableType], width: int = 200) -> str:
    """The lines, without the blanks at their ends."""
    console = Console(file=io.StringIO(), width=width, color_system=None, markup=False, emoji=False, highlight=False)
    for part in parts if isinstance(parts, Iterable) and not isinstance(parts, str) else [parts]:
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())
