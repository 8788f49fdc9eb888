"""flight-delay: a split in time, no knowledge of the future, a baseline to beat, the same bytes every time."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import evaluation
import features
import joblib
import pandas as pd
import pytest
import tables
import train

from demo import landing

OUTPUTS = ("scores", "model", "metrics", "plot")
DAYS = [f"2013-01-{day:02}" for day in range(1, 5)]


def few_days(content: bytes) -> bytes:
    """Return the rows of a month's file that are of the days `DAYS`."""
    header, *lines = content.decode().splitlines(keepends=True)
    return "".join([header, *(line for line in lines if int(line.split(",")[2]) <= len(DAYS))]).encode()


def arguments(source: Path, out: Path) -> list[str]:
    """Return the job's command line, inputs and outputs by name below two folders."""
    given = {name: source / name for name in ("flights", "weather", "planes")} | {n: out / n for n in OUTPUTS}
    return [text for name, folder in given.items() for text in (f"--{name}", str(folder))]


@pytest.fixture(scope="session")
def landed(tmp_path_factory, write) -> Path:
    """Return a folder with four real days of January as the job finds them."""
    source = tmp_path_factory.mktemp("landed")
    write(source, {path: few_days(c) if c else c for path, c in landing.flights("2013-01").items()})
    for day in DAYS:
        write(source, landing.weather(day))
    return write(source, landing.planes())


@pytest.fixture(scope="session")
def trained(landed, tmp_path_factory) -> Path:
    """Return a folder with the outputs of a run on the four days."""
    out = tmp_path_factory.mktemp("trained")
    assert train.main(arguments(landed, out)) == 0
    return out


@pytest.fixture
def changed(landed, tmp_path, write, contents):
    """Return a function that copies the landed files with one changed, or taken away (None)."""

    def changed(path: str, content: bytes | None) -> Path:
        files = contents(landed) | {path: content}
        return write(tmp_path / "changed", {name: c for name, c in files.items() if c is not None})

    return changed


def scores(out: Path) -> pd.DataFrame:
    """Read a run's scores."""
    return pd.read_parquet(out / "scores/2013-01.parquet")


def metrics(out: Path) -> dict:
    """Read a run's metrics."""
    return json.loads((out / "metrics/metrics.json").read_text())


def test_the_scored_days_come_after_those_learned_from(trained):
    """Of four days two are learned from; the two after them are scored, each flight once."""
    document, table = metrics(trained), scores(trained)

    assert document["trained"]["last_day"] == 2
    assert {day.day for day in table["day"]} == {3, 4}
    assert len(table) == document["scored"]["flights"] == 1829
    assert not table.duplicated(["departure_utc", "origin", "carrier", "flight"]).any()


@pytest.mark.parametrize(("days", "last"), [(2, 1), (3, 2), (28, 19), (31, 21)])
def test_seven_tenths_of_the_days_are_learned_from(days, last):
    """The share is counted in days; at least one day is on either side."""
    assert evaluation.last_training_day(pd.Series(range(1, days + 1))) == last


def test_a_flight_that_never_arrived_is_scored_but_not_judged(trained):
    """On the morning of a flight nobody knows that it will be cancelled."""
    table, document = scores(trained), metrics(trained)

    assert table["predicted_delay_min"].notna().all()
    assert table["actual_delay_min"].isna().sum() == document["scored"]["flights"] - document["scored"]["judged"] > 0


def test_what_happened_on_a_scored_day_changes_no_forecast(trained, changed, tmp_path, landed):
    """Departures, arrivals and delays of the scored days are altered beyond measure; the forecasts stay."""
    path = "flights/2013-01/EWR.csv"
    rows = list(csv.DictReader(io.StringIO((landed / path).read_text())))
    for row in rows:
        if int(row["day"]) > 2:
            row.update(dict.fromkeys(("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"), "999"))
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)

    assert train.main(arguments(changed(path, text.getvalue().encode()), tmp_path / "out")) == 0

    forecasts = ["predicted_delay_min", "baseline_delay_min"]
    pd.testing.assert_frame_equal(scores(tmp_path / "out")[forecasts], scores(trained)[forecasts])


def test_nothing_known_only_after_departure_is_a_feature():
    """The columns that would give the answer away are not even read."""
    told_later = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}

    assert not told_later & {*features.NUMBERS, *features.CATEGORIES}
    assert told_later & {*tables.FLIGHTS} == {"arr_delay"}


def test_the_baseline_is_the_median_of_carrier_and_hour():
    """A carrier and hour that were not seen get the median of all."""
    known = pd.DataFrame(
        {
            "carrier": ["UA", "UA", "UA", "B6"],
            "sched_dep_time": [600, 630, 659, 600],
            "arr_delay": [1.0, 3.0, 50.0, 9.0],
        }
    )
    asked = pd.DataFrame({"carrier": ["UA", "B6", "UA", "DL"], "sched_dep_time": [615, 645, 700, 600]})

    assert evaluation.baseline(known, asked).tolist() == [3.0, 9.0, 6.0, 6.0]


def test_errors_are_those_of_the_textbook():
    """Off by 0, 10 and -20 minutes: a mean of 10, and the late flight is ranked above the punctual ones."""
    measured = evaluation.errors(pd.Series([0.0, 10.0, 30.0]).to_numpy(), pd.Series([0.0, 0.0, 50.0]).to_numpy())

    assert measured == {"mae_min": 10.0, "rmse_min": pytest.approx(12.9099), "late_auc": 1.0}


