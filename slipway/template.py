"""Templates of dataset folders: `landing/flights/{period:%Y-%m}/`, written and read in both directions.

A template holds only codes from which the period can be read back without doubt; everything else is refused when the
definition is checked, not when the data land.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache

from slipway.listing import Folder
from slipway.names import InvalidName, filesystem_name, relative_path, shown
from slipway.period import SHAPES, Cadence, Period, PeriodError

#: The codes a template may hold: those of strftime, and %q for the quarter; with the number of digits each has.
CODES = {"Y": 4, "m": 2, "d": 2, "H": 2, "j": 3, "G": 4, "V": 2, "q": 1}

#: Which codes say everything about a period of each cadence; one of the sets must be there.
_ENOUGH = {
    Cadence.HOURLY: ("YmdH", "YjH"),
    Cadence.DAILY: ("Ymd", "Yj"),
    Cadence.WEEKLY: ("GV",),
    Cadence.MONTHLY: ("Ym",),
    Cadence.QUARTERLY: ("Yq",),
}
#: Which codes may stand in a template of each cadence: what one period has one value of.
_ALLOWED = {
    Cadence.HOURLY: "YmdHjGVq",
    Cadence.DAILY: "YmdjGVq",
    Cadence.WEEKLY: "GV",
    Cadence.MONTHLY: "Ymq",
    Cadence.QUARTERLY: "Yq",
}
_EXAMPLES = {
    Cadence.HOURLY: "{period:%Y/%m/%d/%H}",
    Cadence.DAILY: "{period:%Y/%m/%d}",
    Cadence.WEEKLY: "{period:%G-W%V}",
    Cadence.MONTHLY: "{period:%Y-%m}",
    Cadence.QUARTERLY: "{period:%Y-Q%q}",
}
_FIELD = re.compile(r"\{period:([^{}]*)\}")
_LITERAL = re.compile(r"[A-Za-z0-9_=+@~ -][A-Za-z0-9_.=+@~ -]*", re.ASCII)


class TemplateError(ValueError):
    """A template that breaks a rule. `rule` says which, `remedy` what to write instead."""

    def __init__(self, rule: str, remedy: str) -> None:
        super().__init__(f"{rule}; {remedy}")
        self.rule, self.remedy = rule, remedy


@dataclass(frozen=True)
class Template:
    """Where a dataset lies: `cadence` says which periods it has, None that it is static, one folder for all time.

    `segments` are the folder's names below the filesystem; in them, `%Y` and the like stand for parts of the period.
    """

    filesystem: str
    segments: tuple[str, ...]
    cadence: Cadence | None

    @staticmethod
    @cache
    def parse(text: str, cadence: Cadence | None) -> Template:
        """Read `<filesystem>/<folder>/…/` with `{period:…}` in it, or without for a static dataset.

        Raises TemplateError where the text could not be a folder, or the period could not be read back from it.
        """
        if not text.endswith("/"):
            raise TemplateError(f"path {shown(text)} is no folder", "end it with a slash")
        filesystem, _, path = _plain(text).rstrip("/").partition("/")
        segments = tuple(path.split("/"))
        try:
            filesystem_name(filesystem)
            relative_path(path.replace("%", "0"))
        except InvalidName as error:
            raise TemplateError(str(error), "write <filesystem>/<folder>/, such as landing/flights/") from error
        for segment in segments:
            _check_literal(re.sub(r"%[A-Za-z]", "0", segment))
        _check_codes(re.findall(r"%(.)", path), cadence)
        return Template(filesystem, segments, cadence)

    def folder(self, period: Period | None) -> Folder:
        """The folder of a period (None for a static dataset). Raises ValueError for a period of another cadence."""
        if (period.cadence if period else None) is not self.cadence:
            raise ValueError(f"{self} has {self.cadence or 'static'} data, none of {period}")
        path = "/".join(self.segments)
        # All codes but the quarter's are strftime's own; years lie between 1900 and 2199, so each has four digits.
        return Folder(
            self.filesystem, period.first.strftime(path.replace("%q", str(period.quarter))) if period else path
        )

    def match(self, filesystem: str, path: str) -> Period | None:
        """The period whose folder is at `path` or holds it; None if there is none, and always for a static dataset."""
        names = path.split("/")
        if filesystem != self.filesystem or self.cadence is None or len(names) < len(self.segments):
            return None
        return self.period(names[: len(self.segments)])

    def period(self, names: list[str]) -> Period | None:
        """The period whose folder has exactly these segments, if any."""
        if self.cadence is None:
            return None
        values: dict[str, int] = {}
        for segment, name in zip(self.segments, names, strict=True):
            match = segment_pattern(segment).fullmatch(name)
            if match is None:
                return None
            values |= {key[0]: int(digits) for key, digits in match.groupdict().items()}
        try:
            period = Period(self.cadence, _first(self.cadence, values))
        except (PeriodError, ValueError, OverflowError):
            return None
        # Codes that contradict each other (a month 02 beside a day of the year 031) lead to another folder than this.
        return period if self.folder(period).path == "/".join(names) else None

    def __str__(self) -> str:
        return "/".join((self.filesystem, *self.segments, ""))


@cache
def segment_pattern(segment: str) -> re.Pattern[str]:
    """The expression that one segment of a path must match; each code is a group of its own, named after it."""
    parts = re.split(r"%(.)", segment)
    text = "".join(
        f"(?P<{part}{index}>[0-9]{{{CODES[part]}}})" if index % 2 else re.escape(part)
        for index, part in enumerate(parts)
    )
    return re.compile(text)


def _plain(text: str) -> str:
    """The template with each `{period:…}` replaced by the codes in it."""
    if "%" in _FIELD.sub("", text):
        raise TemplateError(f"path {shown(text)} has a % outside {{period:…}}", "write codes as {period:%Y-%m}")
    for codes in _FIELD.findall(text):
        if not re.search(r"%", codes):
            raise TemplateError("{period:…} holds no code such as %Y", "write {period:%Y-%m}, or leave it out")
    return _FIELD.sub(lambda field: field[1], text)


def _check_literal(segment: str) -> None:
    if not _LITERAL.fullmatch(segment) or segment != segment.strip():
        raise TemplateError(
            f"{shown(segment)} is no name of a folder in a template",
            "use letters, digits and _ . = + @ ~ - and {period:…}; names begin with no dot",
        )


def _check_codes(codes: list[str], cadence: Cadence | None) -> None:
    if cadence is None:
        if codes:
            raise TemplateError(
                "a static dataset has no periods", "take {period:…} out of its path, or say its cadence"
            )
        return
    example = f"write {_EXAMPLES[cadence]}"
    if not codes:
        raise TemplateError(
            f"a {cadence} dataset needs {{period:…}} in its path", f"{example}, or say `cadence: static`"
        )
    for code in codes:
        if code not in CODES:
            raise TemplateError(f"%{code} is no code Slipway knows: {' '.join('%' + c for c in CODES)}", example)
        if code not in _ALLOWED[cadence]:
            raise TemplateError(f"%{code} does not belong to a {cadence} period such as {SHAPES[cadence]}", example)
    if not any(set(enough) <= set(codes) for enough in _ENOUGH[cadence]):
        raise TemplateError(f"a {cadence} period cannot be read back from {' '.join('%' + c for c in codes)}", example)


def _first(cadence: Cadence, values: Mapping[str, int]) -> datetime:
    """Where the period with these values begins on the wall clock; ValueError if the calendar has no such day."""
    match cadence:
        case Cadence.WEEKLY:
            day = date.fromisocalendar(values["G"], values["V"], 1)
        case Cadence.MONTHLY:
            day = date(values["Y"], values["m"], 1)
        case Cadence.QUARTERLY:
            day = date(values["Y"], values["q"] * 3 - 2, 1)
        case _ if {"m", "d"} <= values.keys():
            day = date(values["Y"], values["m"], values["d"])
        case _:
            day = date(values["Y"], 1, 1) + timedelta(days=values["j"] - 1)
    return datetime(day.year, day.month, day.day, values.get("H", 0))  # noqa: DTZ001 - a wall clock has no zone
