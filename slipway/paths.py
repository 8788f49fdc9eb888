"""Every path of the `models` and `control` filesystems, built and parsed back from one table.

Paths are relative to their filesystem, without leading or trailing slash. All parts were validated when their types
were made, so no path can leave its place; text from a listing or an event comes back in through `parse` alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from slipway import names
from slipway.names import InvalidName, shown
from slipway.period import Period, PeriodError
from slipway.run import RunId
from slipway.subject import Subject

Filesystem = Literal["models", "control"]

#: The table: what lies where. A field's name tells its type; `rest` is all that lies below.
LAYOUT: dict[Filesystem, dict[str, str]] = {
    "models": {
        "model_root": "{model}",
        "published_folder": "{model}/published",
        "latest": "{model}/published/latest.json",
        "pointer": "{model}/published/{period}.json",
        "period_folder": "{model}/{period}",
        "run_folder": "{model}/{period}/{run}",
        "inputs_folder": "{model}/{period}/{run}/inputs",
        "staged_manifest": "{model}/{period}/{run}/inputs/manifest.json",
        "input_folder": "{model}/{period}/{run}/inputs/{port}",
        "input_file": "{model}/{period}/{run}/inputs/{port}/{rest}",
        "work_folder": "{model}/{period}/{run}/work-{attempt}",
        "work_output": "{model}/{period}/{run}/work-{attempt}/{port}",
        "work_file": "{model}/{period}/{run}/work-{attempt}/{port}/{rest}",
        "outputs_folder": "{model}/{period}/{run}/outputs-{attempt}",
        "output_manifest": "{model}/{period}/{run}/outputs-{attempt}/manifest.json",
        "success_marker": "{model}/{period}/{run}/outputs-{attempt}/_SUCCESS",
        "output_folder": "{model}/{period}/{run}/outputs-{attempt}/{port}",
        "output_file": "{model}/{period}/{run}/outputs-{attempt}/{port}/{rest}",
        "closed_folder": "{model}/{period}/{run}/closed-{attempt}",
        "closed_file": "{model}/{period}/{run}/closed-{attempt}/{rest}",
        "probe_folder": "_doctor/{probe}",
    },
    "control": {
        "period_records": "periods/{model}",
        "period_record": "periods/{model}/{period}.json",
        "control_folder": "runs/{model}/{period}/{run}",
        "run_file": "runs/{model}/{period}/{run}/run.json",
        "attempt_record": "runs/{model}/{period}/{run}/record-{attempt}.json",
        "engine_history": "runs/{model}/{period}/{run}/history-{attempt}.json",
        "snapshot_index": "runs/{model}/{period}/{run}/snapshot/index.json",
        "snapshot_part": "runs/{model}/{period}/{run}/snapshot/part-{number}.json",
        "listed_outputs": "runs/{model}/{period}/{run}/outputs-{attempt}/listed-{number}.json",
        "verified_outputs": "runs/{model}/{period}/{run}/outputs-{attempt}/verified-{number}.json",
        "receipt": "runs/{model}/{period}/{run}/receipts/{step}.json",
        "receipt_of_batch": "runs/{model}/{period}/{run}/receipts/{step}-{number}.json",
        "receipt_of_attempt": "runs/{model}/{period}/{run}/receipts/{step}-a{attempt}.json",
        "receipt_of_attempt_batch": "runs/{model}/{period}/{run}/receipts/{step}-a{attempt}-{number}.json",
        "catalog_pointer": "catalog/current.json",
        "catalog_folder": "catalog/{model}/{version}",
        "catalog_definition": "catalog/{model}/{version}/definition.json",
        "model_state": "models/{model}.json",
        "incident": "incidents/{model}/{period}.json",
        "incident_of_backfill": "incidents/_backfills/{model}/{backfill}.json",
        "incident_of_platform": "incidents/_platform/{platform}.json",
        "listings": "listings/current.json",
        "heartbeat": "heartbeat/reconcile.json",
        "heard": "heartbeat/events.json",
        "retention": "retention/last.json",
        "request": "requests/{request}.json",
        "probe_record": "_doctor/{probe}.json",
        "backfill": "backfills/{backfill}.json",
        "started_backfills": "backfills/started.json",
        "board": "rollups/board/{number}.json",
        "attempts": "rollups/attempts/{period}.json",
    },
}


class PathError(ValueError):
    """A path that this table does not hold. The message shows it, escaped."""


@dataclass(frozen=True)
class Place:
    """What a path of the table means: the row's name, and the fields that row has (the others are None)."""

    what: str
    model: str | None = None
    period: Period | None = None
    run: RunId | None = None
    attempt: int | None = None
    port: str | None = None  #: the name of an input or output
    step: str | None = None
    number: int | None = None  #: of a batch or part, from 0
    version: str | None = None
    request: str | None = None
    backfill: str | None = None
    platform: str | None = None  #: what is wrong with the platform
    probe: str | None = None
    rest: str | None = None


