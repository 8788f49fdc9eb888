"""Three kinds of charts as SVG text, to stand inside a page. Colours and type come from the page's style sheet.

Each chart has a title and a description for those who cannot see it, and the value of each point as its tooltip.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WIDTH = 920
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 12, 28  # margins of a plot
BAR = 13  # height of a horizontal bar, with the space below it

Value = float | None


@dataclass(frozen=True)
class Series:
    """Values along a chart's labels; None leaves a gap. `style` is a class of the page's style sheet."""

    name: str
    style: str
    values: Sequence[Value]


@dataclass(frozen=True)
class Axis:
    """A vertical scale over a number of pixels, from `low` at the bottom to `high` at the top."""

    low: float
    high: float
    step: float
    top: float
    height: float

    @classmethod
    def over(cls, values: Iterable[Value], top: float, height: float, ticks: int = 5) -> Axis:
        """Return a scale with round ticks that holds zero and all values."""
        held = [0.0, *(value for value in values if value is not None)]
        step = _round_step((max(held) - min(held)) / ticks or 1)
        low = math.floor(min(held) / step) * step
        high = math.ceil(max(held) / step) * step
        return cls(low, max(high, low + step), step, top, height)

    def y(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.top + self.height * (self.high - value) / (self.high - self.low)

    def draw(self) -> str:
        """Return the grid lines and their numbers; zero is drawn stronger."""
        count = round((self.high - self.low) / self.step)
        return "".join(self._tick(self.low + n * self.step) for n in range(count + 1))

    def _tick(self, value: float) -> str:
        y, style = self.y(value), "zero" if abs(value) < self.step / 2 else "grid"
        return (
            f'<line class="{style}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>'
        )


def lines(name: str, title: str, description: str, labels: Sequence[str], series: Sequence[Series], unit: str) -> str:
    """Return a line chart with a marker at each value. `name` is unique on the page."""
    height = 260
    axis = Axis.over((v for s in series for v in s.values), TOP, height - TOP - BOTTOM)
    xs = _centres(len(labels))
    drawn = "".join(_line(s, xs, axis, labels, unit) for s in series)
    return _svg(name, title, description, height, axis.draw() + _labels(labels, xs, height) + drawn)


def columns(
    name: str, title: str, description: str, labels: Sequence[str], panels: Sequence[Series], shaded: range
) -> str:
    """Return panels of columns below one another that share their labels; `shaded` positions have a background."""
    panel, gap = 96, 30
    height = len(panels) * (panel + gap) + BOTTOM
    xs = _centres(len(labels))
    drawn = [_shade(xs, shaded, height - BOTTOM)]
    for n, series in enumerate(panels):
        top = n * (panel + gap) + gap
        axis = Axis.over(series.values, top, panel, ticks=3)
        drawn += [f'<text class="panel" x="{LEFT}" y="{top - 10}">{escape(series.name)}</text>', axis.draw()]
        drawn += _columns(series, xs, axis, labels)
    return _svg(name, title, description, height, "".join(drawn) + _labels(labels, xs, height))


def pairs(name: str, title: str, description: str, labels: Sequence[str], series: Sequence[Series], unit: str) -> str:
    """Return horizontal bars from zero, one for each series, grouped by label, with the value written at the end."""
    group = BAR * len(series) + 12
    greatest = max(value for one in series for value in one.values if value is not None)
    scale = (WIDTH - LEFT - 90) / greatest
    drawn = []
    for row, label in enumerate(labels):
        top = TOP + row * group
        middle = top + BAR * len(series) / 2 + 4
        drawn.append(f'<text x="{LEFT - 8}" y="{middle:.1f}" text-anchor="end">{escape(label)}</text>')
        drawn += [_bar(one.style, top + n * BAR, one.values[row], scale, unit) for n, one in enumerate(series)]
    return _svg(name, title, description, TOP + len(labels) * group, "".join(drawn))


def number(value: float, digits: int = 2) -> str:
    """Write a number briefly, with a true minus sign, without zeros at its end."""
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text.replace("-", "\N{MINUS SIGN}")


def _svg(name: str, title: str, description: str, height: float, content: str) -> str:
    return (
        f'<svg role="img" viewBox="0 0 {WIDTH} {height}" aria-labelledby="{name}-title {name}-about">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-about">{escape(description)}</desc>'
        f"{content}</svg>"
    )


def _line(series: Series, xs: Sequence[float], axis: Axis, labels: Sequence[str], unit: str) -> str:
    """Return a series as line and markers; the line stops at gaps."""
    points = [(x, axis.y(v), v, label) for x, v, label in zip(xs, series.values, labels, strict=True) if v is not None]
    spacing = xs[1] - xs[0] if len(xs) > 1 else 0
    strokes = "".join(
        f'<line class="{series.style}" x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}"/>'
        for a, b in pairwise(points)
        if b[0] - a[0] < spacing * 1.5
    )
    markers = "".join(
        f'<circle class="{series.style} fill" cx="{x:.1f}" cy="{y:.1f}" r="3.5">'
        f"<title>{escape(label)}: {escape(series.name)} {number(v, 1)} {unit}</title></circle>"
        for x, y, v, label in points
    )
    return strokes + markers


def _bar(style: str, top: float, value: Value, scale: float, unit: str) -> str:
    """Return one horizontal bar and its value as text; nothing if there is no value."""
    if value is None:
        return ""
    length = value * scale
    return (
        f'<rect class="{style} fill" x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR - 2}"/>'
        f'<text class="value" x="{LEFT + length + 6:.1f}" y="{top + BAR - 3}">{value:.1f} {unit}</text>'
    )


def _columns(series: Series, xs: Sequence[float], axis: Axis, labels: Sequence[str]) -> list[str]:
    width = (WIDTH - LEFT - RIGHT) / len(xs) * 0.7
    return [
        f'<rect class="{series.style} fill" x="{x - width / 2:.1f}" y="{axis.y(v):.1f}" width="{width:.1f}" '
        f'height="{axis.y(0) - axis.y(v):.1f}"><title>{escape(label)}: {number(v)}</title></rect>'
        for x, v, label in zip(xs, series.values, labels, strict=True)
        if v is not None
    ]


def _shade(xs: Sequence[float], shaded: range, height: float) -> str:
    if not shaded:
        return ""
    width = (WIDTH - LEFT - RIGHT) / len(xs)
    start = xs[shaded[0]] - width / 2
    return f'<rect class="shade" x="{start:.1f}" y="0" width="{len(shaded) * width:.1f}" height="{height}"/>'


def _labels(labels: Sequence[str], xs: Sequence[float], height: float) -> str:
    return "".join(
        f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle">{escape(label)}</text>'
        for x, label in zip(xs, labels, strict=True)
    )


def _centres(count: int) -> list[float]:
    """Return the middle of each of `count` equal parts of a plot's width."""
    width = (WIDTH - LEFT - RIGHT) / count
    return [LEFT + width * (n + 0.5) for n in range(count)]


def _round_step(rough: float) -> float:
    """Return the least of 1, 2, 2.5, 5 or 10 times a power of ten that is not below `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * 0.999)
