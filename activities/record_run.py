"""The record of an attempt, written once."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from slipway import clock, paths
from slipway.azure.lake import lake
from slipway.claim import check_end
from slipway.period_record import End
from slipway.rollup import attempt_row
from slipway.run import RunId

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@effect
def record_run(ask: Ask) -> dict[str, Any]:
    """Write how the attempt ended, and with what. A record that is there stays as it is.

    Fails `refused` for an end that the claim's stage does not allow, so that no record can deny a publication.
    """
    run = RunId.parse(ask["run"])
    seen = lake().period(run.model, run.period)
    claim = seen["claim"] if seen else None
    if claim is not None and (claim["run"], claim["attempt"]) == (ask["run"], ask["attempt"]):
        check_end(claim, End(ask["state"]))
        write_record(claim, End(ask["state"]), ask.get("failure"), ask.get("step"))
    return {"state": ask["state"]}


def write_record(
    claim: dict[str, Any], state: End, failure: dict[str, Any] | None = None, step: str | None = None
) -> None:
    """Write the record of the attempt that holds this claim. 'succeeded' holds only for what was published."""
    run = RunId.parse(claim["run"])
    assert state != End.SUCCEEDED or "generation" in claim, "only a published run succeeds"
    kept = ("run", "attempt", "job", "fingerprint", "version", "cause", "installation", "since")
    outcome = {"state": state, "failure": failure, "step": step, "ended_at": clock.now().isoformat()}
    outputs = {"generation": claim.get("generation"), "folder": paths.outputs_folder(run, claim["attempt"])}
    told = {"metrics": claim["metrics"]} if "metrics" in claim else {}
    record = {"schema": 1, **{key: claim.get(key) for key in kept}, **outcome, **outputs, **told}
    lake().control.create(paths.attempt_record(run, claim["attempt"]), record)
    lake().list_attempt(attempt_row(claim, record))
