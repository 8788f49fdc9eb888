"""Which periods a backfill may be for, and what is to be done about each."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway import period_record, rollup
from slipway.definition import Definition
from slipway.period import Cadence, Period, PeriodError, count, span
from slipway.selection import (
    MOST,
    NotEnded,
    Only,
    SelectionError,
    Standing,
    Verdict,
    between,
    listed,
    spans,
    verdict,
)
from tests.unit.builders import NOON, a_definition, at
from tests.unit.test_claim import an_ended

NEW, OLD = "0123456789ab", "ba9876543210"


def of_cadence(cadence: str, folder: str, **fields: Any) -> Definition:
    """A model that reads a dataset of its own cadence."""
    rows = {"path": f"landing/rows/{{period:{folder}}}/", "complete": {"marker": "_SUCCESS"}}
    return a_definition(cadence=cadence, timezone="UTC", inputs={"rows": rows}, **fields)


DAILY = of_cadence("daily", "%Y-%m-%d", first_period="2010-01-01", last_period="2014-12-31")
JANUARY_1 = Period.parse("2013-01-01")
FIRST = {
    Cadence.HOURLY: "2013-01-31T06Z",
    Cadence.DAILY: "2013-01-31",
    Cadence.WEEKLY: "2013-W05",
    Cadence.MONTHLY: "2013-01",
    Cadence.QUARTERLY: "2013-Q1",
}


@given(st.sampled_from(Cadence), st.integers(0, 400), st.integers(0, 400))
def test_periods_are_counted_as_they_are_told_one_by_one(cadence: Cadence, first: int, last: int) -> None:
    """A range of millions is refused without telling them one by one."""
    begin, end = (Period.parse(FIRST[cadence]).shift(number) for number in (first, last))
    assert count(begin, end) == len(list(span(begin, end)))


def test_a_range_is_all_that_lies_in_it() -> None:
    """Both ends included."""
    assert [str(one) for one in between(DAILY, "2013-01-30", "2013-01-31", NOON)] == ["2013-01-30", "2013-01-31"]
    assert len(between(DAILY, "2010-01-01", str(Period.parse("2010-01-01").shift(MOST - 1)), NOON)) == MOST


@pytest.mark.parametrize(
    ("first", "last", "title", "why"),
    [
        ("2013-01-02", "2013-01-01", "The range ends before it begins", "exchange the two"),
        ("2009-12-31", "2013-01-01", "Before the first period", "2009-12-31 lies before 2010-01-01"),
        ("2013-01-01", "2015-01-01", "After the last period", "2015-01-01 lies after 2014-12-31"),
        (
            "2010-01-01",
            "2013-01-01",
            "Too many periods",
            "are 1097 periods, and a backfill is for 1000 at most: plan several, .* from 2010-01-01 to 2012-09-26",
        ),
        (
            "2013-01-31",
            "2013-02-01",
            "The period has not ended",
            "2013-02-01 of flight-delay ends at 2013-02-02 00:00Z",
        ),
    ],
)
def test_a_range_that_no_backfill_can_be_for_is_refused_with_the_remedy(
    first: str, last: str, title: str, why: str
) -> None:
    """How many, the limit, what to do."""
    with pytest.raises(SelectionError, match=why) as refused:
        between(DAILY, first, last, NOON)

    assert refused.value.title == title
    assert isinstance(refused.value, NotEnded) == (title == "The period has not ended")


def test_a_range_of_a_century_of_hours_is_counted_at_once() -> None:
    """RR-5: bounded time."""
    hourly = of_cadence("hourly", "%Y/%m/%d/%H", first_period="1900-01-01T00Z")
    with pytest.raises(SelectionError, match="876576 periods"):
        between(hourly, "1900-01-01T00Z", "1999-12-31T23Z", NOON)


def test_periods_named_one_by_one_are_put_in_order_and_named_once() -> None:
    """Each is one of the model's own that has ended."""
    assert listed(DAILY, ["2013-01-03", "2013-01-01"], NOON) == [JANUARY_1, JANUARY_1.shift(2)]
    for texts, why in (
        (["2013-01-01", "2013-01-01"], "named twice"),
        (["2013-01-01"] * (MOST + 1), "1001 periods are named"),
        (["2009-01-01"], "lies before"),
        (["2013-02-01"], "no run starts before"),
    ):
        with pytest.raises(SelectionError, match=why):
            listed(DAILY, texts, NOON)
    with pytest.raises(PeriodError):
        listed(DAILY, ["2013-01"], NOON)


