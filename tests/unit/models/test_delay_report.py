"""delay-report: a page that needs nothing else to be read, the numbers behind it as CSV, the same bytes every time."""

from __future__ import annotations

import csv
import re
from html.parser import HTMLParser
from pathlib import Path

import charts
import clean
import pandas as pd
import pytest
import report
import summaries

from demo import landing

DAYS = ("2013-01-30", "2013-01-31")


def a_month_of_scores() -> pd.DataFrame:
    """Return scores of two carriers on the month's last day: 40 flights, one of them cancelled."""
    return pd.DataFrame(
        {
            "day": pd.Timestamp("2013-01-31"),
            "hour": [6, 7] * 20,
            "carrier": ["UA"] * 30 + ["B6"] * 10,
            "flight": range(40),
            "predicted_delay_min": 10.0,
            "baseline_delay_min": -5.0,
            "actual_delay_min": [None, *([0.0] * 19), *([20.0] * 20)],
        }
    )


@pytest.fixture
def inputs(tmp_path, write) -> Path:
    """Return a folder with scores of one day and the cleaned weather of two."""
    (tmp_path / "scores").mkdir()
    a_month_of_scores().to_parquet(tmp_path / "scores/2013-01.parquet")
    for day in DAYS:
        clean.run(write(tmp_path / day, landing.weather(day)), tmp_path / f"weather/{day}", tmp_path / "quality")
    return tmp_path


def arguments(source: Path, out: Path) -> list[str]:
    """Return the job's command line."""
    return ["--scores", str(source / "scores"), "--weather", str(source / "weather"), "--report", str(out)]


