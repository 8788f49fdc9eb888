"""The index from folders of the lake to the models and periods that read them, and back.

One trie for all models: a lookup walks the segments of a path, whatever the number of models. The same index serves
landing events, which only wake, and reconcile, which finds everything; so the lookup of an event is bounded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from slipway.definition import Definition
from slipway.due import expected_periods, last_expected
from slipway.listing import Folder
from slipway.names import InvalidName, relative_path
from slipway.period import Period, PeriodError
from slipway.template import Template, segment_pattern
from slipway.windows import periods_read, runs_reading

#: How many periods of a model one event wakes at most, the latest ones; reconcile finds the others.
MOST_WOKEN = 100
#: The same for a file of a static dataset, which concerns every period: its files may land by the thousand.
MOST_WOKEN_BY_STATIC = 12


@dataclass
class _Node:
    """One segment on the way to datasets: what may follow it, and the datasets whose folder ends here."""

    literals: dict[str, _Node] = field(default_factory=dict)
    patterns: dict[str, _Node] = field(default_factory=dict)
    uses: dict[Template, list[tuple[Definition, str]]] = field(default_factory=lambda: defaultdict(list))

    def child(self, segment: str) -> _Node:
        """The node after this segment of a template, made if need be."""
        return (self.patterns if "%" in segment else self.literals).setdefault(segment, _Node())

    def after(self, name: str) -> Iterator[_Node]:
        """The nodes that a path with this name next leads to."""
        if name in self.literals:
            yield self.literals[name]
        for segment, node in self.patterns.items():
            if segment_pattern(segment).fullmatch(name):
                yield node

    def below(self) -> Iterator[_Node]:
        """All nodes below this one."""
        waiting = [self]
        while waiting:
            children = [*(node := waiting.pop()).literals.values(), *node.patterns.values()]
            yield from children
            waiting += children


class DatasetIndex:
    """Which models and periods read a folder, for one set of definitions.

    Only the filesystems named in `landing` take part: whatever a definition says, no path of Slipway's own
    filesystems ever leads to a run.
    """

    def __init__(self, definitions: Iterable[Definition], landing: Collection[str] = ("landing",)) -> None:
        self._definitions = {definition.name: definition for definition in definitions}
        self._roots = {filesystem: _Node() for filesystem in landing}
        self._consumers: dict[str, list[tuple[Definition, str]]] = defaultdict(list)
        for definition in self._definitions.values():
            for name in definition.inputs:
                self._add(definition, name)

    def _add(self, definition: Definition, name: str) -> None:
        if producer := definition.producer(name):
            self._consumers[producer[0]].append((definition, name))
        elif (template := definition.template(name)) and template.filesystem in self._roots:
            node = self._roots[template.filesystem]
            for segment in template.segments:
                node = node.child(segment)
            node.uses[template].append((definition, name))

    def match(self, filesystem: str, path: str, now: datetime) -> set[tuple[str, Period]]:
        """The (model, period) pairs that what happened at `path` may concern, of periods that have ended at `now`.

        `path` is a file or folder: inside a dataset's folder, or that folder itself, or a folder above (a parent was
        renamed into place). For a folder above, the periods below it cannot be told, so the latest 100 of each model
        that reads there are meant. A path that is malformed or concerns nobody gives the empty set.
        """
        try:
            names = relative_path(path).split("/")
        except InvalidName:
            return set()
        nodes = [self._roots[filesystem]] if filesystem in self._roots else []
        found: set[tuple[str, Period]] = set()
        for depth, name in enumerate(names, start=1):
            nodes = [child for node in nodes for child in node.after(name)]
            for node in nodes:
                found |= _readers(node, names[:depth], now, bounded=True)
        for node in nodes:
            for below in node.below():
                found |= _all_readers(below, now)
        return found

    def readers(self, folder: Folder, now: datetime) -> set[tuple[str, Period]]:
        """All (model, period) pairs whose inputs name exactly this folder, of periods that have ended at `now`."""
        names = folder.path.split("/")
        nodes = [self._roots[folder.filesystem]] if folder.filesystem in self._roots else []
        for name in names:
            nodes = [child for node in nodes for child in node.after(name)]
        return {pair for node in nodes for pair in _readers(node, names, now, bounded=False)}

    def consumers(self, model: str, period: Period, now: datetime, *, bounded: bool = True) -> set[tuple[str, Period]]:
        """The (model, period) pairs that read what `model` published for `period`, of periods ended at `now`.

        Of each model the latest 100, unless all are asked for.
        """
        return {
            pair
            for definition, name in self._consumers.get(model, ())
            if definition.input_cadence(name) is period.cadence
            for pair in _pairs(definition, name, period, now, bounded=bounded)
        }

    def folders(self, model: str, period: Period) -> list[Folder]:
        """The folders that the run of a model for a period reads, without other models' outputs."""
        definition = self._definitions[model]
        return [folder for name in definition.inputs for folder in dataset_folders(definition, name, period).values()]


def dataset_folders(definition: Definition, name: str, period: Period) -> dict[Period | None, Folder]:
    """The folders of one input for the run of `period`, by the dataset's period, earliest first; none for `from`."""
    template = definition.template(name)
    if template is None:
        return {}
    if template.cadence is None:
        return {None: template.folder(None)}
    return {read: template.folder(read) for read in periods_read(definition, name, period)}


def _readers(node: _Node, names: list[str], now: datetime, *, bounded: bool) -> set[tuple[str, Period]]:
    """The pairs that read the dataset folder with these segments."""
    found: set[tuple[str, Period]] = set()
    for template, uses in node.uses.items():
        period = template.period(names)
        for definition, name in uses:
            if template.cadence is None:
                found |= _latest(definition, now, MOST_WOKEN_BY_STATIC if bounded else None)
            elif period is not None:
                found |= _pairs(definition, name, period, now, bounded=bounded)
    return found


def _all_readers(node: _Node, now: datetime) -> set[tuple[str, Period]]:
    models = {definition.name: definition for uses in node.uses.values() for definition, _ in uses}
    return {pair for definition in models.values() for pair in _latest(definition, now, MOST_WOKEN)}


def _pairs(
    definition: Definition, name: str, dataset_period: Period, now: datetime, *, bounded: bool
) -> set[tuple[str, Period]]:
    """The model's own periods whose run reads this period of the input and which have ended: the latest 100, or all."""
    latest = last_expected(definition, now)
    try:
        first, last = runs_reading(definition, name, dataset_period)
    except PeriodError:
        return set()
    if latest is None or last < definition.first:
        return set()
    period, found = min(last, latest), set[tuple[str, Period]]()
    while period >= max(first, definition.first) and not (bounded and len(found) >= MOST_WOKEN):
        found.add((definition.name, period))
        period = period.shift(-1)
    return found


def _latest(definition: Definition, now: datetime, number: int | None) -> set[tuple[str, Period]]:
    return {(definition.name, period) for period in islice(expected_periods(definition, now), number)}
