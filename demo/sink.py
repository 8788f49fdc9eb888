"""Where incidents go: a small webhook on the loopback, which believes only what is signed.

Source: Standard Webhooks 1.0.0, symmetric signatures; CloudEvents 1.0, HTTP binding, structured mode.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Event = dict[str, Any]  #: a CloudEvent

#: How far a message's time may be from the receiver's.
TOLERANCE = timedelta(minutes=5)
LARGEST_BODY = 1 << 20


class BadSignature(Exception):
    """A message whose signature does not prove that it is Slipway's and new."""


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Check a message as Standard Webhooks says. Raises BadSignature.

    `secret` is `whsec_` and the key in base64; `headers` by their lower-case names.
    """
    try:
        sent_at = int(headers["webhook-timestamp"])
        signed = f"{headers['webhook-id']}.{sent_at}.".encode() + body
        given = headers["webhook-signature"].split()
    except (KeyError, ValueError) as problem:
        raise BadSignature(f"no proper webhook-id, webhook-timestamp and webhook-signature: {problem}") from problem
    if abs(now.timestamp() - sent_at) > TOLERANCE.total_seconds():
        raise BadSignature(f"sent {now.timestamp() - sent_at:.0f} s ago: perhaps an old message, sent once more")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    right = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    if not any(hmac.compare_digest(right.encode(), one.encode()) for one in given):
        raise BadSignature("signed with another key, or changed on its way")


class Sink:
    """The webhook, from `with` to its end, on a free port.

    `clock` tells what time its sender should have; `taken` is called (in another thread) with each CloudEvent once.
    """

    def __init__(self, clock: Callable[[], datetime], taken: Callable[[Event], None]) -> None:
        self.secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
        self.rejected: list[str] = []
        self._clock = clock
        self._tell = taken
        self._taken: dict[str, Event] = {}
        self._news = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    def __enter__(self) -> Sink:
        threading.Thread(target=self._server.serve_forever, name="sink", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where incidents are posted."""
        return f"http://127.0.0.1:{self._server.server_port}/incidents"

    def take(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Take a message, once however often it is sent; False if it is not believed."""
        try:
            verify(self.secret, headers, body, self._clock())
        except BadSignature as problem:
            self.rejected.append(str(problem))
            return False
        event, message = json.loads(body), headers["webhook-id"]
        with self._news:
            if message in self._taken:
                return True
            self._taken[message] = event
            self._news.notify_all()
        self._tell(event)
        return True

    def wait_for(self, kind: str, subject: str, within: float) -> Event | None:
        """Return the first event of a type about `<model>/<period>`; None if there is none within so many seconds."""
        wanted = (kind, subject)
        with self._news:
            found = self._news.wait_for(
                lambda: [event for event in self._taken.values() if (event["type"], event["subject"]) == wanted], within
            )
        return found[0] if found else None


def _handler(sink: Sink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if not 0 < length <= LARGEST_BODY:
                self.send_error(413)
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(204 if sink.take(headers, self.rfile.read(length)) else 401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass  # the story tells what was received

    return Handler
