"""What a model says of itself: what is read of its file, what is refused, and how lists carry it."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slipway.failure import Failed
from slipway.metrics import MOST, NAME, Metrics, index, parse, read, text, words
from slipway.period_record import End
from tests.unit.test_claim import an_ended

NAMES = st.from_regex(NAME, fullmatch=True).filter(str.isascii)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
FULL = {f"m{number:02}": float(number) for number in range(MOST)}
SAID = st.dictionaries(NAMES, NUMBERS, min_size=1, max_size=MOST)


def the_metrics(document: Any) -> Metrics:
    """What is read of a document's JSON."""
    return read("quality/q.json", json.dumps(document).encode())


def refusal(body: bytes | str) -> str:
    """Why these bytes are refused."""
    with pytest.raises(Failed) as caught:
        read("quality/q.json", body.encode() if isinstance(body, str) else body)
    failure = caught.value.failure
    assert (failure.kind, failure.code, failure.transient) == ("model", "metrics-unusable", False)
    assert failure.message.startswith("quality/q.json, which `metrics` of model.yaml names, ")
    return failure.message


@pytest.mark.parametrize(
    ("document", "found"),
    [
        pytest.param({"mae": 12.3, "rows": 310}, {"mae": 12.3, "rows": 310.0}, id="numbers"),
        pytest.param({"test": {"mae": 1, "by": {"JFK": 2}}}, {"test.by.JFK": 2, "test.mae": 1}, id="objects inside"),
        pytest.param({"n": -0.5, "day": "2013-01-01", "ok": True, "none": None, "all": [1, 2, {"a": 3}]}, {"n": -0.5},
                     id="texts, truths, nothing and lists are left alone"),
        pytest.param({"n": 1, "no name at all": "text", "nor here": {}}, {"n": 1}, id="names of what is no number"),
        pytest.param(FULL, FULL, id="as many as may be"),
        pytest.param({"a" * 60: 1}, {"a" * 60: 1}, id="as long a name as may be"),
    ],
)  # fmt: skip
def test_every_number_is_a_metric_named_by_the_way_to_it(document: Any, found: Metrics) -> None:
    """And nothing else is."""
    assert the_metrics(document) == found
    assert list(the_metrics(document)) == sorted(found)


def test_a_byte_order_mark_is_no_fault() -> None:
    """PowerShell writes one."""
    assert read("q", b'\xef\xbb\xbf{"mae": 1}') == {"mae": 1}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param("", "is no JSON in UTF-8", id="nothing"),
        pytest.param("mae=12", "is no JSON in UTF-8", id="not JSON"),
        pytest.param(b'{"mae\xff": 1}', "is no JSON in UTF-8", id="not UTF-8"),
        pytest.param('{"a":' * 30_000, "is no JSON in UTF-8", id="cut off, deep down"),
        pytest.param('{"a":' * 10_000 + "1" + "}" * 10_000, "", id="deeper than anyone reads"),
        pytest.param("[1, 2]", "is no JSON object", id="a list"),
        pytest.param("12.3", "is no JSON object", id="a number"),
        pytest.param('{"mae": NaN}', "'mae' is nan, no finite number. Write null", id="NaN"),
        pytest.param('{"test": {"mae": -Infinity}}', "'test.mae' is -inf, no finite", id="infinite"),
        pytest.param('{"mae": 1e999}', "'mae' is inf, no finite", id="larger than a number can be"),
        pytest.param(f'{{"mae": {"9" * 5000}}}', "'mae' is inf, no finite", id="more digits than a number has"),
        pytest.param('{"mae": 1, "mae": 2}', "two numbers called 'mae'", id="a name twice"),
        pytest.param('{"a.b": 1, "a": {"b": 2}}', "two numbers called 'a.b'", id="a name twice, once by its way"),
        pytest.param('{"share missing": 1}', "'share missing'; a metric's name is 1 to 60 of", id="a blank"),
        pytest.param('{"R\u00b2": 1}', r"'R\xb2'; a metric's name", id="not ASCII"),
        pytest.param('{"": 1}', "''; a metric's name", id="no name"),
        pytest.param(json.dumps({"a" * 61: 1}), "a metric's name is", id="a long name"),
        pytest.param(json.dumps({f"m{n}": n for n in range(MOST + 1)}), "has 21 numbers; a model has at most 20",
                     id="too many"),
        pytest.param('{"mae": [12.3]}', "has no number. Write {\"mae\": 12.3}, not {\"mae\": [12.3]}", id="R's boxes"),
        pytest.param("{}", "has no number", id="an empty object"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_models_metrics_is_refused(body: bytes | str, why: str) -> None:
    """By name, with what to write instead; values are the model's, and none of its texts is quoted at length."""
    assert why in refusal(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5) | NAMES, inside, max_size=6),
)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
       | JSON.map(lambda document: json.dumps(document).encode()))  # fmt: skip
@example(b'{"\\ud800": 1}')
@example(b'{"a": 1e400}')
def test_whatever_the_bytes_are_metrics_come_of_them_or_the_foreseen_failure(body: bytes) -> None:
    """And what comes of them keeps the bounds, and can be carried by a listing."""
    try:
        found = read("quality/q.json", body)
    except Failed:
        refusal(body)
        return
    assert 1 <= len(found) <= MOST
    assert all(re.fullmatch(NAME, name) and math.isfinite(value) for name, value in found.items())
    assert parse(text(found)) == found


@given(SAID)
def test_lists_carry_each_value_as_it_is(said: Metrics) -> None:
    """To the last digit, in few bytes of ASCII that a header holds."""
    carried = text(said)
    assert parse(carried) == said == the_metrics(said)
    assert carried.isascii()
    assert carried.isprintable()
    assert len(carried) <= 1720


@pytest.mark.parametrize("carried", [None, "", "mae", "mae=", "mae=x", "mae=nan", "mae=inf", "mae=1  rows=2"])
def test_what_was_not_written_so_is_nothing(carried: str | None) -> None:
    """A list shows no metric rather than a wrong one."""
    assert parse(carried) == {}


def test_a_listing_shows_the_metrics_of_what_is_published() -> None:
    """Nothing where nothing is published, or where the model says nothing."""
    ended = an_ended(End.SUCCEEDED)
    said = {**ended, "published": {**ended["published"], "metrics": {"mae": 12.5, "rows": 310}}}
    assert index(said) == {"metrics": "mae=12.5 rows=310.0"}
    assert index(ended) == index({**said, "published": None}) == {}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"), (-0.0, "0"), (27_004.0, "27,004"), (-3.0, "-3"), (0.653142857, "0.653143"), (27.1234, "27.1234"),
        (1234.5678, "1234.57"), (123_456.78, "123,456.8"), (1.5e-9, "1.5e-09"), (1e15, "1e+15"), (1.7e308, "1.7e+308"),
    ],
)  # fmt: skip
def test_values_in_words(value: float, shown: str) -> None:
    """Whole numbers whole, others to six digits."""
    assert words(value) == shown
