"""What an incident is about: a period of a model, a backfill of a model, or the platform itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway.names import InvalidName, backfill_id, group_name, model_name, shown
from slipway.period import Period, PeriodError


@dataclass(frozen=True)
class Subject:
    """Exactly one of: (model, period), (model, backfill), (platform). Made by the functions below."""

    model: str | None = None
    period: Period | None = None
    backfill: str | None = None  #: a backfill's id
    platform: str | None = None  #: the name of what is wrong with the platform, such as `event-path-silent`

    @classmethod
    def of_period(cls, model: str, period: Period) -> Subject:
        """A period of a model: what nearly every incident is about."""
        return cls(model=model, period=period)

    @classmethod
    def of_backfill(cls, model: str, backfill: str) -> Subject:
        """A backfill: its one incident lists the periods that failed."""
        return cls(model=model, backfill=backfill)

    @classmethod
    def of_platform(cls, name: str) -> Subject:
        """What concerns no single model."""
        return cls(platform=name)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Subject:
        """The subject of an incident's record, or of the facts of one."""
        period = Period.parse(told["period"]) if told.get("period") else None
        return cls(told.get("model"), period, told.get("backfill"), told.get("platform"))

    @classmethod
    def parse(cls, key: str) -> Subject:
        """The subject with this key. Raises InvalidName for anything that `key` would not have given."""
        first, _, rest = key.partition("--")
        try:
            if first == "backfill" and "--" in rest:
                model, _, backfill = rest.partition("--")
                return cls.of_backfill(model_name(model), backfill_id(backfill))
            return cls.of_period(model_name(first), Period.parse(rest))
        except PeriodError:
            if first == "platform":
                return cls.of_platform(group_name(rest))
        raise InvalidName(f"{shown(key)} is no incident's key, such as <model>--<period>")

    @property
    def key(self) -> str:
        """The deduplication key: the same for every message about this subject, and of no other.

        `<model>--<period>`, `backfill--<model>--<id>` or `platform--<name>`. No model's name holds `--`, no period
        begins with a letter, so none of them can be read as another.
        """
        if self.platform is not None:
            return f"platform--{self.platform}"
        return f"backfill--{self.model}--{self.backfill}" if self.backfill else f"{self.model}--{self.period}"

    @property
    def path(self) -> str:
        """The subject as an address: `<model>/<period>`, `backfills/<model>/<id>` or `platform/<name>`."""
        if self.platform is not None:
            return f"platform/{self.platform}"
        return f"backfills/{self.model}/{self.backfill}" if self.backfill else f"{self.model}/{self.period}"

    def to_document(self) -> dict[str, str | None]:
        """The subject as an incident's record has it; `of` reads it back."""
        period = str(self.period) if self.period else None
        return {"model": self.model, "period": period, "backfill": self.backfill, "platform": self.platform}

    def __str__(self) -> str:
        if self.platform is not None:
            return f"platform {self.platform}"
        return f"backfill {self.backfill} of {self.model}" if self.backfill else f"{self.model} {self.period}"
