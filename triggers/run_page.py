"""The page of a run, put together from parts of which each may be missing: it is opened when something is wrong.

What the lake's records say of the run itself is always there. What comes from elsewhere (the engine's history, the
job's log) or takes many requests (files, lineage) is gathered beside it, within limits of time, and where it fails the
page says so in its place. What is under way is renewed without what does not change (see `live.js`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from slipway import catalog
from slipway.azure.lake import lake
from triggers.api import Problem, problem_of
from triggers.gantt import bars
from triggers.history import history_of
from triggers.lineage import lineage_of
from triggers.rendering import page, shown
from triggers.run_files import inputs_of, log_of, outputs_of
from triggers.runs import Look, look_at, run_of

bp = df.Blueprint()

#: How many of a run's files a page shows.
FILES = 50
#: Seconds that Azure ML has for its part of the page.
LOG_SECONDS = 5.0


@bp.function_name("page_run")
@bp.route("dashboard/runs/{run}", methods=["GET"], trigger_arg_name="request")
@bp.durable_client_input(client_name="client")
@page
async def page_run(request: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    """A run: its failure first, what happened when, what it gave, what it printed; with `live=yes` what changes."""
    run, live = run_of(request), request.params.get("live") == "yes"
    look = await asyncio.to_thread(look_at, run)
    parts = {
        "history": history_of(look, client),
        "log": log_of(run, None, LOG_SECONDS),
        "readers": asyncio.to_thread(_readers, look),
    }
    if not live:
        parts |= {
            "outputs": asyncio.to_thread(outputs_of, run, FILES, None),
            "inputs": asyncio.to_thread(inputs_of, run, FILES, None),
            "lineage": asyncio.to_thread(lineage_of, run),
        }
    found, missing = await gathered(parts)
    published = look.record["published"]["run"] if look.record and look.record["published"] else None
    timeline = bars(found["history"]["timeline"] if found["history"] else ())
    about = {"run": look.view, "bars": timeline, "published": published, "live": live, "missing": missing}
    return shown("run.html", twin=f"/api/runs/{run}", **about, **found)


async def gathered(parts: Mapping[str, Awaitable[Any]]) -> tuple[dict[str, Any], dict[str, str]]:
    """What was found of each part, None for what is not there, and in words why a part could not be had."""
    answers = await asyncio.gather(*parts.values(), return_exceptions=True)
    found: dict[str, Any] = dict.fromkeys(parts)
    missing: dict[str, str] = {}
    for name, answer in zip(parts, answers, strict=True):
        if not isinstance(answer, BaseException):
            found[name] = answer
        elif not isinstance(answer, Exception):
            raise answer
        elif not isinstance(answer, Problem):
            problem = problem_of(answer)
            missing[name] = f"{problem.title}: {problem.detail}"
    return found, missing


def _readers(look: Look) -> list[str]:
    """Who may read its outputs once they are published."""
    return list(catalog.pinned(lake().control, look.run.model, look.view["version"]).readers)
