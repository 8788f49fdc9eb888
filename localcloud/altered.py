"""What faults spoil on its way: answers (cut short, wrong in one bit, empty, slow, late news, misdated), JSON."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

#: How many answers of one request are kept for later, and up to which size, in bytes.
_KEPT, _LARGEST = 100, 1 << 20
#: How often a slow answer sends something, in seconds.
_DRIP = 0.1


class Altered:
    """What becomes of one answer. ``action`` is one of :data:`localcloud.faults.ALTERS` with its value."""

    def __init__(self, action: dict[str, Any]) -> None:
        self._action = action
        self._sent = 0

    @property
    def skew(self) -> float:
        """Seconds by which the answer's Date is ahead."""
        return float(self._action.get("skew", 0))

    @property
    def stale(self) -> float | None:
        """How old the answer is to be, in seconds; None for a fresh one."""
        return self._action.get("stale")

    async def send(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        """Send an answer whose body is known, spoiled; one that was streamed was spoiled by :meth:`write`."""
        if response.prepared or not isinstance(response, web.Response):
            return response
        body = response.body if isinstance(response.body, bytes | bytearray) else b""
        spoiled = web.StreamResponse(status=response.status, headers=response.headers)
        spoiled.content_length = 0 if "empty" in self._action else len(body)
        await spoiled.prepare(request)
        if request.method != "HEAD":
            await self.write(request, spoiled, bytes(body))
        return spoiled

    async def write(self, request: web.Request, response: web.StreamResponse, chunk: bytes) -> None:
        """Write one chunk of the body, spoiled. Raises ConnectionResetError where the answer breaks off."""
        begin, self._sent = self._sent, self._sent + len(chunk)
        if "drip" in self._action:
            piece = max(1, int(float(self._action["drip"]) * _DRIP))
            for position in range(0, len(chunk), piece):
                await response.write(chunk[position : position + piece])
                await asyncio.sleep(_DRIP)
            return
        await response.write(altered(self._action, chunk, begin))
        if "truncate" in self._action and self._sent >= self._action["truncate"]:
            if request.transport is not None:
                request.transport.close()
            raise ConnectionResetError("cut short by a fault")


def altered(action: dict[str, Any], chunk: bytes, begin: int = 0) -> bytes:
    """Return a chunk that begins at this position of a body, as ``action`` spoils it."""
    if "empty" in action:
        return b""
    if "truncate" in action:
        return chunk[: max(0, int(action["truncate"]) - begin)]
    position = int(action.get("flip", -1)) - begin
    if 0 <= position < len(chunk):
        return chunk[:position] + bytes([chunk[position] ^ 1]) + chunk[position + 1 :]
    return chunk


def corrupted(document: Any, how: Any) -> str:
    """Return a JSON document as a fault damages it: ``how`` is true, then it is no JSON, or is merged into it.

    Source: RFC 7396, JSON Merge Patch: null takes a field away.
    """
    if how is True:
        text = json.dumps(document)
        return text[: len(text) // 2]
    return json.dumps(_merged(document, how))


def _merged(document: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


@dataclass(frozen=True)
class _Answer:
    at: float
    status: int
    headers: dict[str, str]
    body: bytes


class OlderAnswers:
    """What requests were answered while a rule with ``stale`` was about them, for answers that are late news."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._known: dict[tuple[str, str], deque[_Answer]] = defaultdict(lambda: deque(maxlen=_KEPT))

    def answer(self, request: web.Request, response: web.StreamResponse, how: Altered | None) -> web.StreamResponse:
        """Keep this answer; return it, or the older one that a fault asks for."""
        body = response.body if isinstance(response, web.Response) else None
        if not isinstance(body, bytes | bytearray) or len(body) > _LARGEST:
            return response
        known = self._known[request.method, request.raw_path]
        known.append(_Answer(self._time(), response.status, dict(response.headers), bytes(body)))
        if how is None or how.stale is None:
            return response
        latest = self._time() - how.stale
        old = next((one for one in reversed(known) if one.at <= latest), known[0])
        return web.Response(status=old.status, headers=old.headers, body=old.body)
