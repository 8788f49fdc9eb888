"""What all answers of the API share: who asks, how a bad body is refused, what is told of a bug, how long ones go."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import logging
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest
from azure.core.exceptions import ServiceRequestError

from triggers import api
from triggers.api import SET_OUT, Problem, answer, body, endpoint, packed, reader
from triggers.backfills import NewBackfill
from triggers.rendering import page

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

    after = asyncio.run(packed(request, before))

    content = gzip.decompress(after.get_body()) if encoding else after.get_body()
    assert json.loads(content) == {"text": "x" * length}
    assert after.headers.get("Content-Encoding") == encoding
    assert (after.status_code, after.mimetype, after.headers["Location"]) == (202, "application/json", "/api/runs")


def test_a_short_answer_is_set_out_for_people_and_a_long_one_is_not() -> None:
    """People read the one as it comes; to set out the board of a large estate would hold up every other request."""
    short, long = {"a": 1}, {"text": "x" * SET_OUT}

    assert answer(short).get_body() == b'{\n "a": 1\n}'
    assert answer(long).get_body() == json.dumps(long).encode()


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform's authentication is on."""
    monkeypatch.setattr(api, "settings", lambda: SimpleNamespace(platform_auth=True))


OBJECT = "http://schemas.microsoft.com/identity/claims/objectidentifier"


def a_request(claims: dict[str, str], **headers: str) -> func.HttpRequest:
    """A request of a caller with these claims, as the platform sends it."""
    principal = {"name_typ": "upn", "role_typ": "roles", "claims": [{"typ": t, "val": v} for t, v in claims.items()]}
    given = {f"X-MS-CLIENT-PRINCIPAL-{name.upper()}": value for name, value in headers.items()}
    encoded = base64.b64encode(json.dumps(principal).encode()).decode()
    return func.HttpRequest("GET", "/", headers={"X-MS-CLIENT-PRINCIPAL": encoded, **given}, body=b"")


@pytest.mark.parametrize(
    ("claims", "headers", "name"),
    [
        pytest.param({"name": "Ann"}, {"name": "ann@x", "id": "1-2"}, "ann@x", id="what the platform calls a person"),
        pytest.param({"azp": "7-7", "upn": "ann@x"}, {"id": "1-2"}, "ann@x", id="the claim that it says names people"),
        pytest.param({OBJECT: "1-2", "preferred_username": "ann"}, {}, "ann", id="a person's claim"),
        pytest.param({"azp": "7-7", OBJECT: "1-2"}, {"id": "1-2"}, "1-2", id="an application, by the platform's id"),
        pytest.param({OBJECT: "1-2", "azp": "7-7"}, {}, "7-7", id="an application, version 2"),
        pytest.param({OBJECT: "1-2", "appid": "8-8"}, {}, "8-8", id="an application, version 1"),
        pytest.param({OBJECT: "1-2"}, {"name": ""}, "1-2", id="an object of Entra ID"),
        pytest.param({"roles": "x"}, {}, "unknown", id="nothing"),
    ],
)
@pytest.mark.usefixtures("signed_in")
def test_who_asks_has_a_name_or_at_least_an_id(claims: dict[str, str], headers: dict[str, str], name: str) -> None:
    """Pipelines sign in as applications, without a name: two of them are two callers all the same."""
    assert reader(a_request(claims, **headers)).name == name


@pytest.mark.parametrize("form", ["api", "page"])
@pytest.mark.usefixtures("signed_in")
def test_a_bug_is_logged_and_answered_without_a_word_of_it(form: str, caplog: pytest.LogCaptureFixture) -> None:
    """In the app's own form, as 500; the log has the exception."""

    async def buggy(request: func.HttpRequest) -> func.HttpResponse:
        raise KeyError("inner words")

    with caplog.at_level(logging.ERROR, "slipway"):
        told = asyncio.run((endpoint() if form == "api" else page)(buggy)(a_request({"name": "Ann"})))

    assert told.status_code == 500
    assert (told.mimetype == "application/problem+json") == (form == "api")
    text = told.get_body().decode()
    assert "An unforeseen fault" in text
    assert not any(word in text for word in ("inner", "KeyError", "Traceback"))
    assert "inner words" in caplog.text


@pytest.mark.usefixtures("signed_in")
def test_a_services_failure_is_503_with_its_words() -> None:
    """It is no bug: asking again may help."""

    async def waiting(request: func.HttpRequest) -> func.HttpResponse:
        raise ServiceRequestError("refused")

    told = asyncio.run(endpoint()(waiting)(a_request({"name": "Ann"})))

    assert (told.status_code, json.loads(told.get_body())["code"]) == (503, "no-answer")
