"""The three inputs as tables: read, checked, and refused with the file's name when they cannot be used."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

#: Kinds of columns.
WHOLE, NUMBER, TEXT, TIME = "a whole number", "a number", "text", "a time as 2013-01-31T05:00:00Z"

#: What a timetable tells before the day. Nothing known only after departure is even read, the answer apart.
TIMETABLE = {
    "year": WHOLE,
    "month": WHOLE,
    "day": WHOLE,
    "sched_dep_time": WHOLE,
    "sched_arr_time": WHOLE,
    "carrier": TEXT,
    "flight": WHOLE,
    "origin": TEXT,
    "dest": TEXT,
    "distance": NUMBER,
    "time_hour": TIME,
}
ANSWER = {"arr_delay": NUMBER}  #: minutes, negative when early, missing when cancelled or diverted
#: The aircraft is there for its age and seats alone. Where it is missing the flight was most often cancelled.
FLIGHTS = TIMETABLE | ANSWER | {"tailnum": TEXT}
WEATHER = {"origin": TEXT, "time_hour": TIME} | dict.fromkeys(
    ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"), NUMBER
)
PLANES = {"tailnum": TEXT, "year": NUMBER, "seats": NUMBER}

#: A station once reported 1,048 miles an hour.
GREATEST_WIND_MPH = 120


class BadInputError(Exception):
    """An input cannot be used; the message names the file and what is wrong with it."""


def flights(folder: Path) -> pd.DataFrame:
    """Read a month of flights: one row each, in the order of the timetable.

    Columns: those of `FLIGHTS`, `date` (New York's), and `departure` (scheduled, aware UTC). Raises BadInputError, also
    when the files hold several months or the same flight twice.
    """
    table = _read(folder, FLIGHTS, required=[*TIMETABLE])
    table["departure"] = table["time_hour"] + pd.to_timedelta(table["sched_dep_time"] % 100, unit="min")
    table["date"] = pd.to_datetime(table[["year", "month", "day"]], errors="coerce")
    if table["date"].isna().any():
        raise BadInputError(f"{folder}: {table['date'].isna().sum()} flights on a day that no calendar has")
    months = table[["year", "month"]].drop_duplicates()
    if len(months) != 1:
        raise BadInputError(f"{folder}: flights of {len(months)} months; a run is for exactly one")
    key = ["departure", "origin", "carrier", "flight"]
    twice = table[table.duplicated(key)]
    if len(twice):
        first = twice.iloc[0]
        flight = f"{first.carrier} {first.flight} from {first.origin}, {first.departure:%Y-%m-%d %H:%MZ}"
        raise BadInputError(f"{folder}: {len(twice)} flights are there twice, the first is {flight}")
    return table.sort_values(key, ignore_index=True)


def weather(folder: Path) -> pd.DataFrame:
    """Read hourly weather of several days: one row for each airport and hour (`hour`, aware UTC), sorted."""
    table = _read(folder, WEATHER, required=["origin", "time_hour"])
    table = table.rename(columns={"time_hour": "hour"})
    table["wind_speed"] = table["wind_speed"].where(table["wind_speed"] <= GREATEST_WIND_MPH)
    return table.drop_duplicates(["origin", "hour"], keep="last").sort_values(["origin", "hour"], ignore_index=True)


def planes(folder: Path) -> pd.DataFrame:
    """Read what is known of each aircraft: `tailnum`, `built` (year), `seats`; one row each."""
    table = _read(folder, PLANES, required=["tailnum"]).rename(columns={"year": "built"})
    return table.drop_duplicates("tailnum", keep="last")


def _read(folder: Path, columns: dict[str, str], required: list[str]) -> pd.DataFrame:
    """Read all CSV files below a folder, by name; hidden ones and those that begin with "_" do not count."""
    files = sorted(p for p in folder.rglob("*.csv") if not p.name.startswith((".", "_")))
    tables = [_read_one(path, columns, required) for path in files]
    if not sum(map(len, tables)):
        raise BadInputError(f"{folder}: no rows in {len(files)} CSV files")
    return pd.concat(tables, ignore_index=True)


def _read_one(path: Path, columns: dict[str, str], required: list[str]) -> pd.DataFrame:
    """Read the named columns of one CSV file, of the types given. A required one has a value in each row."""
    try:
        # A blank line is a row without values, so that the numbers of lines are right.
        table = pd.read_csv(
            path, usecols=[*columns], dtype="str", na_values=["", "NA"], keep_default_na=False, skip_blank_lines=False
        )
    except ValueError as problem:  # a parser's and a decoder's errors included
        raise BadInputError(f"{path}: {' '.join(str(problem).split())}") from problem
    for column, kind in columns.items():
        values = _typed(table[column], kind)
        _refuse(path, table[column], values.isna() & table[column].notna(), f"which is not {kind}")
        if column in required:
            _refuse(path, table[column], values.isna(), "where a value is required")
            values = values.astype("int64") if kind == WHOLE else values
        table[column] = values
    return table


def _typed(texts: pd.Series, kind: str) -> pd.Series:
    """Return values of a kind; those that cannot be read are missing."""
    if kind == TEXT:
        return texts
    if kind == TIME:
        return pd.to_datetime(texts, format="%Y-%m-%dT%H:%M:%SZ", utc=True, errors="coerce")
    numbers = pd.to_numeric(texts, errors="coerce").astype("float64")
    return numbers.where((numbers % 1 == 0) if kind == WHOLE else numbers.abs() < float("inf"))


def _refuse(path: Path, texts: pd.Series, bad: pd.Series, why: str) -> None:
    """Raise BadInputError for the first bad value of a column, if there is one."""
    if bad.any():
        first = bad.idxmax()
        told = "nothing" if pd.isna(texts[first]) else repr(texts[first])
        raise BadInputError(f"{path}: line {first + 2}, column {texts.name}: {told}, {why}")
