"""What lands in the demonstration, in which order, and what is expected of it."""

from __future__ import annotations

from dataclasses import dataclass

from demo import landing

DAILY, MONTHLY = "weather-daily", ("flight-delay", "delay-report")


@dataclass(frozen=True)
class Plan:
    """Whole months of 2013; or, with `days`, so many days of each: then the monthly models have nothing to do."""

    months: tuple[str, ...] = ("2013-01", "2013-02")
    days: int | None = None

    @property
    def whole(self) -> bool:
        """Whether whole months land, so that the monthly models run."""
        return self.days is None

    @property
    def broken(self) -> str:
        """The day whose first delivery is cut off: early in the first month."""
        return self.days_of(self.months[0])[:9][-1]

    @property
    def expected(self) -> list[tuple[str, str]]:
        """Every (model, period) that has to be published in the end."""
        return [(DAILY, day) for month in self.months for day in self.days_of(month)] + self.monthly

    @property
    def monthly(self) -> list[tuple[str, str]]:
        """Those of the monthly models."""
        return [(model, month) for model in MONTHLY for month in self.months] if self.whole else []

    @property
    def files(self) -> int:
        """How many files land, the correction and the markers included."""
        days = sum(len(self.days_of(month)) for month in self.months)
        monthly = sum(len(landing.flights(month)) for month in self.months) + len(landing.planes())
        return days + 1 + (monthly if self.whole else 0)

    def days_of(self, month: str) -> list[str]:
        """Return the days of a month that land."""
        return landing.days(month)[: self.days]


def cut_off(content: bytes) -> bytes:
    """Return a file as a broken transfer leaves it: two thirds, to the middle of a row."""
    return content[: content.rindex(b",", 0, len(content) * 2 // 3)]
