"""The outputs against the definition's contract, before a byte is read."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, claim_of, run_step
from slipway import catalog, paths
from slipway.azure.lake import lake
from slipway.failure import Failed, Failure, Kind
from slipway.manifest import MANIFEST, MARKER, OutputFile, batches, violations
from slipway.run import RunId

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@run_step
def plan_verification(ask: Ask) -> dict[str, Any]:
    """List the sealed outputs and lay down what each batch is to read. Fails `outputs-differ` (kind model).

    What Slipway wrote itself in an earlier try, manifest and marker, is no output.
    """
    claim = claim_of(ask)
    run, attempt = RunId.parse(ask["run"]), ask["attempt"]
    definition = catalog.pinned(lake().control, run.model, claim["version"])
    top = f"{paths.outputs_folder(run, attempt)}/"
    files = [
        OutputFile(entry.name.removeprefix(top), entry.length, entry.etag)
        for entry in lake().models.list(top)
        if not entry.is_directory and entry.name not in (top + MANIFEST, top + MARKER)
    ]
    broken = violations(files, {name: output.must_have for name, output in definition.outputs.items()})
    if broken:
        raise Failed(Failure(Kind.MODEL, "outputs-differ", "The outputs are not as promised: " + "; ".join(broken)))
    planned = batches(files)
    for number, batch in enumerate(planned):
        lake().control.create(paths.listed_outputs(run, attempt, number), {"files": [asdict(file) for file in batch]})
    return {"batches": len(planned), "files": len(files), "bytes": sum(file.length for file in files)}
