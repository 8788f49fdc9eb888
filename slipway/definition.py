"""A model's definition: model.yaml, job.yaml and the content's version, read from its folder or from the catalog."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, PrivateAttr, ValidationError

from slipway import document, job_file, schema_errors
from slipway.content import content_version
from slipway.document import Document
from slipway.model_file import Complete, Due, Input, Limits, ModelFile, Output, Window, effective_cadence
from slipway.names import VERSION_PATTERN, InvalidName, model_name
from slipway.period import Cadence, Period
from slipway.problems import DefinitionError, Finding, Problem
from slipway.template import Template

__all__ = [
    "Complete",
    "Definition",
    "DefinitionError",
    "Due",
    "Input",
    "Limits",
    "ModelFile",
    "Output",
    "Problem",
    "Window",
    "json_schema",
    "load",
]


T = TypeVar("T")


class Definition(ModelFile):
    """Everything Slipway and Azure ML need to run a model: what model.yaml says, and what its folder adds."""

    name: Annotated[str, AfterValidator(model_name)]
    version: Annotated[str, Field(pattern=f"^{VERSION_PATTERN}$")]
    job: dict[str, Any]  #: job.yaml as read
    _source: Document | None = PrivateAttr(default=None)

    @property
    def zone(self) -> ZoneInfo:
        """The zone whose calendar the model's periods follow."""
        return ZoneInfo(self.timezone)

    @property
    def first(self) -> Period:
        """The first period that is run unasked."""
        return Period.parse(self.first_period, self.cadence)

    @property
    def last(self) -> Period | None:
        """The last period that is run unasked, if there is one."""
        return Period.parse(self.last_period, self.cadence) if self.last_period else None

    def period(self, text: str) -> Period:
        """Read a period of this model. Raises PeriodError for another cadence's."""
        return Period.parse(text, self.cadence)

    def has(self, period: Period) -> bool:
        """Whether the period is the model's own: of its cadence, from its first to its last."""
        return period.cadence is self.cadence and self.first <= period and (self.last is None or period <= self.last)

    def input_cadence(self, name: str) -> Cadence | None:
        """How often an input arrives; None if it is static."""
        return effective_cadence(self.cadence, self.inputs[name])

    def template(self, name: str) -> Template | None:
        """Where an input's dataset lies; None if it is another model's output."""
        path = self.inputs[name].path
        return Template.parse(path, self.input_cadence(name)) if path else None

    def producer(self, name: str) -> tuple[str, str] | None:
        """The model and the output that an input reads; None if it is a dataset."""
        model, _, output = (self.inputs[name].from_ or "").partition("/")
        return (model, output) if model else None

    def problem(self, finding: Finding) -> Problem:
        """The finding with its place in model.yaml, if the definition was read from there."""
        if self._source is not None:
            return self._source.problem(finding)
        return Problem(f"{self.name}/model.yaml", 1, finding.rule, finding.remedy)

    def to_document(self) -> dict[str, Any]:
        """The definition as plain JSON, as the catalog keeps it."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def from_document(cls, given: dict[str, Any]) -> Definition:
        """Read back what `to_document` wrote. Raises DefinitionError for anything else."""
        try:
            return cls.model_validate_json(json.dumps(given))
        except ValidationError as error:
            file = f"catalog/{given.get('name')!s:.40}"
            found = schema_errors.findings(error, given, cls.model_fields)
            raise DefinitionError([Problem(file, 1, f.rule, f.remedy) for f in found]) from error


def load(folder: Path) -> Definition:
    """Read and check a model's folder. Raises DefinitionError with every problem found, each with file and line."""
    problems: list[Problem] = []
    try:
        model_name(folder.name)
    except InvalidName as error:
        problems.append(Problem(str(folder), 1, str(error), "rename the folder"))
    model = _attempt(lambda: _read_model(folder / "model.yaml"), problems)
    job = _attempt(lambda: _read_job(folder, model[0] if model else None), problems)
    version = _attempt(lambda: content_version(folder), problems)
    if problems or not (model and job and version):
        raise DefinitionError(problems)
    fields, source = model
    definition = Definition.from_document(
        fields.model_dump(mode="json", by_alias=True) | {"name": folder.name, "version": version, "job": job.data}
    )
    definition._source = source
    return definition


def json_schema() -> dict[str, Any]:
    """The JSON Schema of model.yaml, for editors; kept in slipway/schemas/model.schema.json."""
    schema = ModelFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "model.yaml"}


def _read_model(path: Path) -> tuple[ModelFile, Document]:
    read = document.read(path)
    try:
        return ModelFile.model_validate_json(json.dumps(read.data)), read
    except ValidationError as error:
        found = schema_errors.findings(error, read.data, _field_names())
        raise DefinitionError([read.problem(finding) for finding in found]) from error


def _read_job(folder: Path, model: ModelFile | None) -> Document:
    read = document.read(folder / "job.yaml")
    found = job_file.check(read.data, folder, model.inputs if model else None, model.outputs if model else None)
    if problems := [read.problem(finding) for finding in found]:
        raise DefinitionError(problems)
    return read


def _field_names() -> set[str]:
    schema = ModelFile.model_json_schema(by_alias=True)
    return {name for part in [schema, *schema["$defs"].values()] for name in part.get("properties", ())}


def _attempt(read: Callable[[], T], problems: list[Problem]) -> T | None:
    """What `read` returns; if it raises DefinitionError, its problems are kept and None is returned."""
    try:
        return read()
    except DefinitionError as error:
        problems.extend(error.problems)
        return None
