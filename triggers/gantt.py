"""The timeline of a run as bars: a row for each kind of task, to scale. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

#: The picture's measures, in its own units.
WIDTH, LABELS, ROW, TOP = 1000, 190, 18, 20
TICKS = 5


def bars(timeline: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The rows (what, x, y, width, bad) and the ticks of the scale; without rows where nothing has happened.

    Tries of one task in one attempt are one row, from the first begin to the last end; it is bad if its last try was.
    """
    spans: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for entry in timeline:
        spans.setdefault((entry["attempt"], entry["what"]), []).append(entry)
    if not spans:
        return {"rows": [], "ticks": [], "width": WIDTH, "height": 0}
    begin = min(_time(entry["began_at"]) for entries in spans.values() for entry in entries)
    end = max(_time(entry["ended_at"]) for entries in spans.values() for entry in entries)
    whole = max((end - begin).total_seconds(), 0.001)

    def x(moment: datetime) -> float:
        return LABELS + (WIDTH - LABELS) * (moment - begin).total_seconds() / whole

    several = len({attempt for attempt, _ in spans}) > 1
    rows = []
    for number, ((attempt, what), entries) in enumerate(spans.items()):
        first, last = (min(_time(e["began_at"]) for e in entries), max(_time(e["ended_at"]) for e in entries))
        rows.append(
            {
                "what": f"{what} ({attempt})" if several else what,
                "x": round(x(first), 1),
                "y": TOP + number * ROW,
                "width": round(max(x(last) - x(first), 2), 1),
                "bad": entries[-1]["error"] is not None,
            }
        )
    step = (WIDTH - LABELS) / TICKS
    ticks = [{"x": round(LABELS + n * step), "words": _words(whole * n / TICKS)} for n in range(TICKS)]
    return {"rows": rows, "ticks": ticks, "width": WIDTH, "height": TOP + len(rows) * ROW}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _words(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
