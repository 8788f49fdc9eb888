"""The app's HTTP API, asked from the command line: nothing else is read or written by the commands that use it.

A token is sent to the environment's own address and nowhere else: no redirect is followed. A change carries an
Idempotency-Key, so it is sent again when its answer was lost: it is carried out once all the same.
"""

from __future__ import annotations

import http.client
import json
import logging
import socket
import ssl
import threading
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from slipway.cli.environments import LOCAL, Target
from slipway.failure import redact

#: Seconds before a request whose answer was lost is sent again; once for each.
WAITS = (1.0, 3.0)
#: Seconds that an answer may take; Azure's front end waits 230 for the app. Source: Azure Functions, HTTP triggers.
PATIENCE = 240.0
#: A line break, as failures write it.
LINE = r"\n"
#: The most entries that a page of the API has.
PAGE = 500

Document = dict[str, Any]


class Refused(Exception):
    """The API's problem document (RFC 9457)."""

    def __init__(self, problem: Document) -> None:
        super().__init__(problem.get("title"))
        self.problem = problem


class Unreachable(Exception):
    """No answer of the API: nobody answers, somebody else does, or no token could be had. `detail` has the remedy."""

    def __init__(self, title: str, detail: str) -> None:
        super().__init__(detail)
        self.title, self.detail = title, detail


class NoAnswer(Unreachable):
    """The answer was lost, each time: a change may have been made."""


class NoName(ValueError):
    """What was given as a name would lead to another address."""


class _Lost(Exception):
    """The request was sent, perhaps; what became of it is not known."""


class _Stay(HTTPRedirectHandler):
    """Follows no redirect: it could lead a token elsewhere."""

    def redirect_request(self, *_: Any) -> None:
        """Not at all; the redirect itself is the answer."""


class Client:
    """One environment's API."""

    def __init__(self, target: Target) -> None:
        self.target = target
        # A proxy between two programs of this machine would only be told what they say.
        proxies = [ProxyHandler({})] if target.loopback else []
        self._opener: OpenerDirector = build_opener(_Stay, *proxies)

    def get(self, *way: str, **query: str | int | None) -> Document:
        """What lies at an address below `/api`, given name by name. Raises Refused or Unreachable."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._ask("GET", address(*way) + (f"?{urlencode(given)}" if given else ""))

    def post(self, *way: str, body: Mapping[str, Any], key: str | None = None) -> Document:
        """Ask for a change, once, under the given Idempotency-Key or one of its own. Raises Refused or Unreachable."""
        name = key or str(uuid.uuid4())
        try:
            return self._ask("POST", address(*way), body, {"Idempotency-Key": name})
        except NoAnswer as error:
            again = f"Whether it was carried out is not known; the same command with --key {name} asks safely again."
            raise NoAnswer(error.title, f"{error.detail} {again}") from error

    def pages(self, *way: str, **query: str | int | None) -> Iterator[Document]:
        """The pages of a list, one after the other."""
        cursor: str | None = None
        while True:
            page = self.get(*way, **query, cursor=cursor)
            yield page
            cursor = page["next"]
            if cursor is None:
                return

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, more: Mapping[str, str] | None = None
    ) -> Document:
        url = f"{self.target.url}/api/{path}"
        data = json.dumps(body).encode() if body is not None else None
        for wait in (*WAITS, None):
            headers = {"Accept": "application/json", "User-Agent": "slipway", **(more or {}), **self._token()}
            if data is not None:
                headers["Content-Type"] = "application/json"
            try:
                return self._once(Request(url, data, headers, method=method))  # noqa: S310 - http or https, as checked
            except _Lost as lost:
                if wait is None:
                    raise NoAnswer("No answer", f"{self.target.url} did not answer: {lost}.") from lost
                pause(wait)
        raise AssertionError("the last wait is None")

    def _once(self, request: Request) -> Document:
        try:
            with self._opener.open(request, timeout=PATIENCE) as answer:
                return self._document(answer.status, answer.headers, answer.read())
        except HTTPError as error:
            with error:
                return self._document(error.code, error.headers, _rest(error))
        except URLError as error:
            if isinstance(error.reason, ConnectionRefusedError | socket.gaierror | ssl.SSLCertVerificationError):
                raise self._nobody(error.reason) from error
            raise _Lost(redact(str(error.reason))) from error
        except (OSError, http.client.HTTPException) as error:
            raise _Lost(redact(str(error) or type(error).__name__)) from error

    def _document(self, status: int, headers: Any, body: bytes) -> Document:
        """The answer, if it is a good one. Raises Refused with the problem, or Unreachable for anything else."""
        try:
            document = json.loads(body) if "json" in headers.get("Content-Type", "") else None
        except ValueError:
            document = None
        if isinstance(document, dict) and 200 <= status < 300:
            return document
        if isinstance(document, dict) and {"title", "detail"} <= set(document):
            raise Refused(document)
        if status in (502, 504):  # from a gateway in front of the app, which may have done what it was asked
            raise _Lost(f"the gateway answered {status}")
        if status in (401, 403):
            raise Unreachable("Not signed in", f"{self.target.url} answered {status}. {self._remedy()}")
        if 300 <= status < 400:
            raise Unreachable("Not reachable", f"{self.target.url} answers with a redirect, and none is followed.")
        what = f"{self.target.url} answered {status}, and not as Slipway does"
        raise Unreachable("Not reachable", f"{what}: is it the app's address, without /api?")

    def _token(self) -> dict[str, str]:
        """The Authorization header. The credential keeps a token until it is old."""
        if self.target.audience is None:
            return {}
        from slipway.azure.credential import credential
        from slipway.azure.failures import failure_of

        logging.getLogger("azure").setLevel(logging.CRITICAL)  # what it would say is said below, once
        try:
            token = credential().get_token(f"{self.target.audience}/.default").token
        except Exception as error:
            failure = failure_of(error)  # raises again what is a bug
            # The first line says that there is none; what follows lists every way to sign in that there is.
            raise Unreachable("Not signed in", f"{failure.message.partition(LINE)[0]} {self._remedy()}") from error
        return {"Authorization": f"Bearer {token}"}

    def _remedy(self) -> str:
        return f"Sign in to the tenant of {self.target.name} (`az login`) and try again."

    def _nobody(self, reason: Exception) -> Unreachable:
        hint = " `make up` starts the local one; --env names another." if self.target.name == LOCAL else ""
        return Unreachable("Not reachable", f"Nobody answers at {self.target.url}: {redact(str(reason))}.{hint}")


def address(*way: str) -> str:
    """The path of these names, each a segment of it. Raises NoName for one that would lead elsewhere."""
    for name in way:
        if name in ("", ".", ".."):
            raise NoName(f"{name!r} is no name")
    return "/".join(quote(name, safe="") for name in way)


def pause(seconds: float) -> None:
    """Wait."""
    threading.Event().wait(seconds)


def _rest(error: HTTPError) -> bytes:
    """The body of an answer that is none of the good ones. Raises _Lost if it broke off."""
    try:
        return error.read()
    except (OSError, http.client.HTTPException) as broken:
        raise _Lost(redact(str(broken) or type(broken).__name__)) from broken
