"""What a pass of the reconciler looks at: periods, folders, and what has changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slipway.due import late
from slipway.listing import Folder
from slipway.period import Period
from slipway.period_record import LONG_AGO
from slipway.readiness import wanted
from slipway.sweep import (
    digests,
    ended_since,
    must_ask,
    open_periods,
    overdue,
    places_read,
    prefixes,
    takes_corrections,
)
from tests.unit.builders import NOON, a_definition, an_entry, at

APRIL = at("2013-04-15")  # January to March have ended
EARLIER, LATER = (NOON - timedelta(hours=1)).isoformat(), (NOON + timedelta(hours=1)).isoformat()


def opened(states: dict[str, dict[str, str]], now: Any = APRIL, **fields: Any) -> list[str]:
    """The periods that are looked at, as texts."""
    return [str(period) for period in open_periods(a_definition(**{"corrections": 0} | fields), states, now)]


# Periods


@pytest.mark.parametrize(
    ("states", "fields", "expected"),
    [
        pytest.param({}, {}, ["2013-01", "2013-02", "2013-03"], id="nothing has run: all that ended, earliest first"),
        pytest.param({}, {"first_period": "2013-03"}, ["2013-03"], id="not before the first period"),
        pytest.param({}, {"last_period": "2013-02"}, ["2013-01", "2013-02"], id="not after the last one"),
        pytest.param({}, {"first_period": "2013-04"}, [], id="none has ended"),
        pytest.param({"2013-02": {"open": "no"}}, {}, ["2013-01", "2013-03"], id="a published one is done with"),
        pytest.param({"2013-02": {"open": "yes"}}, {}, ["2013-01", "2013-02", "2013-03"], id="a failed one is not"),
        pytest.param(
            {"2013-02": {"open": "claim", "ask": LATER}}, {}, ["2013-01", "2013-02", "2013-03"], id="nor an active one"
        ),
        pytest.param(
            {text: {"open": "no"} for text in ("2013-01", "2013-02", "2013-03")},
            {"corrections": 2},
            ["2013-02", "2013-03"],
            id="a published one within its corrections is looked at again",
        ),
    ],
)
def test_which_periods_are_looked_at(states: dict[str, Any], fields: dict[str, Any], expected: list[str]) -> None:
    """Those that ended, are the model's own and not done with."""
    assert opened(states, **fields) == expected


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param("2013-04-15", "2013-04-16", [], id="none has ended since"),
        pytest.param("2013-03-15", "2013-04-16", ["2013-03"], id="one has"),
        pytest.param("2013-02-15", "2013-04-16", ["2013-02", "2013-03"], id="no pass was made for months"),
        pytest.param("2012-01-01", "2013-02-16", ["2013-01"], id="the model's first"),
        pytest.param(None, "2013-04-16", ["2013-03"], id="nothing is remembered: the last alone"),
        pytest.param(None, "2013-01-16", [], id="none has ended at all"),
    ],
)
def test_a_period_that_ended_is_asked_about_though_nothing_changed(
    before: str | None, now: str, expected: list[str]
) -> None:
    """Its data may all have landed before it ended, when the question could not be asked yet."""
    found = ended_since(a_definition(), at(before) if before else None, at(now))

    assert [str(period) for period in found] == expected


@pytest.mark.parametrize("released", ["2012-01-01", "2013-02-04", "2013-04-01"])
@pytest.mark.parametrize("due", [None, {"day": 3, "at": "09:00"}, {"day": 20, "at": "00:00"}])
def test_overdue_periods_are_those_that_are_late_one_by_one(due: Any, released: str) -> None:
    """Only found faster: what was due before the model's release ends the search."""
    definition = a_definition(**({"due": due} if due else {}))
    periods = open_periods(definition, {}, APRIL)

    assert sorted(overdue(definition, periods, APRIL, at(released))) == [
        period for period in periods if late(definition, period, APRIL, at(released))
    ]
    assert not list(overdue(definition, periods, APRIL, None))


@pytest.mark.parametrize(
    ("corrections", "expected"),
    [
        pytest.param(0, [], id="none"),
        pytest.param(1, ["2013-03"], id="the last that ended, alone"),
        pytest.param(2, ["2013-02", "2013-03"], id="two of them"),
        pytest.param("31d", ["2013-02", "2013-03"], id="all that ended within 31 days of the last"),
        pytest.param("30d", ["2013-03"], id="a day too few"),
    ],
)
def test_how_far_back_a_published_period_takes_new_data(corrections: Any, expected: list[str]) -> None:
    """Counted from the last of the model's own periods that has ended, not from today."""
    definition = a_definition(corrections=corrections, timezone="UTC")

    taking = [
        text
        for text in ("2013-01", "2013-02", "2013-03", "2013-04")
        if takes_corrections(definition, Period.parse(text), APRIL)
    ]

    assert taking == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(None, False, id="no record"),
        pytest.param({"open": "yes"}, False, id="no time"),
        pytest.param({"open": "claim", "ask": LATER}, False, id="later"),
        pytest.param({"open": "claim", "ask": NOON.isoformat()}, True, id="now"),
        pytest.param({"open": "claim", "ask": EARLIER}, True, id="earlier"),
        pytest.param({"open": "yes", "ask": LONG_AGO}, True, id="always"),
    ],
)
def test_when_a_record_must_be_asked_about(state: dict[str, str] | None, expected: bool) -> None:
    """At the time it names itself."""
    assert must_ask(state, NOON) is expected


