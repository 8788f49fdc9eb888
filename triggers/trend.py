"""What a model's published runs took, period by period, as a picture. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: The picture's measures, in its own units.
WIDTH, HEIGHT, TOP = 1000, 140, 18
#: No bar is wider than this, however few there are.
WIDEST = 40.0


def trend(periods: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Bars from the oldest period to the newest: the run's time from claim to publication, and its job's part of it.

    `periods` come the newest first, as lists have them; those without a publication are gaps. Without any, `bars` is
    empty.
    """
    shown = list(reversed(list(periods)))
    longest = max((row["used"]["seconds"] for row in shown if row["used"]), default=0.0)
    if not longest:
        return {"bars": [], "width": WIDTH, "height": HEIGHT, "top": TOP, "longest": ""}
    step = min(WIDTH / len(shown), WIDEST)
    room = HEIGHT - TOP
    bars = []
    for number, row in enumerate(shown):
        if used := row["used"]:
            height, job = (room * (used[part] or 0) / longest for part in ("seconds", "job_seconds"))
            bars.append(
                {
                    "x": round(number * step, 1),
                    "width": round(step * 0.8, 1),
                    "y": round(HEIGHT - height, 1),
                    "height": round(height, 1),
                    "job_y": round(HEIGHT - min(job, height), 1),
                    "job_height": round(min(job, height), 1),
                    "words": f"{row['period']}: {span(used['seconds'])}",
                }
            )
    return {"bars": bars, "width": WIDTH, "height": HEIGHT, "top": TOP, "longest": span(longest)}


def span(seconds: float | None) -> str:
    """A duration as people read it."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def size(count: int | None) -> str:
    """A number of bytes as people read it."""
    if count is None:
        return ""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
