"""Models, their periods at a glance, the board and the overview."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, Field

from triggers.shapes.base import Shape
from triggers.shapes.incidents import IncidentRow


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


class Overview(Shape):
    """What needs a person, what is late, what is running or stuck, now."""

    now: AwareDatetime
    reconciled_at: AwareDatetime | None = Field(description="When the reconciler last ended a pass.")
    reconcile_stale: bool
    running: list[Running]
    late: list[LatePeriod]
    incidents: list[IncidentRow] = Field(description="The open ones, of the platform first; a hundred at most.")
    paused: list[str] = Field(description="The models that start nothing by themselves.")
