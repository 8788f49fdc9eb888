"""One batch of the verification: every byte of its files is read once."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, claim_of, run_step
from slipway import paths
from slipway.azure.lake import lake
from slipway.failure import Failed, Failure, Kind
from slipway.run import RunId

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@run_step
def verify_batch(ask: Ask) -> dict[str, Any]:
    """Hash the batch's files, each on its listed ETag, and write down what was found.

    A read that ends early is a passing failure: the received bytes are compared with the listed length.
    """
    claim_of(ask)
    run, attempt, batch = RunId.parse(ask["run"]), ask["attempt"], ask["batch"]
    part = lake().control.read(paths.listed_outputs(run, attempt, batch))
    assert part is not None, "the parts are written before the first batch is verified"
    files = [_verified(paths.outputs_folder(run, attempt), file) for file in part.data["files"]]
    lake().control.create(paths.verified_outputs(run, attempt, batch), {"files": files})
    return {"files": len(files), "bytes": sum(file["length"] for file in files)}


def _verified(folder: str, file: dict[str, Any]) -> dict[str, Any]:
    received, digest = lake().models.sha256(f"{folder}/{file['name']}", file["etag"])
    if received != file["length"]:
        message = f"{file['name']}: {received} bytes were received of {file['length']}."
        raise Failed(Failure(Kind.PLATFORM, "short-read", message, transient=True))
    return {**file, "sha256": digest}
