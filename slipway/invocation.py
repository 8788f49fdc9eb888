"""The invocation that work belongs to: what is logged arrives under it, with its action, from whichever thread.

The Functions host drops a record that names no running invocation. The worker takes the name from the asyncio task, or
from a thread-local that it sets in its own threads alone; what `asyncio.to_thread` or a pool runs has neither. So the
invocation goes along in a context variable, which `asyncio.to_thread` and `Threads` hand on, and each record says it to
the worker, in its own thread. Of a record the worker sends level, text and logger; so the action stands in the text.
Source: azure-functions-python-worker 4.34 and 4.40, dispatcher.py: get_current_invocation_id, on_logging;
azure-functions-host, GrpcWorkerChannel.cs: Log; Functions, Python developer guide, "Logging from created threads".
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Any, Protocol, TypeVar, get_type_hints

Result = TypeVar("Result")


class Invocation(Protocol):
    """What of azure.functions.Context is needed here."""

    @property
    def invocation_id(self) -> str:
        """Which invocation it is."""

    @property
    def thread_local_storage(self) -> Any:
        """The worker's: its `invocation_id` is the invocation that the thread at hand works for."""


_current: ContextVar[Invocation | None] = ContextVar("invocation", default=None)


def belonging(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of the app remember its invocation, which the worker passes to a parameter called `context`.

    Annotations that are no classes are left out: the worker loads no app with `dict[str, Any]` in one (functions.py,
    validate_function_params). An orchestrator's `context` is another, so it stays as it is: it runs in the worker's
    own thread and starts none.
    """
    signature = inspect.signature(function)
    if "context" in signature.parameters:
        return function
    made = _belonging_task(function) if inspect.iscoroutinefunction(function) else _belonging_call(function)
    call: Callable[..., Any] = functools.wraps(function)(made)
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY)
    call.__annotations__ = {name: one for name, one in get_type_hints(function).items() if isinstance(one, type)}
    vars(call)["__signature__"] = signature.replace(parameters=[*signature.parameters.values(), context])
    return call


def _belonging_task(function: Callable[..., Any]) -> Callable[..., Any]:
    async def task(*, context: Invocation, **given: Any) -> Any:
        _current.set(context)  # ends with the task, which is this invocation's own
        return await function(**given)

    return task


def _belonging_call(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*, context: Invocation, **given: Any) -> Any:
        before = _current.set(context)
        try:
            return function(**given)
        finally:
            _current.reset(before)

    return call


class Threads(ThreadPoolExecutor):
    """A pool whose work belongs to the invocation that gave it: the app has no other."""

    def submit(self, work: Callable[..., Result], /, *given: Any, **named: Any) -> Future[Result]:
        """As that of any pool."""
        return super().submit(copy_context().run, work, *given, **named)


class Record(logging.LogRecord):
    """A record as the worker can send it on: it belongs to its invocation, and begins with its action."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        if (invocation := _current.get()) is not None:
            invocation.thread_local_storage.invocation_id = invocation.invocation_id

    def getMessage(self) -> str:  # noqa: N802 - the standard library's name
        """The text, with the action before it."""
        action = self.__dict__.get("action")
        return f"{action}: {super().getMessage()}" if action else super().getMessage()


def set_up_log() -> None:
    """Let all records of the process be such records; of Azure's SDKs only what went wrong.

    The worker's root logger lets INFO pass, at which each request and each token of the SDKs is a record of many lines.
    Source: Azure SDK for Python, "Configure logging"; azure.core.pipeline.policies.HttpLoggingPolicy.
    """
    logging.setLogRecordFactory(Record)
    logging.getLogger("azure").setLevel(logging.WARNING)
