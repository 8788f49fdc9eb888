"""weather-daily: each airport and hour of a day once, believable values only, gaps made visible."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import clean
import observations
import pyarrow.parquet as pq
import pytest

from demo import landing
from slipway.metrics import read

DAY = date(2013, 1, 2)
NOON = "2013-01-02T17:00:00Z"
HEADER = b"origin,time_hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib\n"
ROW = b"EWR,2013-01-02T17:00:00Z,30,20,60,270,10,NA,0,1012,10\n"


def a_row(**values: str) -> dict[str, str]:
    """Return a plausible observation of Newark at noon, changed as given."""
    usual = dict(zip(HEADER.decode().strip().split(","), ROW.decode().strip().split(","), strict=True))
    return usual | values


@pytest.fixture
def cleaned(tmp_path, write):
    """Return a function that cleans a real day as the job does: rows of the table, quality record."""

    def cleaned(day: str):
        source = write(tmp_path / "in", landing.weather(day))
        assert clean.main(["--observations", str(source), "--hours", str(tmp_path), "--quality", str(tmp_path)]) == 0
        record = json.loads((tmp_path / f"{day}.json").read_text())
        return pq.read_table(tmp_path / f"{day}.parquet").to_pylist(), record

    return cleaned


def test_a_missing_hour_is_a_row_that_says_so(cleaned):
    """The stations' data begin at one in the morning: the hour before is there, unobserved and without values."""
    rows, record = cleaned("2013-01-01")

    assert len(rows) == 72
    assert rows[0]["hour_utc"] == datetime(2013, 1, 1, 5, tzinfo=UTC)
    assert rows[0]["observed"] is False
    assert rows[0]["temperature_f"] is None
    assert rows[1]["temperature_f"] == 39.02
    assert record["hours"] == {"expected": 72, "observed": 67, "coverage": 0.9306}
    assert record["missing_hours"]["LGA"][0] == "2013-01-01T05:00Z"


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        pytest.param("2013-03-10", 23, id="summer time begins"),
        pytest.param("2013-11-03", 25, id="summer time ends"),
        pytest.param("2013-07-01", 24, id="any other day"),
    ],
)
def test_a_day_has_the_hours_that_its_clocks_show(cleaned, day, hours):
    """The hour that comes twice in autumn is two hours, not a duplicate."""
    rows, record = cleaned(day)

    assert len(rows) == 3 * hours
    assert len({(row["origin"], row["hour_utc"]) for row in rows}) == 3 * hours
    assert record["rows_left_out"]["duplicate"] == 0


def test_a_value_that_cannot_be_is_left_out_and_counted(cleaned):
    """In February 2013 a station reported a wind of 1,048 miles an hour."""
    rows, record = cleaned("2013-02-12")

    assert record["values"]["wind_speed_mph"] == {"present": 71, "absent": 0, "unreadable": 0, "out_of_range": 1}
    assert max(row["wind_speed_mph"] or 0 for row in rows) < 60


def test_a_days_metrics_are_few_and_sum_up_its_record(cleaned, tmp_path):
    """Slipway reads them, and shows the day beside the others."""
    _, record = cleaned("2013-02-12")

    metrics = read("quality/metrics.json", (tmp_path / "metrics.json").read_bytes())
    assert metrics["coverage"] == record["hours"]["coverage"]
    assert metrics["values.out_of_range"] == 1
    assert metrics["rows_left_out"] == 0
    assert set(metrics) == {"coverage", "hours_missing", "rows_left_out"} | {
        f"values.{verdict}" for verdict in observations.VERDICTS
    }


def test_a_day_without_observations_is_a_table_of_gaps(cleaned):
    """An empty day is an answer: what it is good for is the consumer's decision, made on the coverage."""
    rows, record = cleaned("2013-12-31")

    assert not any(row["observed"] for row in rows)
    assert record["hours"]["coverage"] == 0


