"""Publishing: the gate opens by one write, the pointer follows, the claim says so. No bytes move."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, claim_of, run_step
from activities.grant_readers import grant, reader_ids
from activities.point import point
from slipway import access, catalog, paths
from slipway.azure.lake import lake
from slipway.claim import begin_delivery, delivered
from slipway.period_record import DELIVERING, Record
from slipway.pointer import to_outputs
from slipway.run import RunId, parse_job_name
from slipway.usage import used

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@run_step
def publish_outputs(ask: Ask) -> dict[str, Any]:
    """Enter `publishing` with a new generation, from where there is no way back, and deliver."""
    claim = claim_of(ask)
    run = RunId.parse(ask["run"])
    awaited, snapshot, written = (_read(path) for path in _measuring(run, claim))
    definition = catalog.pinned(lake().control, run.model, claim["version"])
    planned = _read(paths.receipt(run, "plan_verification", claim["attempt"])) if definition.metrics else None
    metrics = planned["result"].get("metrics") if planned else None

    def change(seen: Record | None, now: datetime) -> Record:
        usage = used(claim, definition.job, awaited, snapshot, written, now)
        return begin_delivery(seen, ask["token"], now, usage.text, metrics)

    return deliver(lake().change_period(run.model, run.period, change))


def _measuring(run: RunId, claim: Record) -> list[str]:
    """The records that tell what the run took; a job that was taken over was awaited by an earlier attempt."""
    awaited = parse_job_name(claim["job"])[1] if claim["job"] else claim["attempt"]
    return [
        paths.receipt(run, "await_job", awaited),
        paths.snapshot_index(run),
        paths.receipt(run, "write_manifest", claim["attempt"]),
    ]


def _read(path: str) -> dict[str, Any] | None:
    record = lake().control.read(path)
    return record.data if record else None


def deliver(record: Record) -> dict[str, Any]:
    """Open the outputs of the claim in `publishing` to its readers: gate, pointers, claim.

    Each effect is idempotent and finds its first work, so that anyone may roll a dead owner's publication forward. A
    set that is published again is granted to the readers of today, as its top is closed still.
    """
    claim = record["claim"]
    run, attempt = RunId.parse(claim["run"]), claim["attempt"]
    folder = paths.outputs_folder(run, attempt)
    assert claim["stage"] in DELIVERING, "only what is verified and granted is delivered"
    definition = catalog.pinned(lake().control, run.model, claim["version"])
    readers = reader_ids(definition)
    if claim.get("again"):
        readers = _readers_now(run.model, readers)
        _take_again(run, claim["again"], attempt)
        grant(run, attempt, definition, readers)
    lake().models.set_acl(folder, access.open_outputs(readers))
    _open_pointers(run.model, _readers_now(run.model, readers))
    point(to_outputs(claim))
    lake().change_period(run.model, run.period, lambda seen, now: delivered(seen, claim["run"], attempt, folder, now))
    return {"folder": folder, "generation": claim["generation"]}


def _take_again(run: RunId, attempt: int, to: int) -> None:
    """Move what an earlier attempt published to be that of this one, from where it is closed or still open.

    Each name is used once, so that whoever opens or closes the earlier one late meets nothing. Looked for in the order
    in which closing moves it.
    """
    for place in (paths.outputs_folder, paths.closed_folder):
        lake().models.rename_folder(place(run, attempt), paths.outputs_folder(run, to))


def _readers_now(model: str, pinned: list[str]) -> list[str]:
    """The readers of the released definition; those of the pinned one where none can be read."""
    known = catalog.load(lake().control).models.get(model)
    return reader_ids(known.definition) if known else pinned


def _open_pointers(model: str, readers: list[str]) -> None:
    """Let the readers of the released definition follow the pointers, which all periods share, and nobody else.

    An older version that is still being delivered gives no reader back that was removed since.
    """
    lake().models.make_folder(paths.published_folder(model), access.published(readers))
    lake().models.set_acl(paths.published_folder(model), access.published(readers))
