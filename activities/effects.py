"""What every activity shares: failures come back as values, and a step of a run leaves a receipt.

An activity is one idempotent effect. It answers `{"result": ...}`, or `{"failure": {...}}` for every failure that can
be foreseen; only bugs raise, and the engine then shows them as they are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime
from typing import Any

from slipway import clock, paths
from slipway.azure.failures import failure_of
from slipway.azure.lake import lake
from slipway.claim import owned
from slipway.failure import Failure, Kind
from slipway.period_record import Refused
from slipway.run import RunId

Ask = dict[str, Any]
Answer = dict[str, Any]


def effect(function: Callable[[Ask], Any]) -> Callable[[Ask], Answer]:
    """Make an activity of a function: its result, or its failure, as a value."""

    @functools.wraps(function)
    def activity(ask: Ask) -> Answer:
        try:
            return {"result": function(ask)}
        except Refused as error:
            return {"failure": Failure(Kind.SLIPWAY, "refused", str(error)).to_document()}
        except Exception as error:
            return {"failure": failure_of(error).to_document()}

    return activity


def run_step(function: Callable[[Ask], Any]) -> Callable[[Ask], Answer]:
    """As `effect`, for a step of a run: done, it leaves a receipt, from which people read the run's timeline.

    The first receipt stands: a step that is taken again changes neither its effect nor the story told of it.
    """

    @functools.wraps(function)
    def step(ask: Ask) -> Any:
        started_at = clock.now()
        result = function(ask)
        leave_receipt(ask, function.__name__, started_at, result)
        return result

    return effect(step)


def leave_receipt(ask: Ask, step: str, started_at: datetime, result: Any) -> None:
    """Write down once that a step of the run was done, and what it came to."""
    run, attempt, batch = RunId.parse(ask["run"]), ask["attempt"], ask.get("batch")
    receipt = {
        "step": step,
        "attempt": attempt,
        "batch": batch,
        "started_at": started_at.isoformat(),
        "ended_at": clock.now().isoformat(),
        "result": result,
    }
    lake().control.create(paths.receipt(run, step, attempt, batch), receipt)


def claim_of(ask: Ask) -> dict[str, Any]:
    """The claim this execution holds. Raises Failed when it lost it, or when a person wished the run canceled."""
    run = RunId.parse(ask["run"])
    return owned(lake().period(run.model, run.period), ask["token"])
