"""What the HTTP API answers, as pydantic models: the OpenAPI document is made of them, and tests hold answers to them.

Times are ISO 8601 with a zone, runs and periods as `slipway.run` and `slipway.period` write them.
"""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Shape(BaseModel):
    """One document of the API; nothing else is in it."""

    model_config = ConfigDict(extra="forbid")


class PeriodRow(Shape):
    """A period at a glance."""

    period: str
    state: str = Field(
        description="The stage of an active run, how the last one ended, `waived`, `retracted`, or `none` where "
        "nobody has run it."
    )
    run: str | None
    attempt: int | None
    at: AwareDatetime | None = Field(description="When the attempt began, or ended.")
    published: str | None = Field(description="The run whose outputs readers see.")
    incident: str | None = Field(description="The code of the open incident.")
    due: AwareDatetime | None
    late: bool
    timing: str | None = Field(
        description="`on-time`, `at-risk` (it will be late if it takes as long as usual) or `late`, until it is "
        "published; null where nobody waits for it."
    )
    expected: AwareDatetime | None = Field(
        description="When the outputs are to be expected, if they take as long as usual; null if that is not known."
    )


class Money(Shape):
    """An amount in a currency."""

    amount: float
    currency: str


class Used(Shape):
    """What the published run took."""

    seconds: float = Field(description="From its claim to its publication.")
    job_seconds: float | None = Field(description="How long its job ran; null where nobody saw it.")
    nodes: int
    node_hours: float | None
    compute: str
    input_bytes: int
    output_bytes: int
    cost: Money | None = Field(description="By SLIPWAY_NODE_HOUR_PRICES; null where it has no price for the compute.")


class PeriodDetail(PeriodRow):
    """A period in the list of a model's periods."""

    used: Used | None
    metrics: dict[str, float] = Field(description="What the model says of what is published, by name.")


class ModelRow(Shape):
    """A model at a glance."""

    model: str
    description: str
    owner: str
    cadence: str
    version: str
    released_at: AwareDatetime
    latest: PeriodRow | None = Field(description="The last period that has ended.")
    incidents: int = Field(description="Open incidents among its newest periods.")
    usual_seconds: float | None = Field(
        description="How long it usually takes from a run's claim to its publication: the median of its newest 20."
    )


class Models(Shape):
    """A page of the released models, by name."""

    models: list[ModelRow]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class Source(Shape):
    """Where an input comes from: a dataset's path, or another model's output."""

    path: str | None
    model: str | None
    output: str | None
    cadence: str | None
    optional: bool


class Model(ModelRow):
    """A released model."""

    timezone: str
    first_period: str
    last_period: str | None
    on_new_data: str
    readers: list[str]
    inputs: dict[str, Source]
    outputs: list[str]
    consumers: list[str] = Field(description="The models that read its outputs.")
    paused: dict[str, Any] | None = Field(description="Who paused it: by, reason, at.")


class BoardRow(Shape):
    """A model's newest periods, the last one first."""

    model: str
    owner: str
    cadence: str
    periods: list[PeriodRow]


class Board(Shape):
    """All models by period: the first thing anyone looks at."""

    now: AwareDatetime
    models: list[BoardRow]


class Periods(Shape):
    """A page of a model's periods, the newest first."""

    model: str
    periods: list[PeriodDetail]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


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


class LatePeriod(PeriodRow):
    """A period that people wait for."""

    model: str
    owner: str


class Running(Shape):
    """A run that is under way, and how it stands."""

    model: str
    period: str
    run: str
    attempt: int
    stage: str
    since: AwareDatetime = Field(description="When the attempt began.")
    deadline: AwareDatetime = Field(description="When its owner is taken for dead, unless it shows life.")
    stuck: str | None = Field(description="Why it needs a look; null while all is well.")
    canceling: bool


class IncidentRow(Shape):
    """An incident, as a list shows it."""

    key: str
    model: str | None
    period: str | None
    backfill: str | None = Field(description="The backfill of the model that it is about, if it is about one.")
    platform: str | None = Field(description="What is wrong with the platform, if it is about that.")
    status: str
    kind: str
    code: str
    severity: str | None = Field(description="info, warning, error or critical.")
    message: str
    owner: str | None
    run: str | None
    first_step: str
    occurrences: int
    opened_at: AwareDatetime
    acknowledged: dict[str, Any] | None = Field(description="Who is on it: by, reason, at.")
    resolved_at: AwareDatetime | None
    resolved_by: str | None


