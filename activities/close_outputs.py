"""Closing a superseded output set for good, when its grace is over."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from slipway import access, paths
from slipway.azure.failures import failure_of
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
    """Take the readers' way through the top away, then move the folder, so that a late opener meets nothing."""
    run, attempt = RunId.parse(ask["run"]), ask["attempt"]
    folder = paths.outputs_folder(run, attempt)
    try:
        lake().models.set_acl(folder, access.sealed())
    except Exception as error:
        if failure_of(error).code != "not-found":  # moved before
            raise
    lake().models.rename_folder(folder, paths.closed_folder(run, attempt))
    lake().change_period(run.model, run.period, lambda seen: closed(seen, run.text, attempt))
    return {}
