"""A sign of life in long work: the owner says until when it will be heard of again."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from slipway.azure.lake import lake
from slipway.claim import STAGE_LIMITS, move
from slipway.period_record import Stage
from slipway.run import RunId

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def hold_claim(ask: Ask) -> dict[str, Any]:
    """Extend the claim in `stage`. Fails `claim-lost` or `canceled` if there is nothing to hold any more."""
    hold(ask, ask["stage"])
    return {}


def hold(ask: Ask, stage: str, **facts: Any) -> None:
    """Move the claim into a stage whose limit is fixed, or show life in it."""
    run = RunId.parse(ask["run"])
    lake().change_period(
        run.model,
        run.period,
        lambda seen, now: move(seen, ask["token"], Stage(stage), now + STAGE_LIMITS[stage], **facts),
    )
