"""What runs still to come will take and cost, told from the model's own past runs. Pure.

Nothing is invented: what no past run and no price tells is absent, and the forecast says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from slipway.usage import Usage

#: How many of a model's newest published runs a forecast rests on.
PAST = 15


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


def cost(node_hours: float | None, price: Price | None) -> dict[str, Any] | None:
    """What so many node-hours cost: amount and currency; None where either is not known."""
    if node_hours is None or price is None:
        return None
    return {"amount": round(node_hours * price.amount, 2), "currency": price.currency}


def forecast(
    runs: int, parallel: int, past: Sequence[Usage], compute: str, nodes: int, price: Price | None
) -> dict[str, Any]:
    """What `runs` runs take with `parallel` of them at a time, on a compute of so many nodes for each.

    `node_hours`; `money` (amount and currency); `seconds` until the last has ended, if none waits for compute; each
    None where it is not known, which `unknown` explains. `based_on` says on what: medians of so many past runs.
    """
    told: dict[str, Any] = {"runs": runs, "compute": compute, "node_hours": None, "money": None, "seconds": None}
    told["based_on"] = None
    unknown = []
    jobs = [one.job_seconds for one in past if one.job_seconds is not None]
    if not jobs:
        unknown.append("no published run of this model tells how long one takes")
    if price is None:
        unknown.append(f"no price of a node-hour is set for {compute}")
    if jobs:
        job, whole = median(jobs), median(one.seconds for one in past)
        hours = runs * nodes * job / 3600
        told |= {"node_hours": round(hours, 3), "seconds": round(max(whole, runs * whole / parallel)) if runs else 0}
        told["based_on"] = {"runs": len(jobs), "job_seconds": job, "run_seconds": whole, "nodes": nodes}
        told["money"] = cost(hours, price)
    return {**told, "unknown": unknown}
