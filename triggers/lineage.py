"""Lineage over HTTP: whose outputs a run read, and which runs read its own."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from slipway import catalog, paths
from slipway.azure.lake import lake
from slipway.invocation import Threads
from slipway.names import InvalidName
from slipway.period import Period
from slipway.run import RunId
from slipway.snapshot import Part
from triggers.api import Problem, answer, endpoint, reader
from triggers.runs import run_of
from triggers.shapes.runs import Downstream, Lineage, Upstream

bp = df.Blueprint()

#: How many parts of a snapshot are read: 200 files each. The outputs of models are few files beside landing data.
PARTS = 8
#: How many of the periods that read a run's outputs are looked at, the newest first.
CONSUMERS = 20
READERS = 8


@bp.function_name("get_run_lineage")
@bp.route("api/runs/{run}/lineage", methods=["GET"], trigger_arg_name="request")
@endpoint()
async def get_run_lineage(request: func.HttpRequest) -> func.HttpResponse:
    """The runs of other models whose outputs this one read, and the periods of other models that read its own."""
    reader(request)
    return answer(await asyncio.to_thread(lineage_of, run_of(request)))


def lineage_of(run: RunId) -> dict[str, Any]:
    """The lineage of a run. Raises 404 for one that is not known."""
    if lake().control.read(paths.run_file(run)) is None:
        raise Problem(404, "Unknown run", f"No run {run} is known here.")
    read, whole = _upstream(run)
    now = lake().period_at(run.model, run.period)[1]
    index = catalog.load(lake().control).index
    found = index.consumers(run.model, run.period, now, bounded=False)
    consumers = sorted(found, key=lambda pair: (pair[1].ends, str(pair[1]), pair[0]))
    with Threads(READERS) as pool:
        read_by = list(pool.map(lambda pair: _downstream(run, *pair), list(islice(reversed(consumers), CONSUMERS))))
    more = len(consumers) > CONSUMERS
    return Lineage(run=run.text, upstream=read, downstream=read_by, whole=whole and not more).model_dump(mode="json")


def _downstream(run: RunId, model: str, period: Period) -> Downstream:
    """A period that reads what this run's model publishes: what it has published, and whether of this run."""
    record = lake().period(model, period)
    published = record["published"]["run"] if record and record["published"] else None
    read = _upstream(RunId.parse(published))[0] if published else []
    return Downstream(
        model=model, period=str(period), run=published, reads_this=any(one.run == run.text for one in read)
    )


def _upstream(run: RunId) -> tuple[list[Upstream], bool]:
    """The runs whose outputs lie in a run's snapshot, and whether all of it was looked through."""
    index = lake().control.read(paths.snapshot_index(run))
    number = index.data["parts"] if index else 0
    found: dict[tuple[str, str], Upstream] = {}
    for part in range(min(number, PARTS)):
        record = lake().control.read(paths.snapshot_part(run, part))
        for item in Part.from_document(record.data).items if record else ():
            source = _run_in(item.file.source)
            if source is not None and source != run:
                facts = {"model": source.model, "period": str(source.period), "run": source.text}
                found[item.file.input, source.text] = Upstream(input=item.file.input, **facts)
    return [found[key] for key in sorted(found)], number <= PARTS


def _run_in(source: str) -> RunId | None:
    """The run in whose folder of the models filesystem a file lies."""
    filesystem, _, path = source.partition("/")
    parts = path.split("/")
    if filesystem != lake().models.name or len(parts) < 4:
        return None
    try:
        return RunId.parse(parts[2])
    except InvalidName:
        return None
