"""Publishing: the gate opens by one write, the pointer follows, the claim says so. No bytes move."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, claim_of, run_step
from activities.grant_readers import reader_ids
from activities.point import point
from slipway import access, catalog, paths
from slipway.azure.lake import lake
from slipway.claim import DELIVERING, Record, begin_delivery, delivered
from slipway.pointer import to_outputs
from slipway.run import RunId

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@run_step
def publish_outputs(ask: Ask) -> dict[str, Any]:
    """Enter `publishing` with a new generation, from where there is no way back, and deliver."""
    claim_of(ask)
    run = RunId.parse(ask["run"])
    record = lake().change_period(run.model, run.period, lambda seen, now: begin_delivery(seen, ask["token"], now))
    return deliver(record)


def deliver(record: Record) -> dict[str, Any]:
    """Open the outputs of the claim in `publishing` to its readers: gate, pointers, claim.

    Each effect is idempotent and finds its first work, so that anyone may roll a dead owner's publication forward.
    """
    claim = record["claim"]
    run, attempt = RunId.parse(claim["run"]), claim["attempt"]
    folder = paths.outputs_folder(run, attempt)
    assert claim["stage"] in DELIVERING, "only what is verified and granted is delivered"
    readers = reader_ids(catalog.pinned(lake().control, run.model, claim["version"]))
    lake().models.set_acl(folder, access.open_outputs(readers))
    _open_pointers(run.model, readers)
    point(to_outputs(claim))
    lake().change_period(run.model, run.period, lambda seen, now: delivered(seen, claim["run"], attempt, folder, now))
    return {"folder": folder, "generation": claim["generation"]}


def _open_pointers(model: str, pinned: list[str]) -> None:
    """Let the readers of the released definition follow the pointers, which all periods share, and nobody else.

    An older version that is still being delivered gives no reader back that was removed since.
    """
    known = catalog.load(lake().control).models.get(model)
    readers = reader_ids(known.definition) if known else pinned
    lake().models.make_folder(paths.published_folder(model), access.published(readers))
    lake().models.set_acl(paths.published_folder(model), access.published(readers))
