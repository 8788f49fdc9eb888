"""What belongs to a run, over HTTP: the files it read, those it wrote, what its job printed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from slipway import catalog, paths
from slipway.azure.job_details import job_details
from slipway.azure.jobs import jobs
from slipway.azure.lake import lake
from slipway.failure import Failed, Failure, Kind
from slipway.invocation import Threads
from slipway.job_log import Stretch
from slipway.manifest import MANIFEST
from slipway.run import RunId, job_name
from slipway.snapshot import Part
from slipway.staging import target
from triggers.api import Problem, answer, endpoint, reader
from triggers.paging import as_cursor, cursor, cut, limit
from triggers.runs import run_of
from triggers.shapes.runs import InputFiles, Log, OutputFile, OutputFiles, StagedFile

bp = df.Blueprint()

#: How many lines of a log an answer has.
LINES = 1000
#: Seconds that Azure ML has for a log, where nothing else is asked for.
LOG_SECONDS = 20.0
#: Threads that wait for Azure ML, and for nothing else: where it does not answer, all else of the app still does.
_waiting = Threads(8, "azure-ml")


@bp.function_name("get_run_inputs")
@bp.route("api/runs/{run}/inputs", methods=["GET"], trigger_arg_name="request")
@endpoint("limit", "cursor")
async def get_run_inputs(request: func.HttpRequest) -> func.HttpResponse:
    """The files a run was made for: where each came from, its length, ETag and MD5."""
    reader(request)
    return answer(await asyncio.to_thread(inputs_of, run_of(request), limit(request), cursor(request)))


@bp.function_name("get_run_outputs")
@bp.route("api/runs/{run}/outputs", methods=["GET"], trigger_arg_name="request")
@endpoint("limit", "cursor")
async def get_run_outputs(request: func.HttpRequest) -> func.HttpResponse:
    """The files a run has given, as they were verified, and who may read them once they are published."""
    reader(request)
    return answer(await asyncio.to_thread(outputs_of, run_of(request), limit(request), cursor(request)))


@bp.function_name("get_run_log")
@bp.route("api/runs/{run}/log", methods=["GET"], trigger_arg_name="request")
@endpoint("cursor")
async def get_run_log(request: func.HttpRequest) -> func.HttpResponse:
    """The last lines that the job of the newest attempt has printed; with a cursor those that it printed since."""
    reader(request)
    return answer(await log_of(run_of(request), cursor(request), LOG_SECONDS))


def inputs_of(run: RunId, count: int, place: str | None) -> dict[str, Any]:
    """A page of the files that a run was made for. Raises 404 for a run without a snapshot."""
    index = lake().control.read(paths.snapshot_index(run))
    if index is None:
        raise Problem(404, "No inputs", f"{run} has no snapshot: it is not known, or had not come to it.")
    begin = _number(place)
    files, more = [], None
    for number, file in enumerate(_snapshot(run, index.data["parts"], begin)):
        if number == count:
            more = as_cursor(str(begin + count))
            break
        files.append(file)
    facts = {"run": run.text, "folder": paths.inputs_folder(run), "fingerprint": index.data["fingerprint"]}
    return InputFiles(**facts, files=files, next=more).model_dump(mode="json")


def _snapshot(run: RunId, parts: int, begin: int) -> Iterator[StagedFile]:
    """The files of a snapshot from one on; those of several parts (blocks of a large file) count once."""
    seen: set[str] = set()
    for number in range(parts):
        record = lake().control.read(paths.snapshot_part(run, number))
        for item in Part.from_document(record.data).items if record else ():
            name = target(item.file)
            if name in seen:
                continue
            seen.add(name)
            if len(seen) > begin:
                file = item.file
                yield StagedFile(name=name, source=file.source, length=file.length, etag=file.etag, md5=file.md5)


def outputs_of(run: RunId, count: int, place: str | None) -> dict[str, Any]:
    """A page of the files that a run has given. Raises 404 for a run that is not known."""
    facts = lake().control.read(paths.run_file(run))
    if facts is None:
        raise Problem(404, "Unknown run", f"No run {run} is known here.")
    readers = list(catalog.pinned(lake().control, run.model, facts.data["version"]).readers)
    attempt, folder = _newest_outputs(run)
    manifest = lake().models.read(f"{folder}/{MANIFEST}") if folder else None
    files, more = cut(manifest.data["files"] if manifest else [], count, place)
    shown = [OutputFile(**{name: file[name] for name in OutputFile.model_fields}) for file in files]
    found = {"run": run.text, "attempt": attempt, "folder": folder if manifest else None, "readers": readers}
    return OutputFiles(**found, files=shown, next=more).model_dump(mode="json")


def _newest_outputs(run: RunId) -> tuple[int, str | None]:
    """The newest attempt that has an output folder, open or closed for good, and that folder."""
    top = f"{paths.run_folder(run)}/"
    names = {name.removeprefix(top) for name in lake().models.folders(top)}
    numbers = [int(name.rpartition("-")[2]) for name in names if name.startswith(("outputs-", "closed-"))]
    if not numbers:
        return 1, None
    attempt = max(numbers)
    closed = f"closed-{attempt}" in names
    return attempt, paths.closed_folder(run, attempt) if closed else paths.outputs_folder(run, attempt)


async def log_of(run: RunId, place: str | None, seconds: float) -> dict[str, Any]:
    """The end of the log of a run's job, or how it goes on from a place. Raises 404 where no job was submitted.

    Raises Failed `no-answer` when Azure ML takes longer than `seconds`; what waits for it then is left to its own
    timeouts.
    """
    asking = asyncio.get_running_loop().run_in_executor(_waiting, _log_of, run, place)
    try:
        return await asyncio.wait_for(asking, seconds)
    except TimeoutError as error:
        message = f"Azure ML did not answer within {seconds:.0f} s."
        raise Failed(Failure(Kind.PLATFORM, "no-answer", message, transient=True)) from error


def _log_of(run: RunId, place: str | None) -> dict[str, Any]:
    record = lake().period(run.model, run.period)
    claim = record["claim"] if record else None
    if claim is not None and claim["run"] == run.text:
        attempt, name = claim["attempt"], claim["job"]
    else:
        attempt, name = _last_attempt(run)
    seen = jobs().own(name) if name else None
    if name is None or seen is None:
        raise Problem(404, "No log", f"{run} has submitted no job yet, or ended before it did.")
    since, line = _place(place, name)
    over = seen.phase == "ended"
    found = job_details().log(name, since, most=LINES, over=over)
    first = line if since == found.begins else 1 if found.begins == 0 else None
    log = Log(
        run=run.text,
        attempt=attempt,
        job=name,
        state=seen.status,
        first_line=first,
        lines=list(found.lines),
        unfinished=found.unfinished,
        begins=found.begins,
        bytes=found.length,
        next=None if over and found.ends == found.length else _next(name, found, first),
    )
    return log.model_dump(mode="json")


def _next(job: str, found: Stretch, first: int | None) -> str | None:
    """Where the log goes on: the job, a byte of its log, and the number of the line there, 0 where nobody knows it."""
    line = 0 if first is None else first + len(found.lines)
    return as_cursor(f"{job} {found.ends} {line}")


def _place(place: str | None, job: str) -> tuple[int | None, int | None]:
    """The byte and the line where a cursor goes on. A run that went on with its next attempt has another log: None."""
    if place is None:
        return None, None
    known, *numbers = place.split(" ")
    if len(numbers) != 2:
        raise Problem(400, "Malformed cursor", "The cursor is not one that a page has named.")
    byte, line = map(_number, numbers)
    return (byte, line or None) if known == job else (None, None)


def _last_attempt(run: RunId) -> tuple[int, str | None]:
    folder = f"{paths.control_folder(run)}/record-"
    ends = [entry.name for entry in lake().control.list(folder)]
    if not ends:
        return 1, job_name(run, 1)
    attempt = max(int(name.rpartition("-")[2].removesuffix(".json")) for name in ends)
    end = lake().control.read(paths.attempt_record(run, attempt))
    return attempt, end.data["job"] if end else None


def _number(place: str | None) -> int:
    if place is not None and not (place.isascii() and place.isdecimal()):
        raise Problem(400, "Malformed cursor", "The cursor is not one that a page has named.")
    return int(place or 0)
