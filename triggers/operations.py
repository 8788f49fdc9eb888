"""Every operation of the HTTP API: its address, what it takes and what it answers. A test holds the app to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from slipway.backfill import Of, State
from slipway.rollup import KEPT
from triggers import paging
from triggers.api import Reasoned
from triggers.backfills import Cancellation, NewBackfill
from triggers.choices import NewRun, Resumption
from triggers.commands import NewPublication
from triggers.shapes import backfills, incidents, models, periods, runs, upkeep

#: A query parameter: what it means, and its JSON Schema.
Query = Mapping[str, tuple[str, dict[str, Any]]]
TEXT: dict[str, Any] = {"type": "string"}
TIME: dict[str, Any] = {"type": "string", "format": "date-time"}


@dataclass(frozen=True)
class Operation:
    """One operation. `name` is its function's; `body` is set for changes alone."""

    name: str
    method: str
    path: str
    summary: str
    answer: type[BaseModel]
    body: type[BaseModel] | None = None
    status: int = 200
    query: Query = field(default_factory=dict)
    operators: bool = False  #: whether only operators are told
    anonymous: bool = False  #: whether it needs no principal, and answers 503 in its own words

    @property
    def conditional(self) -> bool:
        """Whether it takes an If-Match."""
        return self.body is not None and self.path.startswith("backfills/")


_PAGE: Query = {
    "limit": ("How many entries a page has.", {"type": "integer", "minimum": 1, "maximum": paging.MOST}),
    "cursor": ("Where the page begins: `next` of the page before.", TEXT),
}
_LOG: Query = {"cursor": ("Where it goes on: `next` of the answer before.", TEXT)}
_COLUMNS: Query = {"periods": ("How many periods of each model.", {"type": "integer", "minimum": 1, "maximum": KEPT})}
_SEARCH: Query = {
    "model": ("Of this model.", TEXT),
    "period": ("Of this period.", TEXT),
    "state": ("In this state.", TEXT),
    "cause": ("By this cause: data, request, resume or backfill.", TEXT),
    "by": ("That this person asked for.", TEXT),
    "since": ("That began at or after this time; 31 days ago unless told.", TIME),
    "until": ("That began before this time.", TIME),
    **_PAGE,
}
_STATUS: Query = {"status": ("Which incidents.", {"enum": ["open", "resolved", "all"]}), **_PAGE}

_BACKFILLS: Query = {
    "model": ("Of this model.", TEXT),
    "state": ("In this state.", {"enum": [state.value for state in State]}),
    **_PAGE,
}
_OF_BACKFILL: Query = {"state": ("Those in this state.", {"enum": [state.value for state in Of]}), **_PAGE}
_DRY_RUN: Query = {"dry_run": ("Whether to tell what would go.", {"enum": ["yes", "no"]})}

_PERIOD = "models/{model}/periods/{period}"

OPERATIONS = (
    Operation("get_health", "GET", "health", "Whether the reconciler passes", upkeep.Health, anonymous=True),
    Operation("get_board", "GET", "board", "All models by period", models.Board, query=_COLUMNS),
    Operation("get_overview", "GET", "overview", "What needs a person, is late, running or stuck", models.Overview),
    Operation("get_models", "GET", "models", "The released models", models.Models, query=_PAGE),
    Operation("get_model", "GET", "models/{model}", "A released model", models.Model),
    Operation("get_periods", "GET", "models/{model}/periods", "A model's periods", models.Periods, query=_PAGE),
    Operation("get_period", "GET", "models/{model}/periods/{period}", "The card of a period", periods.Card),
    Operation("get_runs", "GET", "runs", "Search attempts of runs", runs.Attempts, query=_SEARCH),
    Operation("get_run", "GET", "runs/{run}", "A run", runs.Run),
    Operation("get_run_history", "GET", "runs/{run}/history", "What happened in a run", runs.History),
    Operation("get_run_inputs", "GET", "runs/{run}/inputs", "A run's input files", runs.InputFiles, query=_PAGE),
    Operation("get_run_outputs", "GET", "runs/{run}/outputs", "A run's output files", runs.OutputFiles, query=_PAGE),
    Operation("get_run_lineage", "GET", "runs/{run}/lineage", "Whose outputs it read, who reads its", runs.Lineage),
    Operation("get_run_log", "GET", "runs/{run}/log", "What a job printed", runs.Log, query=_LOG),
    Operation("get_incidents", "GET", "incidents", "Incidents", incidents.Incidents, query=_STATUS),
    Operation("get_incident", "GET", "incidents/{key}", "An incident", incidents.IncidentDocument),
    Operation("get_doctor", "GET", "doctor", "The environment, checked", upkeep.Checkup, operators=True),
    Operation("get_retention", "GET", "retention", "What is kept how long", upkeep.Retention, query=_DRY_RUN),
    Operation("start_run_by_hand", "POST", "models/{model}/runs", "Start a run", runs.Accepted, NewRun, 202),
    Operation("cancel_run", "POST", "runs/{run}/cancel", "Wish a run ended", runs.Accepted, Reasoned, 202),
    Operation("take_over_run", "POST", "runs/{run}/take-over", "Go on without it", runs.Accepted, Reasoned, 202),
    Operation("resume_run", "POST", "runs/{run}/resume", "Go on with a run", runs.Accepted, Resumption, 202),
    Operation("waive_period", "POST", f"{_PERIOD}/waive", "Decide that no run is needed", periods.Decided, Reasoned),
    Operation("retract_period", "POST", f"{_PERIOD}/retract", "Unpublish", periods.Decided, Reasoned, 202),
    Operation("publish_period", "POST", f"{_PERIOD}/publish", "Publish again", periods.Decided, NewPublication, 202),
    Operation("acknowledge_incident", "POST", f"{_PERIOD}/incident/acknowledge", "Be on it", periods.Decided, Reasoned),
    Operation(
        "acknowledge_by_key",
        "POST",
        "incidents/{key}/acknowledge",
        "Be on any incident",
        incidents.Acknowledged,
        Reasoned,
    ),
    Operation("pause_model", "POST", "models/{model}/pause", "Start no run by itself", periods.Decided, Reasoned),
    Operation("unpause_model", "POST", "models/{model}/unpause", "Take a pause back", periods.Decided, Reasoned),
    Operation("reopen_period", "POST", f"{_PERIOD}/reopen", "Take a waiver back", periods.Decided, Reasoned),
    Operation("get_backfills", "GET", "backfills", "Search backfills", backfills.Backfills, query=_BACKFILLS),
    Operation("get_backfill", "GET", "backfills/{backfill}", "A backfill", backfills.Backfill),
    Operation(
        "get_backfill_periods",
        "GET",
        "backfills/{backfill}/periods",
        "A backfill's periods",
        backfills.BackfillPeriods,
        query=_OF_BACKFILL,
    ),
    Operation(
        "plan_backfill", "POST", "models/{model}/backfills", "Plan a backfill", backfills.Backfill, NewBackfill, 202
    ),
    Operation("start_backfill", "POST", "backfills/{backfill}/start", "Start it", backfills.Backfill, Reasoned, 202),
    Operation("pause_backfill", "POST", "backfills/{backfill}/pause", "Pause it", backfills.Backfill, Reasoned, 202),
    Operation("resume_backfill", "POST", "backfills/{backfill}/resume", "Go on", backfills.Backfill, Reasoned, 202),
    Operation("cancel_backfill", "POST", "backfills/{backfill}/cancel", "End", backfills.Backfill, Cancellation, 202),
)
