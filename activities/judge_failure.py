"""How a run stands after a step failed: the lake says it, not the exception."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from slipway.azure.lake import lake
from slipway.claim import condemn, judge
from slipway.run import RunId

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def judge_failure(ask: Ask) -> dict[str, Any]:
    """Answer the `ending`: delivering, lost, canceled, superseded or failed.

    The last three are settled in the claim first: nothing of this attempt is published after its end was told.
    """
    run = RunId.parse(ask["run"])
    token, code = ask["token"], ask["failure"]["code"]
    record = lake().change_period(run.model, run.period, lambda seen, now: condemn(seen, token, code, now))
    return {"ending": judge(record or None, token, code)}
