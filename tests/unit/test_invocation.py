"""What is logged arrives: under its invocation, from whichever thread, with its action."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import threading
import typing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import function_app
from slipway.invocation import Record, Threads, belonging, set_up_log
from triggers.app import App

PROJECT = Path(__file__).parents[2]
log = logging.getLogger("slipway")


class Worker(logging.Handler):
    """Finds the invocation of each record as the worker does in a thread without a task: by its thread-local."""

    def __init__(self) -> None:
        super().__init__()
        self.local = threading.local()
        self.seen: list[tuple[str | None, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Note the invocation and the text."""
        self.seen.append((getattr(self.local, "invocation_id", None), self.format(record)))

    def context(self, invocation_id: str) -> Any:
        """What the worker passes as `context`."""
        return SimpleNamespace(invocation_id=invocation_id, thread_local_storage=self.local)


@pytest.fixture
def worker() -> Iterator[Worker]:
    """The root logger as the worker leaves it to the app, and as the app sets it up."""
    root, sdks, factory = logging.getLogger(), logging.getLogger("azure"), logging.getLogRecordFactory()
    one, levels = Worker(), (root.level, sdks.level)
    root.addHandler(one)
    root.setLevel(logging.INFO)
    set_up_log()
    yield one
    root.removeHandler(one)
    root.setLevel(levels[0])
    sdks.setLevel(levels[1])
    logging.setLogRecordFactory(factory)


def test_from_threads_of_a_task(worker: Worker) -> None:
    """An async function's record names its invocation in a thread, in a pool of that thread, beside another's."""

    @belonging
    async def function(ask: str) -> None:
        await asyncio.to_thread(deeper, ask)

    def deeper(ask: str) -> None:
        log.info(ask)
        with Threads(2) as pool:
            list(pool.map(log.info, [f"{ask} deep"] * 3))

    async def both() -> None:
        tasks = (function(ask=name, context=worker.context(name)) for name in ("a", "b"))
        await asyncio.gather(*map(asyncio.create_task, tasks))

    asyncio.run(both())
    assert sorted(worker.seen) == [(name, text) for name in "ab" for text in (name, *[f"{name} deep"] * 3)]


def test_from_threads_of_a_plain_function(worker: Worker) -> None:
    """As for an async one; what the same thread does next is not the invocation's any more."""

    @belonging
    def function(ask: str) -> str:
        with Threads(1) as pool:
            return pool.submit(said, ask).result()

    def said(ask: str) -> str:
        log.info(ask)
        return ask

    with ThreadPoolExecutor(1) as workers:
        for name in ("a", "b"):
            assert workers.submit(function, ask=name, context=worker.context(name)).result() == name
        worker.local = threading.local()
        workers.submit(log.info, "after").result()
    assert worker.seen == [("a", "a"), ("b", "b"), (None, "after")]


def test_a_pool_without_it_would_lose_what_is_logged(worker: Worker) -> None:
    """Why there is one: any other pool knows no invocation."""

    @belonging
    def function() -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(log.info, "said").result()

    function(context=worker.context("a"))
    assert worker.seen == [(None, "said")]


def test_the_action_is_part_of_the_text(worker: Worker) -> None:
    """The worker sends level, text and logger alone; so a record begins with its action, if it has one."""
    log.warning("%s was not sent", "x", extra={"action": "incident_not_sent"})
    log.info("said")
    assert [text for _, text in worker.seen] == ["incident_not_sent: x was not sent", "said"]


def test_requests_of_the_sdks_are_not_logged(worker: Worker) -> None:
    """Each would be a record of a dozen lines; what went wrong is logged."""
    for name in ("azure.core.pipeline.policies.http_logging_policy", "azure.identity", "azure.storage.blob"):
        logging.getLogger(name).info("Request URL: ...")
        logging.getLogger(name).warning("wrong")
    assert [text for _, text in worker.seen] == ["wrong"] * 3


def test_every_function_takes_its_invocation() -> None:
    """As the worker reads signatures: all of the app take `context`, and have no annotation that is no class."""
    app = App()
    for module in (*function_app.TRIGGERS, *function_app.ORCHESTRATORS, *function_app.ACTIVITIES):
        app.register_functions(module.bp)
    functions = {one.get_function_name(): one for one in app.get_functions()}
    for name, one in functions.items():
        call, bound = one.get_user_function(), {binding.name for binding in one.get_bindings()} - {"$return"}
        assert set(inspect.signature(call).parameters) == bound | {"context"}, name
        hints = typing.get_type_hints(call)
        assert "context" not in hints or "context" in bound, name
        assert all(isinstance(hint, type) for hint in hints.values()), f"{name}: the worker loads no app with {hints}"
    assert inspect.iscoroutinefunction(functions["reconcile"].get_user_function())
    assert not inspect.iscoroutinefunction(functions["copy_batch"].get_user_function())
    assert isinstance(function_app.app, App)
    assert logging.getLogRecordFactory() is Record


def test_settings_give_each_function_that_may_run_a_thread() -> None:
    """The desk's settings and the sample hold what host.json admits."""
    durable = json.loads((PROJECT / "host.json").read_text())["extensions"]["durableTask"]
    need = durable["maxConcurrentActivityFunctions"] + durable["maxConcurrentOrchestratorFunctions"]
    sample = json.loads((PROJECT / "local.settings.sample.json").read_text())["Values"]

    assert int(sample["PYTHON_THREADPOOL_THREAD_COUNT"]) == need
    assert f'PYTHON_THREADPOOL_THREAD_COUNT: "{need}"' in (PROJECT / "localcloud.yaml").read_text()


def test_the_app_hands_out_copies_of_its_functions() -> None:
    """What is registered stays as it was written: other apps, and tests, find it so."""
    registered = function_app.TRIGGERS[0].bp._function_builders[0]._function
    before = registered.get_user_function()

    function_app.app.get_functions()

    assert registered.get_user_function() is before
    assert "context" not in inspect.signature(before).parameters
