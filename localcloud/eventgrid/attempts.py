"""Deliveries as people look at them: what was tried, and what waits to be."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localcloud.config import Subscription
from localcloud.eventgrid import schemas

#: Tries that are remembered, since the cloud was started.
KEPT = 200


@dataclass(frozen=True)
class Try:
    """One event of one delivery that was made; ``when`` by the cloud's clock, ``status`` 0 where none was answered.

    ``then`` is what followed: delivered, again, or given up and why.
    """

    when: str
    subscription: str
    destination: str
    id: str
    type: str
    subject: str
    attempt: int
    status: int
    outcome: str
    then: str

    @classmethod
    def of(
        cls, subscription: Subscription, row: sqlite3.Row, status: int, outcome: str, now: datetime, then: str
    ) -> Try:
        """Return the try of a stored delivery that ended so."""
        event = json.loads(row["event"])
        return cls(
            when=now.isoformat(timespec="milliseconds"),
            subscription=subscription.name,
            destination=destination(subscription),
            id=str(event.get("id", "")),
            type=schemas.event_type(event),
            subject=schemas.subject(event),
            attempt=row["attempts"] + 1,
            status=status,
            outcome=outcome,
            then=then,
        )


def waiting(subscription: Subscription, row: sqlite3.Row, state: str) -> dict[str, Any]:
    """Return a delivery that is still to be made, as the state page shows it; ``state`` says what it waits for."""
    event = json.loads(row["event"])
    if not state:
        state = "dead letter" if row["dead_reason"] else "again" if row["attempts"] else "waits"
    return {
        "due": datetime.fromtimestamp(row["due"], UTC).isoformat(timespec="milliseconds"),
        "subscription": subscription.name,
        "destination": destination(subscription),
        "id": str(event.get("id", "")),
        "type": schemas.event_type(event),
        "subject": schemas.subject(event),
        "attempts": row["attempts"],
        "outcome": row["dead_reason"] or row["outcome"],
        "state": state,
    }


def destination(subscription: Subscription) -> str:
    """Return where a subscription's events go, e.g. ``function data_landed``."""
    if subscription.function:
        return f"function {subscription.function}"
    if subscription.queue:
        return f"queue {subscription.queue}"
    return f"webhook {str(subscription.webhook).partition('?')[0]}"  # behind it, webhooks have their keys
