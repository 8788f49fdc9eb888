"""Histories in memory, so that an episode does not read and parse again what the last one had."""

from __future__ import annotations

import json
from collections import OrderedDict

from localcloud.functions.durable.events import Event, dump
from localcloud.functions.durable.store import Instance, Store

#: How many instances' histories are kept; the least recently used go first.
KEPT = 1000


class History:
    """The events of one generation, parsed and as the JSON texts that are stored and handed to the SDK."""

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts
        self.events: list[Event] = [json.loads(text) for text in texts]

    def extend(self, events: list[Event]) -> None:
        """Add events that have been stored."""
        self.texts += [dump(event) for event in events]
        self.events += events


class Histories:
    """Histories by execution, read from ``store`` when they are not in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[str, History] = OrderedDict()

    def of(self, instance: Instance) -> History:
        """Return the history of an instance's newest generation."""
        history = self._kept.get(instance.execution_id)
        if history is None:
            history = self._kept[instance.execution_id] = History(self._store.history(instance.instance_id))
        self._kept.move_to_end(instance.execution_id)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return history

    def forget(self, execution_id: str) -> None:
        """Drop a history from memory."""
        self._kept.pop(execution_id, None)
