"""Where incidents go in the flows: a webhook on the loopback that checks every signature and can be out of order.

Source: Standard Webhooks 1.0.0, symmetric signatures; CloudEvents 1.0, HTTP binding, structured mode.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = b"the key of the flows' own webhook"


class Sink:
    """A receiver of incidents. `answers`: `ok`, `down` (503, nothing taken) or `lost` (taken, and no answer given)."""

    def __init__(self) -> None:
        self.answers = "ok"
        self.refused: list[str] = []
        self.unwanted: set[str] = set()  #: models whose incidents are answered 400
        self._taken: dict[str, dict[str, Any]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def settings(self) -> dict[str, str]:
        """The app's settings that name this receiver."""
        url = f"http://127.0.0.1:{self._server.server_port}/incidents"
        return {
            "SLIPWAY_DESTINATIONS": json.dumps({"sink": {"type": "webhook", "url": url, "secret": "SINK"}}),
            "SLIPWAY_SECRET_SINK": f"whsec_{base64.b64encode(KEY).decode()}",
        }

    def told(self, model: str) -> list[tuple[str, str]]:
        """Type and code of what was taken about a model, in the order of arrival; a repeated delivery counts once."""
        events = [event for event in list(self._taken.values()) if event["data"]["model"] == model]
        return [(event["type"].removeprefix("Slipway.Incident."), event["data"]["code"]) for event in events]

    def last(self, model: str) -> dict[str, Any]:
        """What was last told about a model."""
        return [event["data"] for event in list(self._taken.values()) if event["data"]["model"] == model][-1]

    def take(self, headers: Any, body: bytes) -> bool:
        """Take a message; returns whether to answer at all. A wrong signature is noted in `refused`."""
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        right = "v1," + base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
        if headers["webhook-signature"] != right:
            self.refused.append(headers["webhook-id"])
        self._taken.setdefault(headers["webhook-id"], json.loads(body))
        return self.answers != "lost"

    def stop(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._server.server_close()


def _handler(sink: Sink) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if sink.answers == "down":
                self.send_error(503)
            elif json.loads(body)["data"]["model"] in sink.unwanted:
                self.send_error(400)
            elif sink.take(self.headers, body):
                self.send_response(204)
                self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing: the tests do."""

    return Handler
