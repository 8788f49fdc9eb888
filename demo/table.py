"""The table at the end: what ran, how long each step took, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import median
from typing import Any

from rich import box
from rich.table import Table

from demo.plan import DAILY
from demo.reading import Reading, pointer_path

#: The columns of seconds: each ends with this time of a step of the run, and begins where the one before ends.
#: The job ends where its outputs are sealed: its own times have whole seconds only.
STEPS = {
    "stage": ("finish_staging", "ended_at"),
    "job": ("seal_outputs", "started_at"),
    "verify": ("write_manifest", "ended_at"),
    "publish": ("publish_outputs", "ended_at"),
}
#: Stands where there is no value.
NONE = "-"


@dataclass(frozen=True)
class Row:
    """One run: `seconds` by STEPS and in `total` (None: it did not come so far), `metric` as the model said it."""

    run: str
    model: str
    period: str
    state: str
    seconds: dict[str, float | None]
    rows: int | None = None
    metric: dict[str, Any] | None = None
    pointer: str | None = None
    folder: str | None = None

    @classmethod
    def of(cls, view: dict[str, Any], reading: Reading | None) -> Row:
        """Make the row of a run from its view in the API and, if it is published, what a consumer read of it."""
        facts = (view["run"], view["model"], view["period"], view["state"], seconds_of(view))
        if reading is None:
            return cls(*facts)
        metric = _error(view["metrics"])
        pointer = f"models/{pointer_path(view['model'], view['period'])}"
        return cls(*facts, reading.rows, metric, pointer, f"models/{reading.pointer['folder']}")

    def document(self) -> dict[str, Any]:
        """Return the row for machines."""
        return asdict(self)


def seconds_of(view: dict[str, Any]) -> dict[str, float | None]:
    """Return how long each of STEPS took, and all together, from the times the API tells of a run."""
    steps = {step["step"]: step for step in view["steps"]}
    began = before = datetime.fromisoformat(view["since"])
    seconds: dict[str, float | None] = {}
    for name, (step, edge) in STEPS.items():
        end = datetime.fromisoformat(steps[step][edge]) if step in steps else None
        seconds[name] = None if end is None else round((end - before).total_seconds(), 1)
        before = end or before
    ended = [end["ended_at"] for end in view["attempts"] if end["ended_at"]]
    seconds["total"] = round((datetime.fromisoformat(ended[-1]) - began).total_seconds(), 1) if ended else None
    return seconds


def table(rows: Sequence[Row]) -> Table:
    """Return the table for people; the many alike runs of the daily model are one line, with the medians of times."""
    made = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        title="What ran, and for how many seconds",
        title_justify="left",
    )
    made.add_column("run, and the pointer its readers follow", overflow="fold")
    made.add_column("state")
    for name in (*STEPS, "total"):
        made.add_column(name, justify="right", no_wrap=True)
    made.add_column("rows", justify="right")
    made.add_column("metric")
    daily = [row for row in rows if row.model == DAILY]
    alike = [row for row in daily if [one.period for one in daily].count(row.period) == 1 and row.pointer]
    alike = alike if len(alike) > 1 else []
    for row in rows:
        if row not in alike:
            name = f"{row.run}\n[dim]{row.pointer or 'not published'}[/dim]"
            made.add_row(name, _state(row.state), *map(_number, row.seconds.values()), _count(row.rows), _metric(row))
    if alike:
        made.add_row(*_together(alike))
    return made


def _together(rows: Sequence[Row]) -> Iterable[str]:
    """The line of many published runs of one model."""
    path = pointer_path(rows[0].model, "<day>")
    states = "\n".join(sorted({_state(row.state) for row in rows}))
    times = [[row.seconds[name] for row in rows] for name in rows[0].seconds]
    medians = (_number(median([one for one in time if one is not None] or [0.0])) for time in times)
    count = f"{len(rows)} runs of {rows[0].model}, median times\n[dim]models/{path}[/dim]"
    return (count, states, *medians, _count(sum(row.rows or 0 for row in rows)), NONE)


def _state(state: str) -> str:
    return f"[{'green' if state == 'succeeded' else 'red'}]{state}[/]"


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.1f}"


def _count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"


def _error(said: dict[str, float]) -> dict[str, Any] | None:
    """Return what flight-delay says of itself, beside its baseline; None for a model that does not tell it."""
    if "model.mae_min" not in said:
        return None
    model, baseline = said["model.mae_min"], said["baseline.mae_min"]
    name = "mean absolute error, minutes"
    return {"name": name, "model": model, "baseline": baseline, "beats_baseline": model < baseline}


def _metric(row: Row) -> str:
    if row.metric is None:
        return NONE
    return f"MAE {row.metric['model']:.2f} min\n[dim]baseline {row.metric['baseline']:.2f}[/dim]"
