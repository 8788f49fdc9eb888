"""The readers' rights below the closed top of an output set."""

from __future__ import annotations

from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, claim_of, run_step
from slipway import access, catalog, paths
from slipway.azure.lake import lake
from slipway.definition import Definition
from slipway.failure import Failed, Failure, Kind
from slipway.manifest import MANIFEST, MARKER
from slipway.run import RunId
from slipway.settings import settings

bp = df.Blueprint()


@bp.activity_trigger(input_name="ask")
@run_step
def grant_readers(ask: Ask) -> dict[str, Any]:
    """Let the readers read each output, manifest and marker; never the top, which stays closed.

    A recursive grant begins with the folder itself, so it is made once below each output, and its counters checked.
    """
    claim = claim_of(ask)
    run, attempt = RunId.parse(ask["run"]), ask["attempt"]
    definition = catalog.pinned(lake().control, run.model, claim["version"])
    readers = reader_ids(definition)
    return {"readers": list(definition.readers), "paths": grant(run, attempt, definition, readers)}


def grant(run: RunId, attempt: int, definition: Definition, readers: list[str]) -> int:
    """Grant below the top of the attempt's outputs, to the readers with these ids; how many paths were changed."""
    changed = 0
    for output in definition.outputs if readers else ():
        changed += lake().models.grant_below(paths.outputs_folder(run, attempt, output), access.reader_grant(readers))
    for name in (MANIFEST, MARKER):
        lake().models.set_acl(f"{paths.outputs_folder(run, attempt)}/{name}", access.readable_file(readers))
    return changed


def reader_ids(definition: Definition) -> list[str]:
    """The group ids of a definition's readers here. Fails `reader-unknown` for one this environment has no id for."""
    known = settings().readers
    unknown = [name for name in definition.readers if name not in known]
    if unknown:
        message = f"SLIPWAY_READERS gives no group id for {', '.join(unknown)}; add them, then resume the run."
        raise Failed(Failure(Kind.PLATFORM, "reader-unknown", message))
    return [known[name] for name in definition.readers]
