"""What a person chooses for a new run: on which inputs, by which definition, and where its job runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from activities.inputs import assess_inputs, staged_before
from slipway import catalog, paths
from slipway.azure.jobs import jobs
from slipway.azure.lake import lake
from slipway.catalog import Released
from slipway.definition import Definition
from slipway.failure import Failed
from slipway.names import COMPUTE_PATTERN, VERSION_PATTERN, InvalidName
from slipway.period import Period
from slipway.period_record import lost
from slipway.run import RunId
from slipway.snapshot import File, fingerprint
from triggers.api import Problem, Reasoned

#: A compute target as a request names it.
Compute = Annotated[str, Field(pattern=f"^{COMPUTE_PATTERN}$")]


class NewRun(Reasoned):
    """What `POST /api/models/{model}/runs` takes.

    `same` is the run that the period has published, or else its last one; with a run named in `inputs`, that run.
    """

    period: str = Field(min_length=4, max_length=20)
    inputs: str = Field(
        "fresh", max_length=120, description="fresh, same, or an earlier run of the period whose staged inputs are read"
    )
    definition: str = Field(
        "released", pattern=f"^(released|same|{VERSION_PATTERN})$", description="released, same, or a version"
    )
    compute: Compute | None = Field(None, description="The compute target (or serverless size) in place of job.yaml's")


class Resumption(Reasoned):
    """What `POST /api/runs/{run}/resume` takes."""

    compute: Compute | None = Field(None, description="The compute target (or serverless size) from now on")


@dataclass(frozen=True)
class Choice:
    """A run as it was chosen. `source` is the run whose staged inputs are read, None for what the lake shows now.

    `facts` are the choices that differ from a plain rerun, as the run's cause tells them.
    """

    definition: Definition
    source: RunId | None
    compute: str | None
    facts: dict[str, str]


def choose(found: Released, period: Period, record: Mapping[str, Any] | None, asked: NewRun) -> Choice:
    """Make of what was asked what is meant. Raises 404 for an unknown run or version, 409 without an earlier run."""
    named = _named(found.definition.name, period, asked.inputs)
    earlier = named or (_earlier(period, record) if "same" in (asked.inputs, asked.definition) else None)
    source = earlier if asked.inputs != "fresh" else None
    if source and (since := lost(record, source.text, "inputs")):
        detail = f"What {source} staged was deleted on {since[:10]}, by its age; ask with fresh inputs."
        raise Problem(409, "Inputs are gone", detail, run=source.text)
    definition = found.definition
    if asked.definition == "same":
        assert earlier is not None, "an earlier run was looked for"
        definition = _version(found.definition.name, _version_of(earlier))
    elif asked.definition != "released":
        definition = _version(found.definition.name, asked.definition)
    if definition.cadence is not period.cadence:
        raise Problem(409, "Another cadence", f"By version {definition.version} the model is {definition.cadence}.")
    if asked.compute:
        must_have_compute(definition, asked.compute)
    facts = {
        "inputs": source.text if source else None,
        "definition": definition.version if definition.version != found.version else None,
        "compute": asked.compute,
    }
    return Choice(definition, source, asked.compute, {name: value for name, value in facts.items() if value})


def inputs_of(choice: Choice, period: Period) -> tuple[tuple[File, ...], str]:
    """The files that the run reads, and their fingerprint. Raises 409 with what is missing where they are not there."""
    if choice.source is None:
        readiness, files, found = assess_inputs(choice.definition, period)
        if found is None:
            raise Problem(409, "Inputs are missing", readiness.blocks, readiness=readiness.to_document())
        return files, found
    staged = staged_before(choice.source)
    if staged is None:
        detail = f"What {choice.source} staged is not whole any more; ask with fresh inputs."
        raise Problem(409, "Inputs are gone", detail, run=choice.source.text)
    if {file.input for file in staged} - set(choice.definition.inputs):
        detail = (
            f"{choice.source} read other inputs than version {choice.definition.version}; choose its definition too."
        )
        raise Problem(409, "Inputs do not fit", detail, run=choice.source.text)
    return staged, fingerprint(staged)


def must_have_compute(definition: Definition, compute: str) -> None:
    """Raise 422 for a compute target that the workspace does not have; the size of a serverless job is Azure ML's."""
    if definition.job.get("compute") and not jobs().has_compute(compute):
        raise Problem(422, "Unknown compute", f"The workspace has no compute target named {compute!r}.")


def _named(model: str, period: Period, text: str) -> RunId | None:
    """The run that `inputs` names, if any. Raises 400 for a text that is no run, 404 for one of another period."""
    if text in ("fresh", "same"):
        return None
    try:
        run = RunId.parse(text)
    except InvalidName as error:
        raise Problem(400, "Malformed body", f"inputs is fresh, same, or a run's id: {error}") from error
    if (run.model, run.period) != (model, period) or lake().control.read(paths.run_file(run)) is None:
        raise Problem(404, "Unknown run", f"No run {run} of {model} {period} is known here.")
    return run


def _earlier(period: Period, record: Mapping[str, Any] | None) -> RunId:
    known = record and (record["published"] or record["last"])
    if not known:
        raise Problem(409, "No earlier run", f"Nothing was run for {period} yet, so there is nothing to do the same.")
    return RunId.parse(known["run"])


def _version_of(run: RunId) -> str:
    known = lake().control.read(paths.run_file(run))
    if known is None:
        raise Problem(409, "No earlier run", f"Nothing is known of {run} any more.")
    return str(known.data["version"])


def _version(model: str, version: str) -> Definition:
    try:
        return catalog.pinned(lake().control, model, version)
    except Failed as error:
        if error.failure.code != "definition-missing":
            raise
        raise Problem(404, "Unknown version", f"{model} has no version {version} here.") from error
