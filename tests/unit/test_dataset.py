"""The index from folders to models and periods: what a landing event may concern."""

import sys
from typing import Any

import pytest

from slipway.dataset import MOST_WOKEN, MOST_WOKEN_BY_STATIC, DatasetIndex
from slipway.listing import Folder
from slipway.period import Period, span
from slipway.windows import periods_read
from tests.unit.builders import a_definition, at

LATER = at("2033-01-01")
MARKED = {"complete": {"marker": "_SUCCESS"}}

DELAY = a_definition(
    name="flight-delay",
    inputs={
        "flights": {"path": "landing/flights/{period:%Y-%m}/", **MARKED},
        "weather": {
            "path": "landing/weather/{period:%Y/%m/%d}/",
            "cadence": "daily",
            "periods": {"from": -30, "to": 0},
            **MARKED,
        },
        "planes": {"path": "landing/planes/", "cadence": "static", **MARKED},
    },
)
WEATHER = a_definition(
    name="weather-daily",
    cadence="daily",
    first_period="2013-01-01",
    last_period="2013-12-31",
    inputs={"observations": {"path": "landing/weather/{period:%Y/%m/%d}/", **MARKED}},
)
REPORT = a_definition(
    name="delay-report",
    inputs={
        "scores": {"from": "flight-delay/scores"},
        "weather": {"from": "weather-daily/scores", "cadence": "daily", "periods": "within"},
    },
)
INDEX = DatasetIndex([DELAY, WEATHER, REPORT])


def found(path: str, filesystem: str = "landing", now: Any = LATER) -> set[str]:
    """What happened at a path may concern these, as `model period`."""
    return {f"{model} {period}" for model, period in INDEX.match(filesystem, path, now)}


@pytest.mark.parametrize("path", ["flights/2013-02", "flights/2013-02/_SUCCESS", "flights/2013-02/part/1.csv"])
def test_a_dataset_folder_and_what_lies_in_it_concern_its_period(path: str) -> None:
    """Marker, data, the folder itself: each only wakes."""
    assert found(path) == {"flight-delay 2013-02"}


def test_a_file_concerns_every_model_and_every_window_that_reads_it() -> None:
    """29 January is read by the daily model, and by January's and February's monthly run."""
    assert found("weather/2013/01/29/w.csv") == {
        "weather-daily 2013-01-29",
        "flight-delay 2013-01",
        "flight-delay 2013-02",
    }


def test_only_periods_that_are_the_models_own_and_have_ended_are_meant() -> None:
    """A landing folder full of data from before first_period wakes nobody; what comes too early waits for its time."""
    assert found("flights/2012-12/_SUCCESS") == set()
    assert found("weather/2014/01/15/w.csv") == {"flight-delay 2014-01"}
    assert found("flights/2013-02/_SUCCESS", now=at("2013-03-01T04:59")) == set()
    assert found("flights/2013-02/_SUCCESS", now=at("2013-03-01T05:00")) == {"flight-delay 2013-02"}


def test_a_static_file_concerns_the_latest_periods() -> None:
    """Its files may land by the thousand; reconcile finds the older ones."""
    woken = found("planes/planes.csv", now=at("2020-01-10"))

    assert len(woken) == MOST_WOKEN_BY_STATIC
    assert "flight-delay 2019-12" in woken


def test_a_parent_that_is_renamed_into_place_concerns_the_latest_periods_below_it() -> None:
    """EV-3: one event for all the folders in it."""
    assert found("flights", now=at("2013-04-10")) == {f"flight-delay 2013-0{n}" for n in (1, 2, 3)}
    woken = found("weather/2013", now=at("2014-06-10"))
    assert {model.split()[0] for model in woken} == {"flight-delay", "weather-daily"}
    assert "weather-daily 2013-12-31" in woken
    assert len(woken) <= 2 * MOST_WOKEN


@pytest.mark.parametrize(
    ("filesystem", "path"),
    [
        ("landing", "elsewhere/2013-02/x.csv"),
        ("landing", "flights/2013-2/x.csv"),
        ("landing", "flights/2013-13/x.csv"),
        ("landing", "flight"),
        ("landing", ""),
        ("landing", "flights/2013-02/../2013-03/x.csv"),
        ("landing", "flights/2013-02/a\\b"),
        ("landing", "flights/2013-02%2fx.csv"),
        ("landing", "flights/2013-02/\x00"),
        ("landing", "/flights/2013-02/x.csv"),
        ("models", "flights/2013-02/x.csv"),
        ("control", "flights/2013-02/x.csv"),
        ("other", "flights/2013-02/x.csv"),
    ],
)
def test_other_and_malformed_paths_concern_nobody(filesystem: str, path: str) -> None:
    """T1, T4: counted and dropped by whoever asked."""
    assert found(path, filesystem) == set()


