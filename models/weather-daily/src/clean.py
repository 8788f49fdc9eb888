"""Clean one day of hourly weather: each airport and hour once, in named units, with the gaps made visible.

Reads the one CSV file of the day, named like the day (2013-01-31.csv); writes a Parquet file, a quality record and
metrics. Runs hundreds of times, so it does without pandas, which takes longer to import than all the work here.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import observations
import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema(
    [
        pa.field("day", pa.date32(), nullable=False),
        pa.field("origin", pa.string(), nullable=False),
        pa.field("hour_utc", pa.timestamp("ms", tz="UTC"), nullable=False),
        pa.field("observed", pa.bool_(), nullable=False),
        *(pa.field(name, pa.float64()) for name in observations.MEASURES),
    ]
)


class BadInputError(Exception):
    """The input cannot be cleaned; the message names the file and what is wrong with it."""


def main(arguments: list[str] | None = None) -> int:
    """Run the job; return 0, or 1 with one line on stderr when the input is missing or malformed."""
    given = _parser().parse_args(arguments)
    try:
        run(given.observations, given.hours, given.quality)
    except BadInputError as problem:
        print(f"clean.py: {problem}", file=sys.stderr)
        return 1
    return 0


def run(source: Path, hours: Path, quality: Path) -> None:
    """Clean the day in the folder `source`; write `hours`/<day>.parquet, and to `quality` <day>.json, metrics.json."""
    path = the_file(source)
    day = day_of(path)
    observed, findings = observations.clean(read(path), day)
    rows = observations.table(observed, day)
    record = observations.quality(rows, findings, day)

    hours.mkdir(parents=True, exist_ok=True)
    quality.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), hours / f"{day}.parquet")
    for name, told in ((f"{day}.json", record), ("metrics.json", observations.metrics(rows, findings))):
        (quality / name).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    print(f"{day}: {record['hours']['observed']} of {record['hours']['expected']} hours observed")


def the_file(folder: Path) -> Path:
    """Return the one CSV file below a folder; hidden ones and those that begin with "_" do not count."""
    files = sorted(p for p in folder.rglob("*.csv") if not p.name.startswith((".", "_")))
    if len(files) != 1:
        raise BadInputError(f"{folder}: {len(files)} CSV files; a day of weather is exactly one")
    return files[0]


def day_of(path: Path) -> date:
    """Return the day a file is named after."""
    try:
        return date.fromisoformat(path.stem)
    except ValueError:
        raise BadInputError(f"{path}: the name does not tell the day; expected YYYY-MM-DD.csv") from None


def read(path: Path) -> Iterator[dict[str, str]]:
    """Yield a file's rows by column; any number of them, in the file's order."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines)
            _check_header(path, reader.fieldnames)
            for row in reader:
                if None in row or None in row.values():
                    raise BadInputError(f"{path}: line {reader.line_num} has not the header's number of fields")
                yield row
    except (UnicodeDecodeError, csv.Error) as problem:
        raise BadInputError(f"{path}: not a CSV file in UTF-8 ({problem})") from problem


def _check_header(path: Path, columns: list[str] | None) -> None:
    """Refuse a file that lacks a column."""
    missing = [name for name in observations.COLUMNS if name not in (columns or [])]
    if missing:
        raise BadInputError(f"{path}: no column {', '.join(missing)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Clean one day of hourly weather.")
    parser.add_argument("--observations", type=Path, required=True, help="folder with the day's one CSV file")
    parser.add_argument("--hours", type=Path, required=True, help="folder to write <day>.parquet to")
    parser.add_argument("--quality", type=Path, required=True, help="folder to write <day>.json and metrics.json to")
    return parser


if __name__ == "__main__":
    sys.exit(main())
