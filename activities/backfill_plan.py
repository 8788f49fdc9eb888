"""Planning a backfill: what each of its periods needs, and what that will take. Nothing starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from activities.assess_period import released
from activities.inputs import look_at_all
from slipway import backfill, paths
from slipway.azure.lake import lake
from slipway.backfill import Entry, Of
from slipway.catalog import Released
from slipway.forecast import PAST, Price, forecast
from slipway.invocation import Threads
from slipway.period import Period, PeriodError
from slipway.selection import Only, Standing, Verdict, verdict
from slipway.settings import settings
from slipway.usage import Usage, compute_of, nodes_of

#: How many records are read at a time.
READERS = 8
#: What a verdict makes of a period, before its inputs are looked at.
_STATES = {
    Verdict.GOOD: Of.GOOD,
    Verdict.SKIPPED: Of.SKIPPED,
    Verdict.ACTIVE: Of.ACTIVE,
    Verdict.WANTED: Of.PENDING,
}
#: What a listing shows of each record, by the period's text.
_States = Mapping[str, Mapping[str, str]]


def make(record: dict[str, Any]) -> dict[str, Any]:
    """Make the plan of a backfill that has none, and write it down; returns the record as it then stands.

    The work grows with the files that its periods read, not with the width of windows: each folder is listed once.
    Raises Failed where the lake does not answer.
    """
    found, id_ = released(record["model"]), record["backfill"]
    try:
        if found is None:
            raise LookupError(f"no model {record['model']} is released")
        periods = [found.definition.period(text) for text in record["periods"]]
    except (LookupError, PeriodError) as error:  # since it was asked for
        why = f"it cannot be planned: {error}"
        return lake().change_backfill(id_, lambda seen, now: backfill.gave_up_planning(seen, why, now))
    folder = f"{paths.period_records(record['model'])}/"
    states = {
        entry.name.removeprefix(folder).removesuffix(".json"): entry.metadata for entry in lake().control.list(folder)
    }
    entries = _entries(found, periods, Only(record["only"]), states)
    runs = sum(entry["state"] == Of.PENDING for entry in entries.values())
    estimate = _estimate(found, runs, min(record["parallel"], settings().backfill_runs), states)
    version = found.definition.version
    return lake().change_backfill(id_, lambda seen, now: backfill.planned(seen, entries, version, estimate, now))


def _entries(found: Released, periods: list[Period], only: Only, states: _States) -> dict[str, Entry]:
    name, version = found.definition.name, found.definition.version
    entries: dict[str, Entry] = {}
    for period, standing in zip(periods, _standings(name, periods, states), strict=True):
        judged, why = verdict(only, standing, version)
        entry = {"state": _STATES[judged], "why": why, "run": standing.active, "joined": judged is Verdict.ACTIVE}
        entries[str(period)] = entry
    wanted = [period for period in periods if entries[str(period)]["state"] == Of.PENDING]
    for period, readiness in look_at_all(found.definition, wanted, found):
        if not readiness.ready:
            entries[str(period)] |= {"state": Of.BLOCKED, "why": readiness.blocks}
    return entries


def _standings(model: str, periods: list[Period], states: _States) -> list[Standing]:
    """How the periods stand, from the listing of their records; what it does not tell is read."""

    def standing(period: Period) -> Standing:
        """Of one of them: by the listing where that tells all, else by the record itself."""
        state = states.get(str(period))
        if state is None:
            return Standing()
        # Written before records told their version in the listing.
        if "version" not in state and ("published" in state or "state" in state):
            return Standing.of_record(lake().period(model, period))
        return Standing.of_listing(state, model, period)

    with Threads(READERS) as pool:
        return list(pool.map(standing, periods))


def _estimate(found: Released, runs: int, parallel: int, states: _States) -> dict[str, Any]:
    """What so many runs will take, by the newest of the model's published runs."""
    usages = [Usage.parse(state.get("used")) for _, state in sorted(states.items(), reverse=True)]
    past = [usage for usage in usages if usage is not None][:PAST]
    job = found.definition.job
    compute = compute_of(job)
    price = settings().node_hour_prices.get(compute)
    return forecast(runs, parallel, past, compute, nodes_of(job), Price.parse(price) if price else None)