@pytest.mark.parametrize(
    ("text", "value", "verdict"),
    [
        pytest.param("30", 30.0, "present", id="a number"),
        pytest.param("-30", -30.0, "present", id="the least"),
        pytest.param("-30.1", None, "out_of_range", id="below the least"),
        pytest.param("120", 120.0, "present", id="the greatest"),
        pytest.param("120.1", None, "out_of_range", id="above the greatest"),
        pytest.param("nan", None, "out_of_range", id="not a number"),
        pytest.param("inf", None, "out_of_range", id="infinite"),
        pytest.param("", None, "absent", id="empty"),
        pytest.param("NA", None, "absent", id="NA"),
        pytest.param("cold", None, "unreadable", id="text"),
    ],
)
def test_a_value_is_believed_within_its_limits(text, value, verdict):
    """What is not believed becomes missing, and is counted under its reason."""
    observed, findings = observations.clean([a_row(temp=text)], DAY)

    assert [values["temperature_f"] for values in observed.values()] == [value]
    assert findings.values["temperature_f"][verdict] == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param(a_row(origin="BOS"), "unknown_airport", id="another airport"),
        pytest.param(a_row(time_hour="noon"), "unreadable_hour", id="no time"),
        pytest.param(a_row(time_hour="2013-01-02T17:00:00"), "unreadable_hour", id="a time without zone"),
        pytest.param(a_row(time_hour="2013-01-02T04:00:00Z"), "outside_day", id="the hour before the day"),
        pytest.param(a_row(time_hour="2013-01-03T05:00:00Z"), "outside_day", id="the hour after the day"),
        pytest.param(a_row(time_hour="2013-01-02T17:30:00Z"), "outside_day", id="between two hours"),
    ],
)
def test_a_row_that_has_no_place_in_the_day_is_left_out_and_counted(row, reason):
    """One odd row does not cost the others."""
    observed, findings = observations.clean([row, a_row()], DAY)

    assert len(observed) == 1
    assert findings.rows[reason] == 1


def test_the_later_of_two_rows_for_an_hour_holds():
    """Stations send corrections after the first report."""
    observed, findings = observations.clean([a_row(temp="30"), a_row(temp="31")], DAY)

    assert observed["EWR", datetime.fromisoformat(NOON)]["temperature_f"] == 31
    assert findings.rows["duplicate"] == 1


def test_the_same_day_gives_the_same_bytes(tmp_path, write, script, contents):
    """Whoever cleans a day again gets the files that are published already."""
    source = write(tmp_path / "in", landing.weather("2013-01-06"))
    for seed in (1, 2):
        out = tmp_path / f"out{seed}"
        run = script("weather-daily/src/clean.py", "--observations", source, "--hours", out / "hours",
                     "--quality", out / "quality", hash_seed=seed)  # fmt: skip
        assert run.returncode == 0, run.stderr

    assert contents(tmp_path / "out1") == contents(tmp_path / "out2")
    assert list(contents(tmp_path / "out1")) == [
        "hours/2013-01-06.parquet",
        "quality/2013-01-06.json",
        "quality/metrics.json",
    ]


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        pytest.param({}, "0 CSV files", id="nothing"),
        pytest.param({"2013-01-02.csv": HEADER, "more.csv": HEADER}, "2 CSV files", id="two files"),
        pytest.param({"weather.csv": HEADER}, "weather.csv: the name does not tell the day", id="no day in the name"),
        pytest.param({"2013-01-02.csv": b""}, "2013-01-02.csv: no column origin, time_hour", id="an empty file"),
        pytest.param({"2013-01-02.csv": HEADER.replace(b"temp,", b"")}, "csv: no column temp", id="a column lacks"),
        pytest.param({"2013-01-02.csv": HEADER + ROW[:-12]}, "csv: line 2 has not", id="cut off"),
        pytest.param({"2013-01-02.csv": HEADER + b"\xff" + ROW}, "csv: not a CSV file in UTF-8", id="not text"),
    ],
)
def test_a_malformed_input_is_refused_by_name(tmp_path, write, capsys, files, complaint):
    """The job ends with exit code 1 and one line that names the file and what is wrong; nothing is written."""
    source = write(tmp_path / "in", files)
    out = tmp_path / "out"

    assert clean.main(["--observations", str(source), "--hours", str(out), "--quality", str(out)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert complaint in line
    assert not out.exists()
