"""Incidents on their way to a webhook: the signature, and where they never go."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from slipway.failure import Failed
from slipway.incident import Incident, opened, resolved
from slipway.message import message
from slipway.settings import settings
from slipway.sinks import webhook
from tests.unit.builders import NOON
from tests.unit.test_incident import a_failure, tell

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OPEN = opened(None, a_failure(), NOON)
EVENT = {"specversion": "1.0", "id": "flight-delay-2013-01-3", "source": "slipway", "type": "Slipway.Incident.Raised"}


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
    told = webhook.event(message(incident, "slipway/north", "https://slipway"))

    assert (told["specversion"], told["type"], told["source"]) == ("1.0", type_, "slipway/north")
    assert (told["id"], told["subject"]) == (f"flight-delay--2013-01-{incident['revision']}", "flight-delay/2013-01")
    assert (told["data"]["key"], told["data"]["status"]) == ("flight-delay--2013-01", incident["status"])
    assert told == webhook.event(message(incident, "slipway/north", "https://slipway"))


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


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("8.8.8.8", False),
        ("10.1.2.3", False),
        ("2a00:1450::1", False),
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("169.254.169.254", True),
        ("::ffff:169.254.169.254", True),
        ("fe80::1%eth0", True),
        ("168.63.129.16", True),
        ("0.0.0.0", True),
        ("224.0.0.1", True),
    ],
)
def test_an_address_that_is_no_receivers_is_refused(address: str, refused: bool) -> None:
    """However a name came to point there: machines' own addresses and the cloud's metadata take no incidents."""
    assert webhook.is_refused(address, loopback_named=False) is refused


def test_loopback_is_a_receiver_only_where_the_url_names_it() -> None:
    """A desk's receiver is meant; a public name that resolves to this machine is not."""
    assert not webhook.is_refused("127.0.0.1", loopback_named=True)
    assert webhook.is_refused("169.254.169.254", loopback_named=True)


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it is sent and answers what it is told to."""

    status = 204
    headers_sent: ClassVar[dict[str, str]] = {}
    answer = b""
    received: ClassVar[list[tuple[dict[str, str], bytes]]] = []

    def do_POST(self) -> None:
        """Take one incident."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((dict(self.headers), body))
        self.send_response(self.status)
        for name, value in {"Content-Length": str(len(self.answer)), **self.headers_sent}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Receiver]]:
    """A receiver on loopback that the settings name."""
    handler = type("Handler", (Receiver,), {"received": [], "headers_sent": {}})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    guid = "11111111-2222-3333-4444-555555555555"
    for name, value in {
        "LAKE_URL": "https://account.dfs.core.windows.net",
        "SUBSCRIPTION_ID": guid,
        "RESOURCE_GROUP": "local",
        "WORKSPACE": "local",
        "JOB_PRINCIPAL": guid,
        "INCIDENT_URL": f"http://127.0.0.1:{server.server_port}/incidents",
        "INCIDENT_SECRET": SECRET,
    }.items():
        monkeypatch.setenv(f"SLIPWAY_{name}", value)
    settings.cache_clear()
    yield handler
    settings.cache_clear()
    server.shutdown()
    server.server_close()


def test_an_incident_arrives_as_a_signed_cloudevent(receiver: type[Receiver]) -> None:
    """The receiver can tell that it is ours, that it is whole, and whether it has it already."""
    assert webhook.send(EVENT)

    [(headers, body)] = receiver.received
    assert json.loads(body) == EVENT
    assert headers["Content-Type"].startswith("application/cloudevents+json")
    assert headers["webhook-id"] == EVENT["id"]
    timestamp = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == webhook.signature(SECRET, EVENT["id"], timestamp, body)


@pytest.mark.parametrize(
    ("status", "code", "transient"),
    [(302, "rejected", False), (400, "rejected", False), (429, "unavailable", True), (503, "unavailable", True)],
)
def test_whatever_is_not_2xx_is_a_failure(receiver: type[Receiver], status: int, code: str, transient: bool) -> None:
    """A busy receiver is asked again; a redirect is never followed."""
    receiver.status, receiver.answer = status, b"try https://elsewhere.example.com"
    receiver.headers_sent = {"Retry-After": "7", "Location": "https://elsewhere.example.com"}

    with pytest.raises(Failed) as caught:
        webhook.send(EVENT)

    failure = caught.value.failure
    assert (failure.code, failure.transient, failure.retry_after) == (code, transient, 7.0)
    assert len(receiver.received) == 1


def test_a_long_answer_is_not_read_to_its_end(receiver: type[Receiver]) -> None:
    """What a receiver says is quoted in an incident at most, so a little of it is enough."""
    receiver.status, receiver.answer = 400, b"no " * 1_000_000

    with pytest.raises(Failed) as caught:
        webhook.send(EVENT)

    assert len(caught.value.failure.message) <= 1000


def test_a_receiver_that_is_down_is_asked_again(monkeypatch: pytest.MonkeyPatch, receiver: type[Receiver]) -> None:
    """Nobody listens: a transient failure, so that the incident is sent later."""
    monkeypatch.setenv("SLIPWAY_INCIDENT_URL", "http://127.0.0.1:1/incidents")
    settings.cache_clear()

    with pytest.raises(Failed) as caught:
        webhook.send(EVENT)

    assert (caught.value.failure.code, caught.value.failure.transient) == ("no-answer", True)


def test_without_a_webhook_nothing_is_sent(monkeypatch: pytest.MonkeyPatch, receiver: type[Receiver]) -> None:
    """An installation may keep its incidents in the lake alone."""
    monkeypatch.delenv("SLIPWAY_INCIDENT_URL")
    settings.cache_clear()

    assert not webhook.send(EVENT)
    assert receiver.received == []
