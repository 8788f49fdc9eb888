"""Looking at inputs: what the lake shows of the folders and publications that a period reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from slipway import clock, paths
from slipway.azure.lake import lake
from slipway.catalog import Released
from slipway.definition import Definition
from slipway.failure import Failed, Failure, Kind
from slipway.invocation import Threads
from slipway.listing import Entry, Folder, Listing
from slipway.manifest import MANIFEST
from slipway.period import Period
from slipway.readiness import Publication, Readiness, assess, wanted
from slipway.run import RunId
from slipway.settings import settings
from slipway.snapshot import File, Part, fingerprint, parts
from slipway.staging import differences, index, target
from slipway.sweep import prefixes

#: How often a listing is taken again until two agree; a folder that never rests is asked for again later.
LOOKS = 4
#: How many publications are read at a time.
READERS = 8
#: How many parts of a snapshot are written at a time: of 200,000 files there are a thousand.
WRITERS = 8
MIB = 1 << 20


def assess_inputs(
    definition: Definition, period: Period, found: Released | None = None
) -> tuple[Readiness, tuple[File, ...], str | None]:
    """The readiness of a period, and if it is ready its files and their fingerprint.

    A state is believed when two looks agree on it: pages of one listing may be of different moments. Fails
    `inputs-changing` (data, transient) for folders that do not rest meanwhile.
    """
    seen = look_at_inputs(definition, period, found)
    if not seen.ready:
        return seen, (), None
    before = fingerprint(seen.files)
    for _ in range(LOOKS):
        seen = look_at_inputs(definition, period, found)
        now = fingerprint(seen.files)
        if seen.ready and now == before:
            return seen, seen.files, now
        before = now
    raise Failed(
        Failure(Kind.DATA, "inputs-changing", f"The inputs of {definition.name} {period} keep changing.", True)
    )


def look_at_inputs(definition: Definition, period: Period, found: Released | None) -> Readiness:
    """The readiness of a period, as one look at its inputs shows it."""
    [(_, readiness)] = look_at_all(definition, [period], found)
    return readiness


def look_at_all(
    definition: Definition, periods: Sequence[Period], found: Released | None
) -> Iterator[tuple[Period, Readiness]]:
    """The readiness of each of the periods, as one look at all their inputs shows it: what they share is seen once."""
    wants = [want for period in periods for want in wanted(definition, period)]
    listings = list_folders({want.folder for want in wants if want.folder})
    producers = list({(want.producer[0], want.period) for want in wants if want.producer and want.period})
    with Threads(READERS) as pool:
        read = pool.map(lambda pair: publication(*pair), producers)
        publications = dict(zip(producers, read, strict=True))
    first_released_at, now = found.first_released_at if found else None, clock.now()
    for period in periods:
        yield period, assess(definition, period, listings, publications, now, first_released_at)


def list_folders(folders: Iterable[Folder]) -> dict[Folder, Listing]:
    """The listings of these folders, in as few requests as their places allow; what does not exist is empty."""
    listings: dict[Folder, Listing] = {}
    for root, inside in prefixes(folders).items():
        whole = _list(root)
        for folder in inside:
            below = folder.path[len(root.prefix) :]
            listings[folder] = whole.below(below) if below else whole
    return listings


def _list(folder: Folder) -> Listing:
    found_at, entries = lake().store(folder.filesystem).listing(folder.prefix)
    listed = tuple(replace(entry, name=entry.name.removeprefix(folder.prefix)) for entry in entries)
    return Listing(found_at(), listed)


def publication(model: str, period: Period) -> Publication | None:
    """What a model has published for a period, as its pointer and manifest say; None where nothing is, or no more."""
    pointer = lake().models.read(paths.pointer(model, period))
    manifest = lake().models.read(f"{pointer.data['folder']}/{MANIFEST}") if pointer and pointer.data["run"] else None
    if pointer is None or manifest is None:
        return None
    outputs: dict[str, list[Entry]] = {}
    for file in manifest.data["files"]:
        output, name = file["name"].split("/", 1)
        outputs.setdefault(output, []).append(
            Entry(name, file["length"], file["etag"], file["sha256"], pointer.modified)
        )
    folder = Folder(lake().models.name, pointer.data["folder"])
    files = {output: tuple(entries) for output, entries in outputs.items()}
    return Publication(pointer.data["run"], folder, pointer.modified, files)


def staged_before(run: RunId) -> tuple[File, ...] | None:
    """The files that an earlier run staged, to be copied from there; None if they are not whole (any more).

    They are what that run read, whatever became of its sources since: each is listed again and compared.
    """
    index_record, top = lake().control.read(paths.snapshot_index(run)), f"{paths.inputs_folder(run)}/"
    if index_record is None or not lake().models.exists(paths.staged_manifest(run)):
        return None
    records = [lake().control.read(paths.snapshot_part(run, part)) for part in range(index_record.data["parts"])]
    planned = [Part.from_document(record.data) for record in records if record]
    listed = {entry.name: entry for entry in lake().models.list(top) if not entry.is_directory}
    listed.pop(paths.staged_manifest(run), None)
    entries = {name.removeprefix(top): entry for name, entry in listed.items()}
    if differences(planned, {name: (entry.length, entry.hash) for name, entry in entries.items()}):
        return None
    files = {item.file for part in planned for item in part.items}
    name = lake().models.name
    return tuple(
        replace(file, source=f"{name}/{top}{target(file)}", etag=entries[target(file)].etag)
        for file in sorted(files, key=target)
    )


def write_snapshot(run: RunId, files: Sequence[File]) -> None:
    """Lay down the exact files a run is for, in parts that are copied one by one; the index last, each written once.

    The run's id holds the fingerprint, so whoever writes it twice writes the same.
    """
    if lake().control.exists(paths.snapshot_index(run)):
        return
    planned = parts(files, settings().copy_block_threshold_mib * MIB)
    places = [paths.snapshot_part(run, number) for number in range(len(planned))]
    with Threads(WRITERS) as pool:
        list(pool.map(lambda place, part: lake().control.create(place, part.to_document()), places, planned))
    lake().control.create(paths.snapshot_index(run), index(files, planned))
