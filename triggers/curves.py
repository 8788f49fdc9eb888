"""What a model says of itself, period by period: a small picture for each of its metrics. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from slipway.metrics import words

#: The picture's measures, in its own units: the curve, and what stands to its right.
WIDTH, HEIGHT, LABELS = 200.0, 40.0, 80.0
#: How far the curve stays from the picture's edge, so that no dot is cut off.
MARGIN = 4.0


def curves(periods: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A row for each metric of the two newest periods that have any: both values, and its curve from the oldest on.

    `periods` come the newest first, as lists have them; one without a publication, or without the metric, is a gap.
    """
    shown = list(reversed(list(periods)))
    with_any = [number for number, row in enumerate(shown) if row["metrics"]]
    newest = [shown[number] for number in with_any[:-3:-1]]
    names = sorted({name for row in newest for name in row["metrics"]})
    whole = shown[with_any[0] : with_any[-1] + 1] if with_any else []
    return {
        "periods": [row["period"] for row in newest],
        "rows": [_row(name, newest, whole) for name in names],
        "width": WIDTH + LABELS,
        "height": HEIGHT,
        "labels": WIDTH + MARGIN,
    }


def _row(name: str, newest: Sequence[Mapping[str, Any]], whole: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values = [row["metrics"].get(name) for row in whole]
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    points = list(_points(values, low, high))
    return {
        "name": name,
        "values": ["" if (value := row["metrics"].get(name)) is None else words(value) for row in newest],
        "labels": _labels(low, high),
        "line": "".join(f"{'L' if joined else 'M'}{x:g} {y:g}" for x, y, joined in points),
        "dots": "".join(f"M{x:g} {y:g}h0" for x, y, _ in points),
        "words": f"{name}, {len(known)} of {len(whole)} periods from {whole[0]['period']} to {whole[-1]['period']}: "
        f"lowest {words(low)}, highest {words(high)}",
    }


def _labels(low: float, high: float) -> list[dict[str, Any]]:
    """The highest value beside the curve's top, the lowest beside its bottom; the only one in the middle."""
    ends = ((high, 11.0), (low, HEIGHT - 2)) if high > low else ((low, HEIGHT / 2 + MARGIN),)
    return [{"words": words(value), "y": y} for value, y in ends]


def _points(values: Sequence[float | None], low: float, high: float) -> Iterator[tuple[float, float, bool]]:
    """Where each known value stands, and whether the one before it is known, too. A value that never moves is level."""
    step = (WIDTH - 2 * MARGIN) / max(1, len(values) - 1)
    room = HEIGHT - 2 * MARGIN
    before: float | None = None
    for number, value in enumerate(values):
        if value is not None:
            # Halves, since the difference of two very large values is none that can be written.
            share = (value / 2 - low / 2) / (high / 2 - low / 2) if high / 2 > low / 2 else 0.5
            yield round(MARGIN + number * step, 1), round(HEIGHT - MARGIN - share * room, 1), before is not None
        before = value
