"""How facts are written for people: times, spans, sizes, and texts of others, harmless to a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

#: The width of what is piped: nothing is cut or broken there, so that `grep` finds whole lines.
UNBOUNDED = 10_000

#: From this width on, tables have all their columns; a narrower terminal shows the first ones, which identify a row.
WIDE = 130

#: The colour of each state, wherever one is written.
STYLES = {
    "succeeded": "green",
    "failed": "bold red",
    "canceled": "yellow",
    "superseded": "dim",
    "retracted": "yellow",
    "waived": "dim",
    "none": "dim",
}


def console() -> Console:
    """Where results go. Texts are printed as they are: no markup, no emoji codes, no guessed colours."""
    width = None if Console().is_terminal else UNBOUNDED
    return Console(width=width, markup=False, emoji=False, highlight=False)


def put(screen: Console, parts: Iterable[Table | Text]) -> None:
    """Print these one below the other. A text that must not be broken is left to the terminal as it is."""
    for part in parts:
        screen.print(part, soft_wrap=isinstance(part, Text) and part.no_wrap)


def clean(text: str) -> str:
    """A text of others without what would steer a terminal: control characters are written out."""
    return "".join(
        one if one == "\t" or unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else ascii(one)[1:-1]
        for one in text
    )


def text(value: object, style: str = "") -> Text:
    """A cell or a line; `-` for what is not there."""
    return Text("-" if value is None or value == "" else clean(str(value)), style=style)


def state(name: str) -> Text:
    """A state in its colour; what is under way is blue."""
    return text(name, STYLES.get(name, "cyan"))


def table(*heads: str) -> Table:
    """A plain table. Runs' ids are not broken: they are copied from here into the next command."""
    made = Table(box=None, pad_edge=False, header_style="dim")
    for head in heads:
        made.add_column(head, overflow="fold", no_wrap=head.endswith(("run", "job")))
    return made


def when(value: str | None) -> str:
    """An API's time as people read it, UTC to the second."""
    if value is None:
        return "-"
    return datetime.fromisoformat(value).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def span(seconds: float) -> str:
    """A length of time, to the precision that matters."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02}m" if hours else f"{minutes}m {rest:02}s"


def size(count: int) -> str:
    """A number of bytes."""
    number = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
