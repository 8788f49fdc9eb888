"""What becomes of an event: who gets it, when it is tried again, when it is given up.

Source: Event Grid message delivery and retry; Dead letter and retry policies. No order is promised.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localcloud.clock import Clock
from localcloud.config import ACCOUNT, Resources, Subscription
from localcloud.database import Database
from localcloud.eventgrid.attempts import KEPT, Try, waiting
from localcloud.eventgrid.filters import wants
from localcloud.eventgrid.schemas import Event, is_cloud_event, missing
from localcloud.eventgrid.store import Store
from localcloud.eventgrid.switches import Switches

log = logging.getLogger(__name__)

#: Seconds before the second, third, ... try; the last one repeats.
SCHEDULE = (10, 30, 60, 300, 600, 1800, 3600, 10800, 21600, 43200)
#: Statuses with a longer least wait, in seconds; all others wait 10.
LEAST_WAIT = {401: 300, 403: 300, 404: 300, 408: 120, 503: 30}
FINAL_FOR_WEBHOOKS = frozenset({400, 401, 403, 413})
UNAUTHORIZED = frozenset({401, 403})
FINAL_FOR_RESOURCES = frozenset({400, 403, 413})
SUCCESS = range(200, 205)
#: Why an event is given up that has outlived its time; no try is made after that moment.
EXPIRED = "TimeToLiveExceeded"
#: Seconds between the last try and the dead letter, and how long an unreachable container is tried.
DEAD_LETTER_DELAY = 300
DEAD_LETTER_PATIENCE = 4 * 3600


@dataclass(frozen=True)
class Verdict:
    """What follows from a try: delivered; or again at ``retry_in`` seconds; or given up for ``reason``."""

    delivered: bool = False
    retry_in: float = 0.0
    reason: str = ""


def judge(
    subscription: Subscription, status: int, attempts: int, age: float, jitter: float, final: frozenset[int]
) -> Verdict:
    """Decide after the try that ended with ``status`` (0: no answer).

    ``attempts`` counts this try, ``age`` is seconds since publication, ``jitter`` a chance from 0 to 1,
    ``final`` the statuses after which there is no further try (see :func:`finals`).
    """
    if status in SUCCESS:
        return Verdict(delivered=True)
    if status in final:
        return Verdict(reason="UndeliverableDueToHttpBadResponse")
    if attempts >= subscription.max_delivery_attempts:
        return Verdict(reason="MaxDeliveryAttemptsExceeded")
    wait = max(SCHEDULE[min(attempts, len(SCHEDULE)) - 1], LEAST_WAIT.get(status, 10)) * (1 + jitter / 10)
    left = subscription.event_ttl_minutes * 60 - age
    return Verdict(retry_in=min(wait, left)) if left > 0 else Verdict(reason=EXPIRED)


def finals(subscription: Subscription, *, retry_unauthorized: bool) -> frozenset[int]:
    """The statuses after which a delivery is not tried again."""
    if not subscription.webhook:
        return FINAL_FOR_RESOURCES
    return FINAL_FOR_WEBHOOKS - UNAUTHORIZED if retry_unauthorized else FINAL_FOR_WEBHOOKS


class Events:
    """Takes events in and says which deliveries follow; delivering them is :mod:`localcloud.eventgrid.delivery`'s.

    ``seed`` and that of the switches drive what is left to chance. ``tried`` are the newest deliveries.
    """

    def __init__(self, resources: Resources, database: Database, clock: Clock, seed: int = 0) -> None:
        self.subscriptions = {one.name: one for one in resources.eventgrid.subscriptions}
        self.topics = frozenset(resources.eventgrid.topics)
        self.store = Store(database)
        self.store.forget_others(self.subscriptions)
        self.switches = Switches().changed(self.store.switches())
        self.arrived = {name: asyncio.Event() for name in self.subscriptions}
        self.resource_ids = _resource_ids(resources)
        self.tried: deque[Try] = deque(maxlen=KEPT)
        self._database = database
        self._clock = clock
        self._seed = seed
        self._chance = self._chances()

    def emit(self, source: str, event: Event) -> None:
        """Keep one delivery of ``event`` for each subscription to ``source`` that wants it.

        ``source`` is ``storage``, ``aml`` or a custom topic. Called within a transaction of the shared database the
        deliveries commit with it. An event in Event Grid's schema needs ``subject``, ``eventType`` and ``data``;
        what else it lacks is filled in.
        """
        event = self._completed(source, event)
        accepted = self._now()
        subscribed = [one for one in self.subscriptions.values() if one.source == source]
        matching = [one for one in subscribed if wants(one, event, accepted)]
        if not matching:
            return
        with self._database.transaction():
            for subscription in matching:
                self._keep(subscription.name, event)
        self._database.after_commit(lambda: self.wake(*(one.name for one in matching)))

    def forge(self, source: str, event: object) -> Event:
        """Take in an event for something that did not happen, as if ``source`` had told of it, and return it.

        What Event Grid would not take from anybody is refused with ValueError.
        """
        if source not in self.resource_ids:
            raise ValueError(f"no source {source!r} of events; known: {', '.join(sorted(self.resource_ids))}")
        if not isinstance(event, dict):
            raise ValueError('an event is an object, e.g. {"subject": "...", "eventType": "...", "data": {...}}')
        completed = self._completed(source, event)
        if problem := missing(completed, self.resource_ids[source]):
            raise ValueError(f"Event Grid would not take this event: {problem}")
        log.warning("event forged for %s: %s", source, completed)
        self.emit(source, completed)
        return completed

    async def arrival(self, subscription: str, due: float | None) -> None:
        """Return when there may be something new to deliver for ``subscription``, or at the moment ``due``."""
        arrived = self.arrived[subscription]
        waits = [asyncio.ensure_future(arrived.wait())]
        if due is not None:
            waits.append(asyncio.ensure_future(self._clock.sleep_until(datetime.fromtimestamp(due, UTC))))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        arrived.clear()

    def newest(self, count: int) -> list[Try]:
        """Return up to ``count`` deliveries that were made since the start, the newest first."""
        return list(self.tried)[: -count - 1 : -1]

    def waiting(self, limit: int) -> list[dict[str, Any]]:
        """Return up to ``limit`` deliveries that are still to be made, the next first, as the state page shows them."""
        shown = []
        for row in self.store.open(limit):
            subscription = self.subscriptions[row["subscription"]]
            is_strange = subscription.webhook and not self.store.is_validated(subscription.name)
            state = "held" if self.switches.hold else "not validated" if is_strange else ""
            shown.append(waiting(subscription, row, state))
        return shown

    def wake(self, *subscriptions: str) -> None:
        """Let the deliveries of ``subscriptions`` (none named: all) be looked at now."""
        for name in subscriptions or self.arrived:
            self.arrived[name].set()

    def switch(self, document: object) -> Switches:
        """Change the switches named in ``document``; raises :class:`~localcloud.eventgrid.switches.SwitchError`."""
        self.switches = self.switches.changed(document)
        self.store.set_switches(self.switches.document())
        self._chance = self._chances()
        log.warning("event switches: %s", self.switches.document())
        self.wake()
        return self.switches

    def _chances(self) -> random.Random:
        return random.Random(f"{self._seed} {self.switches.seed}")  # noqa: S311 (not for secrets)

    def _now(self) -> str:
        return self._clock.now().isoformat().replace("+00:00", "Z")

    def jitter(self) -> float:
        """Return a seeded chance from 0 to 1."""
        return self._chance.random()

    def _keep(self, subscription: str, event: Event) -> None:
        switches, now = self.switches, self._clock.time()
        if switches.off:
            self.store.count(subscription, "switched_off")
            return
        self.store.count(subscription, "matched")
        text = json.dumps(event)
        for _ in range(switches.duplicate):
            due = now + switches.delay + self._chance.uniform(0, switches.shuffle)
            self.store.add(subscription, text, now, due)

    def _completed(self, source: str, event: Event) -> Event:
        if is_cloud_event(event):
            return event
        filled = {
            "id": str(uuid.uuid4()),
            "eventTime": self._now(),
            "dataVersion": "",
            "data": None,
            **event,
        }
        return {**filled, "topic": self.resource_ids[source], "metadataVersion": "1"}


def _resource_ids(resources: Resources) -> dict[str, str]:
    group = f"/subscriptions/{resources.aml.subscription}/resourceGroups/{resources.aml.resource_group}/providers"
    workspace = f"{group}/Microsoft.MachineLearningServices/workspaces/{resources.aml.workspace}"
    topics = {name: f"{group}/Microsoft.EventGrid/topics/{name}" for name in resources.eventgrid.topics}
    return {"storage": f"{group}/Microsoft.Storage/storageAccounts/{ACCOUNT}", "aml": workspace, **topics}
