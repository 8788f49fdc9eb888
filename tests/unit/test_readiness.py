"""Readiness: what is complete, what blocks, and when to ask again."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from slipway.completeness import MARKER_OVERTAKEN
from slipway.definition import Definition
from slipway.listing import Entry, Folder, Listing
from slipway.period import Period
from slipway.readiness import InputReadiness, Publication, Readiness, State, assess, wanted
from tests.unit.builders import NOON, a_definition, a_listing, an_entry, at

JANUARY = Period.parse("2013-01")
MINUTE = timedelta(minutes=1)
MONTHLY = {"path": "landing/x/{period:%Y-%m}/"}
HERE = "x/2013-01"


def a_model(complete: Mapping[str, Any] | None = None, **fields: Any) -> Definition:
    """Build a monthly model with one input `x`; `fields` are the input's."""
    return a_definition(inputs={"x": {**MONTHLY, "complete": complete or {"files": 1}, **fields}})


def seen(definition: Definition, shown: Mapping[str, Listing] | None = None, **arguments: Any) -> Readiness:
    """Assess January; `shown` maps paths in landing to listings, all other folders are empty."""
    listings = {want.folder: Listing(NOON) for want in wanted(definition, JANUARY) if want.folder}
    listings |= {Folder("landing", path): listing for path, listing in (shown or {}).items()}
    return assess(
        definition, JANUARY, listings, arguments.pop("publications", {}), arguments.pop("now", NOON), **arguments
    )


def only(readiness: Readiness) -> InputReadiness:
    """The one input of a readiness."""
    (one,) = readiness.inputs
    return one


# The three rules of completeness


@pytest.mark.parametrize(
    ("entries", "state", "blocks"),
    [
        pytest.param([], "waiting", "x: landing/x/2013-01/ has no data", id="nothing"),
        pytest.param(
            ["a.csv"], "partial", "x: landing/x/2013-01/ has 1 file but no _SUCCESS", id="data without marker"
        ),
        pytest.param(["_SUCCESS"], "partial", "x: landing/x/2013-01/ has no data", id="marker without data"),
        pytest.param(
            ["_SUCCESS", ".a.crc", "b.tmp"], "partial", "x: landing/x/2013-01/ has no data", id="no real data"
        ),
        pytest.param(
            ["a.csv", "b/_SUCCESS"], "partial", "x: landing/x/2013-01/ has 1 file but no _SUCCESS", id="elsewhere"
        ),
        pytest.param(["a.csv", "_SUCCESS"], "arrived", None, id="both"),
    ],
)
def test_a_marker_counts_beside_data(entries: list[str], state: str, blocks: str | None) -> None:
    """Necessary, and by itself not sufficient."""
    one = only(seen(a_model({"marker": "_SUCCESS"}), {HERE: a_listing(*entries)}))

    assert (one.state, one.blocks) == (state, blocks)


@pytest.mark.parametrize(
    ("rested", "ready"),
    [(MARKER_OVERTAKEN - timedelta(seconds=1), False), (MARKER_OVERTAKEN, True)],
)
def test_data_younger_than_their_marker_must_rest(rested: timedelta, ready: bool) -> None:
    """EV-5: the marker came first, or is left from an earlier delivery."""
    listing = a_listing(
        an_entry("_SUCCESS", modified=NOON - 60 * MINUTE), an_entry("a.csv", modified=NOON), found_at=NOON + rested
    )

    readiness = seen(a_model({"marker": "_SUCCESS"}), {HERE: listing})

    assert readiness.ready is ready
    assert readiness.ask_again == (None if ready else NOON + MARKER_OVERTAKEN)
    assert "changed after its _SUCCESS" in readiness.blocks or ready


def test_a_marker_written_last_counts_at_once() -> None:
    """As most writers do it; the same second is last enough."""
    listing = a_listing(an_entry("a.csv", modified=NOON), an_entry("_SUCCESS", modified=NOON), found_at=NOON)

    assert seen(a_model({"marker": "_SUCCESS"}), {HERE: listing}).ready


