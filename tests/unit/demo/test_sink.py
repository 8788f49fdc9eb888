"""The demonstration's webhook believes what Slipway signs, and nothing else."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from demo.sink import Sink
from slipway.sinks.webhook import signature

NOW = datetime(2013, 2, 1, 12, tzinfo=UTC)
EVENT = {"type": "Slipway.Incident.Opened", "subject": "weather-daily/2013-01-09", "data": {}}


@pytest.fixture
def told() -> list[dict[str, Any]]:
    """What the sink was told, as it tells it."""
    return []


@pytest.fixture
def sink(told: list[dict[str, Any]]) -> Iterator[Sink]:
    """A sink that takes it to be noon of 2013-02-01."""
    with Sink(lambda: NOW, told.append) as made:
        yield made


def post(sink: Sink, *, sent_at: datetime = NOW, secret: str | None = None, body: bytes | None = None) -> int:
    """Post the event as Slipway does, but for what is given; return the status of the answer."""
    right = json.dumps(EVENT).encode()
    timestamp = int(sent_at.timestamp())
    headers = {
        "webhook-id": "weather-daily--2013-01-09-1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret or sink.secret, "weather-daily--2013-01-09-1", timestamp, right),
    }
    try:
        with urllib.request.urlopen(urllib.request.Request(sink.url, body or right, headers)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


def test_a_signed_message_is_taken_once(sink: Sink, told: list[dict[str, Any]]) -> None:
    """The second delivery of the same id is answered like the first and changes nothing."""
    assert [post(sink), post(sink)] == [204, 204]

    assert told == [EVENT]
    assert sink.wait_for(EVENT["type"], EVENT["subject"], within=0) == EVENT
    assert sink.wait_for("Slipway.Incident.Resolved", EVENT["subject"], within=0) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"body": b'{"type": "Slipway.Incident.Resolved"}'},
        {"secret": "whsec_" + "c29tZWJvZHkgZWxzZSdzIGtleSwgMzIgYnl0ZXM="},
        {"sent_at": NOW - timedelta(minutes=6)},
        {"sent_at": NOW + timedelta(minutes=6)},
    ],
    ids=["changed", "other key", "old", "from the future"],
)
def test_what_proves_nothing_is_refused(sink: Sink, told: list[dict[str, Any]], wrong: dict[str, Any]) -> None:
    """A message that was changed, signed by another, or is sent once more is answered 401, and remembered."""
    assert post(sink, **wrong) == 401

    assert (told, len(sink.rejected)) == ([], 1)


def test_a_message_without_a_signature_is_refused(sink: Sink) -> None:
    """Whoever finds the address can tell it nothing."""
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(sink.url, json.dumps(EVENT).encode())

    assert refusal.value.code == 401
