"""Data landed: an event becomes wake-ups. Two doors, Event Grid itself and a storage queue; one handler.

The event only wakes. What it says of size, order and time is not believed; what is lost, the reconciler finds.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import azure.durable_functions as df
import azure.functions as func

from activities.wake import wake
from slipway import catalog, clock, paths
from slipway.azure.failures import failure_from
from slipway.azure.lake import lake
from slipway.events import Event, EventError, landed, parse, parse_message
from slipway.period import Period

bp = df.Blueprint()
log = logging.getLogger("slipway")

#: How many evaluations are woken at a time: one slow answer of the engine does not hold up the others.
AT_A_TIME = 8
#: Seconds for which news is gathered: a flood of events costs one look at the catalog and one wake for each period.
GATHER = 0.3
NEVER = datetime.min.replace(tzinfo=UTC)
#: How often a process notes that events arrive.
NOTED_EVERY = timedelta(minutes=1)


@bp.function_name("data_landed")
@bp.event_grid_trigger(arg_name="event")
@bp.durable_client_input(client_name="client")
async def data_landed(event: func.EventGridEvent, client: df.DurableOrchestrationClient) -> None:
    """The direct door: one event an invocation, in the Event Grid schema or as a CloudEvent."""
    await wake_for([_parsed(event)], client)


@bp.function_name("data_landed_queue")
@bp.queue_trigger(arg_name="message", queue_name="landing-events", connection="LANDING")
@bp.durable_client_input(client_name="client")
async def data_landed_queue(message: func.QueueMessage, client: df.DurableOrchestrationClient) -> None:
    """The door for locked-down networks, which also keeps events while the app restarts."""
    await wake_for(parse_message(message.get_body().decode("utf-8", "replace")), client)


def _parsed(event: func.EventGridEvent) -> Event | EventError:
    try:
        return parse(document_of(event))
    except EventError as error:
        return error


async def wake_for(events: list[Event | EventError], client: df.DurableOrchestrationClient) -> None:
    """Wake each (model, period) whose folders the events touch. A bad event is counted and costs no good one.

    What this process hears of within a moment is seen to together, and everyone who brought some of it learns how that
    went: a failure brings all of it again.
    """
    news = {where for event in events if (where := _where(event)) is not None}
    if news:
        _gathering.news |= news
        if _gathering.task is None:
            _gathering.task = asyncio.create_task(_see_to_news(client))
        await asyncio.shield(_gathering.task)


@dataclass
class _Gathering:
    """News that waits to be seen to: filesystem and path; and who will, once the moment is over."""

    news: set[tuple[str, str]] = field(default_factory=set)
    task: asyncio.Task[None] | None = None
    noted: datetime = NEVER  #: when this process noted that events arrive


_gathering = _Gathering()


async def _see_to_news(client: df.DurableOrchestrationClient) -> None:
    try:
        await asyncio.sleep(GATHER)
    finally:
        news, _gathering.news, _gathering.task = _gathering.news, set(), None
    pairs, places = sorted(await asyncio.to_thread(_matching, news)), asyncio.Semaphore(AT_A_TIME)

    async def wake_in_turn(model: str, period: Period) -> None:
        async with places:
            await wake(client, model, period)

    await asyncio.gather(*(wake_in_turn(*pair) for pair in pairs))


def _where(event: Event | EventError) -> tuple[str, str] | None:
    try:
        if isinstance(event, EventError):
            raise event
        return landed(event)
    except EventError as error:
        log.warning("dropped an event: %s", error, extra={"action": "event_dropped"})
        return None


def _matching(news: set[tuple[str, str]]) -> set[tuple[str, Period]]:
    index, now = catalog.load(lake().control).index, clock.now()
    found = {pair for filesystem, path in news for pair in index.match(filesystem, path, now)}
    if found and not timedelta(0) <= now - _gathering.noted < NOTED_EVERY:
        _gathering.noted = now
        _note_heard()
    return found


def _note_heard() -> None:
    """Note that events arrive, which the reconciler compares with what it finds; no event is lost for that."""
    try:
        lake().control.update(paths.heard(), lambda _, now: {"schema": 1, "at": now.isoformat()})
    except Exception as error:
        log.warning("not noted that events arrive: %s", failure_from(error), extra={"action": "heard_not_noted"})


def document_of(event: func.EventGridEvent) -> dict[str, object]:
    """The event as both schemas have it in common; the binding has parsed it, whichever it was."""
    data = event.get_json()
    if isinstance(event, func.CloudEvent):
        return {"specversion": "1.0", "type": event.type, "subject": event.subject, "data": data}
    return {"eventType": event.event_type, "subject": event.subject, "data": data}