def written(inputs: Path) -> str:
    """Write the report and return the page."""
    assert report.main(arguments(inputs, inputs / "out")) == 0
    return (inputs / "out/report.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """Collects what a page refers to, its pictures' names and descriptions, and whether its elements nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.pictures = 0
        self.ids: list[str] = []
        self.labelled: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note an element."""
        given = dict(attrs)
        self.references += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        self.ids += [given["id"]] if "id" in given else []
        self.labelled += given.get("aria-labelledby", "").split()
        self.pictures += given.get("role") == "img"
        if tag not in ("meta", "link", "br", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """An element without content does not nest."""

    def handle_endtag(self, tag):
        """Every element is closed where it was opened."""
        assert self.open.pop() == tag


def test_the_page_asks_nobody_for_anything(inputs):
    """No script, no other machine: the one reference is to the CSV file beside it, and a policy says so."""
    text = written(inputs)

    assert Page(text).references == ["days.csv"]
    assert "<script" not in text
    assert "http://" not in text
    assert "https://" not in text
    assert "default-src 'none'" in text


def test_every_picture_has_a_name_and_a_description(inputs):
    """Who cannot see the pictures is told what they show, and finds the numbers in the table."""
    pd.concat([a_month_of_scores()] * 4).to_parquet(inputs / "scores/2013-01.parquet")

    page = Page(written(inputs))

    assert page.pictures == 5
    assert len(page.labelled) == 2 * page.pictures + 1  # title and description each; and the table's region
    assert set(page.labelled) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert page.open == []


def test_the_headline_tells_the_error_and_the_verdict(inputs):
    """Forecasts off by 10 minutes, a baseline off by 15: a third better."""
    text = re.sub(r"<[^>]+>", "", written(inputs))

    assert "January 2013" in text
    assert "off by 10.0 minutes on average; the baseline by 15.3. That is 34.5% better." in text


def test_a_forecast_that_loses_is_called_worse(inputs):
    """The report is honest when the baseline wins."""
    losing = a_month_of_scores().assign(baseline_delay_min=10.0, predicted_delay_min=-5.0)
    losing.to_parquet(inputs / "scores/2013-01.parquet")

    assert "52.6% worse" in written(inputs)


def test_each_day_is_a_row_of_the_csv_scored_or_not(inputs):
    """A day of training has weather alone; a scored day has both."""
    written(inputs)
    before, scored = csv.DictReader((inputs / "out/days.csv").open(encoding="utf-8"))

    assert before["day"] == "2013-01-30"
    assert before["scored"] == before["model_mae_min"] == ""
    assert float(before["hours_observed"]) == 1
    assert scored["scored"] == "40"
    assert scored["arrived"] == "39"
    assert scored["late_share"] == "0.513"
    assert scored["actual_median_min"] == "20.000"
    assert float(scored["wind_mph"]) > 60  # the storm of that day


def test_rain_is_summed_over_the_day_and_averaged_over_the_airports():
    """An airport that saw nothing does not count as dry."""
    hours = pd.DataFrame(
        {
            "day": "d",
            "origin": ["EWR", "EWR", "JFK", "LGA"],
            "observed": [True, True, True, False],
            "precipitation_in": [0.5, 0.5, 0.0, None],
            "wind_speed_mph": [10.0, 20.0, 5.0, None],
            "wind_gust_mph": [None, 30.0, None, None],
            "visibility_mi": [10.0, 2.0, 5.0, None],
        }
    )

    assert summaries.weather(hours).loc["d"].tolist() == [0.5, 30.0, 2.0, 0.75]


def test_a_carrier_with_few_arrivals_is_left_out():
    """29 arrivals of one, 10 of the other: neither says much."""
    table = a_month_of_scores()

    assert summaries.by_carrier(table)["carrier"].tolist() == []
    assert summaries.by_carrier(pd.concat([table, table]))["carrier"].tolist() == ["UA"]


@pytest.mark.parametrize(
    ("values", "low", "high", "step"),
    [
        pytest.param([3.0, 47.0], 0, 50, 10, id="from zero"),
        pytest.param([-12.0, 14.0], -20, 20, 10, id="both signs"),
        pytest.param([0.0, 0.7], 0, 0.8, 0.2, id="small"),
        pytest.param([0.0, None], 0, 1, 1, id="nothing but zero"),
        pytest.param([None], 0, 1, 1, id="nothing at all"),
    ],
)
def test_an_axis_has_round_ticks_that_hold_all_values(values, low, high, step):
    """Ticks are 1, 2, 2.5 or 5 times a power of ten, and zero is among them."""
    axis = charts.Axis.over(values, top=0, height=100)

    assert (axis.low, axis.step) == (low, step)
    assert axis.high == pytest.approx(high)
    assert axis.y(axis.low) == 100


def test_a_line_stops_where_values_lack():
    """Five days, the third without a value: two strokes, not four, and four markers."""
    series = charts.Series("actual", "actual", [1.0, 2.0, None, 4.0, 5.0])

    drawn = charts.lines("name", "title", "about", list("abcde"), [series], "min")

    assert drawn.count('<line class="actual"') == 2
    assert drawn.count("<circle") == 4


def test_the_same_inputs_give_the_same_bytes(inputs, script, contents):
    """Another process, another hash seed: the files are the same to the byte."""
    for seed in (1, 2):
        run = script("delay-report/src/report.py", *arguments(inputs, inputs / f"out{seed}"), hash_seed=seed)
        assert run.returncode == 0, run.stderr

    assert contents(inputs / "out1") == contents(inputs / "out2")
    assert [*contents(inputs / "out1")] == ["days.csv", "report.html"]


def broken(table: pd.DataFrame) -> pd.DataFrame:
    """Return scores without the forecasts."""
    return table.drop(columns="predicted_delay_min")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param(lambda p: p.write_bytes(b"PAR1"), "2013-01.parquet: ", id="cut off"),
        pytest.param(lambda p: p.unlink(), "scores: no rows in 0 Parquet files", id="nothing"),
        pytest.param(lambda p: broken(a_month_of_scores()).to_parquet(p), "predicted_delay_min", id="a column lacks"),
        pytest.param(
            lambda p: a_month_of_scores().assign(day=pd.Timestamp("2013-03-01")).to_parquet(p),
            "weather: no weather of 2013-03",
            id="weather of another month",
        ),
        pytest.param(
            lambda p: a_month_of_scores().assign(day=pd.to_datetime(["2013-01-31", "2013-02-01"] * 20)).to_parquet(p),
            "scores of 2 months",
            id="two months",
        ),
        pytest.param(
            lambda p: a_month_of_scores().assign(actual_delay_min=float("nan")).to_parquet(p),
            "no flight has arrived",
            id="no arrivals",
        ),
    ],
)
def test_a_malformed_input_is_refused_by_name(inputs, capsys, change, complaint):
    """The job ends with exit code 1 and one line that names the file and what is wrong; nothing is written."""
    change(inputs / "scores/2013-01.parquet")
    capsys.readouterr()

    assert report.main(arguments(inputs, inputs / "out")) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert complaint in line
    assert not (inputs / "out").exists()
