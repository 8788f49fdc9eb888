"""One request to a receiver of incidents, and what its answer means.

Written with the standard library's HTTP client: it follows no redirects, has no retries of its own, and lets the
address be checked after connecting and before anything is sent, which no name server can undermine.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from slipway.addresses import is_loopback, is_refused
from slipway.failure import Failed, Failure, Kind

#: Seconds for each step of the exchange. Standard Webhooks advises 15 to 30 for the whole.
TIMEOUT = 15
#: How much of an answer is read, in bytes: enough for a ticket, or the reason of a refusal.
ANSWER_LIMIT = 65_536
#: How much of a refusal is quoted, in characters.
QUOTED = 500

_TRANSIENT = frozenset({401, 403, 408, 425, 429})


@dataclass(frozen=True)
class Request:
    """What is sent: a whole request, its body as bytes."""

    method: str
    url: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What came back, once it was accepted."""

    status: int
    body: bytes = b""

    def json(self) -> Any:
        """The answer as JSON. Raises Failed (transient) for what is none."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Failed(_failure("damaged-answer", f"answered what is no JSON: {error}", transient=True)) from error


Send = Callable[[Request], Answer]


def as_json(
    method: str, url: str, document: Any, headers: Mapping[str, str] | None = None, kind: str = "application/json"
) -> Request:
    """A request with a JSON body."""
    body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    return Request(method, url, body, {"Content-Type": f"{kind}; charset=utf-8", **(headers or {})})


def send(request: Request) -> Answer:
    """Send a request once, and return what was answered 2xx, or 404, which the caller may expect.

    Raises:
        Failed: Not answered so. Transient if the receiver did not answer, was busy or failed, or did not accept who
            asks, which a secret that was renewed mends; a redirect or any other refusal is permanent.
    """
    try:
        status, retry_after, body = _exchange(request)
    except (OSError, http.client.HTTPException) as error:
        raise Failed(_failure("no-answer", f"did not answer: {error}", transient=True)) from error
    # Azure DevOps answers a token that it does not take with 203 and a page to sign in at.
    if 200 <= status < 300 and status != 203:
        return Answer(status, body)
    if status == 404:
        return Answer(status, body)
    transient = status in _TRANSIENT or status >= 500 or status == 203
    quoted = body.decode(errors="replace").strip()[:QUOTED]
    message = f"answered {status}: {quoted}" if quoted and status != 203 else f"answered {status}"
    raise Failed(_failure("unavailable" if transient else "rejected", message, transient, retry_after))


def found(answer: Answer) -> Answer:
    """The answer, where a 404 is as bad as any refusal. Raises Failed."""
    if answer.status == 404:
        raise Failed(_failure("rejected", "answered 404: there is nothing at this address", transient=False))
    return answer


def _exchange(request: Request) -> tuple[int, float | None, bytes]:
    parts = urlsplit(request.url)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            host, parts.port, timeout=TIMEOUT, context=ssl.create_default_context()
        )
    elif parts.scheme == "http" and is_loopback(host):
        connection = http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT)
    else:
        raise Failed(_failure("rejected", "has an address that is not https", transient=False))
    try:
        connection.connect()
        address = connection.sock.getpeername()[0]
        if is_refused(address, loopback_named=is_loopback(host)):
            message = f"resolves to {address}, which is no address for a receiver; correct SLIPWAY_DESTINATIONS"
            raise Failed(_failure("rejected", message, transient=False))
        way = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(request.method, way, request.body, {"User-Agent": "slipway", **request.headers})
        response = connection.getresponse()
        body = response.read(ANSWER_LIMIT)
        return response.status, _seconds(response.headers.get("Retry-After")), body
    finally:
        connection.close()


def _seconds(text: str | None) -> float | None:
    # A date is not worth a second clock here: without a number the sender's own back-off holds.
    return float(text) if text and text.isdecimal() else None


def _failure(code: str, what: str, transient: bool, retry_after: float | None = None) -> Failure:
    return Failure(Kind.PLATFORM, code, f"The receiver of incidents {what}", transient, retry_after)
