"""Runs: one, many, what was done in it, its files, its log and its lineage."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, Field

from triggers.shapes.base import Shape


class AttemptRow(Shape):
    """An attempt of a run, as searches find it."""

    run: str
    attempt: int
    model: str
    period: str
    state: str
    cause: str
    by: str
    reason: str
    version: str
    began_at: AwareDatetime
    ended_at: AwareDatetime | None
    code: str | None = Field(description="The code of the failure.")


class Attempts(Shape):
    """A page of attempts, the newest first. A page may be empty although there are more."""

    attempts: list[AttemptRow]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class StagedFile(Shape):
    """A file of a run's inputs, as it was selected and copied."""

    name: str = Field(description="Below the run's inputs folder.")
    source: str
    length: int
    etag: str
    md5: str | None


class InputFiles(Shape):
    """A page of a run's input files."""

    run: str
    folder: str
    fingerprint: str
    files: list[StagedFile]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class OutputFile(Shape):
    """A file of a run's outputs, as it was verified."""

    name: str
    length: int
    etag: str
    sha256: str


class OutputFiles(Shape):
    """A page of a run's output files; none while they are not verified."""

    run: str
    attempt: int
    folder: str | None
    readers: list[str] = Field(description="The readers that the run's definition names.")
    files: list[OutputFile]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class Upstream(Shape):
    """A run whose outputs another one read."""

    input: str
    model: str
    period: str
    run: str


class Downstream(Shape):
    """A period of a model that reads another one's outputs."""

    model: str
    period: str
    run: str | None = Field(description="What it has published.")
    reads_this: bool = Field(description="Whether that was made of this run's outputs.")


class Lineage(Shape):
    """Where a run's inputs came from, and what was made of its outputs."""

    run: str
    upstream: list[Upstream]
    downstream: list[Downstream]
    whole: bool = Field(description="Whether all was looked through; of very many only the first are.")


class Log(Shape):
    """The end of what a run's job printed, or what it printed since, line by line, secrets taken out."""

    run: str
    attempt: int
    job: str
    state: str
    first_line: int | None = Field(
        description="The number of the first line here, from 1; null where the log is longer than what was read of it."
    )
    lines: list[str]
    unfinished: str | None = Field(
        description="The last line of a job that still prints: perhaps half a line. The next page has it again."
    )
    begins: int = Field(description="At which byte of the log the first line here begins.")
    bytes: int = Field(description="How long the whole log is, in bytes.")
    next: str | None = Field(description="The cursor of what is printed from here on; null once all is here.")


class Step(Shape):
    """A step that was done; times UTC."""

    step: str
    attempt: int
    started_at: AwareDatetime
    ended_at: AwareDatetime
    seconds: float
    batches: int | None = None
    result: Any = None


class Run(Shape):
    """A run: where it stands, step by step, and why it failed if it did."""

    run: str
    model: str
    period: str
    state: str
    attempt: int
    cause: dict[str, Any]
    version: str
    fingerprint: str
    since: AwareDatetime
    deadline: AwareDatetime | None
    canceling: bool
    failure: dict[str, Any] | None
    failed_step: str | None
    metrics: dict[str, float] = Field(
        description="What the model says of the attempt's outputs, by name: the numbers of the file that `metrics` of "
        "its definition names; none before they are verified."
    )
    steps: list[Step]
    attempts: list[dict[str, Any]]
    gone: dict[str, AwareDatetime] = Field(
        description="Which of its inputs and outputs retention deleted, and since when they cannot be read again."
    )
    incident: dict[str, Any] | None
    links: dict[str, str | None]


class Accepted(Shape):
    """A change that is durable: the run that it is about."""

    run: str
    links: dict[str, str]


class Entry(Shape):
    """A task of a run that ended."""

    attempt: int
    what: str = Field(description="The activity, as history names it.")
    began_at: AwareDatetime
    ended_at: AwareDatetime
    outcome: str = Field(description="done; failure: it said why it could not; failed: it raised.")
    error: str | None
    tries: int = Field(description="Which try of its story it was.")
    source: str = Field(description="engine, or receipt where the engine has forgotten.")


class History(Shape):
    """Everything that was tried in a run, by the time it began."""

    run: str
    state: str
    missing: str | None = Field(
        description="What is not here since the engine did not answer, in words; those tasks are told by receipts."
    )
    timeline: list[Entry]
