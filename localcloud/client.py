"""Talks to the control endpoint of a running cloud."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

#: The control endpoint is on the loopback: no proxy of the environment is asked.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
_CHUNK = 1024 * 1024


class RefusedError(Exception):
    """The control endpoint refused a call; the text is its own."""


class ControlClient:
    """Calls of ``address``, e.g. ``http://127.0.0.1:7070``; each raises :class:`RefusedError` with the reason."""

    def __init__(self, address: str) -> None:
        self._address = address

    def get(self, path: str) -> Any:
        """Return the JSON that ``path`` answers; that of an unhealthy cloud counts."""
        return self._call("GET", path)

    def post(self, path: str, document: object) -> Any:
        """Send a change and return the JSON answer."""
        return self._call("POST", path, document)

    def delete(self, path: str) -> Any:
        """Delete what ``path`` names and return the JSON answer."""
        return self._call("DELETE", path)

    def download(self, path: str) -> Iterator[bytes]:
        """Yield the bytes of a file of the lake."""
        with self._answer(urllib.request.Request(f"{self._address}/files/{quote(path)}")) as answer:  # noqa: S310
            if answer.headers.get_content_type() == "application/json":
                raise RefusedError(f"{path} is a folder; list it: python -m localcloud ls {path}")
            while chunk := answer.read(_CHUNK):
                yield chunk

    def _call(self, method: str, path: str, document: object = None) -> Any:
        body = None if document is None else json.dumps(document).encode()
        headers = {"X-Localcloud": "1", "Accept": "application/json", "Content-Type": "application/json"}
        address = f"{self._address}{quote(path)}"
        with self._answer(urllib.request.Request(address, data=body, headers=headers, method=method)) as answer:  # noqa: S310
            return json.load(answer)

    def _answer(self, request: urllib.request.Request) -> Any:
        try:
            return _open(request, timeout=60)
        except urllib.error.HTTPError as refusal:
            if refusal.code == 503:
                return refusal
            raise RefusedError(_message(refusal)) from refusal
        except OSError as problem:
            raise RefusedError(f"the cloud at {self._address} does not answer: {problem}") from problem


def _message(refusal: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(refusal)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {refusal.code}"
