"""Bodies of the API: what breaks a rule is told with where it stands and which rule, in words for people."""

from __future__ import annotations

import json
from typing import Any

import azure.functions as func
import pytest

from triggers.api import Problem, body
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
