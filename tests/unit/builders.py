"""Builders of the values that tests of decisions are about: sensible defaults, and what the test says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from slipway.definition import Definition
from slipway.listing import Entry, Listing
from slipway.period import Period
from slipway.snapshot import File

#: When things happen, if a test does not care.
NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)


def at(text: str) -> datetime:
    """Read a moment; without an offset it is UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def by(name: str, reason: str = "it was wrong", request: str | None = None) -> dict[str, Any]:
    """Build what is kept of why a person changes something, and of the request it came with."""
    return {"kind": "request", "by": name, "reason": reason, "request": request}


def a_document(**fields: Any) -> dict[str, Any]:
    """Build a definition's document: a monthly model with one marked input, unless told otherwise."""
    document: dict[str, Any] = {
        "name": "flight-delay",
        "version": "0123456789ab",
        "description": "How late?",
        "owner": "airline-operations",
        "cadence": "monthly",
        "timezone": "America/New_York",
        "first_period": "2013-01",
        "inputs": {"flights": {"path": "landing/flights/{period:%Y-%m}/", "complete": {"marker": "_SUCCESS"}}},
        "outputs": {"scores": {}},
        "job": {"command": "python main.py"},
    }
    return document | fields


def a_definition(**fields: Any) -> Definition:
    """Build a definition, as `a_document` does."""
    return Definition.from_document(a_document(**fields))


def an_entry(name: str, **fields: Any) -> Entry:
    """Build a listed file of ten bytes, written at noon."""
    facts: dict[str, Any] = {"length": 10, "etag": f"0x{name}", "hash": None, "modified": NOON}
    return Entry(name, **(facts | fields))


def a_listing(*entries: Entry | str, found_at: datetime = NOON) -> Listing:
    """Build a listing of these files; a text is a file of that name."""
    return Listing(found_at, tuple(an_entry(entry) if isinstance(entry, str) else entry for entry in entries))


def a_file(name: str, *, input: str = "flights", period: str | None = "2013-01", **fields: Any) -> File:  # noqa: A002
    """Build a selected file of ten bytes of an input's period."""
    facts: dict[str, Any] = {
        "source": f"landing/{input}/{period}/{name}",
        "length": 10,
        "etag": f"0x{name}",
        "hash": None,
        "modified": NOON,
    }
    return File(input=input, period=Period.parse(period) if period else None, name=name, **(facts | fields))
