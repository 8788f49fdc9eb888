"""The Event Grid topic that is told what Slipway published."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from azure.core.exceptions import AzureError
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridPublisherClient

from slipway.azure.credential import credential
from slipway.azure.failures import failure_of
from slipway.azure.workspace import TIMEOUTS
from slipway.failure import Failed
from slipway.settings import settings


def publish(event: Mapping[str, Any]) -> bool:
    """Send one CloudEvent to the configured topic; False if none is configured.

    `event` is a CloudEvent's JSON: id, source, type, subject, time (ISO 8601 with zone), data. Event Grid delivers at
    least once, and so may we send: subscribers tell a repetition by source and id.

    Raises:
        Failed: The topic did not take the event.
    """
    url = settings().topic_url
    if url is None:
        return False
    attributes = {name: value for name, value in event.items() if name != "specversion"}
    message = CloudEvent(**{**attributes, "time": datetime.fromisoformat(event["time"])})
    try:
        # One request: the orchestration's timers repeat it, and sit out a Retry-After without holding a worker.
        # Said here, because for a custom topic the client's constructor drops every option it is given.
        topic_client(url).send(message, retry_total=0, **TIMEOUTS)
    except AzureError as error:
        raise Failed(failure_of(error)) from error
    return True


@cache
def topic_client(url: str) -> EventGridPublisherClient:
    """Return the client of the topic at this address; one for the process."""
    # It hands the options of a request to the event's own class, which warns of each that it does not know.
    logging.getLogger("azure.eventgrid._legacy._generated._serialization").setLevel(logging.ERROR)
    return EventGridPublisherClient(url, credential())
