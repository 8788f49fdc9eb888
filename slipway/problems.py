"""What is wrong with a definition, said so that its author can mend it: where, which rule, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pydantic_core import PydanticCustomError


@dataclass(frozen=True, order=True)
class Problem:
    """One broken rule: the file as it was named, the line from 1, the rule, and the remedy."""

    file: str
    line: int
    rule: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}. {self.remedy[:1].upper()}{self.remedy[1:]}."


class DefinitionError(ValueError):
    """A definition that cannot be used, with every problem that was found in it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True)
class Finding:
    """A problem before its place in a file is known: `at` is the way to it through mappings and lists."""

    at: tuple[str | int, ...]
    rule: str
    remedy: str


class BrokenRules(PydanticCustomError):
    """What a validator raises: findings whose places are relative to the value it was given."""

    def __new__(cls, findings: list[Finding]) -> Self:
        """Carry the findings through pydantic as the error's context."""
        return super().__new__(
            cls, "broken_rules", "{count} rules are broken", {"count": len(findings), "all": findings}
        )
