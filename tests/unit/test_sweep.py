"""What a pass of the reconciler looks at: periods, folders, and what has changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slipway.listing import Folder
from slipway.period import Period
from slipway.sweep import digest, must_ask, open_periods, prefixes, takes_corrections
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
        pytest.param(
            {text: {"open": "no"} for text in ("2013-01", "2013-02", "2013-03")}
            | {"2013-01": {"open": "no", "ask": ""}},
            {},
            ["2013-01"],
            id="a published one with something left to close or end",
        ),
        pytest.param(
            {"2012-06": {"open": "claim", "ask": LATER}, "2012-07": {"open": "yes"}},
            {"last_period": "2013-01"},
            ["2013-01", "2012-06"],
            id="I9 an active one before the first period: a run by hand",
        ),
        pytest.param(
            {"2013-01-05": {"open": "claim", "ask": LATER}},
            {"last_period": "2013-01"},
            ["2013-01"],
            id="records of the cadence the model had before are left alone",
        ),
    ],
)
def test_which_periods_are_looked_at(states: dict[str, Any], fields: dict[str, Any], expected: list[str]) -> None:
    """Those that ended, are the model's own and not done with, and those that ask by themselves."""
    assert opened(states, **fields) == expected


def test_no_period_is_looked_at_twice() -> None:
    """Even if it is open and names a time as well."""
    assert opened({"2013-02": {"open": "yes", "ask": EARLIER}}) == ["2013-01", "2013-02", "2013-03"]


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
        pytest.param({"open": "yes", "ask": ""}, True, id="always"),
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


# Changes

BASE = an_entry("a.csv", hash="0" * 32)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param([], id="removed"),
        pytest.param([BASE, an_entry("b.csv")], id="another file"),
        pytest.param([replace(BASE, name="b.csv")], id="another name"),
        pytest.param([replace(BASE, length=11)], id="another length"),
        pytest.param([replace(BASE, etag="0x2")], id="written again"),
        pytest.param([replace(BASE, copy_status="pending")], id="a copy under way"),
    ],
)
def test_a_digest_changes_whenever_the_listing_does(other: list[Any]) -> None:
    """What no event announced is noticed all the same."""
    assert digest(other) != digest([BASE])
    assert digest([replace(BASE)]) == digest([BASE])
