"""Assessing a period: look at the lake, decide, and lay down the snapshot of a run that is to start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import azure.durable_functions as df

from activities.effects import Ask, effect
from slipway import catalog, clock, paths
from slipway.azure.lake import lake
from slipway.catalog import Released
from slipway.claim import End
from slipway.decision import Decision, Seen, decide, needs_inputs
from slipway.definition import Definition
from slipway.due import due_at, late
from slipway.failure import Failed, Failure, Kind
from slipway.incident import Incident
from slipway.listing import Entry, Folder, Listing
from slipway.manifest import MANIFEST
from slipway.period import Period
from slipway.readiness import Publication, Readiness, assess, wanted
from slipway.run import RunId
from slipway.settings import settings
from slipway.snapshot import File, fingerprint, parts
from slipway.staging import index
from slipway.sweep import prefixes, takes_corrections

bp = df.Blueprint()

#: Which activity carries out a decision; waiting and doing nothing need none.
ACTIVITIES = {
    "start": "start_run",
    "next_attempt": "start_run",
    "roll_forward": "roll_forward",
    "give_up": "give_up",
    "close_outputs": "close_outputs",
    "end_jobs": "end_orphans",
    "open_incident": "open_incident",
    "resolve_incident": "resolve_incident",
    "raise_incident": "report_late",
}
#: How often a listing is taken again until two agree; a folder that never rests is asked for again later.
LOOKS = 4
MIB = 1 << 20


@bp.activity_trigger(input_name="ask")
@effect
def assess_period(ask: Ask) -> dict[str, Any]:
    """Decide what should happen for the model and period, and answer it with the activity that does it.

    A run that is to start has its snapshot in the lake when this returns: history holds its run's id, not its files.
    """
    found = released(ask["model"])
    if found is None:
        return {"activity": None, "why": f"no model {ask['model']} is released"}
    return decision_for(found, found.definition.period(ask["period"]))


def decision_for(found: Released, period: Period, at_odds: bool = False) -> dict[str, Any]:
    """The decision as one document: `activity` (None for none), why, when to ask again, and what the activity needs.

    `at_odds`: the listings show that the incident may not fit the record, so it is read whatever the record says.
    """
    seen, files = look(found, period, at_odds)
    decision = decide(seen)
    return _document(seen, decision, _plan(decision, seen, files))


def decision_of_record(model: str, period: Period) -> dict[str, Any]:
    """As `decision_for`, from the period's record alone: all that is left to do for a model that is released no more.

    What was published goes on to its readers, jobs are ended, superseded outputs closed. Nothing new is begun: a dead
    owner's run is given up.
    """
    record, now = lake().period_at(model, period)
    seen = Seen(
        now=now,
        model=model,
        period=period,
        version="",
        ends=now,
        due=None,
        in_range=False,
        takes_corrections=False,
        on_new_data="ignore",
        attempts=0,
        paused=False,
        record=record,
        incident=_open_incident(model, period),
    )
    return _document(seen, decide(seen), None)


def _document(seen: Seen, decision: Decision, plan: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "activity": ACTIVITIES.get(decision.action),
        "model": seen.model,
        "period": str(seen.period),
        "why": decision.why,
        "ask_again": decision.ask_again.isoformat() if decision.ask_again else None,
        "run": decision.run,
        "attempt": decision.attempt,
        "plan": plan,
        "takeover": decision.action == "next_attempt",
    }


def released(model: str) -> Released | None:
    """The model as it is released here, or None."""
    return catalog.load(lake().control).models.get(model)


def glance(found: Released, period: Period) -> Seen:
    """As `look`, to be shown: one look at the inputs, and one even where the decision would need none."""
    seen = _without_inputs(found, period)
    readiness = _look_at_inputs(found.definition, period, found)
    wanted_now = readiness.ready and needs_inputs(seen)
    return replace(seen, readiness=readiness, fingerprint=fingerprint(readiness.files) if wanted_now else None)


def look(found: Released, period: Period, at_odds: bool = False) -> tuple[Seen, tuple[File, ...]]:
    """All that the decision about a period rests on, as the lake shows it now, and the selected input files.

    The inputs are looked at only if they matter; there are no files while they are not complete.
    """
    seen = _without_inputs(found, period, at_odds)
    if not needs_inputs(seen):
        return seen, ()
    readiness, files, found_fingerprint = assess_inputs(found.definition, period, found)
    return replace(seen, readiness=readiness, fingerprint=found_fingerprint), files


def _without_inputs(found: Released, period: Period, at_odds: bool = False) -> Seen:
    definition = found.definition
    record, now = lake().period_at(definition.name, period)
    is_late = late(definition, period, now, found.first_released_at)
    published, last = (record["published"], record["last"]) if record else (None, None)
    may_matter = at_odds or (is_late and not published) or (last and last["state"] != End.SUCCEEDED)
    due = due_at(definition, period)
    return Seen(
        now=now,
        model=definition.name,
        period=period,
        version=definition.version,
        ends=period.interval(definition.zone).end,
        due=due if due and (is_late or due > now) else None,
        in_range=definition.has(period),
        takes_corrections=takes_corrections(definition, period, now),
        on_new_data=definition.on_new_data,
        attempts=definition.limits.attempts,
        paused=False,
        record=record,
        incident=_open_incident(definition.name, period) if may_matter else None,
    )


def _open_incident(model: str, period: Period) -> Incident | None:
    incident = lake().incident(model, period)
    return incident if incident and incident["status"] == "open" else None


def assess_inputs(
    definition: Definition, period: Period, found: Released | None = None
) -> tuple[Readiness, tuple[File, ...], str | None]:
    """The readiness of a period, and if it is ready its files and their fingerprint.

    A state is believed when two looks agree on it: pages of one listing may be of different moments. Fails
    `inputs-changing` (data, transient) for folders that do not rest meanwhile.
    """
    seen = _look_at_inputs(definition, period, found)
    if not seen.ready:
        return seen, (), None
    before = fingerprint(seen.files)
    for _ in range(LOOKS):
        seen = _look_at_inputs(definition, period, found)
        now = fingerprint(seen.files)
        if seen.ready and now == before:
            return seen, seen.files, now
        before = now
    raise Failed(
        Failure(Kind.DATA, "inputs-changing", f"The inputs of {definition.name} {period} keep changing.", True)
    )


def _look_at_inputs(definition: Definition, period: Period, found: Released | None) -> Readiness:
    wants = wanted(definition, period)
    listings = list_folders(want.folder for want in wants if want.folder)
    producers = {(want.producer[0], want.period) for want in wants if want.producer and want.period}
    publications = {(model, read): publication(model, read) for model, read in producers}
    first_released_at = found.first_released_at if found else None
    return assess(definition, period, listings, publications, clock.now(), first_released_at)


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
    listed = tuple(
        Entry(
            entry.name.removeprefix(folder.prefix),
            entry.length,
            entry.etag,
            entry.hash,
            entry.modified,
            entry.copy_status,
            entry.is_directory,
        )
        for entry in entries
    )
    return Listing(found_at(), listed)


def publication(model: str, period: Period) -> Publication | None:
    """What a model has published for a period, as its pointer and manifest say; None where nothing is."""
    pointer = lake().models.read(paths.pointer(model, period))
    manifest = lake().models.read(f"{pointer.data['folder']}/{MANIFEST}") if pointer else None
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


def _plan(decision: Decision, seen: Seen, files: tuple[File, ...]) -> dict[str, Any] | None:
    """What `start_run` reserves for a run that is new; its snapshot is written before."""
    claimed = seen.record and seen.record["claim"]
    if decision.action != "start" or claimed or decision.run is None:
        return None
    write_snapshot(RunId.parse(decision.run), files)
    return {
        "run": decision.run,
        "attempt": 1,
        "fingerprint": seen.fingerprint,
        "version": seen.version,
        "cause": {"kind": "data", "by": "slipway", "reason": decision.why, "request": None},
        "installation": settings().installation,
    }


def write_snapshot(run: RunId, files: Sequence[File]) -> None:
    """Lay down the exact files a run is for, in parts that are copied one by one; the index last, each written once.

    The run's id holds the fingerprint, so whoever writes it twice writes the same.
    """
    if lake().control.exists(paths.snapshot_index(run)):
        return
    planned = parts(files, settings().copy_block_threshold_mib * MIB)
    for number, part in enumerate(planned):
        lake().control.create(paths.snapshot_part(run, number), part.to_document())
    lake().control.create(paths.snapshot_index(run), index(files, planned))
