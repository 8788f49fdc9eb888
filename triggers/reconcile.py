"""Reconciling: on a timer, the question of every trigger is asked wherever something may have changed.

Holds no rule of its own: the survey says whom to ask, `decide` what to do. With every event lost, this alone brings the
same outputs. What goes wrong with one period, whatever it is, costs the others nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from activities import (
    close_outputs,
    end_orphans,
    give_up,
    open_incident,
    report_late,
    resolve_incident,
    roll_forward,
    start_run,
)
from activities.assess_period import decision_for, decision_of_record
from slipway import clock, event_path, paths
from slipway.azure.failures import failure_from
from slipway.azure.lake import lake
from slipway.catalog import Catalog
from slipway.event_path import SILENT_PASSES, came_since, silence
from slipway.failure import Failure, Kind
from slipway.incident import ASKING, resolved
from slipway.settings import settings
from slipway.subject import Subject
from triggers import outbox
from triggers.backfill_watch import tend_backfills
from triggers.survey import Pair, Survey, look_around, tend_board

bp = df.Blueprint()
log = logging.getLogger("slipway")

#: What one model may cost a pass: seconds, and failures in a row. The rest of it waits for the next pass.
MODEL_SECONDS, MODEL_FAILURES = 60.0, 3
#: How long one question may take, in seconds: two looks at 200,000 files take minutes.
QUESTION_SECONDS = 300.0
#: How long a pass goes on asking, in seconds. With its last question it ends well before its heartbeat counts as stale.
PASS_SECONDS = 300.0
#: How many decisions in a row a pass carries out for one period.
MOST_DECISIONS = 4
#: How long a question may fail for reasons that may pass by themselves, before a person is called.
PATIENCE = timedelta(hours=1)
#: A question that failed is asked after all that were not asked at all: it must not take their turn for ever.
LATER = timedelta(seconds=1)

DONE = {"action": "reconciled"}

ACTS = {
    "roll_forward": roll_forward.act,
    "give_up": give_up.act,
    "close_outputs": close_outputs.act,
    "end_orphans": end_orphans.act,
    "open_incident": open_incident.act,
    "resolve_incident": resolve_incident.act,
    "report_late": report_late.act,
}


@bp.function_name("reconcile")
@bp.timer_trigger(arg_name="timer", schedule="%SLIPWAY_RECONCILE_SCHEDULE%", run_on_startup=False, use_monitor=True)
@bp.durable_client_input(client_name="client")
async def reconcile(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Make one pass. A second one beside it does no harm: all it does is asked and answered by compare-and-swap.

    A pass that was missed while the app was down is made at start-up (the monitor's past-due run), others are not.
    """
    del timer
    started = clock.now()
    survey = await asyncio.to_thread(look_around)
    spent = Spent()
    try:
        await tend_backfills(survey, client)
        await ask_all(survey, client, spent)
    finally:
        await asyncio.to_thread(close_pass, survey, spent, started)


@dataclass
class Spent:
    """What a pass has done so far, and what each model has cost it."""

    settled: set[Pair] = field(default_factory=set)
    failed: int = 0
    unannounced: int = 0  #: runs that new data called for, and that no event had started
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    failures: dict[str, int] = field(default_factory=lambda: defaultdict(int))  #: in a row

    def is_over(self, model: str) -> bool:
        """Whether the model has had its share."""
        return self.seconds[model] > MODEL_SECONDS or self.failures[model] >= MODEL_FAILURES


async def ask_all(survey: Survey, client: df.DurableOrchestrationClient, spent: Spent) -> None:
    """Ask about each pair in its turn and act on the answer, within each model's budget."""
    began = clock.now()
    for pair in survey.in_turn():
        model, before = pair[0], clock.now()
        if (before - began).total_seconds() > PASS_SECONDS:
            return
        if spent.is_over(model):
            continue
        try:
            again = await asyncio.wait_for(ask_about(survey, pair, client, spent), QUESTION_SECONDS)
            await asyncio.to_thread(note_answer, survey, pair, again)
            spent.settled.add(pair)
            spent.failures[model] = 0
        except Exception as error:
            spent.failures[model] += 1
            spent.failed += 1
            await asyncio.to_thread(note_failure, survey, pair, error)
        spent.seconds[model] += (clock.now() - before).total_seconds()


async def ask_about(survey: Survey, pair: Pair, client: df.DurableOrchestrationClient, spent: Spent) -> datetime | None:
    """Decide and act until there is nothing more to do; returns when to ask again, if time alone will call for it."""
    decision: dict[str, Any] = {"ask_again": None}
    for _ in range(MOST_DECISIONS):
        decision = await asyncio.to_thread(_decision, survey.catalog, pair, pair in survey.at_odds)
        if decision["activity"] == "start_run":
            started = await start_run.act(decision, client)
            spent.unannounced += bool(started and decision["plan"] and pair in survey.changed)
        elif decision["activity"] is not None:
            await asyncio.to_thread(ACTS[decision["activity"]], decision)
        if decision["activity"] is None or decision["ask_again"] is not None:
            break
    return datetime.fromisoformat(decision["ask_again"]) if decision["ask_again"] else None


