"""`model.yaml`, field by field: what Slipway does for a model. The JSON Schema editors use is made from this.

Rules that concern one field stand at the field, rules between fields in the functions below; each says what breaks it
and what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import cache
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from slipway.business_days import CALENDAR_PATTERN, is_calendar
from slipway.duration import Duration
from slipway.names import GROUP_PATTERN, MODEL_PATTERN, PORT_PATTERN, InvalidName, relative_path, shown
from slipway.period import SHAPES, Cadence, Period, PeriodError
from slipway.problems import BrokenRules, Finding
from slipway.template import Template, TemplateError

#: An access control list holds 32 entries; twelve reader groups leave room for owners, jobs and masks.
MOST_READERS = 12
#: A year of hours: no window is wider.
WIDEST_WINDOW = 9000

_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_GLOB = r"[A-Za-z0-9_.=+@~ *?-][A-Za-z0-9_.=+@~ /*?-]{0,99}"
_JSON_FILE = r"[A-Za-z0-9_.=+@~-][A-Za-z0-9_.=+@~ /-]{0,99}\.json"


PortName = Annotated[str, Field(pattern=f"^{PORT_PATTERN}$")]
GroupName = Annotated[str, Field(pattern=f"^{GROUP_PATTERN}$")]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    def findings(self) -> Iterator[Finding]:
        """What is wrong between the fields of this part."""
        yield from ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if found := list(self.findings()):
            raise BrokenRules(found)
        return self


class Window(_Part):
    """Which periods of a dataset a run reads, counted from period 0: the last that ends when the run's period does."""

    from_: int = Field(default=0, alias="from", ge=-WIDEST_WINDOW, le=WIDEST_WINDOW)
    to: int = Field(default=0, ge=-WIDEST_WINDOW, le=WIDEST_WINDOW)

    def findings(self) -> Iterator[Finding]:
        """A window runs forward."""
        if not self.from_ <= self.to <= self.from_ + WIDEST_WINDOW:
            yield Finding(("from",), "a window runs from the earlier period to the later", "write {from: -30, to: 0}")


class Complete(_Part):
    """When a dataset's folder is complete: exactly one of the three."""

    marker: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_.-]{1,100}$",
        description="When a file of this name is there, beside at least one data file.",
    )
    files: int | None = Field(
        default=None, ge=1, le=1_000_000, description="When at least so many data files are there."
    )
    quiet: Duration | None = Field(
        default=None, description="When no data file has changed for so long, by the lake's own clock."
    )

    def findings(self) -> Iterator[Finding]:
        """Exactly one rule."""
        if [self.marker, self.files, self.quiet].count(None) != 2:
            yield Finding((), "complete needs exactly one of marker, files and quiet", "write {marker: _SUCCESS}")


class Input(_Part):
    """A dataset, or another model's published output, that a run reads."""

    path: str | None = Field(default=None, description="<filesystem>/<folder>/ with {period:%Y-%m} or the like in it.")
    from_: str | None = Field(default=None, alias="from", description="<model>/<output>: what another model publishes.")
    cadence: Literal["hourly", "daily", "weekly", "monthly", "quarterly", "static"] | None = Field(
        default=None,
        description="How often it arrives, if not as often as the model runs; static: one folder for ever.",
    )
    periods: (
        Annotated[
            Annotated[Window, Tag("window")] | Annotated[Literal["within"], Tag("within")],
            Discriminator(lambda value: "within" if isinstance(value, str) else "window"),
        ]
        | None
    ) = Field(
        default=None, description="Which periods are read: {from, to}, or within for all that end inside the run's."
    )
    complete: Complete | None = Field(default=None, description="When a folder is complete; not for `from`.")
    optional: bool = Field(default=False, description="A run does not wait for it, and reads it only when complete.")
    max_age: int | None = Field(
        default=None, ge=1, le=1000, description="Read the latest complete period, at most so many periods back."
    )

    def findings(self) -> Iterator[Finding]:
        """The rules of one input that hold whatever the model."""
        if (self.path is None) == (self.from_ is None):
            yield Finding((), "an input needs exactly one of path and from", "write path: landing/<folder>/")
        elif self.path is not None and self.complete is None:
            yield Finding((), "an input with a path must say when it is complete", "add complete: {marker: _SUCCESS}")
        elif self.from_ is not None:
            yield from self._output_findings()
        if self.cadence == "static" and self.periods is not None:
            yield Finding(("periods",), "a static input has no periods", "remove it")
        if self.max_age is not None:
            yield from self._age_findings()

    def _output_findings(self) -> Iterator[Finding]:
        if not re.fullmatch(f"{MODEL_PATTERN}/{PORT_PATTERN}", self.from_ or "", re.ASCII):
            yield Finding(("from",), "from must name a model and its output", "write <model>/<output>")
        if self.complete is not None:
            yield Finding(("complete",), "a published output is complete when it is published", "remove it")
        if self.cadence == "static":
            yield Finding(("cadence",), "a model's outputs are never static", "write the cadence of that model")

    def _age_findings(self) -> Iterator[Finding]:
        if self.optional:
            yield Finding(("max_age",), "an input is either optional or has a max_age", "keep one of the two")
        window = self.periods or Window()
        if self.cadence == "static" or not isinstance(window, Window) or window.from_ != window.to:
            yield Finding(("max_age",), "max_age goes with a single period", "remove max_age, or periods")


