"""What a backfill asks of the lake and of the engine: a daily model with two years of periods, on a local cloud.

    .venv/bin/python -m bench.backfill

Two files are landed for each of 731 days. Then the plan is timed and its requests are counted, some runs are made, and
a step that starts four runs is counted as well. The driver's history is watched all the while.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from activities.advance_backfill import advance
from activities.backfill_plan import make
from bench.retention import Requests
from localcloud.tls import Tls
from slipway.azure.lake import lake
from tests.flows.yard import MODEL, Yard, forget_clients, put
from tests.running import PROJECT, LocalCloud, eventually

FIRST, DAYS, WRITERS = date(2022, 1, 1), 731, 8
REASON = {"reason": "to be measured"}


def counted(what: str, effect: Callable[[], Any]) -> None:
    """Do it, and print how long it took and what it asked of the lake."""
    logger = logging.getLogger("azure.core.pipeline.policies.http_logging_policy")
    logger.setLevel(logging.INFO)
    requests = Requests()
    logger.addHandler(requests)
    began = perf_counter()
    effect()
    seconds = perf_counter() - began
    logger.removeHandler(requests)
    print(f"{what}: {seconds:.1f} s, {sum(requests.counts.values())} requests, {dict(requests.counts)}")


def measure(yard: Yard, runs: int) -> None:
    """Land, plan, run some periods, pause, and count."""
    days = [FIRST + timedelta(number) for number in range(DAYS)]
    text = MODEL.replace("2024-01-01", str(days[0])).replace("2024-03-31", str(days[-1]))
    model = yard.a_model("wide", text)
    yard.call("POST", f"models/{model}/pause", REASON)
    landing = yard.lake("upstream", "landing")

    def land(day: date) -> None:
        put(landing, f"{model}/{day}/a.txt", b"one")
        put(landing, f"{model}/{day}/_SUCCESS", b"")

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(land, days))
    began = perf_counter()
    asked = {**REASON, "from": str(days[0]), "to": str(days[-1]), "parallel": 8}
    backfill = yard.call("POST", f"models/{model}/backfills", asked)[1]["backfill"]
    eventually(lambda: yard.get(f"backfills/{backfill}")["state"] == "planned", 120)
    print(f"planned over {DAYS} periods {perf_counter() - began:.1f} s after it was asked for")
    yard.call("POST", f"backfills/{backfill}/start", REASON)
    longest = 0

    def enough() -> bool:
        nonlocal longest
        seen = yard.cloud.control.get(f"/instances/backfill--{backfill}")
        longest = max(longest, len(seen["historyEvents"]))
        return bool(yard.get(f"backfills/{backfill}")["counts"].get("published", 0) >= runs)

    eventually(enough, 600)
    yard.call("POST", f"backfills/{backfill}/pause", REASON)
    eventually(lambda: not {"active", "starting"} & set(yard.get(f"backfills/{backfill}")["counts"]), 120)
    print(f"the longest history of its driver, over {runs} runs: {longest} events, as the management API tells it")
    with yard.cloud.acting_as("app"):
        forget_clients()
        record, _ = lake().backfill_at(backfill)
        assert record is not None, "it was planned"
        counted("a plan", lambda: make({**record, "state": "planning"}))
        lake().change_backfill(backfill, lambda seen, _: {**(seen or {}), "state": "running", "parallel": 4})
        counted("a step that chooses four periods", lambda: advance({"backfill": backfill}))
        counted("the step that asks for their runs", lambda: advance({"backfill": backfill}))
        lake().change_backfill(backfill, lambda seen, _: {**(seen or {}), "state": "paused"})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=16)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        tls = Tls.load(Path(folder, "tls"))
        os.environ.update(dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), str(tls.bundle)))
        often = {"SLIPWAY_RECONCILE_SCHEDULE": "*/20 * * * * *"}
        cloud = LocalCloud(PROJECT, Path(folder, "state"), tls.folder, variables=often)
        try:
            measure(Yard(cloud.start(), Path(folder, "models")), given.runs)
        finally:
            cloud.stop()
