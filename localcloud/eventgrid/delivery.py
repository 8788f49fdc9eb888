"""Brings events to functions, queues and webhooks: at least once, bounded, across restarts."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import sqlite3
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import aiohttp

from localcloud.altered import altered
from localcloud.clock import Clock
from localcloud.config import Subscription
from localcloud.database import Database
from localcloud.eventgrid import schemas
from localcloud.eventgrid.rules import DEAD_LETTER_DELAY, DEAD_LETTER_PATIENCE, EXPIRED, Events, finals, judge
from localcloud.faults import Faults, Point
from localcloud.lake.errors import StorageError

log = logging.getLogger(__name__)

#: Deliveries under way at once for one subscription.
PARALLEL = 16
#: Seconds a destination has for its answer.
ANSWER_WITHIN = 30
#: Seconds until a webhook that did not validate is asked again.
VALIDATE_AGAIN = 10


@dataclass(frozen=True)
class Destinations:
    """How the rest of the cloud is reached: a function's webhook, a queue, the lake for dead letters.

    ``function`` turns a function's name into its address, key included; ``validation_url`` a subscription and a code
    into the address a webhook's owner may open instead of answering.
    """

    function: Callable[[str], str]
    put_message: Callable[[str, str], None]
    put_dead_letter: Callable[[str, str, bytes], None]
    validation_url: Callable[[str, str], str]


class Delivery:
    """Delivers what ``events`` keeps, one task for each subscription."""

    def __init__(
        self,
        events: Events,
        destinations: Destinations,
        database: Database,
        clock: Clock,
        faults: Faults,
        session: aiohttp.ClientSession,
    ) -> None:
        self._events = events
        self._to = destinations
        self._database = database
        self._clock = clock
        self._faults = faults
        self._session = session

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for subscription in self._events.subscriptions.values():
                tasks.create_task(self._pump(subscription))

    async def _pump(self, subscription: Subscription) -> None:
        if subscription.webhook:
            await self._validate(subscription, subscription.webhook)
        busy: set[int] = set()
        slots = asyncio.Semaphore(PARALLEL)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await slots.acquire()
                batch = await self._next(subscription, busy)
                busy.update(row["id"] for row in batch)
                tasks.create_task(self._carry(subscription, batch, busy, slots))

    async def _carry(
        self, subscription: Subscription, batch: list[sqlite3.Row], busy: set[int], slots: asyncio.Semaphore
    ) -> None:
        try:
            await self._deliver(subscription, batch)
        finally:
            busy.difference_update(row["id"] for row in batch)
            slots.release()
            self._events.wake(subscription.name)

    async def _next(self, subscription: Subscription, busy: set[int]) -> list[sqlite3.Row]:
        """Wait for the next batch of deliveries that are due and not under way."""
        arrived, store, size = (
            self._events.arrived[subscription.name],
            self._events.store,
            subscription.max_events_per_batch,
        )
        while True:
            arrived.clear()
            now = self._clock.time()
            if self._events.switches.hold:
                await arrived.wait()
                continue
            rows = [row for row in store.due(subscription.name, now, size + len(busy)) if row["id"] not in busy]
            if rows:
                return rows[:1] if rows[0]["dead_reason"] else [row for row in rows if not row["dead_reason"]][:size]
            await self._arrival_or(arrived, store.next_due(subscription.name, now))

    async def _arrival_or(self, arrived: asyncio.Event, due: float | None) -> None:
        waits = [asyncio.ensure_future(arrived.wait())]
        if due is not None:
            waits.append(asyncio.ensure_future(self._clock.sleep_until(datetime.fromtimestamp(due, UTC))))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _deliver(self, subscription: Subscription, rows: list[sqlite3.Row]) -> None:
        rows = [row for row in rows if not self._has_expired(subscription, row)]
        if not rows:
            return
        if rows[0]["dead_reason"]:
            self._write_dead_letter(subscription, rows[0])
        elif subscription.queue:
            with self._database.transaction():
                for row in rows:
                    self._settle(subscription, row, *self._put_on_queue(subscription, row))
        else:
            status, outcome = await self._try(subscription, rows)
            with self._database.transaction():
                for row in rows:
                    self._settle(subscription, row, status, outcome)

    def _put_on_queue(self, subscription: Subscription, row: sqlite3.Row) -> tuple[int, str]:
        """Queue and deliveries share the database: each message arrives once however often the cloud is killed.

        A message that is larger than a queue takes is given up as any other 413; a queue that is not there may come.
        """
        event = json.dumps(schemas.convert(json.loads(row["event"]), subscription.schema_))
        try:
            self._to.put_message(str(subscription.queue), base64.b64encode(event.encode()).decode())
        except StorageError as refusal:
            return refusal.status, _name(refusal.status)
        return HTTPStatus.OK, "Delivered"

    async def _try(self, subscription: Subscription, rows: list[sqlite3.Row]) -> tuple[int, str]:
        """Make one delivery; return the status (0: no answer) and what Event Grid calls the outcome."""
        point = Point("eventgrid", "Deliver", subscription.name)
        fault = await self._faults.before(point) or {}
        if "status" in fault or "reset" in fault:
            status, outcome = fault.get("status", 0), "Fault"
        else:
            status, outcome = await self._post(subscription, rows, fault)
        fault = await self._faults.after(point)
        return (fault.get("status", 0), "Fault") if fault else (status, outcome)

    async def _post(
        self, subscription: Subscription, rows: list[sqlite3.Row], fault: dict[str, Any]
    ) -> tuple[int, str]:
        """Send one delivery, spoiled as ``fault`` says (see :func:`localcloud.altered.altered`)."""
        events = [json.loads(row["event"]) for row in rows]
        content_type, body = schemas.body(events, subscription.schema_, batched=subscription.max_events_per_batch > 1)
        headers = {
            "Content-Type": content_type,
            "aeg-event-type": "Notification",
            "aeg-subscription-name": subscription.name.upper(),
            "aeg-delivery-count": str(rows[0]["attempts"]),
            "aeg-data-version": str(events[0].get("dataVersion", "")),
            "aeg-metadata-version": str(events[0].get("metadataVersion", "")),
        }
        address = subscription.webhook or self._to.function(str(subscription.function))
        try:
            async with (
                asyncio.timeout(ANSWER_WITHIN),
                self._session.post(address, data=altered(fault, body), headers=headers) as answer,
            ):
                await answer.read()
                return answer.status, _name(answer.status)
        except TimeoutError:
            return 0, "TimedOut"
        except aiohttp.ClientError as problem:
            return 0, type(problem).__name__

    def _settle(self, subscription: Subscription, row: sqlite3.Row, status: int, outcome: str) -> None:
        """Note how a try ended and what follows."""
        store, now = self._events.store, self._clock.time()
        final = finals(subscription, retry_unauthorized=self._events.switches.retry_unauthorized)
        age = now - row["published"]
        verdict = judge(subscription, status, row["attempts"] + 1, age, self._events.jitter(), final)
        if verdict.delivered:
            store.done([row["id"]])
            store.count(subscription.name, "delivered")
            return
        store.count(subscription.name, "failed_tries")
        if verdict.retry_in:
            store.again(row, now, outcome, now + verdict.retry_in)
            return
        store.again(row, now, outcome, now)
        self._give_up(subscription, row["id"], now, verdict.reason)

    def _has_expired(self, subscription: Subscription, row: sqlite3.Row) -> bool:
        """Give up an event that was tried before and has outlived its time; the first try is always made."""
        lived = self._clock.time() - row["published"]
        if row["dead_reason"] or not row["attempts"] or lived < subscription.event_ttl_minutes * 60:
            return False
        self._give_up(subscription, row["id"], row["last_attempt"], EXPIRED)
        return True

    def _give_up(self, subscription: Subscription, delivery: int, last_attempt: float, reason: str) -> None:
        store = self._events.store
        log.warning("delivery %d of %s is given up: %s", delivery, subscription.name, reason)
        if subscription.dead_letter:
            store.bury(delivery, last_attempt + DEAD_LETTER_DELAY, reason)
        else:
            store.done([delivery])
            store.count(subscription.name, "dropped")

    def _write_dead_letter(self, subscription: Subscription, row: sqlite3.Row) -> None:
        store, now = self._events.store, self._clock.now()
        path = f"{subscription.name.upper()}/{now.year}/{now.month}/{now.day}/{now.hour}/{uuid.uuid4()}.json"
        letter = json.dumps([_dead(row, subscription.schema_)]).encode()
        try:
            self._to.put_dead_letter(str(subscription.dead_letter), path, letter)
        except Exception:
            log.exception("dead letter of %s could not be written", subscription.name)
            if now.timestamp() - row["last_attempt"] < DEAD_LETTER_PATIENCE:
                store.postpone(row["id"], now.timestamp() + DEAD_LETTER_DELAY)
                return
            store.count(subscription.name, "dropped")
        else:
            store.count(subscription.name, "dead_lettered")
        store.done([row["id"]])

    async def _validate(self, subscription: Subscription, webhook: str) -> None:
        """Shake hands with a webhook; its events wait until it agreed."""
        code = self._events.store.validation(subscription.name, webhook, str(uuid.uuid4()).upper())["code"]
        arrived, ask_at = self._events.arrived[subscription.name], self._clock.time()
        while not self._is_validated(subscription, webhook):
            if self._clock.time() < ask_at:
                await self._arrival_or(arrived, ask_at)
                arrived.clear()
            elif await self._agrees(subscription, webhook, code):
                self._events.store.validated(subscription.name, code)
            else:
                ask_at = self._clock.time() + VALIDATE_AGAIN

    async def _agrees(self, subscription: Subscription, webhook: str, code: str) -> bool:
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await self._handshake(subscription, webhook, code)
        except (TimeoutError, aiohttp.ClientError, ValueError) as problem:
            log.info("webhook %s of %s did not validate: %s", webhook, subscription.name, problem)
            return False

    def _is_validated(self, subscription: Subscription, webhook: str) -> bool:
        return bool(self._events.store.validation(subscription.name, webhook, "")["validated"])

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
            "data": {"validationCode": code, "validationUrl": self._to.validation_url(subscription.name, code)},
            "dataVersion": "2",
            "metadataVersion": "1",
        }
        async with self._session.post(webhook, json=[event], headers=headers) as answer:
            if answer.status != HTTPStatus.OK:
                return False
            body = await answer.json(content_type=None)
            return isinstance(body, dict) and body.get("validationResponse") == code


def _name(status: int) -> str:
    """Return a status as dead letters spell it, e.g. ``NotFound``."""
    try:
        return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")
    except ValueError:
        return str(status)


def _dead(row: sqlite3.Row, schema: str) -> schemas.Event:
    event = schemas.convert(json.loads(row["event"]), schema)
    facts = {
        "deadLetterReason": row["dead_reason"],
        "deliveryAttempts": row["attempts"],
        "lastDeliveryOutcome": row["outcome"],
        "publishTime": _text(row["published"]),
        "lastDeliveryAttemptTime": _text(row["last_attempt"]),
    }
    if schema == schemas.CLOUD_EVENTS:
        facts = {name.lower(): value for name, value in facts.items()}
    return {**event, **facts}


def _text(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")