def _decision(known: Catalog, pair: Pair, at_odds: bool) -> dict[str, Any]:
    model, period = pair
    found = known.models.get(model)
    if found is None or found.definition.cadence is not period.cadence:
        return decision_of_record(model, period)
    return decision_for(found, period, at_odds)


def note_answer(survey: Survey, pair: Pair, again: datetime | None) -> None:
    """Remember when to ask again; an incident that said that the question fails is over."""
    if again is not None:
        survey.next.asks[_text(pair)] = again
    if pair not in survey.at_odds and _text(pair) not in survey.last.failing:
        return
    about = Subject.of_period(*pair)
    incident = lake().incident(about)
    if incident is not None and incident["status"] == "open" and incident["step"] == ASKING:
        revision, by = incident["revision"], "the question was answered"
        lake().change_incident(about, lambda seen, now: resolved(seen, revision, by, now))


def note_failure(survey: Survey, pair: Pair, error: Exception) -> None:
    """Remember to ask again, after all others; a person is called where only a person helps, or nothing did so long."""
    failure, text = failure_from(error), _text(pair)
    # With its traceback where nobody foresaw it.
    level, trace = (logging.ERROR, error) if failure.kind is Kind.SLIPWAY else (logging.WARNING, None)
    extra = {"action": "evaluation_failed", "model": pair[0]}
    log.log(level, "%s: %s", text, failure, exc_info=trace, extra=extra)
    since = survey.last.failing.get(text, survey.now)
    survey.next.failing[text] = since
    survey.next.asks[text] = survey.now + LATER
    if needs_person(failure, since, survey.now):
        _attempt(lambda: _call_person(pair, failure), "incident_not_opened")


def needs_person(failure: Failure, since: datetime, now: datetime) -> bool:
    """Whether a question that has failed since then is a person's concern. Data that do not rest are nobody's yet."""
    return not failure.transient or (failure.kind is not Kind.DATA and now - since >= PATIENCE)


def _call_person(pair: Pair, failure: Failure) -> None:
    """Open the period's incident, unless one is open: whatever it says, people know of the period."""
    about = Subject.of_period(*pair)
    incident = lake().incident(about)
    if incident is None or incident["status"] != "open":
        open_incident.open_and_send(about, {**failure.to_document(), "step": ASKING})


def close_pass(survey: Survey, spent: Spent, started: datetime) -> None:
    """Send what is unsent, remember what was seen and who is left, leave the heartbeat, whatever the others did."""
    for pair in survey.wants.keys() - spent.settled:
        survey.next.asks.setdefault(_text(pair), survey.wants[pair])
        if since := survey.last.failing.get(_text(pair)):
            survey.next.failing.setdefault(_text(pair), since)
    survey.next.sent = survey.last.sent
    survey.next.silent = survey.last.silent
    _attempt(lambda: _listen(survey, spent.unannounced), "not_listened")
    _attempt(lambda: _tend_outbox(survey), "sending_failed")
    _attempt(lambda: tend_board(survey), "board_not_tended")
    _attempt(survey.next.keep, "memory_not_kept")
    beat = {"at": clock.now().isoformat(), "started_at": started.isoformat(), "installation": settings().installation}
    counts = {"asked": len(spent.settled), "left": len(survey.wants) - len(spent.settled), "failed": spent.failed}
    counts |= {"unannounced": spent.unannounced, "silent": survey.next.silent}
    places = {"places": len(survey.next.digests), "unlisted": survey.unlisted}
    lake().control.update(paths.heartbeat(), lambda *_: {"schema": 1, **beat, **counts, **places})
    log.info("%s", ", ".join(f"{name} {count}" for name, count in counts.items()), extra=DONE)


def _listen(survey: Survey, unannounced: int) -> None:
    """See whether events arrive: call people when they do not, and take it back when they do."""
    heard, before = lake().control.read(paths.heard()), survey.last.at
    came = heard is not None and before is not None and came_since(datetime.fromisoformat(heard.data["at"]), before)
    survey.next.silent = silence(survey.last.silent, unannounced, heard=came)
    if survey.next.silent >= SILENT_PASSES:
        open_incident.open_and_send(event_path.SUBJECT, event_path.facts())
    elif came:
        resolve_incident.resolve_and_send(event_path.SUBJECT, "events arrive again")


def _tend_outbox(survey: Survey) -> None:
    survey.next.sent = outbox.tend(survey.last.sent, survey.now)


def _attempt(effect: Callable[[], object], action: str) -> None:
    try:
        effect()
    except Exception as error:
        log.warning("%s: %s", action, failure_from(error), exc_info=True, extra={"action": action})


def _text(pair: Pair) -> str:
    return f"{pair[0]}/{pair[1]}"
