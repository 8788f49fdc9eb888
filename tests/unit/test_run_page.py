"""The page of a run, which people open when something is wrong: each of its parts may be missing, and then says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest
from azure.core.exceptions import ServiceRequestError

from slipway.failure import Failed
from slipway.period_record import End
from tests.unit.test_api import a_request
from tests.unit.test_claim import an_ended
from tests.unit.test_run_view import FAILURE, ID, a_receipt, a_view, an_end
from triggers import api, history, run_files, run_page
from triggers.api import Problem
from triggers.runs import Look

VIEW = a_view(an_ended(End.FAILED), an_end("failed"), a_receipt("copy_batch", 2, 6, batch=0))
PARTS = ("outputs_of", "inputs_of", "lineage_of", "_readers")


class SilentEngine:
    """A durable client whose engine answers nothing but errors, as the SDK words them."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def get_status(self, instance: str, **_: Any) -> Any:
        """Fail, as when the engine's storage is gone."""
        self.asked.append(instance)
        raise Exception("The operation failed with an unhandled exception")


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Look:
    """A run that failed, of which nothing but its records can be had."""

    def silent(*_: Any) -> Any:
        raise ServiceRequestError("refused <b>here</b>")

    async def no_log(*_: Any) -> Any:
        silent()

    look = Look(ID, VIEW, None, frozenset())
    monkeypatch.setattr(api, "settings", lambda: SimpleNamespace(platform_auth=True))
    monkeypatch.setattr(run_page, "look_at", lambda _: look)
    monkeypatch.setattr(run_page, "log_of", no_log)
    for part in PARTS:
        monkeypatch.setattr(run_page, part, silent)
    return look


def the_page(live: str = "") -> str:
    """The page as a browser gets it."""
    request = a_request({"name": "Ann"})
    asked = func.HttpRequest(
        "GET", "/", headers=dict(request.headers), params={"live": live}, route_params={"run": ID.text}, body=b""
    )
    handler: Callable[..., Any] = run_page.page_run.build().get_user_function().client_function  # type: ignore[attr-defined]
    told = asyncio.run(handler(asked, client=SilentEngine()))
    assert told.status_code == 200
    text: str = told.get_body().decode()
    return text


@pytest.mark.usefixtures("look")
def test_what_the_lake_knows_is_shown_whatever_else_does_not_answer() -> None:
    """The failure, the state and what was done; each other part says in its place that it is not shown, and why."""
    page = the_page()

    assert f"{FAILURE['kind']}/{FAILURE['code']}" in page
    assert "copy_batch" in page
    assert "The engine did not answer" in page
    assert page.count("A service did not answer as it should") == len(("log", *PARTS))
    assert "refused &lt;b&gt;here" in page
    assert "There is none" not in page
    assert "None are selected" not in page
    assert "None are verified" not in page


@pytest.mark.usefixtures("look")
def test_what_is_renewed_is_asked_for_without_what_does_not_change() -> None:
    """Each part that says `data-live` is there, and no files and no lineage."""
    whole, live = the_page(), the_page("yes")

    for part in ("state", "changes", "timeline-now", "log-now"):
        assert f'id="{part}"' in whole
        assert f'id="{part}"' in live
    for part in ("inputs", "outputs", "lineage"):
        assert f'id="{part}"' in whole
        assert f'id="{part}"' not in live


def test_what_is_not_there_is_no_failure_and_a_bug_is_told_as_one(caplog: pytest.LogCaptureFixture) -> None:
    """A part that has a bug leaves the others alone, too."""

    async def good() -> int:
        return 1

    async def absent() -> int:
        raise Problem(404, "No log", "It has none.")

    async def buggy() -> int:
        raise KeyError("inner words")

    with caplog.at_level(logging.ERROR, "slipway"):
        found, missing = asyncio.run(run_page.gathered({"a": good(), "b": absent(), "c": buggy()}))

    assert found == {"a": 1, "b": None, "c": None}
    assert list(missing) == ["c"]
    assert "inner" not in missing["c"]
    assert "inner words" in caplog.text


def test_the_engine_is_not_asked_of_attempts_whose_history_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only of the rest; where it does not answer, what is kept and the receipts tell."""
    engine = SilentEngine()
    look = Look(ID, {**VIEW, "attempt": 3}, None, frozenset({1, 2}))
    kept = [{"schema": 1, "attempt": number, "stories": []} for number in (1, 2)]
    monkeypatch.setattr(history, "_kept", lambda _: kept)

    told = asyncio.run(history.history_of(look, engine))  # type: ignore[arg-type]

    assert engine.asked
    assert all("-a3" in instance for instance in engine.asked)
    assert [(one["what"], one["source"]) for one in told["timeline"]] == [("copy_batch", "receipt")]
    assert "attempt 3" in told["missing"]


def test_azure_ml_has_its_time_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it does not answer at all, that is what is told."""
    waiting = asyncio.Event()

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(
            run_files, "_log_of", lambda *_: asyncio.run_coroutine_threadsafe(waiting.wait(), loop).result()
        )
        with pytest.raises(Failed, match=r"no-answer: Azure ML did not answer within 0 s"):
            await run_files.log_of(ID, None, 0.01)
        waiting.set()

    asyncio.run(ask())
