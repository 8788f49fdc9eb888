"""What a pass of the reconciler looks at: which periods, which folders, and what has changed since the last pass. Pure.

The pass itself holds no rule of its own; it asks `decide` wherever something may have changed.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from slipway.definition import Definition
from slipway.due import last_expected
from slipway.listing import Entry, Folder
from slipway.period import Period, PeriodError, span

#: What the listing of the period records shows of one (see `slipway.claim.index`).
State = Mapping[str, str]


def open_periods(definition: Definition, states: Mapping[str, State], now: datetime) -> Iterator[Period]:
    """The periods that may need something: ended, the model's own, and not done with, earliest first.

    After them those whose record names a time to be asked about, wherever they lie: a run by hand, a superseded output
    set, a job that will not end. `states` maps a period's text to what the listing shows of its record; a period
    without a record is absent.
    """
    last = last_expected(definition, now)
    asked = {text for text, state in states.items() if "ask" in state}
    for period in span(definition.first, last) if last else ():
        state = states.get(str(period))
        named = str(period) in asked
        asked.discard(str(period))
        if state is None or state.get("open") != "no" or named or takes_corrections(definition, period, now):
            yield period
    yield from sorted(_of_this_cadence(definition, asked))


def _of_this_cadence(definition: Definition, texts: Iterable[str]) -> Iterator[Period]:
    for text in texts:
        with suppress(PeriodError):  # a record from before the model's cadence was changed
            yield definition.period(text)


def takes_corrections(definition: Definition, period: Period, now: datetime) -> bool:
    """Whether a published period still takes new data: it lies within the model's `corrections` look-back.

    It is counted back from the end of the last of the model's own periods that has ended: a duration, or a number of
    periods (1: that last one alone).
    """
    last = last_expected(definition, now)
    if last is None or period > last:
        return False
    if isinstance(definition.corrections, timedelta):
        return last.interval(definition.zone).end - period.interval(definition.zone).end <= definition.corrections
    return last.shift(-definition.corrections) < period


def must_ask(state: State | None, now: datetime) -> bool:
    """Whether the record itself calls for an answer: its time to be asked about has come."""
    if state is None:
        return False
    ask = state.get("ask")
    return ask is not None and (not ask or datetime.fromisoformat(ask) <= now)


def prefixes(folders: Iterable[Folder]) -> dict[Folder, list[Folder]]:
    """Which folders to list so that each wanted one is seen by exactly one listing.

    Nested folders are seen by the outermost; where several have one parent, the parent is listed once for all.
    """
    wanted = sorted(set(folders))
    siblings: dict[Folder, int] = defaultdict(int)
    for folder in wanted:
        siblings[_parent(folder)] += 1
    roots = [parent if siblings[parent := _parent(folder)] > 1 and parent.path else folder for folder in wanted]
    listed: dict[Folder, list[Folder]] = {}
    outermost: Folder | None = None
    for root, folder in sorted(zip(roots, wanted, strict=True), key=lambda pair: (pair[0].filesystem, pair[0].prefix)):
        if outermost is None or not outermost.covers(root):
            outermost = root
        listed.setdefault(outermost, []).append(folder)
    return listed


def _parent(folder: Folder) -> Folder:
    return Folder(folder.filesystem, folder.path.rpartition("/")[0])


def digest(entries: Iterable[Entry]) -> str:
    """A short text that changes whenever the listing of a folder does."""
    hashed = hashlib.blake2b(digest_size=12)
    for entry in entries:
        hashed.update(f"{entry.name}\0{entry.length}\0{entry.etag}\0{entry.copy_status}\n".encode())
    return hashed.hexdigest()
