"""Histories in memory, so that an episode does not read and parse again what the last one had."""

from __future__ import annotations

import json
from collections import OrderedDict

from localcloud.functions.durable.events import Event, dump
from localcloud.functions.durable.store import Instance, Store

#: How many characters of histories are kept; the least recently used go first.
KEPT = 100_000_000


class History:
    """The events of one generation, parsed and as the JSON texts that are stored and handed to the SDK."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts
        self.events: list[Event] = [json.loads(text) for text in texts]

    @property
    def size(self) -> int:
        """How many characters the texts have."""
        return sum(map(len, self.texts))


class Histories:
    """Histories by execution, read from ``store`` when they are not in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[str, History] = OrderedDict()
        self._size = 0

    def of(self, instance: Instance) -> History:
        """Return the history of an instance's newest generation."""
        history = self._kept.get(instance.execution_id)
        if history is None:
            history = self._kept[instance.execution_id] = History(self._store.history(instance.instance_id))
            self._grown(history.size)
        self._kept.move_to_end(instance.execution_id)
        return history

    def extend(self, instance: Instance, events: list[Event]) -> None:
        """Add events that have been stored."""
        history = self._kept.get(instance.execution_id)
        if history is None:
            return
        texts = [dump(event) for event in events]
        history.texts += texts
        history.events += events
        self._grown(sum(map(len, texts)))

    def forget(self, execution_id: str) -> None:
        """Drop a history from memory."""
        history = self._kept.pop(execution_id, None)
        if history is not None:
            self._size -= history.size

    def _grown(self, size: int) -> None:
        self._size += size
        while self._size > KEPT and len(self._kept) > 1:
            self.forget(next(iter(self._kept)))
