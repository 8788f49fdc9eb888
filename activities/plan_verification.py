"""The outputs against the definition's contract, before all their bytes are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, claim_of, run_step
from slipway import catalog, metrics, paths
from slipway.azure.lake import lake
from slipway.failure import Failed, Failure, Kind
from slipway.manifest import MANIFEST, MARKER, OutputFile, batches, violations
from slipway.run import RunId

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@run_step
def plan_verification(ask: Ask) -> dict[str, Any]:
    """List the sealed outputs, read the model's metrics, and lay down what each batch is to read.

    What Slipway wrote itself in an earlier try, manifest and marker, is no output. Fails `outputs-differ`, and
    `metrics-unusable` for a definition that names metrics (both of kind model).
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
    told = {"metrics": _metrics(definition.metrics, top, files)} if definition.metrics else {}
    planned = batches(files)
    for number, batch in enumerate(planned):
        lake().control.create(paths.listed_outputs(run, attempt, number), {"files": [asdict(file) for file in batch]})
    return {"batches": len(planned), "files": len(files), "bytes": sum(file.length for file in files), **told}


def _metrics(path: str, top: str, files: Sequence[OutputFile]) -> metrics.Metrics:
    """What the file of this name holds: read on its listed ETag, on which it is hashed, too."""
    file = next((file for file in files if file.name == path), None)
    if file is None:
        raise metrics.unusable(path, "is not among the outputs", "Write it, or take `metrics` out of model.yaml")
    if file.length > metrics.LARGEST:
        rule = f"has {file.length:,} bytes, of at most {metrics.LARGEST:,}"
        raise metrics.unusable(path, rule, "Write the metrics into a file of their own")
    body = lake().models.content(f"{top}{path}", file.etag)
    if len(body) != file.length:
        message = f"{path}: {len(body)} bytes were received of {file.length}."
        raise Failed(Failure(Kind.PLATFORM, "short-read", message, transient=True))
    return metrics.read(path, body)
