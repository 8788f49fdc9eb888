"""The manifest of a verified output set, and the marker after it, inside the still closed folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, claim_of, run_step
from slipway import paths
from slipway.azure.lake import lake
from slipway.manifest import MANIFEST, MARKER, manifest
from slipway.run import RunId

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@run_step
def write_manifest(ask: Ask) -> dict[str, Any]:
    """Gather what the batches found into manifest.json, then write _SUCCESS. Twice writes the same bytes twice."""
    claim = claim_of(ask)
    run, attempt = RunId.parse(ask["run"]), ask["attempt"]
    facts: dict[str, Any] = {"model": run.model, "period": str(run.period), "run": run.text, "attempt": attempt}
    facts |= {key: claim[key] for key in ("job", "fingerprint", "version")}
    document = manifest(facts, list(_verified(run, attempt)))
    folder = paths.outputs_folder(run, attempt)
    lake().models.write(f"{folder}/{MANIFEST}", json.dumps(document, sort_keys=True, indent=1).encode())
    lake().models.write(f"{folder}/{MARKER}", b"")
    return {"files": document["total_files"], "bytes": document["total_bytes"]}


def _verified(run: RunId, attempt: int) -> Iterator[dict[str, Any]]:
    for number in count():
        part = lake().control.read(paths.verified_outputs(run, attempt, number))
        if part is None:
            return
        yield from part.data["files"]