def test_slipways_own_filesystems_never_match_whatever_a_definition_says() -> None:
    """EV-8: a run's own writes cause no run."""
    own = a_definition(inputs={"x": {"path": "models/x/{period:%Y-%m}/", **MARKED}})

    assert DatasetIndex([own]).match("models", "x/2013-02/a", LATER) == set()


def test_a_path_leads_to_the_periods_whose_folders_lead_back_to_it() -> None:
    """Both directions of the one index agree."""
    for model, period in INDEX.match("landing", "weather/2013/03/31/w.csv", LATER):
        assert Folder("landing", "weather/2013/03/31") in INDEX.folders(model, period)


def test_a_models_folders_are_those_of_its_windows() -> None:
    """The month, its 31 days, and the static one."""
    folders = INDEX.folders("flight-delay", Period.parse("2013-02"))

    assert folders[0] == Folder("landing", "flights/2013-02")
    assert folders[1:32] == [
        Folder("landing", f"weather/{day.first:%Y/%m/%d}")
        for day in periods_read(DELAY, "weather", Period.parse("2013-02"))
    ]
    assert folders[32:] == [Folder("landing", "planes")]
    assert INDEX.folders("delay-report", Period.parse("2013-02")) == []


def test_a_publication_concerns_the_runs_that_read_it() -> None:
    """Whoever consumes it is woken when it is published."""
    assert INDEX.consumers("weather-daily", Period.parse("2013-02-10"), LATER) == {
        ("delay-report", Period.parse("2013-02"))
    }
    assert INDEX.consumers("flight-delay", Period.parse("2013-02"), LATER) == {
        ("delay-report", Period.parse("2013-02"))
    }
    assert INDEX.consumers("delay-report", Period.parse("2013-02"), LATER) == set()


@pytest.mark.parametrize("path", ["flights/2013-02", "weather/2013/03/31", "planes", "flights", "flights/2013-02/part"])
def test_all_readers_of_exactly_this_folder_are_known(path: str) -> None:
    """Without a bound, for reconcile: those whose run's folders hold it, and nobody for folders above or below."""
    folder, now = Folder("landing", path), at("2032-12-31")
    definitions = {"flight-delay": (DELAY, "2032-11"), "weather-daily": (WEATHER, "2013-12-31")}

    expected = {
        (model, period)
        for model, (definition, last) in definitions.items()
        for period in span(definition.first, Period.parse(last))
        if folder in INDEX.folders(model, period)
    }

    assert INDEX.readers(folder, now) == expected
    assert INDEX.readers(Folder("models", path), now) == set()


def test_all_consumers_of_a_publication_are_known_if_asked_for() -> None:
    """A wide window is bounded for whoever only wakes."""
    wide = a_definition(
        name="wide",
        cadence="daily",
        first_period="2013-01-01",
        inputs={"x": {"from": "weather-daily/scores", "periods": {"from": -300, "to": 0}}},
    )
    index, day = DatasetIndex([wide]), Period.parse("2013-02-10")

    assert len(index.consumers("weather-daily", day, LATER)) == MOST_WOKEN
    assert len(index.consumers("weather-daily", day, LATER, bounded=False)) == 301


def test_a_lookup_does_not_grow_with_the_number_of_models() -> None:
    """One more or a thousand more models elsewhere: the same steps, counted as calls."""

    def calls(index: DatasetIndex) -> int:
        count = 0

        def counting(_frame: object, event: str, _argument: object) -> None:
            nonlocal count
            count += event == "call"

        index.match("landing", "flights/2013-02/a.csv", LATER)  # fills the caches of templates
        sys.setprofile(counting)
        index.match("landing", "flights/2013-02/a.csv", LATER)
        sys.setprofile(None)
        return count

    others = [
        a_definition(name=f"m{n}", inputs={"x": {"path": f"landing/x{n}/{{period:%Y-%m}}/", **MARKED}})
        for n in range(1000)
    ]

    assert calls(DatasetIndex([DELAY, *others])) == calls(DatasetIndex([DELAY]))
