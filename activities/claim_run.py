"""Claiming: the first execution of a reserved attempt becomes its owner."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from slipway import paths
from slipway.azure.lake import lake
from slipway.claim import take
from slipway.period_record import Refused
from slipway.rollup import attempt_row
from slipway.run import RunId

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def claim_run(ask: Ask) -> dict[str, Any]:
    """Take the claim with this execution's token, and write down once what the run is and why.

    Answers `won`, and who has the claim otherwise. The same execution may ask again and is told the same.
    """
    run = RunId.parse(ask["run"])
    try:
        record = lake().change_period(
            run.model, run.period, lambda seen, now: take(seen, ask["run"], ask["attempt"], ask["token"], now)
        )
    except Refused as refused:
        return {"won": False, "why": str(refused)}
    claim = record["claim"]
    facts = {key: claim[key] for key in ("run", "fingerprint", "version", "installation", "cause", "since")}
    lake().control.create(paths.run_file(run), {"schema": 1, "model": run.model, "period": str(run.period), **facts})
    lake().list_attempt(attempt_row(claim))
    return {"won": True}
