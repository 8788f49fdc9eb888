"""What a pass of the reconciler costs beside its requests: 200 daily models with two years of periods, pure parts only.

    make bench

Three passes are timed, with windows of one day and of thirty-one: the first one ever, with a year of data that nobody
has looked at; one where nothing happened; and one where a single file landed for each model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import TypeVar

from slipway.dataset import DatasetIndex
from slipway.definition import Definition
from slipway.listing import Folder
from slipway.period import Period
from slipway.sweep import State, digests, open_periods, places_read, prefixes

MODELS, FILES = 200, 10
NOW = datetime(2015, 1, 2, 12, tzinfo=UTC)
FIRST, BACKLOG = "2013-01-01", "2014-01-02"

Result = TypeVar("Result")


@dataclass(frozen=True)
class File:
    """A listed file."""

    name: str
    length: int = 1000
    etag: str = "0x8DABCDEF0123456"
    copy_status: str | None = None


def model(number: int, window: int, first: str) -> Definition:
    """A daily model that reads its own dataset, whose published periods take corrections for a year."""
    name = f"model-{number:03}"
    rows = {
        "path": f"landing/{name}/{{period:%Y-%m-%d}}/",
        "complete": {"marker": "_SUCCESS"},
        "periods": {"from": 1 - window, "to": 0},
    }
    return Definition.from_document(
        {
            "name": name,
            "version": "0123456789ab",
            "description": "Measures.",
            "owner": "bench",
            "cadence": "daily",
            "timezone": "America/New_York",
            "first_period": first,
            "inputs": {"rows": rows},
            "outputs": {"scores": {}},
            "job": {"command": "true"},
        }
    )


def timed(what: str, effect: Callable[[], Result]) -> Result:
    """Do it, and print how long it took."""
    began = perf_counter()
    result = effect()
    print(f"  {what:<52} {perf_counter() - began:7.2f} s")
    return result


def listing(inside: list[Folder], changed: bool) -> Iterator[File]:
    """What the lake would answer: some files in each folder; changed, one more in the last."""
    for folder in inside:
        yield from (File(f"{folder.path}/part-{number:03}.parquet") for number in range(FILES))
    if changed:
        yield File(f"{max(inside).path}/part-{FILES:03}.parquet")


def measure(window: int, published: bool) -> None:
    """Time the parts of a pass, over models that have published all their periods or none."""
    print(f"{MODELS} daily models, windows of {window} days, {'all published' if published else 'a year of backlog'}")
    models = [model(number, window, FIRST if published else BACKLOG) for number in range(MODELS)]
    index = DatasetIndex(models)
    days = [str(period) for period in open_periods(models[0], {}, NOW)]
    states: dict[str, State] = {day: {"open": "no"} for day in days} if published else {}
    open_ = timed("open periods", lambda: {one.name: open_periods(one, states, NOW) for one in models})
    folders, _ = timed("places read", lambda: places_read((one, open_[one.name]) for one in models))
    roots = timed("folders to list", lambda: prefixes(folders))

    def look(changed: bool) -> dict[Folder, str]:
        return {
            folder: digest
            for inside in roots.values()
            for folder, digest in digests(listing(inside, changed), inside).items()
        }

    def readers(changed: set[Folder]) -> set[tuple[str, Period]]:
        still = {name: set(periods) for name, periods in open_.items()}
        found = (pair for folder in changed for pair in index.readers(folder, NOW))
        return {(name, period) for name, period in found if period in still[name]}

    before = timed("digests", lambda: look(changed=False))
    after = look(changed=True)
    first = timed("readers of all folders (the first pass)", lambda: readers(set(before)))
    second = {folder for folder, digest in after.items() if before[folder] != digest}
    later = timed(f"readers of {len(second)} changed folders", lambda: readers(second))
    print(f"  {sum(map(len, open_.values()))} open periods, {len(folders)} folders, {len(roots)} listings;", end=" ")
    print(f"{len(first)} asked, then {len(later)}\n")


if __name__ == "__main__":
    for window in (1, 31):
        for published in (False, True):
            measure(window, published)