class Output(_Part):
    """A folder of files that a run publishes."""

    must_have: tuple[Annotated[str, Field(pattern=f"^{_GLOB}$")], ...] = Field(
        default=(),
        max_length=20,
        description="Patterns (* and ?); each must match at least one file, or nothing is published.",
    )

    def findings(self) -> Iterator[Finding]:
        """Patterns stay cheap to match."""
        for index, pattern in enumerate(self.must_have):
            if pattern.count("*") > 3:
                yield Finding(("must_have", index), "a pattern holds at most three *", "write a simpler one")


class Due(_Part):
    """When a period's outputs are expected, counted from the period's end; later than this is an incident."""

    day: int | None = Field(
        default=None, ge=1, le=92, description="The n-th day after the period's end; 1 is the first."
    )
    business_day: int | None = Field(
        default=None,
        ge=1,
        le=66,
        description="In place of day: the n-th business day after the period's end, by the calendar.",
    )
    calendar: str | None = Field(
        default=None,
        pattern=f"^(?:{CALENDAR_PATTERN})$",
        description="Whose weekends and holidays: a country (US), a part of one (US-NY), or a market (XNYS).",
    )
    at: str | None = Field(
        default=None, pattern=f"^{_CLOCK}$", description="The time of that day, in the model's zone."
    )
    after: Duration | None = Field(default=None, description="Hourly models: so long after the hour's end.")

    def findings(self) -> Iterator[Finding]:
        """Calendars that the holidays library knows."""
        if self.calendar is not None and not is_calendar(self.calendar):
            yield Finding(
                ("calendar",),
                f"the holidays library knows no calendar {self.calendar}",
                "write a country such as US, a part of one such as US-NY, or a market such as XNYS",
            )


class Limits(_Part):
    """How long each stage may take and how much a run may read; the running time stands in job.yaml."""

    queued: Duration = Field(
        default=timedelta(hours=2), description="Longest wait for compute.", json_schema_extra={"default": "2h"}
    )
    preparing: Duration = Field(
        default=timedelta(hours=1),
        description="Longest preparation: image, mounts.",
        json_schema_extra={"default": "1h"},
    )
    attempts: int = Field(default=3, ge=1, le=10, description="Attempts without a person.")
    files: int = Field(default=200_000, ge=1, le=1_000_000, description="Most input files of a run.")