# Folders


def test_nested_folders_are_seen_by_the_outermost() -> None:
    """One listing, however many models look into it."""
    outer, inner = Folder("landing", "flights"), Folder("landing", "flights/2013-01")

    assert prefixes([inner, outer, inner]) == {outer: [outer, inner]}


def test_folders_with_one_parent_are_listed_together() -> None:
    """A window of thirty-one days costs one request."""
    days = [Folder("landing", f"weather/2013/01/{day:02d}") for day in range(1, 32)]

    assert prefixes(days) == {Folder("landing", "weather/2013/01"): days}


def test_folders_at_the_top_are_never_merged_into_the_whole_filesystem() -> None:
    """Who knows what else lies there."""
    tops = [Folder("landing", "a"), Folder("landing", "b")]

    assert prefixes(tops) == {tops[0]: [tops[0]], tops[1]: [tops[1]]}


def test_a_name_that_only_begins_alike_is_another_folder() -> None:
    """`flights-old` does not lie in `flights`, and the same path in two filesystems is two places."""
    apart = [Folder("landing", "flights/x"), Folder("landing", "flights-old/x"), Folder("lake", "flights/x")]

    assert prefixes(apart) == {folder: [folder] for folder in apart}


segments = st.lists(st.sampled_from(["a", "b", "a-", "a0", "ab"]), min_size=1, max_size=4).map("/".join)
folders = st.builds(Folder, st.sampled_from(["landing", "lake"]), segments)


@given(st.lists(folders, max_size=12))
@example([Folder("lake", "a"), Folder("lake", "a-/b"), Folder("lake", "a/b")])
def test_every_wanted_folder_is_seen_by_exactly_one_listing(wanted: list[Folder]) -> None:
    """And no listing sees another's: nothing is listed twice in a pass."""
    listed = prefixes(wanted)

    seen = [folder for inside in listed.values() for folder in inside]
    assert sorted(seen) == sorted(set(wanted))
    for root, inside in listed.items():
        assert root.path
        assert all(root.covers(folder) for folder in inside)
        assert not any(other.covers(root) for other in listed if other != root)


# What is read


MARKED = {"complete": {"marker": "_SUCCESS"}}
INPUTS = {
    "its own": {"path": "landing/own/{period:%Y-%m}/", **MARKED},
    "daily, overlapping": {
        "path": "landing/daily/{period:%Y/%m/%d}/",
        "cadence": "daily",
        "periods": {"from": -45, "to": 0},
        **MARKED,
    },
    "daily, apart": {"path": "landing/apart/{period:%Y/%m/%d}/", "cadence": "daily", **MARKED},
    "daily, within": {"path": "landing/w/{period:%Y/%m/%d}/", "cadence": "daily", "periods": "within", **MARKED},
    "quarterly": {"path": "landing/q/{period:%Y-Q%q}/", "cadence": "quarterly", "max_age": 1, **MARKED},
    "static": {"path": "landing/planes/", "cadence": "static", **MARKED},
    "published": {"from": "other/scores"},
    "published daily": {"from": "another/scores", "cadence": "daily", "periods": "within"},
}


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("texts", [["2013-02"], ["2013-01", "2013-02", "2013-03"], ["2013-01", "2013-06"], []])
def test_what_open_periods_read_between_them_is_what_each_of_them_reads(name: str, texts: list[str]) -> None:
    """However their windows overlap or stand apart; a row of periods is unrolled once."""
    definition = a_definition(inputs={"x": INPUTS[name]})
    periods = [Period.parse(text) for text in texts]
    wants = [want for period in periods for want in wanted(definition, period)]

    folders, publications = places_read([(definition, periods)])

    assert folders == {want.folder for want in wants if want.folder}
    assert publications == {(want.producer[0], want.period) for want in wants if want.producer}


# Changes

LAND, FLIGHTS, OTHER = (Folder("landing", path) for path in ("x", "x/flights", "x/flights-old"))
BASE = an_entry("x/flights/a.csv", hash="0" * 32)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param([], id="removed"),
        pytest.param([BASE, an_entry("x/flights/b.csv")], id="another file"),
        pytest.param([replace(BASE, name="x/flights/b.csv")], id="another name"),
        pytest.param([replace(BASE, length=11)], id="another length"),
        pytest.param([replace(BASE, etag="0x2")], id="written again"),
        pytest.param([replace(BASE, copy_status="pending")], id="a copy under way"),
    ],
)
def test_a_digest_changes_whenever_the_listing_does(other: list[Any]) -> None:
    """What no event announced is noticed all the same."""
    assert digests(other, [FLIGHTS]) != digests([BASE], [FLIGHTS])
    assert digests([replace(BASE)], [FLIGHTS]) == digests([BASE], [FLIGHTS])


def test_one_listing_gives_the_digests_of_all_folders_in_it() -> None:
    """Each of them the one it has when it is listed alone; one without files has none."""
    files = [an_entry("x/flights-old/b.csv"), BASE, an_entry("x/flights/2013/c.csv")]

    found = digests(files, [LAND, FLIGHTS, OTHER, Folder("landing", "x/none")])

    assert set(found) == {LAND, FLIGHTS, OTHER}
    assert found[FLIGHTS] == digests(files[1:], [FLIGHTS])[FLIGHTS]
    assert found[OTHER] == digests(files[:1], [OTHER])[OTHER]
    assert len(set(found.values())) == 3
