"""The reconciler's look at backfills: each that goes on is woken, and the incidents of those that have ended levelled.

One listing, whatever the number of their periods; a backfill of which nothing is left to be done costs nothing more.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import azure.durable_functions as df

from activities import backfill_incident
from activities.wake import wake_backfill
from slipway import paths
from slipway.azure.lake import lake
from slipway.backfill_register import is_stale
from triggers.survey import Survey

log = logging.getLogger("slipway")


async def tend_backfills(survey: Survey, client: df.DurableOrchestrationClient) -> None:
    """Wake the drivers, whatever was lost, and see whose failed periods were seen to. A failure is the next pass's."""
    try:
        shown, register = await asyncio.to_thread(_look)
        for id_ in {*shown, *register}:
            state = shown.get(id_, {})
            if state.get("open") == "yes" or is_stale(register.get(id_), state.get("state")):
                await wake_backfill(client, id_)
            elif state.get("alarm") == "yes":
                model = state["model"]
                rows = survey.rows.get(model, {}) if model in survey.catalog.models else None
                await asyncio.to_thread(backfill_incident.level, id_, rows)
    except Exception:
        log.warning("backfills were not tended", exc_info=True, extra={"action": "backfills_not_tended"})


def _look() -> tuple[dict[str, dict[str, str]], dict[str, Any]]:
    """What the listing shows of each backfill, and the register of those under way."""
    entries = {entry.name: entry.metadata for entry in lake().control.list("backfills/bf-")}
    shown = {str(paths.parse("control", name).backfill): metadata for name, metadata in entries.items()}
    known = lake().control.read(paths.started_backfills())
    return shown, known.data["started"] if known else {}