def test_weather_looks_back_three_hours_and_no_further():
    """Rain adds up over the hour of departure and the two before it; no hour ahead is seen."""
    hours = pd.date_range("2013-01-01T05:00Z", periods=5, freq="h")
    table = pd.DataFrame({"origin": "EWR", "hour": hours, "precip": [1, 2, 4, 8, 16], "wind_gust": None, "visib": 10.0})

    assert features.recent(table)["rain_3h"].tolist() == [1, 3, 7, 14, 28]


def test_rain_of_long_ago_leaves_no_trace():
    """However many days the input reaches back, an hour has the same features: a dry one is exactly dry."""
    hours = pd.date_range("2013-01-01T05:00Z", periods=8, freq="h")
    rain = [0.1, 0.2, 0.3, 0.07, 0.0, 0.0, 0.0, 0.0]
    table = pd.DataFrame({"origin": "EWR", "hour": hours, "precip": rain, "wind_gust": None, "visib": 10.0})

    assert features.recent(table)["rain_3h"].tolist()[-2:] == [0.0, 0.0]


def test_the_stored_model_gives_the_published_scores(trained, landed):
    """model.joblib is the model of the scores, to be asked with the columns that model.json names."""
    card = json.loads((trained / "model/model.json").read_text())
    flights = tables.flights(landed / "flights")
    known = features.build(flights, tables.weather(landed / "weather"), tables.planes(landed / "planes"))
    asked = known.loc[flights["day"] > card["trained"]["last_day"], [*card["numbers"], *card["categories"]]]

    model = joblib.load(trained / "model/model.joblib")

    assert model.predict(asked).round(3).tolist() == scores(trained)["predicted_delay_min"].tolist()


@pytest.mark.parametrize("month", ["2013-01", "2013-02"])
def test_the_model_beats_the_baseline(tmp_path, write, month):
    """In both months of the demonstration the error on unseen days is below the baseline's, by either measure."""
    first = pd.Period(month)
    source = write(tmp_path, landing.flights(month) | landing.planes())
    (tmp_path / f"flights/{month}").rename(tmp_path / "flights/month")
    for day in pd.date_range(end=first.end_time.normalize(), periods=31):
        write(source, landing.weather(f"{day:%Y-%m-%d}"))

    assert train.main(arguments(source, tmp_path)) == 0

    document = metrics(tmp_path)
    assert document["month"] == month
    assert document["beats_baseline"] is True
    assert document["mae_reduction"] > 0.005
    assert document["rmse_reduction"] > 0.02
    assert document["model"]["late_auc"] > document["baseline"]["late_auc"]


def test_the_same_inputs_give_the_same_bytes(landed, trained, tmp_path, script, contents):
    """Another process, another hash seed: the files are the same to the byte."""
    run = script("flight-delay/src/train.py", *arguments(landed, tmp_path), hash_seed=7)

    assert run.returncode == 0, run.stderr
    assert contents(tmp_path) == contents(trained)
    assert [*contents(trained)] == [
        "metrics/metrics.json", "model/model.joblib", "model/model.json", "plot/delay.png", "scores/2013-01.parquet",
    ]  # fmt: skip


EWR, WEATHER, PLANES = "flights/2013-01/EWR.csv", "weather/2013/01/01/2013-01-01.csv", "planes/planes.csv"


@pytest.mark.parametrize(
    ("path", "change", "complaint"),
    [
        pytest.param(EWR, lambda c: c.replace(b"sched_dep_time", b"x", 1), "EWR.csv: Usecols", id="a column lacks"),
        pytest.param(EWR, lambda c: c[: len(c) // 2], "nothing, where a value is required", id="cut off"),
        pytest.param(
            EWR, lambda c: c.replace(b",515,", b",soon,", 1), "line 2, column sched_dep_time: 'soon'", id="no number"
        ),
        pytest.param(EWR, lambda c: b"", "EWR.csv: No columns", id="an empty file"),
        pytest.param(EWR, lambda c: b"\xff\xfe" + c, "EWR.csv:", id="not text"),
        pytest.param(EWR, lambda c: c.replace(b"2013,1,2,", b"2013,2,2,", 1), "flights of 2 months", id="two months"),
        pytest.param(EWR, lambda c: c.replace(b"2013,1,2,", b"2013,1,32,", 1), "no calendar has", id="no such day"),
        pytest.param("flights/copy.csv", lambda c: None, "are there twice, the first is UA 1545", id="flights twice"),
        pytest.param(
            WEATHER,
            lambda c: c.replace(b"2013-01-01T06:00:00Z", b"early"),
            "2013-01-01.csv: line 2, column time_hour: 'early'",
            id="no time",
        ),
        pytest.param(PLANES, None, "planes: no rows in 0 CSV files", id="no planes"),
    ],
)
def test_a_malformed_input_is_refused_by_name(landed, changed, tmp_path, capsys, path, change, complaint):
    """The job ends with exit code 1 and one line that names the file and what is wrong; nothing is written."""
    if path.endswith("copy.csv"):
        source = changed(path, (landed / EWR).read_bytes())
    else:
        source = changed(path, change((landed / path).read_bytes()) if change else None)

    assert train.main(arguments(source, tmp_path / "out")) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert complaint in line
    assert not (tmp_path / "out").exists()
