"""Durations as people write them in definitions: `45s`, `30m`, `2h`, `3d`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from slipway.problems import BrokenRules, Finding

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_PATTERN = r"[1-9][0-9]{0,4}[smhd]"


def duration(text: Any) -> timedelta:
    """Read `45s`, `30m`, `2h` or `3d`."""
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not re.fullmatch(_PATTERN, text, re.ASCII):
        raise BrokenRules([Finding((), "this is not a duration", "write a number and a unit, such as 30m, 2h or 3d")])
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def duration_text(value: timedelta) -> str:
    """Write a duration in the largest unit that needs no fraction."""
    seconds = int(value.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


Duration = Annotated[
    timedelta,
    BeforeValidator(duration),
    PlainSerializer(duration_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": f"^{_PATTERN}$", "examples": ["30m", "2h", "3d"]}),
]
