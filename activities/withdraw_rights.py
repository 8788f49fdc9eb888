"""The end of a run without outputs: its job's identity keeps no way into its folders."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from slipway import access, paths
from slipway.azure.lake import lake
from slipway.run import RunId

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def withdraw_rights(ask: Ask) -> dict[str, Any]:
    """See `withdraw`."""
    withdraw(RunId.parse(ask["run"]), ask["attempt"])
    return {}


def withdraw(run: RunId, attempt: int) -> None:
    """Seal what the attempt's job could write, and the staged inputs it could read; a resume opens the inputs again.

    They are the run's, not the attempt's: who slept until a later attempt went on leaves them to that one's job.
    """
    lake().models.set_acl_if_there(paths.work_folder(run, attempt), access.sealed())
    record = lake().period(run.model, run.period)
    claim = record["claim"] if record else None
    if claim is None or claim["run"] != run.text or claim["attempt"] == attempt:
        lake().models.set_acl_if_there(paths.inputs_folder(run), access.sealed())
