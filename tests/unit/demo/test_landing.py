"""The example's landing files: real data by period, in writing order, always the same bytes."""

from __future__ import annotations

import csv
import hashlib

import pytest

from demo import landing


def rows(content: bytes) -> list[dict[str, str]]:
    """Read a CSV file's rows."""
    return list(csv.DictReader(content.decode().splitlines()))


def test_a_month_of_flights_is_a_file_for_each_airport_and_the_marker_comes_last():
    """January holds 27,004 flights, each in the file of its airport; the empty marker is written after them."""
    files = landing.flights("2013-01")

    assert list(files) == [*(f"flights/2013-01/{a}.csv" for a in ("EWR", "JFK", "LGA")), "flights/2013-01/_SUCCESS"]
    assert files["flights/2013-01/_SUCCESS"] == b""
    assert sum(len(rows(content)) for content in files.values()) == 27_004
    assert {row["origin"] for row in rows(files["flights/2013-01/JFK.csv"])} == {"JFK"}
    assert {row["month"] for row in rows(files["flights/2013-01/JFK.csv"])} == {"1"}


def test_a_day_of_weather_is_one_file_named_after_its_day():
    """The file holds the day's hours in New York, whatever their date in UTC."""
    [(path, content)] = landing.weather("2013-01-31").items()

    assert path == "weather/2013/01/31/2013-01-31.csv"
    assert len(rows(content)) == 72
    assert {(row["month"], row["day"]) for row in rows(content)} == {("1", "31")}


def test_a_day_without_observations_has_the_header_alone():
    """The data end a day early, at 2013-12-30: the last day's file is there, and says so."""
    [content] = landing.weather("2013-12-31").values()

    assert rows(content) == []
    assert content.startswith(b"origin,year,month,day,hour,temp")


def test_no_row_of_the_package_is_lost():
    """All months together are all flights, all days together are all hours of weather."""
    months = [f"2013-{month:02}" for month in range(1, 13)]
    days = [day for month in months for day in landing.days(month)]

    assert len(days) == 365
    assert sum(len(c.splitlines()) - 1 for m in months for c in landing.flights(m).values() if c) == 336_776
    assert sum(len(c.splitlines()) - 1 for d in days for c in landing.weather(d).values()) == 26_115


def test_the_bytes_are_those_of_the_package():
    """Rows are passed on as they are: these hashes change only with the data."""
    [planes] = landing.planes().values()

    assert len(rows(planes)) == 3_322
    assert hashlib.sha256(landing.flights("2013-02")["flights/2013-02/EWR.csv"]).hexdigest()[:16] == "669a91b407449648"


@pytest.mark.parametrize("month", ["2014-01", "2013-13", "2013-1", "January"])
def test_a_month_that_the_data_do_not_have_is_refused(month):
    """Nothing is guessed: a wrong period raises, before anything is written."""
    with pytest.raises(ValueError, match="no day of 2013"):
        landing.flights(month)


@pytest.mark.parametrize("day", ["2012-12-31", "2013-02-29", "20130101", ""])
def test_a_day_that_the_data_do_not_have_is_refused(day):
    """The same for days."""
    with pytest.raises(ValueError, match="no day of 2013"):
        landing.weather(day)