class Overview(Shape):
    """What needs a person, what is late, what is running or stuck, now."""

    now: AwareDatetime
    reconciled_at: AwareDatetime | None = Field(description="When the reconciler last ended a pass.")
    reconcile_stale: bool
    running: list[Running]
    late: list[LatePeriod]
    incidents: list[IncidentRow] = Field(description="The open ones, of the platform first; a hundred at most.")
    paused: list[str] = Field(description="The models that start nothing by themselves.")


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


class Incidents(Shape):
    """A page of incidents: of the platform, of backfills, then by model and period."""

    incidents: list[IncidentRow]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class Remedy(Shape):
    """A command that helps."""

    what: str
    command: str


class IncidentDocument(BaseModel):
    """An incident, as it is told: to its receivers, and here. Members of the record that are not here are there too."""

    model_config = ConfigDict(extra="allow")

    key: str
    model: str | None
    period: str | None
    backfill: str | None = None
    platform: str | None = None
    status: str
    severity: str | None = None
    kind: str
    code: str
    message: str
    title: str
    text: str = Field(description="All of it in words, a line each.")
    first: dict[str, Any] | None = Field(None, description="What failed first: code, step, message, at.")
    due: AwareDatetime | None = None
    waiting: list[str] = Field([], description="The models that wait for the outputs, the nearest first.")
    links: dict[str, str]
    commands: list[Remedy]


class Acknowledged(Shape):
    """Who is on an incident."""

    model: str | None = None
    period: str | None = None
    backfill: str | None = None
    platform: str | None = None
    acknowledged: dict[str, Any]
    links: dict[str, str]


class BackfillRow(Shape):
    """A backfill at a glance."""

    backfill: str
    model: str
    state: str = Field(description="planning, planned, running, paused, finished or canceled.")
    only: str = Field(description="Which of its periods need a run: missing, failed, outdated, all.")
    first: str
    last: str
    counts: dict[str, int] = Field(
        description="How many of its periods are pending, blocked, starting, active, good, published, failed, "
        "canceled, skipped."
    )
    by: str
    reason: str
    at: AwareDatetime
    ended_at: AwareDatetime | None


class Backfills(Shape):
    """A page of backfills, the newest first. Of a long reason only the beginning is here."""

    backfills: list[BackfillRow]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class BasedOn(Shape):
    """What an estimate rests on: medians of the model's newest published runs."""

    runs: int
    job_seconds: float
    run_seconds: float
    nodes: int


class Estimate(Shape):
    """What the planned runs take; null where nothing tells it, and `unknown` says what is not known."""

    runs: int
    compute: str
    node_hours: float | None
    money: Money | None
    seconds: float | None = Field(description="Until the last run has ended, if none waits for compute.")
    based_on: BasedOn | None
    unknown: list[str]


class Backfill(BackfillRow):
    """A backfill: its plan, what people decided, how far it is."""

    order: str
    parallel: int
    version: str | None = Field(description="The released definition when it was planned; runs take the one then.")
    planned_at: AwareDatetime | None
    estimate: Estimate | None
    finishes_at: AwareDatetime | None = Field(description="By its newest runs, else past ones, if it goes on now.")
    held: str | None = Field(description="Why nothing new is started at the moment.")
    started: dict[str, Any] | None = Field(description="By whom, why, when.")
    paused: dict[str, Any] | None
    canceled: dict[str, Any] | None = Field(description="By whom, why, when; `runs` tells what became of its runs.")
    links: dict[str, str]


class BackfillPeriod(Shape):
    """A period of a backfill."""

    period: str
    state: str
    why: str | None
    run: str | None
    joined: bool = Field(description="Whether the run was active anyway, and is awaited.")


class BackfillPeriods(Shape):
    """A page of a backfill's periods, earliest first."""

    backfill: str
    model: str
    periods: list[BackfillPeriod]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class Health(Shape):
    """Whether the reconciler passes."""

    status: str = Field(description="ok; else stale, or unavailable where that cannot be read.")


