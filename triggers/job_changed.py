"""A job changed: the story that waits for it looks at once instead of at its next look."""

from __future__ import annotations

import logging

import azure.durable_functions as df
import azure.functions as func

from activities.wake import WAKE, raise_event
from slipway.events import EventError, job, parse
from slipway.names import InvalidName
from slipway.run import instance_id, parse_job_name
from triggers.data_landed import document_of

bp = df.Blueprint()
log = logging.getLogger("slipway")


@bp.function_name("job_changed")
@bp.event_grid_trigger(arg_name="event")
@bp.durable_client_input(client_name="client")
async def job_changed(event: func.EventGridEvent, client: df.DurableOrchestrationClient) -> None:
    """Wake whoever awaits the job this event names. Events of jobs that are not Slipway's are none of its business."""
    try:
        name = job(parse(document_of(event)))
    except EventError as error:
        log.warning("dropped an event: %s", error, extra={"action": "event_dropped"})
        return
    try:
        run, attempt = parse_job_name(name or "")
    except InvalidName:
        return
    await raise_event(client, instance_id(run, attempt, "await_job"), WAKE)
