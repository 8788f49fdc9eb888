"""Incidents, as lists show them and as their receivers are told."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from triggers.shapes.base import Shape


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
