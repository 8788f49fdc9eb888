"""Write the month's report: how good flight-delay's forecasts were, beside the weather that weather-daily cleaned.

Writes report.html, which needs nothing else to be read, and days.csv. The same inputs give the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

import page
import pandas as pd
import pyarrow as pa
import summaries

#: What is used of flight-delay's scores (delays in minutes) and of weather-daily's hours.
SCORES = ["day", "hour", "carrier", "flight", "predicted_delay_min", "baseline_delay_min", "actual_delay_min"]
HOURS = ["day", "origin", "observed", "precipitation_in", "wind_speed_mph", "wind_gust_mph", "visibility_mi"]


class BadInputError(Exception):
    """An input cannot be used; the message names the file and what is wrong with it."""


def main(arguments: list[str] | None = None) -> int:
    """Run the job; return 0, or 1 with one line on stderr when an input is missing or malformed."""
    given = _parser().parse_args(arguments)
    try:
        run(given.scores, given.weather, given.report)
    except BadInputError as problem:
        print(f"report.py: {problem}", file=sys.stderr)
        return 1
    return 0


def run(scores_folder: Path, weather_folder: Path, report: Path) -> None:
    """Read scores and weather, write report.html and days.csv to the folder `report`."""
    scores = read(scores_folder, SCORES)
    hours = read(weather_folder, HOURS)
    month = month_of(scores, scores_folder)
    hours = hours[hours["day"].map(lambda day: (day.year, day.month) == (month.year, month.month))]
    if hours.empty:
        raise BadInputError(f"{weather_folder}: no weather of {month:%Y-%m}")
    if scores["actual_delay_min"].isna().all():
        raise BadInputError(f"{scores_folder}: no flight has arrived; there is nothing to judge")

    days = summaries.by_day(scores, hours)
    report.mkdir(parents=True, exist_ok=True)
    days.to_csv(report / "days.csv", index=False, float_format="%.3f", lineterminator="\n")
    (report / "report.html").write_text(page.render(month, scores, days), encoding="utf-8")
    print(f"{month:%Y-%m}: {len(days)} days, {days['scored'].notna().sum()} of them scored")


def read(folder: Path, columns: list[str]) -> pd.DataFrame:
    """Read the named columns of all Parquet files below a folder, by name; `day` becomes a date."""
    files = sorted(p for p in folder.rglob("*.parquet") if not p.name.startswith((".", "_")))
    tables = [_read_one(path, columns) for path in files]
    if not sum(map(len, tables)):
        raise BadInputError(f"{folder}: no rows in {len(files)} Parquet files")
    return pd.concat([table for table in tables if len(table)], ignore_index=True)


def _read_one(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path, columns=columns)
    except (pa.ArrowException, OSError) as problem:
        raise BadInputError(f"{path}: {' '.join(str(problem).split())}") from problem
    return table.assign(day=pd.to_datetime(table["day"]).dt.date)


def month_of(scores: pd.DataFrame, folder: Path) -> date:
    """Return the first day of the month that all scores are of."""
    months = sorted({day.replace(day=1) for day in scores["day"]})
    if len(months) != 1:
        raise BadInputError(f"{folder}: scores of {len(months)} months; a report is of exactly one")
    return months[0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Write the month's report on delay forecasts and weather.")
    parser.add_argument("--scores", type=Path, required=True, help="folder with flight-delay's scores (Parquet)")
    parser.add_argument("--weather", type=Path, required=True, help="folder with weather-daily's hours (Parquet)")
    parser.add_argument("--report", type=Path, required=True, help="folder to write report.html and days.csv to")
    return parser


if __name__ == "__main__":
    sys.exit(main())