@pytest.mark.parametrize(("number", "state"), [(0, "waiting"), (2, "partial"), (3, "arrived"), (4, "arrived")])
def test_a_number_of_files(number: int, state: str) -> None:
    """At least so many."""
    one = only(seen(a_model({"files": 3}), {HERE: a_listing(*(f"{n}.csv" for n in range(number)))}))

    assert one.state == state
    assert one.files == number
    if state == "partial":
        assert one.blocks == "x: landing/x/2013-01/ has 2 files of 3"


@pytest.mark.parametrize(
    ("rested", "ready"),
    [(timedelta(0), False), (30 * MINUTE - timedelta(seconds=1), False), (30 * MINUTE, True)],
)
def test_a_quiet_time_is_measured_from_the_youngest_file_on_the_lakes_clock(rested: timedelta, ready: bool) -> None:
    """RD-2, CK-3: the app's own clock may say what it likes."""
    files = (an_entry("a.csv", modified=NOON - 600 * MINUTE), an_entry("b.csv", modified=NOON))

    readiness = seen(
        a_model({"quiet": "30m"}), {HERE: a_listing(*files, found_at=NOON + rested)}, now=NOON + timedelta(days=99)
    )

    assert readiness.ready is ready
    assert readiness.ask_again == (None if ready else NOON + 30 * MINUTE)
    assert only(readiness).state == ("arrived" if ready else "partial")


def test_an_empty_folder_is_never_quiet() -> None:
    """There is nothing that could rest."""
    assert only(seen(a_model({"quiet": "30m"}))).state is State.WAITING


@pytest.mark.parametrize("status", ["pending", "failed", "aborted"])
def test_a_copy_under_way_is_not_there(status: str) -> None:
    """EV-4."""
    listing = a_listing(an_entry("a.csv", copy_status=status))

    assert only(seen(a_model(), {HERE: listing})).state is State.WAITING


def test_empty_files_are_data() -> None:
    """EV-7: a writer that makes empty parts has delivered."""
    readiness = seen(a_model(), {HERE: a_listing(an_entry("a.csv", length=0))})

    assert readiness.ready
    assert [file.name for file in readiness.files] == ["a.csv"]


@pytest.mark.parametrize("name", ["a\\b", "a\nb", "a./b", "x" * 800, "a/" * 55 + "b", "a%2fb"])
def test_a_name_that_cannot_be_staged_blocks_and_is_named(name: str) -> None:
    """T4: neither cleaned nor silently left out."""
    one = only(seen(a_model(), {HERE: a_listing(name, "good.csv")}))

    assert one.state is State.PARTIAL
    assert one.blocks is not None
    assert "whose name is not accepted" in one.blocks
    assert "\n" not in one.blocks


# Windows, optional and old data


def test_a_window_is_complete_when_every_folder_is() -> None:
    """And says how many are missing, and the first of them."""
    model = a_definition(
        inputs={
            "w": {
                "path": "landing/w/{period:%Y/%m/%d}/",
                "cadence": "daily",
                "periods": {"from": -30, "to": 0},
                "complete": {"files": 1},
            }
        }
    )
    days = {f"w/2013/01/{n:02}": a_listing("a.csv") for n in range(1, 32)}

    complete = seen(model, days)
    partial = seen(model, {path: listing for path, listing in days.items() if path[-2:] not in ("07", "09")})

    assert complete.ready
    assert len(complete.files) == 31
    assert complete.files[0].staged == "2013-01-01/a.csv"
    assert only(partial).state is State.PARTIAL
    assert partial.blocks == "w: 2 of 31 are not complete, first landing/w/2013/01/07/ has no data"
    assert partial.files == ()


def test_an_optional_input_is_excused_until_it_is_complete() -> None:
    """Half of it is not read."""
    model = a_model({"files": 2}, optional=True)

    for listing, state, files in [
        (a_listing(), "excused", 0),
        (a_listing("a"), "excused", 0),
        (a_listing("a", "b"), "arrived", 2),
    ]:
        readiness = seen(model, {HERE: listing})
        assert readiness.ready
        assert (only(readiness).state, len(readiness.files)) == (state, files)
        assert readiness.blocks == ""


