"""The app's log as it would arrive: each record under its invocation, or marked as one that Azure loses.

The worker names the invocation of a record by the asyncio task that logs, or else by a thread-local that it sets in its
own threads; the host drops what names none that runs. Here nothing is dropped: a desk has no other log.
Source: azure-functions-python-worker, ``dispatcher.py``, ContextEnabledTask and get_current_invocation_id;
azure-functions-host, ``GrpcWorkerChannel.cs``, Log.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LOST = "no invocation, lost in Azure"
#: What the host's own process says: in Azure it has a log of its own.
_HOSTS_OWN = ("localcloud", "aiohttp", "asyncio")

#: What a function's context shows as ``thread_local_storage``.
storage = threading.local()
_running: dict[str, str] = {}


class Task(asyncio.Task[Any]):
    """A task that belongs to the invocation of the task that made it."""

    def __init__(self, coro: Any, **options: Any) -> None:
        super().__init__(coro, **options)
        self.invocation_id: str | None = getattr(asyncio.current_task(self.get_loop()), "invocation_id", None)


def set_up() -> None:
    """Write records to standard error, INFO and above, as the worker's root logger lets them pass."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s%(under)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(_mark)


@contextmanager
def invocation(invocation_id: str, function: str) -> Iterator[None]:
    """Within the block the function's invocation runs, in the current :class:`Task`, which must be its own."""
    task = asyncio.current_task()
    assert isinstance(task, Task)
    task.invocation_id = storage.invocation_id = invocation_id
    _running[invocation_id] = function
    try:
        yield
    finally:
        del _running[invocation_id]


@contextmanager
def thread_of(invocation_id: str) -> Iterator[None]:
    """Within the block the current thread, one of the worker's, runs the invocation's function."""
    storage.invocation_id = invocation_id
    try:
        yield
    finally:
        storage.invocation_id = None


def _mark(record: logging.LogRecord) -> bool:
    if record.name.partition(".")[0] in _HOSTS_OWN:
        record.under = ""
    else:
        record.under = f" [{_running.get(_invocation_id() or '', LOST)}]"
    return True


def _invocation_id() -> str | None:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs in this thread
        task = None
    of_task: str | None = getattr(task, "invocation_id", None)
    return of_task or getattr(storage, "invocation_id", None)
