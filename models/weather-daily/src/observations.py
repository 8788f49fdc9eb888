"""The rules of cleaning: which hours a day has, which values can be believed. No files in here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

AIRPORTS = ("EWR", "JFK", "LGA")
ZONE = ZoneInfo("America/New_York")


@dataclass(frozen=True)
class Measure:
    """One measured quantity: the column it comes from, and the least and greatest value to be believed."""

    source: str
    least: float
    greatest: float


#: Limits lie a little outside New York's records (and 0 to 10 miles is all that a station reports as visibility).
MEASURES = {
    "temperature_f": Measure("temp", -30, 120),
    "dew_point_f": Measure("dewp", -50, 90),
    "humidity_pct": Measure("humid", 0, 100),
    "wind_direction_deg": Measure("wind_dir", 0, 360),
    "wind_speed_mph": Measure("wind_speed", 0, 120),
    "wind_gust_mph": Measure("wind_gust", 0, 150),
    "precipitation_in": Measure("precip", 0, 6),
    "pressure_hpa": Measure("pressure", 920, 1080),
    "visibility_mi": Measure("visib", 0, 10),
}
COLUMNS = ("origin", "time_hour", *(measure.source for measure in MEASURES.values()))
MISSING = ("", "NA")
#: What may become of a measure's value; all but the first leave it out.
VERDICTS = ("present", "absent", "unreadable", "out_of_range")

Hour = tuple[str, datetime]
Values = dict[str, float | None]


@dataclass
class Findings:
    """What was met while cleaning, as counts: rows that were left out, and what became of each measure's values."""

    rows: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("unknown_airport", "unreadable_hour", "outside_day", "duplicate"), 0)
    )
    values: dict[str, dict[str, int]] = field(
        default_factory=lambda: {name: dict.fromkeys(VERDICTS, 0) for name in MEASURES}
    )


def hours_of(day: date) -> list[datetime]:
    """Return the hours of a day in New York by their start, aware UTC: 24 of them, 23 or 25 when the clocks change."""
    start, end = (datetime(d.year, d.month, d.day, tzinfo=ZONE).astimezone(UTC) for d in (day, day + timedelta(days=1)))
    return [start + timedelta(hours=n) for n in range(round((end - start) / timedelta(hours=1)))]


def clean(rows: Iterable[Mapping[str, str]], day: date) -> tuple[dict[Hour, Values], Findings]:
    """Return the day's observations by airport and hour, and the findings.

    `rows` map the landing file's columns to text. Of two rows for the same airport and hour the later one holds,
    as a correction. The hour is told by `time_hour` (UTC): the local hour 1 comes twice when summer time ends.
    """
    hours, findings, observed = set(hours_of(day)), Findings(), {}
    for row in rows:
        moment = _moment(row["time_hour"])
        reason = _unusable(row["origin"], moment, hours)
        if reason:
            findings.rows[reason] += 1
            continue
        findings.rows["duplicate"] += (row["origin"], moment) in observed
        observed[row["origin"], moment] = row
    return {hour: dict(_values(row, findings)) for hour, row in observed.items()}, findings


def table(observed: Mapping[Hour, Values], day: date) -> list[dict[str, Any]]:
    """Return one row for each airport and hour of the day, sorted; what was not observed has `observed` false."""
    nothing: Values = dict.fromkeys(MEASURES)
    return [
        {"day": day, "origin": airport, "hour_utc": hour, "observed": (airport, hour) in observed}
        | observed.get((airport, hour), nothing)
        for airport in AIRPORTS
        for hour in hours_of(day)
    ]


def quality(rows: list[dict[str, Any]], findings: Findings, day: date) -> dict[str, Any]:
    """Return the quality record of a cleaned day, ready for JSON; hours are UTC."""
    gaps: dict[str, list[str]] = {airport: [] for airport in AIRPORTS}
    for row in rows:
        if not row["observed"]:
            gaps[row["origin"]].append(f"{row['hour_utc']:%Y-%m-%dT%H:%MZ}")
    observed = sum(row["observed"] for row in rows)
    return {
        "day": str(day),
        "timezone": ZONE.key,
        "hours": {"expected": len(rows), "observed": observed, "coverage": round(observed / len(rows), 4)},
        "missing_hours": gaps,
        "rows_left_out": findings.rows,
        "values": findings.values,
    }


def metrics(rows: list[dict[str, Any]], findings: Findings) -> dict[str, Any]:
    """Return the few numbers that tell whether a cleaned day is as good as the others: what is missing, and why."""
    observed = sum(row["observed"] for row in rows)
    return {
        "coverage": round(observed / len(rows), 4),
        "hours_missing": len(rows) - observed,
        "rows_left_out": sum(findings.rows.values()),
        "values": {verdict: sum(found[verdict] for found in findings.values.values()) for verdict in VERDICTS},
    }


def _moment(text: str) -> datetime | None:
    """Read "2013-01-01T06:00:00Z"; anything else, a time without zone included, is None."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def _unusable(airport: str, moment: datetime | None, hours: set[datetime]) -> str | None:
    """Return why a row cannot be used, or None."""
    if airport not in AIRPORTS:
        return "unknown_airport"
    if moment is None:
        return "unreadable_hour"
    return None if moment in hours else "outside_day"


def _values(row: Mapping[str, str], findings: Findings) -> Iterator[tuple[str, float | None]]:
    """Yield each measure with its value, None where there is none to be believed, and count what was met."""
    for name, measure in MEASURES.items():
        value, verdict = _value(row[measure.source], measure)
        findings.values[name][verdict] += 1
        yield name, value


def _value(text: str, measure: Measure) -> tuple[float | None, str]:
    """Return a measured value and "present", or None and why there is none."""
    if text in MISSING:
        return None, "absent"
    try:
        value = float(text)
    except ValueError:
        return None, "unreadable"
    if not (math.isfinite(value) and measure.least <= value <= measure.greatest):
        return None, "out_of_range"
    return value, "present"
