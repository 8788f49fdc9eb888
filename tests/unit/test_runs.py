"""Changes over HTTP: what is durable is answered 202, whatever the engine says of it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from activities import start_run
from tests.unit.builders import a_definition
from triggers import runs
from triggers.api import Principal

RUN = "flight-delay--2013-01--0123abcd-1"
RECORD = {"claim": {"run": RUN, "attempt": 2, "token": ""}}


class SilentEngine:
    """A durable client whose engine answers nothing but errors."""

    async def start_new(self, *_: Any) -> str:
        """Fail, as when the engine's storage is throttled."""
        raise Exception("The operation failed with an unhandled exception")

    async def raise_event(self, *_: Any) -> None:
        """Fail in the same way."""
        raise Exception("Something went wrong while raising event")


@pytest.mark.parametrize("action", ["start_run_by_hand", "cancel_run", "resume_run"])
def test_a_request_that_is_durable_is_accepted_while_the_engine_is_down(
    action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lake has the claim or the wish, and the reconciler sees to it: an error would have it sent again."""
    monkeypatch.setattr(runs, "operator", lambda _: Principal("ann", frozenset()))
    monkeypatch.setattr(runs, "settings", lambda: SimpleNamespace(public_url=None))
    monkeypatch.setattr(runs, "once", lambda *_: {"run": RUN})
    monkeypatch.setattr(runs, "released", lambda _: SimpleNamespace(definition=a_definition()))
    for module in (runs, start_run):
        monkeypatch.setattr(module, "lake", lambda: SimpleNamespace(period=lambda *_: RECORD))
    body = b'{"reason": "why not", "period": "2013-01"}' if action == "start_run_by_hand" else b'{"reason": "why not"}'
    route = {"model": "flight-delay", "run": RUN}
    request = func.HttpRequest("POST", "/", body=body, route_params=route)

    handler = getattr(runs, action).build().get_user_function().client_function
    answer = asyncio.run(handler(request, client=SilentEngine()))

    assert answer.status_code == 202
