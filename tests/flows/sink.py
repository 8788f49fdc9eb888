"""Where incidents go in the flows: two destinations on the loopback, which can be out of order.

One is a webhook that checks every signature; the other keeps alerts by their key, as PagerDuty does.

Sources: Standard Webhooks 1.0.0, symmetric signatures; CloudEvents 1.0, HTTP binding, structured mode; PagerDuty, "Send
an Alert Event", alert de-duplication: what acknowledges or resolves an alert that is not open is dropped.
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


PAGER_KEY = "0123456789abcdef0123456789abcdef"


class Sink:
    """A receiver of incidents. `answers`: `ok`, `down` (503, nothing taken) or `lost` (taken, and no answer given)."""

    def __init__(self) -> None:
        self.answers = "ok"
        self.pager_is_down = False
        self._paged: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.unwanted: set[str] = set()  #: models whose incidents are answered 400
        self._taken: dict[str, dict[str, Any]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def settings(self) -> dict[str, str]:
        """The app's settings that name this receiver."""
        url = f"http://127.0.0.1:{self._server.server_port}"
        destinations = {
            "sink": {"type": "webhook", "url": f"{url}/incidents", "secret": "SINK"},
            "pager": {"type": "pagerduty", "url": f"{url}/v2/enqueue", "secret": "PAGER"},
        }
        return {
            "SLIPWAY_DESTINATIONS": json.dumps(destinations),
            "SLIPWAY_SECRET_SINK": f"whsec_{base64.b64encode(KEY).decode()}",
            "SLIPWAY_SECRET_PAGER": PAGER_KEY,
        }

    def told(self, model: str | None) -> list[tuple[str, str]]:
        """Type and code of what was taken about a model, in the order of arrival; a repeated delivery counts once."""
        events = [event for event in list(self._taken.values()) if event["data"]["model"] == model]
        return [(event["type"].removeprefix("Slipway.Incident."), event["data"]["code"]) for event in events]

    def told_of(self, key: str) -> list[str]:
        """The types of what was taken about one incident, in the order of arrival."""
        events = [event for event in list(self._taken.values()) if event["data"]["key"] == key]
        return [event["type"].removeprefix("Slipway.Incident.") for event in events]

    def last(self, model: str | None) -> dict[str, Any]:
        """What was last told about a model."""
        return [event["data"] for event in list(self._taken.values()) if event["data"]["model"] == model][-1]

    def paged(self, model: str) -> list[tuple[str, str | None]]:
        """Action and severity of what the pager took about a model; what it drops, as PagerDuty does, is left out."""
        taken: list[tuple[str, str | None]] = []
        open_ = False
        for event in list(self._paged):
            if f"/{model}--" in event["dedup_key"] and (open_ or event["event_action"] == "trigger"):
                open_ = event["event_action"] != "resolve"
                taken.append((event["event_action"], event.get("payload", {}).get("severity")))
        return taken

    def page(self, event: dict[str, Any]) -> int:
        """Take an event as the Events API v2 does; returns the status to answer with."""
        if self.pager_is_down or self.answers == "down":
            return 503
        if event.get("routing_key") != PAGER_KEY:
            return 400
        self._paged.append(event)
        return 202

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
            if self.path == "/v2/enqueue":
                self.send_response(sink.page(json.loads(body)))
                self.end_headers()
            elif sink.answers == "down":
                self.send_error(503)
            elif json.loads(body)["data"]["model"] in sink.unwanted:
                self.send_error(400)
            elif sink.take(self.headers, body):
                self.send_response(204)
                self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing: the tests do."""

    return Handler
