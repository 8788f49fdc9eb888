"""Closing a superseded output set for good, when its grace is over."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from slipway import access, paths
from slipway.azure.lake import lake
from slipway.claim import closed
from slipway.run import RunId

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def close_outputs(ask: Ask) -> dict[str, Any]:
    """See `act`."""
    return act(ask)


def act(ask: Ask) -> dict[str, Any]:
    """Take the readers' way through the top away, then move the folder, so that a late opener meets nothing.

    Sealed once more where it lies now: an opener may have come between the two.
    """
    run, attempt, models = RunId.parse(ask["run"]), ask["attempt"], lake().models
    models.set_acl_if_there(paths.outputs_folder(run, attempt), access.sealed())
    models.rename_folder(paths.outputs_folder(run, attempt), paths.closed_folder(run, attempt))
    models.set_acl_if_there(paths.closed_folder(run, attempt), access.sealed())
    lake().change_period(run.model, run.period, lambda seen, _: closed(seen, run.text, attempt))
    return {}
