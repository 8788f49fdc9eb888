"""Readiness: whether all inputs of a model's period are complete, and if not, which one blocks and why. Pure.

Everything is judged from what the lake shows; how a single folder is judged stands in `slipway.completeness`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from slipway.completeness import missing
from slipway.dataset import dataset_folders
from slipway.definition import Complete, Definition
from slipway.due import due_at, late
from slipway.listing import Entry, Folder, Listing
from slipway.period import Period
from slipway.snapshot import File
from slipway.windows import periods_read


class State(StrEnum):
    """Where an input stands."""

    ARRIVED = "arrived"  #: complete
    PARTIAL = "partial"  #: some of it is there
    WAITING = "waiting"  #: nothing of it is there
    LATE = "late"  #: not complete, and the run's outputs are overdue
    EXCUSED = "excused"  #: not complete, and the run does not wait for it


@dataclass(frozen=True)
class Publication:
    """What another model has published for a period, as its pointer and manifest say.

    `folder` is the output folder of the attempt; `outputs` has the files of each output, names below the output's
    own folder; `published_at` is aware UTC.
    """

    run: str
    folder: Folder
    published_at: datetime
    outputs: Mapping[str, tuple[Entry, ...]]


@dataclass(frozen=True)
class Wanted:
    """One thing to look at before readiness can be told: a dataset's folder, or a model's publication.

    `period` is the dataset's own; None if it is static.
    """

    input: str
    period: Period | None
    folder: Folder | None = None
    producer: tuple[str, str] | None = None  #: model and output


@dataclass(frozen=True)
class InputReadiness:
    """How one input stands.

    `since`: when the last file of an arrived input was written, when the first of a partial one was, when a late one
    was due. `files` and `bytes` count what is there. `blocks` says what is missing, in words; None if nothing is.
    `ask_again`: when time alone will change the answer (aware UTC).
    """

    name: str
    state: State
    since: datetime | None
    files: int
    bytes: int
    blocks: str | None
    ask_again: datetime | None


@dataclass(frozen=True)
class Readiness:
    """The answer: `ready`, input by input, and if ready the selected `files`, in the order of inputs and names."""

    model: str
    period: Period
    ready: bool
    inputs: tuple[InputReadiness, ...]
    files: tuple[File, ...]

    @property
    def blocks(self) -> str:
        """What blocks, in words; empty if nothing does."""
        return "; ".join(i.blocks for i in self.inputs if i.blocks and i.state is not State.EXCUSED)

    @property
    def ask_again(self) -> datetime | None:
        """When time alone will change the answer, at the earliest."""
        return min((i.ask_again for i in self.inputs if i.ask_again), default=None)

    def to_document(self) -> dict[str, Any]:
        """The answer as plain JSON, without the list of files."""
        return {
            "model": self.model,
            "period": str(self.period),
            "ready": self.ready,
            "blocks": self.blocks,
            "ask_again": _text(self.ask_again),
            "inputs": {
                i.name: {
                    "state": i.state.value,
                    "since": _text(i.since),
                    "files": i.files,
                    "bytes": i.bytes,
                    "blocks": i.blocks,
                    "ask_again": _text(i.ask_again),
                }
                for i in self.inputs
            },
        }


@dataclass(frozen=True)
class _Seen:
    """What one wanted thing looks like: `blocks` is None when it is complete."""

    files: tuple[File, ...] = ()
    since: datetime | None = None
    blocks: str | None = None
    ask_again: datetime | None = None


def wanted(definition: Definition, period: Period) -> list[Wanted]:
    """All that must be looked at to tell the readiness of a period, input by input."""
    found: list[Wanted] = []
    for name in definition.inputs:
        if producer := definition.producer(name):
            found += [Wanted(name, read, None, producer) for read in periods_read(definition, name, period)]
        else:
            folders = dataset_folders(definition, name, period)
            found += [Wanted(name, read, folder) for read, folder in folders.items()]
    return found


def assess(
    definition: Definition,
    period: Period,
    listings: Mapping[Folder, Listing],
    publications: Mapping[tuple[str, Period], Publication | None],
    now: datetime,
    released_at: datetime | None = None,
) -> Readiness:
    """Tell the readiness of a period from what was seen.

    Args:
        definition: The model's.
        period: Of the model's cadence.
        listings: One for every folder that `wanted` names; a folder that does not exist has an empty one.
        publications: One for every (model, period) that `wanted` names; None where nothing is published.
        now: Aware. Used for lateness alone.
        released_at: When the model was first released here; without it, nothing is called late.

    Raises:
        KeyError: A folder or publication was not looked at.
    """
    overdue = due_at(definition, period) if late(definition, period, now, released_at) else None
    everything = wanted(definition, period)
    inputs: list[InputReadiness] = []
    files: list[File] = []
    for name in definition.inputs:
        seen = [_look(definition, want, listings, publications) for want in everything if want.input == name]
        state, selected = _input_readiness(definition, name, seen, overdue)
        inputs.append(state)
        files += selected
    if len(files) > definition.limits.files:
        most = max(one.files for one in inputs)
        inputs = [_too_many(definition, one) if one.files == most else one for one in inputs]
    ready = all(one.state in (State.ARRIVED, State.EXCUSED) for one in inputs)
    return Readiness(definition.name, period, ready, tuple(inputs), tuple(files) if ready else ())


def _input_readiness(
    definition: Definition, name: str, seen: list[_Seen], overdue: datetime | None
) -> tuple[InputReadiness, tuple[File, ...]]:
    """How the input stands, and its files if they are selected."""
    if definition.inputs[name].max_age is not None:
        seen = _latest_complete(seen)
    files = tuple(file for one in seen for file in one.files)
    missing = [one for one in seen if one.blocks]
    ask_again = min((one.ask_again for one in seen if one.ask_again), default=None)
    times = [one.since for one in seen if one.since]
    size = sum(file.length for file in files)
    if not missing:
        arrived = InputReadiness(name, State.ARRIVED, max(times, default=None), len(files), size, None, ask_again)
        return arrived, files
    state, since = (State.PARTIAL if times else State.WAITING), min(times, default=None)
    if definition.inputs[name].optional:
        state = State.EXCUSED
    elif overdue:
        state, since = State.LATE, overdue
    return InputReadiness(name, state, since, len(files), size, _words(name, missing, len(seen)), ask_again), ()


def _latest_complete(seen: list[_Seen]) -> list[_Seen]:
    """Of the periods that would do, the latest complete one; all of them if none is, and the times to ask again."""
    chosen = next((index for index in reversed(range(len(seen))) if seen[index].blocks is None), None)
    if chosen is None:
        return seen
    again = min((one.ask_again for one in seen[chosen:] if one.ask_again), default=None)
    return [_Seen(seen[chosen].files, seen[chosen].since, None, again)]


def _words(name: str, missing: list[_Seen], all_: int) -> str:
    first = missing[0].blocks
    if all_ == 1:
        return f"{name}: {first}"
    return f"{name}: {len(missing)} of {all_} are not complete, first {first}"


def _too_many(definition: Definition, one: InputReadiness) -> InputReadiness:
    """The input with more files than a run may read in all, named as what blocks."""
    limit = definition.limits.files
    words = f"{one.name}: {one.files} files, and all inputs together more than limits.files allows ({limit})"
    return InputReadiness(one.name, State.PARTIAL, one.since, one.files, one.bytes, words, one.ask_again)


def _look(
    definition: Definition,
    want: Wanted,
    listings: Mapping[Folder, Listing],
    publications: Mapping[tuple[str, Period], Publication | None],
) -> _Seen:
    if want.producer is not None:
        assert want.period is not None
        return _published(want, publications[want.producer[0], want.period])
    assert want.folder is not None
    complete = definition.inputs[want.input].complete
    assert complete is not None
    return _landed(want, want.folder, listings[want.folder], complete)


def _published(want: Wanted, publication: Publication | None) -> _Seen:
    assert want.producer is not None
    model, output = want.producer
    if publication is None:
        return _Seen(blocks=f"{model} has not published {want.period}")
    if output not in publication.outputs:
        return _Seen(blocks=f"{model} published {want.period} without the output {output} ({publication.run})")
    folder = Folder(publication.folder.filesystem, f"{publication.folder.path}/{output}")
    files = tuple(_file(want, folder, entry) for entry in publication.outputs[output])
    return _Seen(files, publication.published_at)


def _landed(want: Wanted, folder: Folder, listing: Listing, complete: Complete) -> _Seen:
    """A dataset's folder by its own rule of completeness; whichever it is, at least one data file must be there."""
    entries = listing.data(complete.marker)
    files = tuple(_file(want, folder, entry) for entry in entries)
    blocks, ask_again = missing(folder, listing, complete)
    marker = listing.marker(complete.marker) if complete.marker else None
    times = [entry.modified for entry in entries] + ([marker.modified] if marker else [])
    since = (min if blocks else max)(times, default=None)
    return _Seen(files, since, blocks, ask_again)


def _file(want: Wanted, folder: Folder, entry: Entry) -> File:
    return File(
        input=want.input,
        period=want.period,
        name=entry.name,
        source=f"{folder}{entry.name}",
        length=entry.length,
        etag=entry.etag,
        hash=entry.hash,
        modified=entry.modified,
    )


def _text(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
