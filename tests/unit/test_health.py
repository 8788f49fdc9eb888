"""What an outside monitor is told: whether the reconciler passes, and nothing else."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from slipway import clock
from slipway.azure.store import Record
from triggers import health
from triggers.overview import STALE

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)


class Control:
    """The control filesystem, as far as it is asked."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, 0

    def read_at(self, path: str) -> Any:
        """The heartbeat, or what goes wrong."""
        assert path == "heartbeat/reconcile.json"
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer, NOW


def beat(age: timedelta) -> Record:
    """A heartbeat of that age."""
    return Record({"at": (NOW - age).isoformat()}, "etag", NOW - age)


def ask(monkeypatch: pytest.MonkeyPatch, control: Control, times: int = 1) -> tuple[int, dict[str, Any]]:
    """What is answered to the last of so many questions at one moment, without any principal."""
    monkeypatch.setattr(health, "lake", lambda: SimpleNamespace(control=control))
    monkeypatch.setattr(health, "_last", health._Last())
    monkeypatch.setattr(clock, "now", lambda: NOW)
    get: Any = health.get_health
    call = get._function._func if hasattr(get, "_function") else get
    for _ in range(times):
        answered = asyncio.run(call(func.HttpRequest("GET", "/api/health", body=b"")))
    return answered.status_code, json.loads(answered.get_body())


@pytest.mark.parametrize(
    ("answer", "status", "state"),
    [
        pytest.param(beat(timedelta(0)), 200, "ok", id="it has just passed"),
        pytest.param(beat(STALE), 200, "ok", id="it may be late"),
        pytest.param(beat(STALE + timedelta(seconds=1)), 503, "stale", id="it has stopped"),
        pytest.param(None, 503, "stale", id="it has never passed"),
        pytest.param(OSError("https://account/control?sig=x"), 503, "unavailable", id="nobody knows"),
    ],
)
def test_who_watches_learns_whether_it_passes_and_no_more(
    monkeypatch: pytest.MonkeyPatch, answer: Any, status: int, state: str
) -> None:
    """One word, for everybody: no name, no time, no error."""
    assert ask(monkeypatch, Control(answer)) == (status, {"status": state})


def test_nobody_makes_the_app_read_its_lake_at_will(monkeypatch: pytest.MonkeyPatch) -> None:
    """T1: anonymous questions within a few seconds are answered from memory."""
    control = Control(beat(timedelta(0)))

    ask(monkeypatch, control, times=20)

    assert control.asked == 1
