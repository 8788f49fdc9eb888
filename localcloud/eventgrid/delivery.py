"""Brings events to functions, queues and webhooks: at least once, bounded, across restarts."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

import aiohttp

from localcloud.altered import altered, corrupted
from localcloud.clock import Clock
from localcloud.config import Subscription
from localcloud.database import AGAIN, Database, until_stored
from localcloud.eventgrid import schemas
from localcloud.eventgrid.attempts import Try
from localcloud.eventgrid.dead_letters import DeadLetters, event_of
from localcloud.eventgrid.rules import DEAD_LETTER_DELAY, EXPIRED, Events, finals, judge
from localcloud.eventgrid.validation import ANSWER_WITHIN, Validation
from localcloud.faults.points import Point
from localcloud.faults.switchboard import Faults, Struck
from localcloud.lake.errors import StorageError

log = logging.getLogger(__name__)

#: Deliveries under way at once for one subscription.
PARALLEL = 16
#: What is said of an event that a fault has dropped.
LOST = "Lost"
#: How a try ended for one event: the status (0: no answer), and what Event Grid calls the outcome.
End = tuple[int, str]


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
        self._letters = DeadLetters(events.store, clock, destinations.put_dead_letter)
        self._validation = Validation(events, clock, session, destinations.validation_url)

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for subscription in self._events.subscriptions.values():
                tasks.create_task(self._pump(subscription))

    async def _pump(self, subscription: Subscription) -> None:
        if subscription.webhook:
            await self._validation.agreement(subscription, subscription.webhook)
        busy: set[int] = set()
        slots = asyncio.Semaphore(PARALLEL)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await slots.acquire()
                rows = await self._next(subscription, busy)
                faults = (
                    [] if rows[0]["dead_reason"] else list(self._faults.strikes("before", _point(subscription, rows)))
                )
                for struck in faults:
                    if "batch" in struck.rule.action:
                        rows = await self._gathered(subscription, rows, busy, struck)
                busy.update(row["id"] for row in rows)
                tasks.create_task(self._carry(subscription, rows, faults, busy, slots))

    async def _carry(
        self,
        subscription: Subscription,
        rows: list[sqlite3.Row],
        faults: list[Struck],
        busy: set[int],
        slots: asyncio.Semaphore,
    ) -> None:
        try:
            await self._deliver(subscription, rows, faults)
        except sqlite3.OperationalError as problem:
            log.error(
                "what became of a delivery of %s cannot be stored: %s; it is made again", subscription.name, problem
            )
            await asyncio.sleep(AGAIN)
        finally:
            busy.difference_update(row["id"] for row in rows)
            slots.release()
            self._events.wake(subscription.name)

    async def _next(self, subscription: Subscription, busy: set[int]) -> list[sqlite3.Row]:
        """Wait for the next batch of deliveries that are due and not under way."""
        size = subscription.max_events_per_batch
        while True:
            rows = self._due(subscription, busy, size)
            if rows:
                return rows[:1] if rows[0]["dead_reason"] else [row for row in rows if not row["dead_reason"]][:size]
            await self._arrival(subscription)

    async def _gathered(
        self, subscription: Subscription, rows: list[sqlite3.Row], busy: set[int], struck: Struck
    ) -> list[sqlite3.Row]:
        """Wait for as many events as a fault wants in one delivery, or until it is switched off."""
        size = struck.rule.action["batch"]
        while True:
            due = [row for row in self._due(subscription, busy, size) if not row["dead_reason"]][:size]
            if len(due) >= size or struck.number not in self._faults.rules:
                return due or rows
            await self._events.arrival(
                subscription.name, self._events.store.next_due(subscription.name, self._clock.time())
            )

    async def _arrival(self, subscription: Subscription) -> None:
        due = self._events.store.next_due(subscription.name, self._clock.time())
        await self._events.arrival(subscription.name, due)

    def _due(self, subscription: Subscription, busy: set[int], size: int) -> list[sqlite3.Row]:
        """Return deliveries whose time has come and that are not under way; none while events are held back."""
        if self._events.switches.hold:
            return []
        found = self._events.store.due(subscription.name, self._clock.time(), size + len(busy))
        return [row for row in found if row["id"] not in busy]

    async def _deliver(self, subscription: Subscription, rows: list[sqlite3.Row], faults: list[Struck]) -> None:
        rows = [row for row in rows if not self._has_expired(subscription, row)]
        if not rows:
            return
        if rows[0]["dead_reason"]:
            self._letters.write(subscription, rows[0])
            return
        done = [action for struck in faults if (action := await self._faults.carry_out(struck)) is not None]
        fault = next((action for action in done if "batch" not in action), {})
        if subscription.queue and not self._faults.has_rules:
            await until_stored(subscription.name, lambda: self._put_and_settle(subscription, rows))
            return
        ends = await self._try(subscription, rows, fault)
        late = await self._faults.after(_point(subscription, rows))
        if late:
            ends = [(late.get("status", 0), "Fault")] * len(rows)
        await until_stored(subscription.name, lambda: self._settle_all(subscription, rows, ends))

    def _put_and_settle(self, subscription: Subscription, rows: list[sqlite3.Row]) -> None:
        """Queue and deliveries share the database: each message arrives once, however often the cloud is killed."""
        with self._database.transaction():
            self._settle_all(subscription, rows, self._put_on_queue(subscription, rows, {}))

    async def _try(self, subscription: Subscription, rows: list[sqlite3.Row], fault: dict[str, Any]) -> list[End]:
        """Make one delivery as ``fault`` says; return how it ended for each event."""
        if "drop" in fault:
            return [(HTTPStatus.OK, LOST)] * len(rows)
        if {"status", "reset", "crash", "terminate"} & set(fault):
            return [(fault.get("status", 0), "Fault")] * len(rows)
        if "duplicate" in fault:
            await self._send(subscription, rows, fault)
        return await self._send(subscription, rows, fault)

    async def _send(self, subscription: Subscription, rows: list[sqlite3.Row], fault: dict[str, Any]) -> list[End]:
        """Bring events to their destination, spoiled as ``fault`` says (see :mod:`localcloud.altered`)."""
        if subscription.queue:
            with self._database.transaction():
                return self._put_on_queue(subscription, rows, fault)
        return [await self._post(subscription, rows, fault)] * len(rows)

    def _put_on_queue(self, subscription: Subscription, rows: list[sqlite3.Row], fault: dict[str, Any]) -> list[End]:
        """Put each event on the queue, within a transaction of the database that both share.

        A message that is larger than a queue takes is given up as any other 413; a queue that is not there may come.
        """
        ends: list[End] = []
        for row in rows:
            body = json.dumps(event_of(row, subscription.schema_)).encode()
            try:
                self._to.put_message(str(subscription.queue), base64.b64encode(_spoiled(body, fault)).decode())
                ends.append((HTTPStatus.OK, "Delivered"))
            except StorageError as refusal:
                ends.append((refusal.status, _name(refusal.status)))
        return ends

    async def _post(self, subscription: Subscription, rows: list[sqlite3.Row], fault: dict[str, Any]) -> End:
        """Post events to a function or webhook, in one request."""
        events = [event_of(row, subscription.schema_) for row in rows]
        batched = len(rows) > 1 or subscription.max_events_per_batch > 1
        content_type, body = schemas.body(events, subscription.schema_, batched=batched)
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
                self._session.post(address, data=_spoiled(body, fault), headers=headers) as answer,
            ):
                await answer.read()
                return answer.status, _name(answer.status)
        except TimeoutError:
            return 0, "TimedOut"
        except aiohttp.ClientError as problem:
            return 0, type(problem).__name__

    def _settle_all(self, subscription: Subscription, rows: list[sqlite3.Row], ends: list[End]) -> None:
        now = self._clock.now()  # one delivery ends at one moment, however many events it had
        with self._database.transaction():
            for row, end in zip(rows, ends, strict=True):
                self._settle(subscription, row, *end, now)

    def _settle(self, subscription: Subscription, row: sqlite3.Row, status: int, outcome: str, at: datetime) -> None:
        """Note how a try ended and what follows."""
        store, now = self._events.store, at.timestamp()
        final = finals(subscription, retry_unauthorized=self._events.switches.retry_unauthorized)
        age = now - row["published"]
        verdict = judge(subscription, status, row["attempts"] + 1, age, self._events.jitter(), final)
        then = "delivered" if verdict.delivered else "again" if verdict.retry_in else f"given up: {verdict.reason}"
        self._events.tried.append(Try.of(subscription, row, status, outcome, at, then))
        if verdict.delivered:
            store.done([row["id"]])
            store.count(subscription.name, "lost" if outcome == LOST else "delivered")
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


def _name(status: int) -> str:
    """Return a status as dead letters spell it, e.g. ``NotFound``."""
    try:
        return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")
    except ValueError:
        return str(status)


def _point(subscription: Subscription, rows: list[sqlite3.Row]) -> Point:
    """The fault point of a delivery: it is named after the subscription, and called by its first event's subject."""
    return Point("eventgrid", "Deliver", subscription.name, schemas.subject(json.loads(rows[0]["event"])))


def _spoiled(body: bytes, fault: dict[str, Any]) -> bytes:
    """Return the bytes of a delivery as ``fault`` damages them: all of them, or the first event among them."""
    if "corrupt" not in fault:
        return altered(fault, body)
    document, how = json.loads(body), fault["corrupt"]
    if isinstance(document, list) and how is not True:
        return json.dumps([json.loads(corrupted(document[0], how)), *document[1:]]).encode()
    return corrupted(document, how).encode()
