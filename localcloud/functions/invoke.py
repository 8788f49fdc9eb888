"""Invokes functions: arguments through azure-functions' converters, plain functions in threads, async ones here.

Source: azure-functions-python-worker, ``dispatcher.py`` and ``bindings/meta.py``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func
from azure.functions import meta

from localcloud.functions.app import Function

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
        self._local = threading.local()
        self._local.invocation_id = invocation_id

    @property
    def invocation_id(self) -> str:
        """A new UUID for each invocation."""
        return self._invocation_id

    @property
    def thread_local_storage(self) -> Any:
        """Storage of the invoking thread."""
        return self._local

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

    Orchestrators have threads of their own, so that replays do not wait behind long activities.
    """

    def __init__(self, timeout: float) -> None:
        cores = os.cpu_count() or 1
        threads = int(os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT") or min(32, cores + 4))
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="function")
        self._replays = ThreadPoolExecutor(cores, thread_name_prefix="orchestrator")
        self._registry = func.get_binding_registry()

    async def invoke(
        self, function: Function, data: dict[str, meta.Datum], metadata: dict[str, Any] | None = None
    ) -> Any:
        """Call ``function`` with ``data`` (by binding name) and return its encoded result, a Datum or None.

        Raises :class:`InvocationError`.
        """
        try:
            arguments = self._arguments(function, data, metadata or {})
            async with asyncio.timeout(None if self._timeout == float("inf") else self._timeout):
                result = await self._call(function, arguments)
            return self._encoded(function, arguments, result)
        except TimeoutError as problem:
            raise InvocationTimeoutError(
                f"Timeout value of {self._timeout:g} s was exceeded by function: {function.name}"
            ) from problem
        except Exception as problem:
            if function.kind != "orchestrationTrigger":
                log.warning("function %s failed", function.name, exc_info=problem)
            raise InvocationError(_text(function, problem)) from problem

    def close(self) -> None:
        """Give the threads up; functions that still run are abandoned."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._replays.shutdown(wait=False, cancel_futures=True)

    def _arguments(self, function: Function, data: dict[str, meta.Datum], metadata: dict[str, Any]) -> dict[str, Any]:
        arguments = {
            name: self._registry.get(kind).decode(data[name], trigger_metadata=metadata)
            for name, kind in function.inputs.items()
        }
        if function.wants_context:
            arguments["context"] = _Context(str(uuid.uuid4()), function)
        if function.response:
            arguments[function.response] = _Out()
        return arguments

    async def _call(self, function: Function, arguments: dict[str, Any]) -> Any:
        if function.is_async:
            return await function.call(**arguments)
        pool = self._replays if function.kind == "orchestrationTrigger" else self._threads
        context = copy_context()
        return await asyncio.get_running_loop().run_in_executor(pool, lambda: context.run(function.call, **arguments))

    def _encoded(self, function: Function, arguments: dict[str, Any], result: Any) -> Any:
        if function.output:
            return self._registry.get(function.output).encode(result, expected_type=None)
        if result is not None:
            raise RuntimeError(f"function {function.name!r} without a $return binding returned a non-None value")
        response = arguments[function.response].get() if function.response else None
        return None if response is None else self._registry.get("http").encode(response, expected_type=None)


def _text(function: Function, problem: Exception) -> str:
    """Return the exception as the host words it; an orchestrator's own text carries its state and stays as it is."""
    if function.kind == "orchestrationTrigger":
        return str(problem)
    return f"{type(problem).__name__}: {problem}"
