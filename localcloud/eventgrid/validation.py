"""Shakes hands with webhooks: one gets events once it has agreed to them.

Source: Event Grid, "Webhook event delivery" (validation handshake); CloudEvents 1.0, HTTP webhooks (abuse protection).
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from http import HTTPStatus

import aiohttp

from localcloud.clock import Clock
from localcloud.config import Subscription
from localcloud.database import until_stored
from localcloud.eventgrid import schemas
from localcloud.eventgrid.rules import Events

log = logging.getLogger(__name__)

#: Seconds a webhook has for its answer, and until one that did not validate is asked again.
ANSWER_WITHIN, ASK_AGAIN = 30, 10


class Validation:
    """Asks webhooks. ``url`` turns a subscription's name and a code into the address that agrees by hand."""

    def __init__(
        self, events: Events, clock: Clock, session: aiohttp.ClientSession, url: Callable[[str, str], str]
    ) -> None:
        self._events = events
        self._clock = clock
        self._session = session
        self._url = url

    async def agreement(self, subscription: Subscription, webhook: str) -> None:
        """Return once the webhook has agreed; its events wait until then."""
        store, code = self._events.store, str(uuid.uuid4()).upper()
        known = await until_stored(subscription.name, lambda: store.validation(subscription.name, webhook, code))
        code, ask_at = known["code"], self._clock.time()
        while not store.is_validated(subscription.name):
            if self._clock.time() < ask_at:
                await self._events.arrival(subscription.name, ask_at)
            elif await self._agrees(subscription, webhook, code):
                await until_stored(subscription.name, lambda: store.validated(subscription.name, code))
            else:
                ask_at = self._clock.time() + ASK_AGAIN

    async def _agrees(self, subscription: Subscription, webhook: str, code: str) -> bool:
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await self._handshake(subscription, webhook, code)
        except (TimeoutError, aiohttp.ClientError, ValueError) as problem:
            log.info("webhook %s of %s did not validate: %s", webhook, subscription.name, problem)
            return False

    async def _handshake(self, subscription: Subscription, webhook: str, code: str) -> bool:
        if subscription.schema_ == schemas.CLOUD_EVENTS:
            origin = {"WebHook-Request-Origin": "eventgrid.azure.net"}
            async with self._session.options(webhook, headers=origin) as answer:
                allowed = answer.headers.get("WebHook-Allowed-Origin", "")
                return answer.status == HTTPStatus.OK and allowed in {"*", "eventgrid.azure.net"}
        headers = {"aeg-event-type": "SubscriptionValidation", "aeg-subscription-name": subscription.name.upper()}
        event = {
            "id": str(uuid.uuid4()),
            "topic": subscription.source,
            "subject": "",
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "eventTime": self._clock.now().isoformat().replace("+00:00", "Z"),
            "data": {"validationCode": code, "validationUrl": self._url(subscription.name, code)},
            "dataVersion": "2",
            "metadataVersion": "1",
        }
        async with self._session.post(webhook, json=[event], headers=headers) as answer:
            if answer.status != HTTPStatus.OK:
                return False
            body = await answer.json(content_type=None)
            return isinstance(body, dict) and body.get("validationResponse") == code