def parse(filesystem: Filesystem, path: str) -> Place:
    """What lies at a path. Raises PathError for every path that no function below would have built."""
    try:
        names.relative_path(path)
        for what, pattern in _compiled(filesystem):
            if match := pattern.fullmatch(path):
                return _place(what, match.groupdict())
    except (InvalidName, PeriodError) as error:
        raise PathError(f"{filesystem}/{shown(path)} is no path of Slipway's: {error}") from error
    raise PathError(f"{filesystem}/{shown(path)} is no path of Slipway's")


# The models filesystem


def model_root(model: str) -> str:
    """The folder of all that a model publishes and runs."""
    return _build("models", "model_root", model=model)


def published_folder(model: str) -> str:
    """The folder of a model's pointers, which readers may list."""
    return _build("models", "published_folder", model=model)


def pointer(model: str, period: Period) -> str:
    """The pointer readers follow for a period."""
    return _build("models", "pointer", model=model, period=period)


def latest(model: str) -> str:
    """The pointer to the latest published period."""
    return _build("models", "latest", model=model)


def period_folder(model: str, period: Period) -> str:
    """The folder on the way to a period's runs."""
    return _build("models", "period_folder", model=model, period=period)


def run_folder(run: RunId) -> str:
    """The folder of a run: its staged inputs and each attempt's outputs."""
    return _build("models", "run_folder", run=run)


def inputs_folder(run: RunId, input: str | None = None) -> str:  # noqa: A002 - the field's word
    """The folder of a run's staged inputs, or of one of them."""
    if input is None:
        return _build("models", "inputs_folder", run=run)
    return _build("models", "input_folder", run=run, port=input)


def staged_manifest(run: RunId) -> str:
    """The list of what was staged, written last: without it no job starts."""
    return _build("models", "staged_manifest", run=run)


def work_folder(run: RunId, attempt: int, output: str | None = None) -> str:
    """Where an attempt's job writes its outputs, or one of them; sealing moves the whole to `outputs_folder`."""
    if output is None:
        return _build("models", "work_folder", run=run, attempt=attempt)
    return _build("models", "work_output", run=run, attempt=attempt, port=output)


def outputs_folder(run: RunId, attempt: int, output: str | None = None) -> str:
    """The folder of an attempt's sealed outputs, the gate, or of one of them."""
    if output is None:
        return _build("models", "outputs_folder", run=run, attempt=attempt)
    return _build("models", "output_folder", run=run, attempt=attempt, port=output)


def output_manifest(run: RunId, attempt: int) -> str:
    """The list of an attempt's verified outputs."""
    return _build("models", "output_manifest", run=run, attempt=attempt)


def success_marker(run: RunId, attempt: int) -> str:
    """The marker that says: these outputs are complete."""
    return _build("models", "success_marker", run=run, attempt=attempt)


def closed_folder(run: RunId, attempt: int) -> str:
    """Where an attempt's outputs go when they are closed for good."""
    return _build("models", "closed_folder", run=run, attempt=attempt)


def probe_folder(id: str) -> str:  # noqa: A002 - the field's word
    """Where rights on the models filesystem are tried out, and nothing stays."""
    return _build("models", "probe_folder", probe=id)


# The control filesystem


def period_records(model: str) -> str:
    """The folder of a model's period records."""
    return _build("control", "period_records", model=model)


def period_record(model: str, period: Period) -> str:
    """The claim: who runs a period, what is published."""
    return _build("control", "period_record", model=model, period=period)


def control_folder(run: RunId) -> str:
    """The folder of all that is recorded about a run."""
    return _build("control", "control_folder", run=run)


def run_file(run: RunId) -> str:
    """What a run is and why, written once."""
    return _build("control", "run_file", run=run)


def attempt_record(run: RunId, attempt: int) -> str:
    """How an attempt ended, written once."""
    return _build("control", "attempt_record", run=run, attempt=attempt)


def engine_history(run: RunId, attempt: int) -> str:
    """What the engine knew of an attempt when it ended, written once."""
    return _build("control", "engine_history", run=run, attempt=attempt)


def snapshot_index(run: RunId) -> str:
    """The head of a run's snapshot: fingerprint, counts, number of parts."""
    return _build("control", "snapshot_index", run=run)


def snapshot_part(run: RunId, number: int) -> str:
    """One part of a run's snapshot: a batch of copies."""
    return _build("control", "snapshot_part", run=run, number=number)


def listed_outputs(run: RunId, attempt: int, number: int) -> str:
    """One batch of an attempt's outputs as they were listed, to be verified."""
    return _build("control", "listed_outputs", run=run, attempt=attempt, number=number)


def verified_outputs(run: RunId, attempt: int, number: int) -> str:
    """One batch of an attempt's outputs with the hashes that were found."""
    return _build("control", "verified_outputs", run=run, attempt=attempt, number=number)