def a_standing(**fields: Any) -> Standing:
    """A period that was published from the released version, unless told otherwise."""
    return Standing(**{"published": True, "version": NEW, **fields})


NEVER, FAILED = Standing(), Standing(failed=True, version=OLD)


@pytest.mark.parametrize(
    ("only", "wanted", "good"),
    [
        (Only.MISSING, [NEVER, FAILED, Standing(version=NEW)], [a_standing(), a_standing(failed=True, version=OLD)]),
        (Only.FAILED, [FAILED, a_standing(failed=True)], [NEVER, a_standing(), a_standing(version=OLD)]),
        (Only.OUTDATED, [FAILED, a_standing(version=OLD)], [NEVER, a_standing(), a_standing(failed=True)]),
        (Only.ALL, [NEVER, FAILED, a_standing(), a_standing(version=OLD)], []),
    ],
)
def test_what_a_backfill_is_for(only: Only, wanted: list[Standing], good: list[Standing]) -> None:
    """BF-3: what is good by that is left as it is, with the reason."""
    assert [verdict(only, one, NEW) for one in wanted] == [(Verdict.WANTED, None)] * len(wanted)
    for one in good:
        judged, why = verdict(only, one, NEW)
        assert judged is Verdict.GOOD
        assert why


standings = st.builds(
    Standing,
    st.none() | st.just("a run"),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, OLD, NEW]),
    st.booleans(),
)


@given(st.sampled_from(Only), standings)
def test_an_active_run_is_awaited_and_a_decision_respected_whatever_it_is_for(only: Only, standing: Standing) -> None:
    """Nothing runs beside a run, nor over a waiver."""
    judged, _ = verdict(only, standing, NEW)
    assert (judged is Verdict.ACTIVE) == (standing.active is not None)
    if judged in (Verdict.GOOD, Verdict.WANTED):
        assert not standing.waived


@pytest.mark.parametrize(
    "record",
    [
        an_ended(period_record.End.FAILED),
        an_ended(period_record.End.CANCELED),
        an_ended(period_record.End.SUCCEEDED),
        {**an_ended(period_record.End.FAILED), "waived": {"at": NOON.isoformat()}},
    ],
    ids=["failed", "canceled", "published", "waived"],
)
def test_the_listing_tells_the_same_as_the_record(record: dict[str, Any]) -> None:
    """A plan over a thousand periods reads none of their records."""
    standing = Standing.of_record(record)
    shown = period_record.index(record) | rollup.facts(record) | standing.index

    told = Standing.of_listing(shown, record["model"], Period.parse(record["period"]))

    # A waived failure is told of by nobody, and wanted by nobody.
    assert verdict(Only.MISSING, told, NEW) == verdict(Only.MISSING, standing, NEW)
    assert (told.active, told.published, told.version) == (standing.active, standing.published, standing.version)


@given(st.sets(st.integers(0, 60), min_size=1))
def test_unbroken_rows_of_periods_are_told_by_their_ends(days: set[int]) -> None:
    """As the register keeps them."""
    given_ = [JANUARY_1.shift(number) for number in sorted(days)]
    rows = spans(given_)
    assert [period for first, last in rows for period in span(first, last)] == given_
    assert all(last.shift(1) < next_ for (_, last), (next_, _) in pairwise(rows))


def test_the_clock_decides_what_has_ended() -> None:
    """In the model's own zone."""
    january = a_definition()  # monthly, in New York
    assert between(january, "2013-01", "2013-01", at("2013-02-01T05:00"))
    with pytest.raises(NotEnded):
        between(january, "2013-01", "2013-01", at("2013-02-01T04:59"))
