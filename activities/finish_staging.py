"""The end of staging: large files committed, everything compared with the snapshot, the manifest written last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, claim_of, run_step
from slipway import paths
from slipway.azure.lake import lake
from slipway.failure import Failed, Failure, Kind
from slipway.run import RunId
from slipway.snapshot import Part, fingerprint
from slipway.staging import differences

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@run_step
def finish_staging(ask: Ask) -> dict[str, Any]:
    """Compare what lies in the run's inputs with the snapshot: names, lengths, and hashes where the source had one.

    Fails `staged-differs` (platform) when they are not the same: a copy that reported success was none.
    """
    claim = claim_of(ask)
    run, models = RunId.parse(ask["run"]), lake().models
    index = lake().control.read(paths.snapshot_index(run))
    assert index is not None, "a snapshot is written before its run can be claimed"
    facts = {key: index.data[key] for key in ("fingerprint", "files", "bytes", "inputs")}
    if models.exists(paths.staged_manifest(run)):
        return facts
    top = f"{paths.inputs_folder(run)}/"
    for path, blocks in index.data["large"].items():
        models.commit_blocks(top + path, blocks)
    staged = {
        entry.name.removeprefix(top): (entry.length, entry.hash) for entry in models.list(top) if not entry.is_directory
    }
    listed = list(_parts(run, index.data["parts"]))
    if fingerprint({item.file for part in listed for item in part.items}) != claim["fingerprint"]:
        raise Failed(
            Failure(Kind.SLIPWAY, "snapshot-damaged", f"The snapshot of {run} is not the one it was claimed for.")
        )
    different = differences(listed, staged)
    if different:
        raise Failed(Failure(Kind.PLATFORM, "staged-differs", "; ".join(different)))
    manifest = {"schema": 1, "run": run.text, **facts, "snapshot": paths.snapshot_index(run)}
    models.write(paths.staged_manifest(run), json.dumps(manifest, sort_keys=True, indent=1).encode())
    return facts


def _parts(run: RunId, number: int) -> Iterator[Part]:
    for part in range(number):
        record = lake().control.read(paths.snapshot_part(run, part))
        assert record is not None, "the parts of a snapshot are written before its index"
        yield Part.from_document(record.data)
