"""Where incidents go: the tables of destinations and routes, and what is refused in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from slipway.destinations import Destination, Route, Routing, problems
from slipway.incident import opened
from slipway.subject import Subject
from tests.unit.builders import NOON
from tests.unit.test_incident import a_failure

DESTINATION: TypeAdapter[Any] = TypeAdapter(Destination)
INCIDENT = opened(None, a_failure(tier=1), NOON)
PLATFORM = opened(
    None,
    {**Subject.of_platform("event-path-silent").to_document(), "kind": "platform", "code": "x", "message": "m"},
    NOON,
)


def a_route(to: str = "hit", **conditions: Any) -> Route:
    """Build a route."""
    return Route.model_validate({**conditions, "to": [to]})


@pytest.mark.parametrize(
    ("conditions", "fits"),
    [
        pytest.param({}, True, id="no condition"),
        pytest.param({"owner": ["retail", "airline-operations"]}, True, id="one of the owners"),
        pytest.param({"owner": ["retail"]}, False, id="another owner"),
        pytest.param({"severity": ["critical", "error"]}, True, id="loud enough"),
        pytest.param({"severity": ["critical"]}, False, id="not loud enough"),
        pytest.param({"kind": ["model"]}, True, id="the kind"),
        pytest.param({"kind": ["data", "platform"]}, False, id="another kind"),
        pytest.param({"model": ["shop-*", "flight-*"]}, True, id="a pattern of models"),
        pytest.param({"model": ["flight"]}, False, id="a pattern is for the whole name"),
        pytest.param({"about": ["period"]}, True, id="about a period"),
        pytest.param({"about": ["platform", "backfill"]}, False, id="about something else"),
        pytest.param({"owner": ["airline-operations"], "kind": ["data"]}, False, id="every condition counts"),
    ],
)
def test_a_route_takes_what_meets_all_its_conditions(conditions: dict[str, Any], fits: bool) -> None:
    """An error of flight-delay, owned by airline-operations, a failure of its code."""
    assert a_route(**conditions).fits(INCIDENT) is fits


def test_the_first_route_that_fits_wins() -> None:
    """The others are not asked; a destination that is named twice is told once."""
    routing = Routing(
        routes=(
            a_route("nobody", owner=["retail"]),
            Route(owner=["airline-operations"], to=["pager", "board", "pager"]),
            a_route("everybody"),
        ),
        destinations=("board", "everybody", "nobody", "pager"),
    )

    assert routing.of(INCIDENT) == ["pager", "board"]
    assert routing.of(PLATFORM) == ["everybody"]


def test_without_routes_everything_goes_everywhere() -> None:
    """The simplest environment has one destination."""
    assert Routing(destinations=("a", "b")).of(PLATFORM) == ["a", "b"]
    assert Routing().of(PLATFORM) == []


def test_a_digest_changes_with_every_change_of_where_things_go() -> None:
    """It is kept with each incident, to see whose way has changed."""
    one = Routing(routes=(a_route(),), destinations=("hit",))
    others = [
        Routing(routes=(a_route(owner=["x"]), a_route()), destinations=("hit",)),
        Routing(destinations=("hit",)),
        Routing(routes=(a_route(),), destinations=("hit", "other")),
    ]

    assert len({one.digest, *(other.digest for other in others)}) == 4
    assert Routing(routes=(a_route(),), destinations=("hit",)).digest == one.digest


@pytest.mark.parametrize(
    ("routes", "problem"),
    [
        pytest.param([a_route("hit")], None, id="right"),
        pytest.param([a_route("gone")], "leads to gone", id="no such destination"),
        pytest.param([a_route("hit", kind=["data"])], "the last route must take all", id="no default"),
        pytest.param([a_route("hit"), a_route("hit")], "route 1 takes all", id="a default in the middle"),
        pytest.param([a_route("hit", kind=["data"]), Route(to=[])], None, id="nobody, and said so"),
        pytest.param([], None, id="none"),
    ],
)
def test_what_is_wrong_between_the_tables(routes: list[Route], problem: str | None) -> None:
    """No incident is without a way by oversight."""
    told = problems({"hit": None}, routes)

    assert told is None if problem is None else problem in str(told)


@pytest.mark.parametrize(
    "document",
    [
        {"type": "webhook", "url": "https://example.com/x", "secret": "KEY"},
        {"type": "webhook", "url": "http://127.0.0.1:7099/x", "secret": "KEY"},
        {"type": "pagerduty", "secret": "PD"},
        {"type": "servicenow", "url": "https://x.service-now.com", "user": "slipway", "secret": "SNOW"},
        {"type": "azure-devops", "url": "https://dev.azure.com/org/project", "work_item": "Bug", "done": "Closed"},
        {"type": "teams", "secret": "TEAMS"},
        {"type": "email", "url": "https://x.communication.azure.com", "sender": "a@x.com", "to": ["b@x.com"]},
    ],
)
def test_destinations_read_as_they_are_written(document: dict[str, Any]) -> None:
    """Each type with its own fields."""
    assert DESTINATION.validate_python(document).model_dump(exclude_unset=True) == document


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"type": "smoke-signals"}, id="no such type"),
        pytest.param({"type": "webhook", "url": "http://example.com/x", "secret": "KEY"}, id="plain http"),
        pytest.param({"type": "webhook", "url": "https://u:p@example.com", "secret": "KEY"}, id="a user in it"),
        pytest.param({"type": "pagerduty", "secret": "pd key"}, id="no name of a secret"),
        pytest.param({"type": "pagerduty", "secret": "PD", "token": "x"}, id="unknown field"),
        pytest.param({"type": "azure-devops", "url": "http://127.0.0.1/x"}, id="a token over plain http"),
        pytest.param({"type": "email", "url": "https://x", "sender": "a@x.com", "to": []}, id="nobody to write to"),
        pytest.param({"type": "email", "url": "https://x", "sender": "a", "to": ["b@x.com"]}, id="no address"),
    ],
)
def test_what_cannot_be_a_destination_is_refused(document: dict[str, Any]) -> None:
    """Before anything is sent anywhere."""
    with pytest.raises(ValidationError):
        DESTINATION.validate_python(document)


@pytest.mark.parametrize(
    ("document", "secret", "problem"),
    [
        ({"type": "webhook", "url": "https://x/y", "secret": "K"}, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", None),
        ({"type": "webhook", "url": "https://x/y", "secret": "K"}, "whsec_c2hvcnQ=", "24 and 64"),
        ({"type": "webhook", "url": "https://x/y", "secret": "K"}, "whsec_no base64", "base64"),
        ({"type": "pagerduty", "secret": "K"}, "0123456789abcdef0123456789abcdef", None),
        ({"type": "pagerduty", "secret": "K"}, "0123456789abcdef", "32"),
        ({"type": "teams", "secret": "K"}, "https://prod.logic.azure.com/workflows/x?sig=y", None),
        ({"type": "teams", "secret": "K"}, "http://prod.logic.azure.com/workflows/x?sig=y", "https"),
        ({"type": "servicenow", "url": "https://x", "user": "u", "secret": "K"}, "anything", None),
    ],
)
def test_a_secret_is_checked_as_far_as_it_can_be(document: dict[str, Any], secret: str, problem: str | None) -> None:
    """And never shown."""
    told = DESTINATION.validate_python(document).secret_problem(secret)

    assert (told is None) is (problem is None)
    assert (problem or "") in (told or "")
    assert secret not in (told or "")


def test_the_tables_of_the_how_to_are_right() -> None:
    """Whoever copies them has tables that are taken, and in them an incident of each way."""
    page = (Path(__file__).parents[2] / "docs/how-to/route-incidents.md").read_text()
    tables = json.loads(page.partition("```json\n")[2].partition("```")[0])
    destinations = {name: DESTINATION.validate_python(one) for name, one in tables["destinations"].items()}
    routes = [Route.model_validate(route) for route in tables["routes"]]

    assert problems(destinations, routes) is None
    routing = Routing(routes=tuple(routes), destinations=tuple(destinations))
    assert routing.of(PLATFORM) == ["pager", "platform-team"]
    assert routing.of(INCIDENT) == ["tickets", "channel"]
    assert routing.of({**INCIDENT, "owner": "retail"}) == ["retail-board"]
    assert routing.of({**INCIDENT, "model": "shop-experiment"}) == []
    assert {one.type for one in destinations.values()} == {"pagerduty", "servicenow", "azure-devops", "teams", "email"}
