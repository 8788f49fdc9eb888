"""Invokes functions: arguments through azure-functions' converters, plain functions in threads, async ones here.

Source: azure-functions-python-worker, ``dispatcher.py`` and ``bindings/meta.py``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func
from azure.functions import meta

from localcloud.functions.app import Function
from localcloud.functions.log import Task, invocation, storage, thread_of

log = logging.getLogger(__name__)


class InvocationError(Exception):
    """A function raised, could not be given its arguments, or took too long; the text is ``TypeName: message``."""


class InvocationTimeoutError(InvocationError):
    """A function took longer than ``functionTimeout``."""


class _Context(func.Context):
    """What a parameter ``context: func.Context`` receives."""

    def __init__(self, invocation_id: str, function: Function) -> None:
        self._invocation_id = invocation_id
        self._function = function

    @property
    def invocation_id(self) -> str:
        """A new UUID for each invocation."""
        return self._invocation_id

    @property
    def thread_local_storage(self) -> Any:
        """Where the worker finds the invocation that a thread works for: ``invocation_id``."""
        return storage

    @property
    def function_name(self) -> str:
        """The function's name."""
        return self._function.name

    @property
    def function_directory(self) -> str:
        """The app's folder."""
        return str(Path.cwd())

    @property
    def trace_context(self) -> Any:
        """No tracing is propagated locally; the names in capitals are the worker's older ones."""
        now = {"trace_parent": "", "trace_state": "", "attributes": {}}
        return SimpleNamespace(**now, Traceparent="", Tracestate="", Attributes={})

    @property
    def retry_context(self) -> Any:
        """The first attempt, always: retry decorators are refused."""
        return SimpleNamespace(retry_count=0, max_retry_count=0, exception=None)


class _Out(func.Out[Any]):
    """What a parameter ``response: func.Out[func.HttpResponse]`` receives."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, val: Any) -> None:
        """Keep the function's response."""
        self._value = val

    def get(self) -> Any:
        """Return what was kept last, or None."""
        return self._value


class Invoker:
    """Runs functions; ``timeout`` (seconds of real time) is ``functionTimeout`` of host.json.

    Plain functions share the threads of one pool, orchestrators and activities alike: long ones keep the others waiting
    where the setting ``PYTHON_THREADPOOL_THREAD_COUNT`` does not give threads enough.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(_thread_count(), thread_name_prefix="function")
        self._registry = func.get_binding_registry()

    async def invoke(
        self, function: Function, data: dict[str, meta.Datum], metadata: dict[str, Any] | None = None
    ) -> Any:
        """Call ``function`` with ``data`` (by binding name) and return its encoded result, a Datum or None.

        Raises :class:`InvocationError`.
        """
        try:
            async with asyncio.timeout(None if self._timeout == float("inf") else self._timeout):
                return await Task(self._run(function, data, metadata or {}), loop=asyncio.get_running_loop())
        except TimeoutError as problem:
            raise InvocationTimeoutError(
                f"Timeout value of {self._timeout:g} s was exceeded by function: {function.name}"
            ) from problem
        except Exception as problem:
            if function.kind != "orchestrationTrigger":
                log.warning("function %s failed", function.name, exc_info=problem)
            raise InvocationError(_text(function, problem)) from problem

    @property
    def threads(self) -> int:
        """How many plain functions run at once."""
        return self._threads._max_workers

    def close(self) -> None:
        """Give the threads up; functions that still run are abandoned."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, function: Function, data: dict[str, meta.Datum], metadata: dict[str, Any]) -> Any:
        """One invocation, in a task of its own."""
        invocation_id = str(uuid.uuid4())
        with invocation(invocation_id, function.name):
            arguments = self._arguments(function, data, metadata, invocation_id)
            if function.is_async:
                result = await function.call(**arguments)
            else:
                result = await asyncio.get_running_loop().run_in_executor(
                    self._threads, _in_thread, invocation_id, function, arguments
                )
            return self._encoded(function, arguments, result)

    def _arguments(
        self, function: Function, data: dict[str, meta.Datum], metadata: dict[str, Any], invocation_id: str
    ) -> dict[str, Any]:
        arguments = {
            name: self._registry.get(kind).decode(data[name], trigger_metadata=metadata)
            for name, kind in function.inputs.items()
        }
        if function.wants_context:
            arguments["context"] = _Context(invocation_id, function)
        if function.response:
            arguments[function.response] = _Out()
        return arguments

    def _encoded(self, function: Function, arguments: dict[str, Any], result: Any) -> Any:
        if function.output:
            return self._registry.get(function.output).encode(result, expected_type=None)
        if result is not None:
            raise RuntimeError(f"function {function.name!r} without a $return binding returned a non-None value")
        response = arguments[function.response].get() if function.response else None
        return None if response is None else self._registry.get("http").encode(response, expected_type=None)


def _in_thread(invocation_id: str, function: Function, arguments: dict[str, Any]) -> Any:
    with thread_of(invocation_id):
        return function.call(**arguments)


def _thread_count() -> int | None:
    """How many plain functions run at once; None for the pool's own number, which is that of the cores and four.

    Source: azure-functions-python-worker, ``dispatcher.py``, _get_sync_tp_max_workers.
    """
    given = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT", "")
    if given and not (given.isdecimal() and int(given) >= 1):
        log.warning("PYTHON_THREADPOOL_THREAD_COUNT is a number from 1 on, not %r: it is left out of account", given)
        return None
    return int(given) if given else None


def _text(function: Function, problem: Exception) -> str:
    """Return the exception as the host words it; an orchestrator's own text carries its state and stays as it is."""
    if function.kind == "orchestrationTrigger":
        return str(problem)
    return f"{type(problem).__name__}: {problem}"
