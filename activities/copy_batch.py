"""One batch of server-side copies."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, claim_of, run_step
from slipway import paths
from slipway.azure.lake import lake
from slipway.azure.store import SourceChanged
from slipway.failure import Failed, Failure, Kind
from slipway.invocation import Threads
from slipway.run import RunId
from slipway.snapshot import Blocks, Item, Part
from slipway.staging import target

bp = df.Blueprint()

#: Copies of one batch under way at once; they cost this side a waiting thread each, no bytes.
PARALLEL = 8


@bp.activity_trigger(input_name="ask")
@run_step
def copy_batch(ask: Ask) -> dict[str, Any]:
    """Copy the files (or blocks of large files) of one part of the snapshot, each on its listed ETag.

    Taken again it copies again: the same bytes to the same places. Fails `source-changed` (kind data) when a source
    was overwritten or deleted meanwhile: then this snapshot is abandoned.
    """
    claim_of(ask)
    run = RunId.parse(ask["run"])
    if lake().control.exists(paths.receipt(run, "copy_batch", ask["attempt"], ask["batch"])):
        return {}
    record = lake().control.read(paths.snapshot_part(run, ask["batch"]))
    assert record is not None, "a snapshot is written before its run can be claimed"
    part = Part.from_document(record.data)
    with Threads(PARALLEL) as pool:
        list(pool.map(lambda item: _copy(run, item), part.items))
    return {"copies": len(part.items), "bytes": part.size}


def _copy(run: RunId, item: Item) -> None:
    file = item.file
    filesystem, path = file.source.split("/", 1)
    source, to = lake().store(filesystem), f"{paths.inputs_folder(run)}/{target(file)}"
    try:
        if isinstance(item, Blocks):
            for number, offset, length in item.extents():
                lake().models.copy_block(source, path, file.etag, to, number, offset, length)
        else:
            lake().models.copy(source, path, file.etag, file.md5, to)
    except SourceChanged as error:
        raise Failed(Failure(Kind.DATA, "source-changed", f"{error}; its snapshot is abandoned.")) from error