def receipt(run: RunId, step: str, attempt: int | None = None, batch: int | None = None) -> str:
    """The proof that a step (of an attempt, of a batch) was done, written once. `step` is `[a-z][a-z0-9_]*`."""
    if attempt is None and batch is None:
        return _build("control", "receipt", run=run, step=step)
    if attempt is None:
        return _build("control", "receipt_of_batch", run=run, step=step, number=batch)
    if batch is None:
        return _build("control", "receipt_of_attempt", run=run, step=step, attempt=attempt)
    return _build("control", "receipt_of_attempt_batch", run=run, step=step, attempt=attempt, number=batch)


def catalog_pointer() -> str:
    """The one pointer to the released definitions of all models."""
    return _build("control", "catalog_pointer")


def catalog_folder(model: str, version: str) -> str:
    """The folder of one released version of a definition."""
    return _build("control", "catalog_folder", model=model, version=version)


def catalog_definition(model: str, version: str) -> str:
    """One released version of a definition, immutable."""
    return _build("control", "catalog_definition", model=model, version=version)


def model_state(model: str) -> str:
    """What people decided of a whole model: whether it is paused."""
    return _build("control", "model_state", model=model)


def incident(about: Subject) -> str:
    """The one incident of a subject. No model's name begins like the folders of those that are no period's."""
    if about.platform is not None:
        return _build("control", "incident_of_platform", platform=about.platform)
    if about.backfill is not None:
        return _build("control", "incident_of_backfill", model=about.model, backfill=about.backfill)
    return _build("control", "incident", model=about.model, period=about.period)


def listings() -> str:
    """What reconcile remembers of the folders it listed."""
    return _build("control", "listings")


def heard() -> str:
    """When a landing event came last, to within a minute or so."""
    return _build("control", "heard")


def heartbeat() -> str:
    """When reconcile last passed."""
    return _build("control", "heartbeat")


def retention() -> str:
    """What retention did last, and where it goes on."""
    return _build("control", "retention")


def probe_record(id: str) -> str:  # noqa: A002 - the field's word
    """Where rights on the control filesystem are tried out, and nothing stays."""
    return _build("control", "probe_record", probe=id)


def board(number: int) -> str:
    """One shard of the board: the newest periods of some models at a glance."""
    return _build("control", "board", number=number)


def attempts(hour: Period) -> str:
    """The attempts that began within an hour."""
    return _build("control", "attempts", period=hour)


def request(id: str) -> str:  # noqa: A002 - the field's word
    """What a person asked for, and what was answered."""
    return _build("control", "request", request=id)


def backfill(id: str) -> str:  # noqa: A002 - the field's word
    """A backfill: its plan, what people wish of it, and what became of each period."""
    return _build("control", "backfill", backfill=id)


def started_backfills() -> str:
    """Which backfills are under way: no two of one model may share a period."""
    return _build("control", "started_backfills")


# The table at work: how each field is written, recognised, and read back

_PERIOD = r"[0-9]{4}(?:-Q[1-4]|-W[0-9]{2}|-[0-9]{2}(?:-[0-9]{2}(?:T[0-9]{2}Z)?)?)"
_FIELDS = {
    "model": names.MODEL_PATTERN,
    "period": _PERIOD,
    "run": rf"{names.MODEL_PATTERN}--{_PERIOD}--[0-9a-f]{{8}}-[1-9][0-9]*",
    "attempt": r"[1-9][0-9]{0,5}",
    "number": r"[0-9]{5}",
    "port": names.PORT_PATTERN,
    "step": r"[a-z][a-z0-9_]*",
    "version": names.VERSION_PATTERN,
    "request": names.REQUEST_PATTERN,
    "backfill": names.BACKFILL_PATTERN,
    "platform": names.GROUP_PATTERN,
    "probe": r"[0-9a-f]{32}",
    "rest": r".+",
}
_READERS: dict[str, Any] = {"period": Period.parse, "run": RunId.parse, "attempt": int, "number": int}


def _build(filesystem: Filesystem, what: str, **fields: Any) -> str:
    if "run" in fields:
        fields |= {"model": fields["run"].model, "period": fields["run"].period}
    if "number" in fields:
        fields["number"] = f"{fields['number']:05d}"
    for name, value in fields.items():
        if re.fullmatch(_FIELDS[name], str(value)) is None:
            raise PathError(f"{shown(str(value))} is no {name}: a path needs {_FIELDS[name]}")
    return LAYOUT[filesystem][what].format(**fields)


@cache
def _compiled(filesystem: Filesystem) -> list[tuple[str, re.Pattern[str]]]:
    def pattern(row: str) -> re.Pattern[str]:
        parts = re.split(r"\{(\w+)\}", row)
        text = "".join(f"(?P<{part}>{_FIELDS[part]})" if i % 2 else re.escape(part) for i, part in enumerate(parts))
        return re.compile(text, re.ASCII)

    return [(what, pattern(row)) for what, row in LAYOUT[filesystem].items()]


def _place(what: str, texts: dict[str, str]) -> Place:
    place = Place(what, **{name: _READERS.get(name, str)(text) for name, text in texts.items()})
    if place.run is not None and (place.run.model, place.run.period) != (place.model, place.period):
        raise InvalidName(f"run {place.run} does not belong into a folder of {place.model} {place.period}")
    return place
