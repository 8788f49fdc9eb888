"""One request to a receiver: where it never goes, and what its answer means."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from slipway.addresses import is_refused
from slipway.failure import Failed
from slipway.sinks.sender import ANSWER_LIMIT, Request, as_json, found, send


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
    assert is_refused(address, loopback_named=False) is refused


def test_loopback_is_a_receiver_only_where_the_url_names_it() -> None:
    """A desk's receiver is meant; a public name that resolves to this machine is not."""
    assert not is_refused("127.0.0.1", loopback_named=True)
    assert is_refused("169.254.169.254", loopback_named=True)


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it is sent and answers what it is told to."""

    status = 204
    headers_sent: ClassVar[dict[str, str]] = {}
    answer = b""
    received: ClassVar[list[tuple[str, str, dict[str, str], bytes]]] = []

    def do_POST(self) -> None:
        """Take one request."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.received.append((self.command, self.path, dict(self.headers), body))
        self.send_response(self.status)
        for name, value in {"Content-Length": str(len(self.answer)), **self.headers_sent}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.answer)

    def do_GET(self) -> None:
        """As any other."""
        self.do_POST()

    def do_PATCH(self) -> None:
        """As any other."""
        self.do_POST()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[tuple[type[Receiver], str]]:
    """A receiver on loopback, and its address."""
    handler = type("Handler", (Receiver,), {"received": [], "headers_sent": {}})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_port}/table?limit=1"
    server.shutdown()
    server.server_close()


def test_a_request_arrives_as_it_was_made(receiver: tuple[type[Receiver], str]) -> None:
    """Method, path with its query, headers and body."""
    taken, url = receiver
    taken.answer, taken.status = b'{"id": 1}', 201

    answer = send(as_json("PATCH", url, {"ü": 1}, {"Authorization": "Bearer x"}))

    [(method, path, headers, body)] = taken.received
    assert (method, path, body) == ("PATCH", "/table?limit=1", '{"ü":1}'.encode())
    assert (headers["Authorization"], headers["User-Agent"]) == ("Bearer x", "slipway")
    assert (answer.status, answer.json()) == (201, {"id": 1})


@pytest.mark.parametrize(
    ("status", "code", "transient"),
    [
        (302, "rejected", False),
        (400, "rejected", False),
        (203, "unavailable", True),
        (401, "unavailable", True),
        (429, "unavailable", True),
        (503, "unavailable", True),
    ],
)
def test_whatever_is_not_accepted_is_a_failure(
    receiver: tuple[type[Receiver], str], status: int, code: str, transient: bool
) -> None:
    """A busy receiver is asked again; a redirect is never followed; 203 is how Azure DevOps asks to sign in."""
    taken, url = receiver
    taken.status, taken.answer = status, b"try https://elsewhere.example.com"
    taken.headers_sent = {"Retry-After": "7", "Location": "https://elsewhere.example.com"}

    with pytest.raises(Failed) as caught:
        send(as_json("POST", url, {}))

    failure = caught.value.failure
    assert (failure.code, failure.transient, failure.retry_after) == (code, transient, 7.0)
    assert len(taken.received) == 1


def test_what_is_not_there_is_the_callers_to_judge(receiver: tuple[type[Receiver], str]) -> None:
    """A ticket may have been deleted; an address that is wrong is a failure."""
    taken, url = receiver
    taken.status = 404

    assert send(Request("GET", url)).status == 404
    with pytest.raises(Failed, match="404"):
        found(send(Request("GET", url)))


def test_a_long_answer_is_not_read_to_its_end(receiver: tuple[type[Receiver], str]) -> None:
    """What a receiver says is quoted at most."""
    taken, url = receiver
    taken.status, taken.answer = 400, b"no " * 1_000_000

    with pytest.raises(Failed) as caught:
        send(Request("GET", url))

    assert len(caught.value.failure.message) <= 1000
    taken.status = 200
    assert len(send(Request("GET", url)).body) == ANSWER_LIMIT


def test_an_answer_that_is_no_json_is_a_failure(receiver: tuple[type[Receiver], str]) -> None:
    """A proxy's page in place of the service's answer."""
    taken, url = receiver
    taken.status, taken.answer = 200, b"<html>"

    with pytest.raises(Failed) as caught:
        send(Request("GET", url)).json()

    assert (caught.value.failure.code, caught.value.failure.transient) == ("damaged-answer", True)


def test_a_receiver_that_is_down_is_asked_again() -> None:
    """Nobody listens: a transient failure, so that the incident is sent later."""
    with pytest.raises(Failed) as caught:
        send(Request("POST", "http://127.0.0.1:1/incidents"))

    assert (caught.value.failure.code, caught.value.failure.transient) == ("no-answer", True)


@pytest.mark.parametrize("url", ["http://example.com/x", "ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_nothing_leaves_this_machine_unencrypted(url: str) -> None:
    """Plain http is for loopback alone."""
    with pytest.raises(Failed, match="not https"):
        send(Request("POST", url))


def test_no_address_is_told_since_it_may_hold_a_key() -> None:
    """IN-10: a workflow of Teams is reached by an address with its signature in it."""
    with pytest.raises(Failed) as caught:
        send(Request("POST", "http://127.0.0.1:1/x?sig=c2VjcmV0"))

    assert "c2VjcmV0" not in str(caught.value)
