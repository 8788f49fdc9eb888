"""One picture of a run: typical delays day by day, and the error of the model beside that of the baseline."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

ACTUAL, MODEL, BASELINE = "#1b1b1b", "#0072b2", "#d55e00"  # told apart by colour-blind readers too


def save(scores: pd.DataFrame, month: str, path: Path) -> None:
    """Draw the scored days of a month into a PNG file; the same scores give the same bytes."""
    judged = scores.dropna(subset="actual_delay_min")
    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    typical, wrong = figure.subplots(1, 2)
    _typical(typical, judged)
    _wrong(wrong, judged)
    figure.suptitle(f"Arrival delay of flights out of New York, {month}: days the model had not seen")
    # Without this the file names the version of matplotlib that wrote it.
    figure.savefig(path, dpi=120, metadata={"Software": None})


def _typical(axes: Axes, judged: pd.DataFrame) -> None:
    """Median delay of each day: what came and what was foretold."""
    days = judged.groupby(judged["day"].dt.day)
    axes.plot(days["actual_delay_min"].median(), color=ACTUAL, marker="o", label="actual")
    axes.plot(days["predicted_delay_min"].median(), color=MODEL, marker="s", label="model")
    axes.plot(days["baseline_delay_min"].median(), color=BASELINE, linestyle="--", label="baseline")
    axes.set(title="Median delay", xlabel="day of the month", ylabel="minutes")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


def _wrong(axes: Axes, judged: pd.DataFrame) -> None:
    """Mean absolute error of each day."""
    for name, colour, style in (("predicted", MODEL, "-"), ("baseline", BASELINE, "--")):
        off = (judged[f"{name}_delay_min"] - judged["actual_delay_min"]).abs()
        label = "model" if name == "predicted" else name
        axes.plot(off.groupby(judged["day"].dt.day).mean(), color=colour, linestyle=style, marker="s", label=label)
    axes.set(title="Mean absolute error", xlabel="day of the month", ylabel="minutes", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