def test_an_excused_input_is_looked_at_again_when_it_may_be_quiet() -> None:
    """It may still be worth a new run then."""
    readiness = seen(a_model({"quiet": "30m"}, optional=True), {HERE: a_listing("a")})

    assert (readiness.ready, readiness.ask_again) == (True, NOON + 30 * MINUTE)


@pytest.mark.parametrize(
    ("complete", "chosen"),
    [
        (["2013-01", "2012-12", "2012-11"], "2013-01"),
        (["2012-12", "2012-11"], "2012-12"),
        (["2012-11"], "2012-11"),
        (["2012-10"], None),
        ([], None),
    ],
)
def test_max_age_reads_the_latest_complete_period(complete: list[str], chosen: str | None) -> None:
    """At most so many back; an older one does not do."""
    readiness = seen(a_model(max_age=2), {f"x/{period}": a_listing("a.csv") for period in complete})

    assert readiness.ready is (chosen is not None)
    assert [str(file.period) for file in readiness.files] == ([chosen] if chosen else [])


def test_max_age_asks_again_when_a_later_period_may_be_quiet() -> None:
    """The old one is read meanwhile."""
    old = a_listing(an_entry("a.csv", modified=NOON - timedelta(days=30)))

    readiness = seen(a_model({"quiet": "30m"}, max_age=1), {"x/2012-12": old, HERE: a_listing("a.csv")})

    assert [str(file.period) for file in readiness.files] == ["2012-12"]
    assert readiness.ask_again == NOON + 30 * MINUTE


# Other models' outputs


def a_publication(*outputs: str) -> Publication:
    """Build a publication with one file in each of these outputs."""
    files: dict[str, tuple[Entry, ...]] = {output: (an_entry("part/1.parquet", hash="0" * 64),) for output in outputs}
    return Publication("made--2013-01--0a1b2c3d-1", Folder("models", "made/2013-01/run/outputs-1"), NOON, files)


FROM = a_definition(inputs={"scores": {"from": "made/scores"}})


def test_a_published_output_is_complete() -> None:
    """Its files are selected from the folder that the pointer names."""
    readiness = seen(FROM, publications={("made", JANUARY): a_publication("scores", "plot")})

    (file,) = readiness.files
    assert readiness.ready
    assert file.source == "models/made/2013-01/run/outputs-1/scores/part/1.parquet"
    assert (file.input, file.staged, file.hash) == ("scores", "2013-01/part/1.parquet", "0" * 64)


@pytest.mark.parametrize(
    ("publication", "blocks"),
    [
        (None, "scores: made has not published 2013-01"),
        (a_publication("plot"), "scores: made published 2013-01 without the output scores (made--2013-01--0a1b2c3d-1)"),
    ],
)
def test_what_is_not_published_blocks(publication: Publication | None, blocks: str) -> None:
    """Whatever may lie in the producer's run folders."""
    readiness = seen(FROM, publications={("made", JANUARY): publication})

    assert (readiness.ready, readiness.blocks) == (False, blocks)


def test_everything_wanted_is_named_before_it_is_looked_at() -> None:
    """Folders and publications, by input and period."""
    model = a_definition(
        inputs={
            "x": {**MONTHLY, "complete": {"files": 1}, "max_age": 1},
            "planes": {"path": "landing/planes/", "cadence": "static", "complete": {"files": 1}},
            "w": {"from": "made/scores", "cadence": "weekly", "periods": "within"},
        }
    )

    looks = [(want.input, str(want.period), str(want.folder), want.producer) for want in wanted(model, JANUARY)]

    assert looks == [
        ("x", "2012-12", "landing/x/2012-12/", None),
        ("x", "2013-01", "landing/x/2013-01/", None),
        ("planes", "None", "landing/planes/", None),
        *[("w", f"2013-W0{n}", "None", ("made", "scores")) for n in range(1, 5)],
    ]


def test_what_was_not_looked_at_is_no_empty_folder() -> None:
    """A forgotten listing is a bug, not missing data."""
    with pytest.raises(KeyError):
        assess(a_model(), JANUARY, {}, {}, NOON)


