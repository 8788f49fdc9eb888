"""Dead letters: events that were given up, written to the lake with what became of them.

Source: Event Grid, Dead letter and retry policies.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from localcloud.clock import Clock
from localcloud.config import Subscription
from localcloud.eventgrid import schemas
from localcloud.eventgrid.rules import DEAD_LETTER_DELAY, DEAD_LETTER_PATIENCE
from localcloud.eventgrid.store import Store

log = logging.getLogger(__name__)


class DeadLetters:
    """Writes letters through ``put(filesystem, path, content)``."""

    def __init__(self, store: Store, clock: Clock, put: Callable[[str, str, bytes], None]) -> None:
        self._store = store
        self._clock = clock
        self._put = put

    def write(self, subscription: Subscription, row: sqlite3.Row) -> None:
        """Write the letter of a delivery that was given up; where that fails, again, for four hours at most."""
        store, now = self._store, self._clock.now()
        path = f"{subscription.name.upper()}/{now.year}/{now.month}/{now.day}/{now.hour}/{uuid.uuid4()}.json"
        letter = json.dumps([_letter(row, subscription.schema_)]).encode()
        try:
            self._put(str(subscription.dead_letter), path, letter)
        except Exception:
            log.exception("dead letter of %s could not be written", subscription.name)
            if now.timestamp() - row["last_attempt"] < DEAD_LETTER_PATIENCE:
                store.postpone(row["id"], now.timestamp() + DEAD_LETTER_DELAY)
                return
            store.count(subscription.name, "dropped")
        else:
            store.count(subscription.name, "dead_lettered")
        store.done([row["id"]])


def event_of(row: sqlite3.Row, schema: str) -> schemas.Event:
    """Return the event of a delivery as it is sent."""
    return schemas.convert(json.loads(row["event"]), schema, _text(row["published"]))


def _letter(row: sqlite3.Row, schema: str) -> schemas.Event:
    event = event_of(row, schema)
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
