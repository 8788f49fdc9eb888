"""What a pass of the reconciler looks at: which periods, which places, and what has changed since the last pass. Pure.

The pass itself holds no rule of its own; it asks `decide` wherever something may have changed. The work here grows with
the periods that are open and the files that are listed, never with the width of windows.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from slipway.definition import Definition
from slipway.due import due_at, last_expected
from slipway.listing import Entry, Folder
from slipway.period import Period, PeriodError, first_ending, span
from slipway.template import Template
from slipway.windows import periods_read_between

#: What the listing of the period records shows of one (see `slipway.period_record.index`).
State = Mapping[str, str]

#: What is remembered of a folder without files, or a pointer that is not there.
NOTHING = ""


# Periods


def open_periods(definition: Definition, states: Mapping[str, State], now: datetime) -> list[Period]:
    """The periods whose inputs matter: ended, the model's own, and not done with, earliest first.

    `states` maps a period's text to what the listing shows of its record; a period without a record is absent. What
    records themselves call for, wherever they lie, `must_ask` says.
    """
    last = last_expected(definition, now)
    if last is None:
        return []
    correctable = _first_correctable(definition, last)
    return [
        period
        for period in span(definition.first, last)
        if correctable <= period or (state := states.get(str(period))) is None or state.get("open") != "no"
    ]


def ended_since(definition: Definition, before: datetime | None, now: datetime) -> list[Period]:
    """The model's own periods that ended after `before`; with None, the last alone.

    Whatever their inputs show was there before the question could be asked, so no change will call for it.
    """
    last = last_expected(definition, now)
    if last is None:
        return []
    if before is None:
        return [last]
    known = last_expected(definition, before)
    return list(span(known.shift(1) if known else definition.first, last))


def takes_corrections(definition: Definition, period: Period, now: datetime) -> bool:
    """Whether a published period still takes new data: it lies within the model's `corrections` look-back.

    It is counted back from the end of the last of the model's own periods that has ended: a duration, or a number of
    periods (1: that last one alone).
    """
    last = last_expected(definition, now)
    return last is not None and _first_correctable(definition, last) <= period <= last


def _first_correctable(definition: Definition, last: Period) -> Period:
    """The first period within the look-back from `last`; the one after `last` where there is no look-back."""
    try:
        if isinstance(definition.corrections, timedelta):
            end = last.interval(definition.zone).end
            return first_ending(definition.cadence, end - definition.corrections, definition.zone)
        return last.shift(1 - definition.corrections)
    except (PeriodError, OverflowError):  # before the first of all years
        return definition.first


def overdue(
    definition: Definition, periods: Sequence[Period], now: datetime, released_at: datetime | None
) -> Iterator[Period]:
    """Those of the periods (earliest first) whose outputs are late at `now`, latest first; see `slipway.due.late`."""
    if definition.due is None or released_at is None:
        return
    for period in reversed(periods):
        due = due_at(definition, period)
        if due is None or due < released_at:
            return  # backlog, as is all before it
        if due <= now:
            yield period


def must_ask(state: State | None, now: datetime) -> bool:
    """Whether the record itself calls for an answer: its time to be asked about has come."""
    if state is None:
        return False
    ask = state.get("ask")
    return ask is not None and datetime.fromisoformat(ask) <= now


# Places


def places_read(open_: Iterable[tuple[Definition, Sequence[Period]]]) -> tuple[set[Folder], set[tuple[str, Period]]]:
    """The folders, and the publications (model and period), that the open periods of these models read between them.

    Periods of one model are given earliest first.
    """
    datasets: dict[Template, set[Period | None]] = defaultdict(set)
    publications: set[tuple[str, Period]] = set()
    for definition, periods in open_:
        runs = list(_stretches(periods))
        for name in definition.inputs if runs else ():
            reads = {read for run in runs for read in periods_read_between(definition, name, *run)}
            if producer := definition.producer(name):
                publications |= {(producer[0], read) for read in reads}
            elif template := definition.template(name):
                datasets[template] |= reads if template.cadence else {None}
    return {template.folder(read) for template, reads in datasets.items() for read in reads}, publications


def _stretches(periods: Sequence[Period]) -> Iterator[tuple[Period, Period]]:
    """The first and the last of each unbroken row of periods."""
    first: Period | None = None
    last: Period | None = None
    for period in periods:
        if first is None or last is None or last.shift(1) != period:
            if first is not None and last is not None:
                yield first, last
            first = period
        last = period
    if first is not None and last is not None:
        yield first, last


def prefixes(folders: Iterable[Folder]) -> dict[Folder, list[Folder]]:
    """Which folders to list so that each wanted one is seen by exactly one listing.

    Nested folders are seen by the outermost; where several have one parent, the parent is listed once for all.
    """
    wanted = [(folder, _parent(folder)) for folder in set(folders)]
    siblings = Counter(parent for _, parent in wanted)
    roots = {parent: Folder(*parent) for parent, count in siblings.items() if count > 1 and parent[1]}
    pairs = [(roots.get(parent, folder), folder) for folder, parent in wanted]
    listed: dict[Folder, list[Folder]] = {}
    outermost: Folder | None = None
    for root, folder in sorted(pairs, key=_place_of_both):
        if outermost is None or not outermost.covers(root):
            outermost = root
        listed.setdefault(outermost, []).append(folder)
    return listed


def _parent(folder: Folder) -> tuple[str, str]:
    return folder.filesystem, folder.path.rpartition("/")[0]


def _place_of_both(pair: tuple[Folder, Folder]) -> tuple[str, str, str]:
    return pair[0].filesystem, pair[0].prefix, pair[1].prefix


# Changes


def digests(entries: Iterable[Entry], folders: Iterable[Folder]) -> dict[Folder, str]:
    """For each folder a short text that changes whenever what lies in it does; one without files is left out.

    `entries` is the listing of one folder that holds them all. It is read once, entry by entry, and not kept.
    """
    wanted = {folder.path: folder for folder in folders}
    hashes: dict[str, hashlib.blake2b] = {}
    for entry in entries:
        path = entry.name
        while path := path.rpartition("/")[0]:
            if path in wanted:
                fact = f"{entry.name[len(path) :]}\0{entry.length}\0{entry.etag}\0{entry.copy_status}\n"
                hashes.setdefault(path, hashlib.blake2b(digest_size=12)).update(fact.encode())
    return {wanted[path]: hashed.hexdigest() for path, hashed in hashes.items()}