class ModelFile(_Part):
    """model.yaml: what Slipway does for a model."""

    description: str = Field(min_length=1, max_length=1000, description="What the model answers, in a sentence.")
    owner: GroupName = Field(description="Who is called when a person is needed.")
    tier: int = Field(
        default=2,
        ge=1,
        le=3,
        description="How much it matters, from 1, which cannot wait, to 3, which can: how loud its incidents are told.",
    )
    readers: tuple[GroupName, ...] = Field(
        default=(),
        max_length=MOST_READERS,
        description="Who may read the outputs; each environment maps them to groups.",
    )
    cadence: Cadence = Field(description="How often the model runs.")
    timezone: str = Field(default="UTC", description="The IANA zone whose calendar the periods follow.")
    first_period: str = Field(description="The first period that is run unasked.")
    last_period: str | None = Field(default=None, description="The last one, if there is one.")
    due: Due | None = Field(default=None, description="When outputs are expected; without it a model is never late.")
    inputs: dict[PortName, Input] = Field(min_length=1, max_length=40)
    outputs: dict[PortName, Output] = Field(min_length=1, max_length=20)
    metrics: str | None = Field(
        default=None,
        description="<output>/<file>.json: what the model says of its own quality, in numbers that are kept and shown.",
    )
    on_new_data: Literal["run", "ask", "ignore"] = Field(
        default="run", description="What new data mean for a period that was run already."
    )
    corrections: Annotated[
        Annotated[int, Field(ge=0, le=10_000), Tag("periods")] | Annotated[Duration, Tag("duration")],
        Discriminator(lambda value: "periods" if isinstance(value, int) else "duration"),
    ] = Field(
        default=timedelta(days=366),
        description="How far back from the last ended period published ones take new data: a duration, or periods.",
        json_schema_extra={"default": "366d"},
    )
    limits: Limits = Limits()

    def findings(self) -> Iterator[Finding]:
        """The rules between the fields of a model."""
        if zone_problem := _zone_problem(self.timezone):
            yield zone_problem
        yield from self._period_findings()
        yield from self._due_findings()
        if len(set(self.readers)) < len(self.readers):
            yield Finding(("readers",), "a reader is named twice", "keep one of the two")
        for name, input_ in self.inputs.items():
            yield from _input_findings(self.cadence, name, input_)
        if self.metrics is not None:
            yield from _metrics_findings(self.metrics, self.outputs)

    def _period_findings(self) -> Iterator[Finding]:
        periods = {}
        for field in ("first_period", "last_period"):
            try:
                if text := getattr(self, field):
                    periods[field] = Period.parse(text, self.cadence)
            except PeriodError as error:
                yield Finding((field,), str(error), f"write it like {SHAPES[self.cadence]}")
        if len(periods) == 2 and periods["last_period"] < periods["first_period"]:
            yield Finding(("last_period",), "the last period lies before the first", "exchange them")

    def _due_findings(self) -> Iterator[Finding]:
        if self.due is None:
            return
        given = {name for name in Due.model_fields if getattr(self.due, name) is not None}
        if self.cadence is Cadence.HOURLY:
            if given != {"after"}:
                yield Finding(("due",), "an hourly model's due says after", "write {after: 45m}")
        elif given not in ({"day", "at"}, {"business_day", "at", "calendar"}):
            yield Finding(
                ("due",),
                f"a {self.cadence} model's due says day and at, or business_day, at and calendar",
                'write {day: 1, at: "09:00"}, or {business_day: 1, at: "09:00", calendar: US}',
            )


def effective_cadence(model_cadence: Cadence, input_: Input) -> Cadence | None:
    """How often an input arrives: as it says, else as often as the model runs; None if it is static."""
    if input_.cadence == "static":
        return None
    return Cadence(input_.cadence) if input_.cadence else model_cadence


def _input_findings(model_cadence: Cadence, name: str, input_: Input) -> Iterator[Finding]:
    cadence = effective_cadence(model_cadence, input_)
    if input_.path is not None:
        try:
            Template.parse(input_.path, cadence)
        except TemplateError as error:
            yield Finding(("inputs", name, "path"), error.rule, error.remedy)
    order = list(Cadence)
    if input_.periods == "within" and cadence and order.index(cadence) > order.index(model_cadence):
        yield Finding(
            ("inputs", name, "periods"),
            f"{cadence} periods do not end within every {model_cadence} one",
            "remove it: the last one that has ended is read",
        )


def _metrics_findings(metrics: str, outputs: Iterable[str]) -> Iterator[Finding]:
    output, _, file = metrics.partition("/")
    if re.fullmatch(_JSON_FILE, file, re.ASCII) is None or not _stays(file):
        rule = f"metrics must name one JSON file of an output, and {shown(metrics)} does not"
        yield Finding(("metrics",), rule, "write <output>/<file>.json")
    elif output not in outputs:
        remedy = f"write {' or '.join(f'{name}/{file}' for name in sorted(outputs)[:3])}"
        yield Finding(("metrics",), f"{shown(output)} is no output of this model", remedy)


def _stays(path: str) -> bool:
    try:
        relative_path(path)
    except InvalidName:
        return False
    return True


@cache
def _zone_problem(key: str) -> Finding | None:
    try:
        ZoneInfo(key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return Finding(("timezone",), f"{key[:60]!a} is no time zone", "write an IANA name, such as America/New_York")
    return None
