"""Orchestration versions: which instances this host takes. Source: Durable Functions documentation, "Versioning"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: What becomes of an instance: run it, leave it to a host of its version, or fail it.
Verdict = Literal["run", "leave", "fail"]


@dataclass(frozen=True)
class Versions:
    """``defaultVersion``, ``versionMatchStrategy`` and ``versionFailureStrategy`` of host.json.

    Without a default version nothing is compared.
    """

    default: str = ""
    match: str = "CurrentOrOlder"
    on_mismatch: str = "Reject"

    def verdict(self, version: str) -> Verdict:
        """Say what to do with an instance of ``version``."""
        if not self.default or self._takes(version):
            return "run"
        return "fail" if self.on_mismatch == "Fail" else "leave"

    def _takes(self, version: str) -> bool:
        if self.match == "None":
            return True
        if self.match == "Strict":
            return version == self.default
        return _not_newer(version, self.default)


def _not_newer(version: str, than: str) -> bool:
    """Compare dotted numbers as numbers, other texts by their characters."""
    numbers, other = _numbers(version), _numbers(than)
    if numbers is not None and other is not None:
        return numbers <= other
    return version <= than


def _numbers(version: str) -> list[int] | None:
    parts = version.split(".")
    return [int(part) for part in parts] if all(part.isdigit() for part in parts) else None
