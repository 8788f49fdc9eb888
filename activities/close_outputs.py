"""Closing an output set for good: superseded, when its grace is over, or retracted."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from activities.point import fall_back, point_away
from slipway import access, paths
from slipway.azure.lake import lake
from slipway.period_record import closed
from slipway.pointer import to_nothing
from slipway.run import RunId

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def close_outputs(ask: Ask) -> dict[str, Any]:
    """See `act`."""
    return act(ask)


def act(ask: Ask) -> dict[str, Any]:
    """Take the readers' way through the top away, then move the folder, so that a late opener meets nothing.

    Sealed once more where it lies now: an opener may have come between the two. What was retracted has its pointer
    turned away first; the record forgets the set last, so that whatever was not done is done again.
    """
    run, attempt, models = RunId.parse(ask["run"]), ask["attempt"], lake().models
    record = lake().period(run.model, run.period)
    retracted = record.get("retracted") if record else None
    is_retracted = retracted is not None and (retracted["run"], retracted["attempt"]) == (run.text, attempt)
    if record and is_retracted:
        point_away(to_nothing(record))
    models.set_acl_if_there(paths.outputs_folder(run, attempt), access.sealed())
    models.rename_folder(paths.outputs_folder(run, attempt), paths.closed_folder(run, attempt))
    models.set_acl_if_there(paths.closed_folder(run, attempt), access.sealed())
    if is_retracted:
        fall_back(run.model)
    lake().change_period(run.model, run.period, lambda seen, _: closed(seen, run.text, attempt))
    return {}
