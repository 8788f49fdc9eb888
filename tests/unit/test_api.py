"""What all answers of the API share: how a body that breaks a rule is refused, and that a long answer is packed."""

from __future__ import annotations

import gzip
import json
from typing import Any

import azure.functions as func
import pytest

from triggers.api import Problem, answer, body, packed
from triggers.backfills import NewBackfill

RANGE = {"reason": "a new price list", "from": "2024-01-01", "to": "2024-01-02"}


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({"to": None}, "body"),
        ({"from": None, "to": None}, "body"),
        ({"periods": ["2024-01-01"]}, "body"),
        ({"only": "some"}, "only"),
        ({"parallel": 0}, "parallel"),
        ({"what": 1}, "what"),
    ],
)
def test_a_rule_of_a_backfills_plan_is_told_where_it_is_broken(asked: dict[str, Any], where: str) -> None:
    """RR-5: those of the whole body, too, which belong to no member of it."""
    document = {name: value for name, value in {**RANGE, **asked}.items() if value is not None}
    request = func.HttpRequest("POST", "/", body=json.dumps(document).encode())

    with pytest.raises(Problem) as refused:
        body(request, NewBackfill)

    [error] = refused.value.facts["errors"]
    assert error["where"] == where
    if where == "body":
        assert error["rule"] == "name a range by from and to, or periods one by one"


@pytest.mark.parametrize(
    ("accepts", "length", "encoding"),
    [
        ("gzip, deflate, br", 5000, "gzip"),
        ("br;q=1.0, GZIP;q=0.5", 5000, "gzip"),
        ("gzip", 10, None),
        ("gzip;q=0, identity", 5000, None),
        ("deflate", 5000, None),
        ("", 5000, None),
    ],
)
def test_a_long_answer_is_packed_for_who_takes_that(accepts: str, length: int, encoding: str | None) -> None:
    """With the type, status and headers that it has anyway; a short one, and one for anybody else, goes as it is."""
    request = func.HttpRequest("GET", "/", headers={"Accept-Encoding": accepts}, body=b"")
    before = answer({"text": "x" * length}, 202, Location="/api/runs")

    after = packed(request, before)

    content = gzip.decompress(after.get_body()) if encoding else after.get_body()
    assert json.loads(content) == {"text": "x" * length}
    assert after.headers.get("Content-Encoding") == encoding
    assert (after.status_code, after.mimetype, after.headers["Location"]) == (202, "application/json", "/api/runs")