class ProblemDocument(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str


class Interval(Shape):
    """When a period begins and ends (UTC); the end is exclusive."""

    start: AwareDatetime
    end: AwareDatetime


class InputState(Shape):
    """How one input stands."""

    state: str = Field(description="arrived, partial, waiting, late or excused.")
    since: AwareDatetime | None
    files: int
    bytes: int
    blocks: str | None
    ask_again: AwareDatetime | None


class ReadinessDocument(Shape):
    """Whether all inputs are complete, and if not, what blocks."""

    model: str
    period: str
    ready: bool
    blocks: str
    ask_again: AwareDatetime | None
    inputs: dict[str, InputState]


class DecisionDocument(Shape):
    """What Slipway would do now, and why."""

    action: str
    why: str
    ask_again: AwareDatetime | None


class Card(BaseModel):
    """The card of a period: is it ready, what blocks, what is published."""

    model: str
    period: str
    interval: Interval
    version: str
    readiness: ReadinessDocument
    decision: DecisionDocument
    active: dict[str, Any] | None = Field(description="The active run: run, attempt, stage, deadline.")
    published: dict[str, Any] | None
    last: dict[str, Any] | None = Field(description="How the last run ended.")
    due: AwareDatetime | None = Field(description="When the outputs are expected; null where the model names no time.")
    timing: str | None = Field(description="`on-time`, `at-risk` or `late`, as in lists; null where nobody waits.")
    expected: AwareDatetime | None = Field(description="When they are to be expected; null if that is not known.")
    usual_seconds: float | None = Field(description="How long the model usually takes from claim to publication.")
    waived: dict[str, Any] | None = Field(description="Who decided that no run is needed: by, reason, at.")
    retracted: dict[str, Any] | None = Field(
        description="What was published and is no more: run, attempt, generation, by, reason, at."
    )
    paused: dict[str, Any] | None = Field(description="Who paused the model: by, reason, at.")
    incident: dict[str, Any] | None


class Decided(Shape):
    """What people decided, as it then stands: the member that was asked about is there."""

    model: str
    period: str | None = None
    run: str | None = None
    attempt: int | None = None
    waived: dict[str, Any] | None = None
    retracted: dict[str, Any] | None = None
    acknowledged: dict[str, Any] | None = None
    paused: dict[str, Any] | None = None
    links: dict[str, str]


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


class ClassOfRetention(Shape):
    """A class of what is kept, and what of it would go now; the latter with `dry_run=yes` alone."""

    name: str
    kept: str = Field(description="How long: days, such as `30d`, or `never` deleted.")
    count: int | None = Field(None, description="Files or folders that would go.")
    runs: int | None = Field(None, description="Runs whose they are.")
    files: int | None = Field(None, description="Files in them, as far as records tell.")
    bytes: int | None = Field(None, description="Bytes in them, as far as records tell.")
    uncounted: int | None = Field(None, description="Folders of which no record tells the bytes.")
    examples: list[str] = []


class LastRetention(Shape):
    """What the last pass did."""

    at: AwareDatetime
    started_at: AwareDatetime
    removed: dict[str, int] = Field(description="Files or folders that went, by class.")
    looked: int = Field(description="Periods it looked at.")
    left: int = Field(description="Periods it left to the next pass.")
    failed: int
    purged: int = Field(description="Instances whose history the engine let go.")
    purged_until: AwareDatetime | None = Field(description="Before when the engine keeps nothing that has ended.")


class Retention(Shape):
    """How long what is kept, what the last pass did, and what the next would do."""

    classes: list[ClassOfRetention]
    last: LastRetention | None
    waiting: int | None = Field(description="Periods that the next pass looks at; null without `dry_run=yes`.")
    looked: int | None = Field(description="Of those, periods that were looked at for this answer.")


class CheckRow(Shape):
    """One check of the environment."""

    name: str
    state: str = Field(description="`ok`, `warning`, or `failed`.")
    found: str
    remedy: str = Field(description="What to do; empty where nothing is.")


class Checkup(Shape):
    """The environment, checked with the app's own settings, identity and rights."""

    now: AwareDatetime = Field(description="By the app's clock.")
    checks: list[CheckRow]
    unseen: list[str] = Field(description="What cannot be seen from within the app, and where to look.")
