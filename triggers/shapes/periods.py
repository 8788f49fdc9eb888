"""One period: its card of readiness, and what people decided about it."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, BaseModel, Field

from triggers.shapes.base import Shape


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
