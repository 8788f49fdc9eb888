"""Templates of dataset folders: written and read in both directions."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.listing import Folder
from slipway.period import Cadence, Period, containing
from slipway.template import Template, TemplateError
from tests.unit.test_period import zones

TEMPLATES = {
    Cadence.HOURLY: [
        "landing/e/{period:%Y/%m/%d/%H}/",
        "landing/e/{period:%Y-%m-%dT%H}Z/",
        "landing/e/{period:%Y%j}/h{period:%H}/",
    ],
    Cadence.DAILY: [
        "landing/w/{period:%Y/%m/%d}/",
        "landing/w/{period:%Y%m%d}/",
        "landing/w/{period:%Y}/{period:%j}/",
        "landing/w/{period:%G-W%V}/{period:%Y-%m-%d}/",
        "landing/q{period:%q}/year={period:%Y}/{period:%m-%d}/x/",
    ],
    Cadence.WEEKLY: ["landing/w/{period:%G-W%V}/", "landing/w/{period:%G}/{period:%V}/"],
    Cadence.MONTHLY: [
        "landing/f/{period:%Y-%m}/",
        "landing/f/year={period:%Y}/month={period:%m}/",
        "landing/f/{period:%Y-Q%q}/{period:%m}/",
    ],
    Cadence.QUARTERLY: ["landing/p/{period:%Y-Q%q}/", "landing/p/{period:%Y}/{period:%q}/"],
}
CASES = [(cadence, text) for cadence, texts in TEMPLATES.items() for text in texts]


@given(
    st.sampled_from(CASES),
    st.datetimes(datetime(1903, 1, 1), datetime(2190, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    zones,
)
def test_path_and_period_are_inverse(case: tuple[Cadence, str], moment: datetime, zone: object) -> None:
    """For every template, at any moment in any zone: the folder of a period leads back to it, files below it too."""
    cadence, text = case
    template, period = Template.parse(text, cadence), containing(cadence, moment, zone)  # type: ignore[arg-type]

    folder = template.folder(period)

    assert template.match(folder.filesystem, folder.path) == period
    assert template.match(folder.filesystem, f"{folder.path}/part/1.csv") == period


def test_a_folder_reads_as_people_expect() -> None:
    """ISO weeks take the ISO year, and numbers keep their zeros."""
    week = Template.parse("landing/w/{period:%G-W%V}/", Cadence.WEEKLY)

    assert str(week.folder(Period.parse("2015-W01"))) == "landing/w/2015-W01/"
    assert week.folder(Period.parse("2015-W01")) == Folder("landing", "w/2015-W01")


def test_a_static_dataset_has_one_folder() -> None:
    """It has no periods, so a path in it has none either."""
    planes = Template.parse("landing/planes/", None)

    assert planes.folder(None) == Folder("landing", "planes")
    assert planes.match("landing", "planes/planes.csv") is None


@pytest.mark.parametrize(
    ("cadence", "path"),
    [
        (Cadence.HOURLY, "landing/{period:%Y-%m-%d}/"),
        (Cadence.DAILY, "landing/{period:%Y-%m}/"),
        (Cadence.DAILY, "landing/{period:%m-%d}/"),
        (Cadence.DAILY, "landing/{period:%G-W%V}/"),
        (Cadence.WEEKLY, "landing/{period:%Y-W%V}/"),
        (Cadence.WEEKLY, "landing/{period:%Y-%m-%d}/"),
        (Cadence.MONTHLY, "landing/{period:%Y}/"),
        (Cadence.MONTHLY, "landing/{period:%Y-%m-%d}/"),
        (Cadence.QUARTERLY, "landing/{period:%Y-%m}/"),
        (Cadence.MONTHLY, "landing/flights/"),
        (None, "landing/{period:%Y-%m}/"),
    ],
)
def test_a_template_that_does_not_tell_the_period_is_refused(cadence: Cadence | None, path: str) -> None:
    """Too little to read the period back, or what several values of a period would share."""
    with pytest.raises(TemplateError) as caught:
        Template.parse(path, cadence)

    assert caught.value.remedy


@pytest.mark.parametrize(
    "path",
    [
        "landing/f/{period:%Y-%m}",
        "{period:%Y-%m}/",
        "landing/",
        "/landing/{period:%Y-%m}/",
        "landing//{period:%Y-%m}/",
        "landing/../{period:%Y-%m}/",
        "landing/./{period:%Y-%m}/",
        "landing/.hidden/{period:%Y-%m}/",
        "landing/a\\b/{period:%Y-%m}/",
        "landing/a\n/{period:%Y-%m}/",
        "landing/%Y/{period:%Y-%m}/",
        "landing/{period:%Y-%m}%2e/",
        "landing/{period:%%Y-%m}/",
        "landing/{period:%Y-%B}/",
        "landing/{period:%Y-%-m}/",
        "landing/{period}/",
        "landing/{period:}/",
        "landing/{model}/{period:%Y-%m}/",
        "landing/{period:{period:%Y}}/",
        "landing/*/{period:%Y-%m}/",
        "Landing/{period:%Y-%m}/",
        "abfss://landing@x/{period:%Y-%m}/",
        "landing/" + "x" * 300 + "/{period:%Y-%m}/",
    ],
)
def test_a_template_that_could_be_no_folder_is_refused(path: str) -> None:
    """T4, T17: an allow-list, no expressions."""
    with pytest.raises(TemplateError):
        Template.parse(path, Cadence.MONTHLY)


@pytest.mark.parametrize(
    "path",
    [
        "f/2013-13",
        "f/2013-00/x.csv",
        "f/2013-1",
        "f/2013-011",
        "f/2013-01x",
        "f/x2013-01",
        "f",
        "g/2013-01",
        "f/\uff19999-01",
        "f/0000-01",
    ],
)
def test_a_path_beside_the_template_has_no_period(path: str) -> None:
    """Neither a date that does not exist nor a name that only resembles one."""
    assert Template.parse("landing/f/{period:%Y-%m}/", Cadence.MONTHLY).match("landing", path) is None
    assert Template.parse("landing/f/{period:%Y-%m}/", Cadence.MONTHLY).match("models", "f/2013-01") is None


def test_codes_that_contradict_each_other_have_no_period() -> None:
    """29 February of a common year, a week that does not hold the day, two different years."""
    day = Template.parse("landing/{period:%G-W%V}/{period:%Y-%m-%d}/", Cadence.DAILY)
    twice = Template.parse("landing/{period:%Y}/{period:%Y-%j}/", Cadence.DAILY)

    assert day.match("landing", "2013-W05/2013-01-31") == Period.parse("2013-01-31")
    assert day.match("landing", "2013-W06/2013-01-31") is None
    assert twice.match("landing", "2013/2014-001") is None
    assert twice.match("landing", "2013/2013-366") is None
    assert twice.match("landing", "2012/2012-366") == Period.parse("2012-12-31")


def test_a_period_of_another_cadence_has_no_folder() -> None:
    """A month cannot be written as a day."""
    with pytest.raises(ValueError, match="daily data"):
        Template.parse("landing/w/{period:%Y/%m/%d}/", Cadence.DAILY).folder(Period.parse("2013-01"))
