"""What a destination knows of an incident before it is told its present state."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """Whether it was told that the incident is open, and the ticket it gave it, if it keeps any."""

    open: bool = False
    ticket: str | None = None
