"""What runs still to come will take and cost, told from the model's own past runs. Pure.

Nothing is invented: what no past run and no price tells is absent, and the forecast says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

#: How many of a model's newest published runs a forecast rests on.
PAST = 15


@dataclass(frozen=True)
class PastRun:
    """A run that was published: how long its job was on its nodes, and the whole run from claim to end, in seconds."""

    job_seconds: float
    run_seconds: float


@dataclass(frozen=True)
class Price:
    """What an hour of one node costs."""

    amount: float
    currency: str

    @classmethod
    def parse(cls, text: str) -> Price:
        """Read `0.23 EUR`. Raises ValueError."""
        amount, _, currency = text.partition(" ")
        return cls(float(amount), currency)


def forecast(
    runs: int, parallel: int, past: Sequence[PastRun], compute: str, nodes: int, price: Price | None
) -> dict[str, Any]:
    """What `runs` runs take with `parallel` of them at a time, on a compute of so many nodes for each.

    `node_hours`; `money` (amount and currency); `seconds` until the last has ended, if none waits for compute; each
    None where it is not known, which `unknown` explains. `from` says what it rests on: medians of so many past runs.
    """
    told: dict[str, Any] = {"runs": runs, "node_hours": None, "money": None, "seconds": None, "from": None}
    unknown = []
    if not past:
        unknown.append("no run of this model that was published tells how long one takes")
    if price is None:
        unknown.append(f"no price of a node-hour is set for {compute}")
    if past:
        job, whole = median(one.job_seconds for one in past), median(one.run_seconds for one in past)
        hours = runs * nodes * job / 3600
        told |= {"node_hours": round(hours, 3), "seconds": round(max(whole, runs * whole / parallel) if runs else 0)}
        told["from"] = {"runs": len(past), "job_seconds": round(job, 1), "run_seconds": round(whole, 1), "nodes": nodes}
        if price is not None:
            told["money"] = {"amount": round(hours * price.amount, 2), "currency": price.currency}
    return {**told, "compute": compute, "unknown": unknown}
