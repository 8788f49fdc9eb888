"""The names of runs and of what belongs to them: deterministic, so that a step done twice finds its first work."""

from __future__ import annotations

import re
from dataclasses import dataclass

from slipway.names import InvalidName, model_name, shown
from slipway.period import Period, PeriodError

#: Run numbers are given one by one; more than this many of one key is no work but a mistake.
LARGEST_NUMBER = 999_999

_KEY8 = re.compile(r"[0-9a-f]{8}")
_TAIL = re.compile(r"([0-9a-f]{8})-([1-9][0-9]{0,5})")
_ATTEMPT = re.compile(r"(.+)-a([1-9][0-9]{0,5})")
_STORY = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class RunId:
    """`<model>--<period>--<key8>-<r>`: `key8` stands for fingerprint and definition version,
    `r` counts the runs with that key from 1.

    At most 90 characters of `[A-Za-z0-9-]`, so that it fits into an Azure ML job's name and an instance id.
    """

    model: str
    period: Period
    key8: str
    r: int = 1

    def __post_init__(self) -> None:
        model_name(self.model)
        if not _KEY8.fullmatch(self.key8) or not 1 <= self.r <= LARGEST_NUMBER:
            raise InvalidName(
                f"a run's id ends in 8 hex digits and a number from 1, not in {shown(self.key8)}-{self.r}"
            )

    @classmethod
    def parse(cls, text: str) -> RunId:
        """Read an id back. Raises InvalidName for anything that `text` would not have written."""
        parts = text[:200].rsplit("--", 2)
        if len(parts) == 3 and (tail := _TAIL.fullmatch(parts[2])):
            try:
                return cls(parts[0], Period.parse(parts[1]), tail[1], int(tail[2]))
            except PeriodError as error:
                raise InvalidName(f"{shown(text)} is not a run's id: {error}") from error
        raise InvalidName(f"{shown(text)} is not a run's id: it must be <model>--<period>--<key8>-<r>")

    @property
    def text(self) -> str:
        """The id as paths, tags and people write it."""
        return f"{self.model}--{self.period}--{self.key8}-{self.r}"

    def __str__(self) -> str:
        return self.text


def job_name(run: RunId | str, attempt: int) -> str:
    """The Azure ML job of an attempt: `<run>-a<n>` in lower case.

    azure-ai-ml submits every name so; a job asked for as `2013-W05` would not be found. Source: azure-ai-ml, BaseNode.
    """
    return f"{run}-a{attempt}".lower()


def instance_id(run: RunId, attempt: int, story: str | None = None) -> str:
    """The orchestration instance of an attempt, `<run>-a<n>`, or of one of its children, `<run>-a<n>-<story>`."""
    if story is not None and not _STORY.fullmatch(story):
        raise InvalidName(f"{shown(story)} is not a story's name: it must be [a-z][a-z0-9_]*")
    return f"{run}-a{attempt}" + (f"-{story}" if story else "")


def parse_job_name(text: str) -> tuple[RunId, int]:
    """The run and attempt that a job's name (or an attempt's instance id) speaks of. Raises InvalidName for others."""
    if match := _ATTEMPT.fullmatch(text[:200]):
        model, dashes, rest = match[1].partition("--")
        return RunId.parse(model + dashes + _with_capitals(rest)), int(match[2])
    raise InvalidName(f"{shown(text)} is not an attempt's name: it must be <run>-a<n>")


def _with_capitals(text: str) -> str:
    """Give a period its capitals back, which a job's name has lost; in `text` the rest of a run's id follows it."""
    period, dashes, rest = text.partition("--")
    return period.upper() + dashes + rest