# Lateness, counts, and how it is told


@pytest.mark.parametrize(
    ("now", "released_at", "state"),
    [
        pytest.param(at("2013-02-03T13:59"), at("2013-01-01"), "waiting", id="before it is due"),
        pytest.param(at("2013-02-03T14:00"), at("2013-01-01"), "late", id="when it is due"),
        pytest.param(at("2013-02-03T14:00"), at("2013-06-01"), "waiting", id="backlog"),
        pytest.param(at("2013-02-03T14:00"), None, "waiting", id="release unknown"),
    ],
)
def test_a_missing_input_is_late_when_the_run_is_due(now: datetime, released_at: datetime | None, state: str) -> None:
    """Since the due moment."""
    model = Definition.from_document(a_model().to_document() | {"due": {"day": 3, "at": "09:00"}})

    one = only(seen(model, now=now, released_at=released_at))

    assert one.state == state
    assert one.since == (at("2013-02-03T14:00") if state == "late" else None)


def test_an_input_says_since_when_and_how_much() -> None:
    """Arrived: with its last file. Partial: since its first."""
    files = [an_entry(f"{n}.csv", modified=NOON + n * MINUTE, length=100) for n in range(3)]

    arrived, partial = (
        only(seen(a_model(), {HERE: a_listing(*files)})),
        only(seen(a_model({"files": 4}), {HERE: a_listing(*files)})),
    )

    assert (arrived.since, arrived.files, arrived.bytes) == (NOON + 2 * MINUTE, 3, 300)
    assert (partial.since, partial.files, partial.bytes) == (NOON, 3, 300)


def test_more_files_than_a_run_may_read_block_it() -> None:
    """T16: a landing writer cannot make a run of a million files."""
    model = Definition.from_document(a_model().to_document() | {"limits": {"files": 2}})

    readiness = seen(model, {HERE: a_listing("a", "b", "c")})

    assert (readiness.ready, readiness.files) == (False, ())
    assert readiness.blocks == "x: 3 files, and all inputs together more than limits.files allows (2)"


def test_two_hundred_thousand_files_are_judged_one_by_one() -> None:
    """RD-7: and every one is selected, once."""
    readiness = seen(a_model(), {HERE: a_listing(*(f"part={n % 100}/{n:06}.parquet" for n in range(200_000)))})

    assert len({file.name for file in readiness.files}) == 200_000


def test_an_arrived_input_does_not_hide_one_that_blocks() -> None:
    """RD-5: the answer names what is missing, and only that."""
    model = a_definition(
        inputs={
            "x": {**MONTHLY, "complete": {"files": 1}},
            "y": {"path": "landing/y/{period:%Y-%m}/", "complete": {"marker": "_SUCCESS"}},
        }
    )

    readiness = seen(model, {HERE: a_listing("a")})

    assert [(one.name, one.state) for one in readiness.inputs] == [("x", "arrived"), ("y", "waiting")]
    assert readiness.blocks == "y: landing/y/2013-01/ has no data"
    assert readiness.files == ()


def test_the_answer_is_plain_json_without_the_list_of_files() -> None:
    """For the card that people read, at any time."""
    readiness = seen(a_model({"quiet": "30m"}), {HERE: a_listing("a.csv")})

    assert json.loads(json.dumps(readiness.to_document())) == {
        "model": "flight-delay",
        "period": "2013-01",
        "ready": False,
        "blocks": "x: landing/x/2013-01/ is not quiet yet: last change 2013-02-01T12:00:00Z, must rest for 30m",
        "ask_again": "2013-02-01T12:30:00Z",
        "inputs": {
            "x": {
                "state": "partial",
                "since": "2013-02-01T12:00:00Z",
                "files": 1,
                "bytes": 10,
                "blocks": "x: landing/x/2013-01/ is not quiet yet: last change 2013-02-01T12:00:00Z, must rest for 30m",
                "ask_again": "2013-02-01T12:30:00Z",
            }
        },
    }
