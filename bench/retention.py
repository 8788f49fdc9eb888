"""What a pass of retention asks of the lake: 200 daily models with two years of periods, on a local lake.

    .venv/bin/python -m bench.retention

The records are written first (146,000 of them, which takes minutes; `--models 20` is enough to see the rule). Then all
requests of a pass are counted: the listing that says which periods call for a look, and the looks at those that do.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from activities.expire import expire
from localcloud.tls import Tls
from slipway import clock, paths
from slipway.azure.lake import lake
from slipway.period import Period
from slipway.period_record import index, new_record
from slipway.retention import Ages, Plan, looked
from slipway.rollup import facts
from slipway.run import RunId
from tests.running import PROJECT, LocalCloud
from triggers.retention import _calling

DAYS, WRITERS = 730, 16
#: How many periods call for a look.
CALLING = 50


class Requests(logging.Handler):
    """Counts the requests of the SDKs by what their log says first."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """One line is one request or one answer."""
        text = record.getMessage()
        if text.startswith("Request URL"):
            self.counts[text.split("Request method: ")[1].split("'")[1]] += 1


def write(pair: tuple[str, Period, bool]) -> None:
    """The record of a period that was published, which retention is done with or not."""
    model, period, done = pair
    run, ages, now = RunId(model, period, "0a1b2c3d"), Ages(), clock.now()
    at = (now - timedelta(days=100)).isoformat()
    ended = {"run": run.text, "attempt": 1, "at": at, "fingerprint": "f", "version": "v"}
    published = {**ended, "folder": paths.outputs_folder(run, 1)}
    record: dict[str, Any] = {**new_record(model, period), "published": published, "numbers": {run.key8: 1}}
    record["last"] = {**ended, "state": "succeeded"}
    if done:
        record = looked(record, Plan((), None), ages, now)
    else:
        lake().models.make_folder(paths.inputs_folder(run), "user::rwx,group::r-x,other::--x")  # too young to go
    shown = index(record) | facts(record)
    lake().control.update(paths.period_record(model, period), lambda *_: record, lambda _: shown)


def measure(models: int) -> None:
    """Write the records, then count and time a pass."""
    last, ages = Period.parse("2014-12-31"), Ages()
    pairs = [(f"model-{m:03}", last.shift(-day), True) for m in range(models) for day in range(DAYS)]
    pairs[:CALLING] = [(model, period, False) for model, period, _ in pairs[:CALLING]]
    began = perf_counter()
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, pairs))
    print(f"{len(pairs)} records written in {perf_counter() - began:.0f} s")
    requests = Requests()
    logger = logging.getLogger("azure.core.pipeline.policies.http_logging_policy")
    logger.setLevel(logging.INFO)
    logger.addHandler(requests)
    logger.propagate = False
    began = perf_counter()
    calling = _calling(ages)
    print(f"listing: {dict(requests.counts)} in {perf_counter() - began:.1f} s; {len(calling)} periods call")
    requests.counts.clear()
    began = perf_counter()
    for pair in calling:
        expire(*pair, ages)
    print(f"their looks: {dict(requests.counts)} in {perf_counter() - began:.1f} s")
    requests.counts.clear()
    print(f"the next pass: {len(_calling(ages))} periods call, {dict(requests.counts)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        authority = Tls.load(Path(folder) / "authority").bundle.parent
        cloud = LocalCloud(PROJECT, Path(folder) / "state", authority, "--only", "storage,identity").start()
        try:
            with cloud.acting_as("app"):
                measure(given.models)
        finally:
            cloud.stop()
