"""Slipway's HTTP API, as any client sees it."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

#: Seconds a request may take while all processors work on jobs.
TIMEOUT = 30
#: The app is on the loopback: no proxy of the environment is asked.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


class Api:
    """The API at `address`, e.g. `http://127.0.0.1:7071`. Each call raises OSError when it is not answered well."""

    def __init__(self, address: str) -> None:
        self.address = address

    def period(self, model: str, period: str) -> dict[str, Any]:
        """Return the card of a period: readiness, active run, publication, last run, incident."""
        return self._get(f"models/{model}/periods/{period}")

    def run(self, run: str) -> dict[str, Any]:
        """Return a run: state, cause, steps with their times, failure."""
        return self._get(f"runs/{run}")

    def _get(self, path: str) -> dict[str, Any]:
        with _open(f"{self.address}/api/{path}", timeout=TIMEOUT) as answer:
            document: dict[str, Any] = json.load(answer)
            return document
