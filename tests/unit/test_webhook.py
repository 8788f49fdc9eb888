"""Incidents as signed CloudEvents, such as a receiver's library takes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slipway.incident import Incident, opened, resolved
from slipway.message import message
from slipway.sinks import webhook
from slipway.sinks.known import Known
from tests.unit.builders import NOON
from tests.unit.test_incident import a_failure, tell

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OPEN = opened(None, a_failure(), NOON)


@pytest.mark.parametrize(
    ("incident", "type_"),
    [
        pytest.param(OPEN, webhook.OPENED, id="nobody has heard of it"),
        pytest.param(opened(tell(OPEN), a_failure(attempt=2), NOON), webhook.UPDATED, id="told open"),
        pytest.param(resolved(tell(OPEN), 1, "a-run", NOON), webhook.RESOLVED, id="resolved"),
    ],
)
def test_the_event_tells_the_present_state(incident: Incident, type_: str) -> None:
    """As a CloudEvent whose id is the same on every try, and whose key is the same for ever."""
    known = Known(open=incident["revision"] > 1)
    told = webhook.event(message(incident, "slipway/north", "https://slipway"), known)

    assert (told["specversion"], told["type"], told["source"]) == ("1.0", type_, "slipway/north")
    assert (told["id"], told["subject"]) == (f"flight-delay--2013-01-{incident['revision']}", "flight-delay/2013-01")
    assert (told["data"]["key"], told["data"]["status"]) == ("flight-delay--2013-01", incident["status"])
    assert told == webhook.event(message(incident, "slipway/north", "https://slipway"), known)


def test_the_signature_is_the_published_one() -> None:
    """The example of the Standard Webhooks project's own libraries: a receiver's library accepts what we sign."""
    signed = webhook.signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_key_is_taken_with_and_without_its_prefix() -> None:
    """Both spellings are the same key."""
    assert webhook.signature(SECRET, "a", 1, b"") == webhook.signature(SECRET.removeprefix("whsec_"), "a", 1, b"")


def test_an_id_with_a_full_stop_is_not_signed() -> None:
    """It could be read as another id with another time."""
    with pytest.raises(ValueError, match="full stop"):
        webhook.signature(SECRET, "a.1", 1, b"")


def test_the_lines_in_the_reference_verify_what_is_sent() -> None:
    """Whoever copies them into a receiver takes what is ours, and nothing that was changed, or kept for later."""
    page = (Path(__file__).parents[2] / "docs/reference/incidents.md").read_text()
    code: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], code)
    sent = webhook.request(webhook.event(message(OPEN, "slipway/north"), Known()), "https://x/y", SECRET, 1614265330)
    assert sent.body is not None

    assert code["verify"](SECRET, sent.headers, sent.body, 1614265330 + 60)
    assert not code["verify"](SECRET, sent.headers, sent.body, 1614265330 + 600)
    assert not code["verify"](SECRET, sent.headers, sent.body + b" ", 1614265330)
    assert not code["verify"]("whsec_" + "A" * 40, sent.headers, sent.body, 1614265330)


def test_an_incident_leaves_as_a_signed_cloudevent() -> None:
    """The receiver can tell that it is ours, that it is whole, and whether it has it already."""
    event = webhook.event(message(OPEN, "slipway/north"), Known())

    sent = webhook.request(event, "https://example.com/incidents", SECRET, 1614265330)

    assert sent.body is not None
    assert json.loads(sent.body) == event
    assert sent.headers["Content-Type"].startswith("application/cloudevents+json")
    assert (sent.headers["webhook-id"], sent.headers["webhook-timestamp"]) == (event["id"], "1614265330")
    assert sent.headers["webhook-signature"] == webhook.signature(SECRET, event["id"], 1614265330, sent.body)
