"""The one place where the app reads the time, and lets it pass, so that a simulation can replace it.

Orchestrators never call this: they take `current_utc_datetime` from their context and pass it on.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The present moment, aware, UTC. Follows `time.time`, which a simulated cloud replaces."""
    return datetime.fromtimestamp(time.time(), UTC)


def sleep(seconds: float) -> None:
    """Let this thread wait. For moments only: what takes longer waits on a durable timer."""
    time.sleep(seconds)
