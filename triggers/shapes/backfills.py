"""Backfills: their plans, and how far they are."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, Field

from triggers.shapes.base import Shape
from triggers.shapes.models import Money


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
