"""The checks that decide how the demonstration ends: each has a name, and is true or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One named statement; `detail` says how much was looked at, or what was found instead."""

    name: str
    passed: bool
    detail: str

    def document(self) -> dict[str, Any]:
        """Return the check for machines."""
        return asdict(self)


class Checks:
    """The checks so far; `told` is called with each."""

    def __init__(self, told: Callable[[Check], None]) -> None:
        self.done: list[Check] = []
        self._told = told

    @property
    def passed(self) -> bool:
        """Whether all are true."""
        return all(check.passed for check in self.done)

    def add(self, name: str, detail: str, problems: list[str]) -> None:
        """Note a statement: true if there are no `problems`, which else stand in place of the detail."""
        found = "; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")
        check = Check(name, not problems, found or detail)
        self.done.append(check)
        self._told(check)
