"""How the installation itself is: health, retention, checks."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from triggers.shapes.base import Shape


class Health(Shape):
    """Whether the reconciler passes."""

    status: str = Field(description="ok; else stale, or unavailable where that cannot be read.")


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
