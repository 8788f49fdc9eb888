"""Data landed: an event becomes wake-ups. Two doors, Event Grid itself and a storage queue; one handler.

The event only wakes. What it says of size, order and time is not believed; what it is lost, the reconciler finds.
"""

from __future__ import annotations

import asyncio
import logging

import azure.durable_functions as df
import azure.functions as func

from activities.wake import wake
from slipway import catalog, clock
from slipway.azure.lake import lake
from slipway.events import Event, EventError, landed, parse, parse_message
from slipway.period import Period

bp = df.Blueprint()
log = logging.getLogger("slipway")


@bp.function_name("data_landed")
@bp.event_grid_trigger(arg_name="event")
@bp.durable_client_input(client_name="client")
async def data_landed(event: func.EventGridEvent, client: df.DurableOrchestrationClient) -> None:
    """The direct door: one event an invocation, in the Event Grid schema or as a CloudEvent."""
    try:
        parsed = parse(document_of(event))
    except EventError as error:
        parsed = error
    await wake_for([parsed], client)


@bp.function_name("data_landed_queue")
@bp.queue_trigger(arg_name="message", queue_name="landing-events", connection="LANDING")
@bp.durable_client_input(client_name="client")
async def data_landed_queue(message: func.QueueMessage, client: df.DurableOrchestrationClient) -> None:
    """The door for locked-down networks, which also keeps events while the app restarts."""
    await wake_for(parse_message(message.get_body().decode("utf-8", "replace")), client)


async def wake_for(events: list[Event | EventError], client: df.DurableOrchestrationClient) -> None:
    """Wake each (model, period) whose folders the events touch, once. A bad event is counted and costs no good one."""
    pairs: set[tuple[str, Period]] = set()
    for event in events:
        try:
            if isinstance(event, EventError):
                raise event
            where = landed(event)
            if where is not None:
                pairs |= await asyncio.to_thread(_matching, *where)
        except EventError as error:
            log.warning("dropped an event: %s", error, extra={"action": "event_dropped"})
    for model, period in sorted(pairs):
        await wake(client, model, period)


def _matching(filesystem: str, path: str) -> set[tuple[str, Period]]:
    return catalog.load(lake().control).index.match(filesystem, path, clock.now())


def document_of(event: func.EventGridEvent) -> dict[str, object]:
    """The event as both schemas have it in common; the binding has parsed it, whichever it was."""
    data = event.get_json()
    if isinstance(event, func.CloudEvent):
        return {"specversion": "1.0", "type": event.type, "subject": event.subject, "data": data}
    return {"eventType": event.event_type, "subject": event.subject, "data": data}
