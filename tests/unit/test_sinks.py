"""What each destination is sent: the requests as they leave, for incidents that are open, known, resolved."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from slipway.destinations import AzureDevOps, Email, PagerDuty, ServiceNow, Teams
from slipway.failure import Failed
from slipway.incident import Incident, acknowledged, opened, resolved
from slipway.message import Message, message
from slipway.sinks import azure_devops, email, pagerduty, servicenow, teams
from slipway.sinks.known import Known
from slipway.sinks.sender import Answer, Request
from tests.unit.builders import NOON, by
from tests.unit.test_incident import RUN, a_failure

LOG = "https://ml.azure.com/runs/x"
OPEN = opened(None, a_failure(tier=1, log=LOG, waiting=["crew-plan"], due="2013-02-03T14:00:00+00:00"), NOON)
OVER = resolved(OPEN, 1, "waived by ann", NOON + timedelta(hours=1)) or {}
NEW, KNOWN = Known(), Known(open=True, ticket="T1")
KEY = "0123456789abcdef0123456789abcdef"


def a_message(incident: Incident) -> Message:
    """What an installation called north, reached at https://slipway, tells of it."""
    return message(incident, "slipway/north", "https://slipway", "prod")


class Service:
    """Answers in turn what it is told to, and keeps what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), list[Request]()

    def __call__(self, request: Request) -> Answer:
        """Take a request. A number is a status without a body, anything else JSON that is answered 200."""
        self.asked.append(request)
        answer = self.answers.pop(0)
        return Answer(answer) if isinstance(answer, int) else Answer(200, json.dumps(answer).encode())

    def sent(self, number: int = -1) -> Any:
        """The body of a request."""
        body = self.asked[number].body
        return json.loads(body) if body else None

    def lines(self) -> list[str]:
        """Method and path of each request."""
        return [f"{one.method} {urlsplit(one.url).path}" for one in self.asked]


# PagerDuty


def test_pagerduty_is_sent_an_alert_with_all_that_on_call_needs() -> None:
    """As the Events API v2 documents it: its fields, its severities, links, and one key for ever."""
    service = Service(202)

    pagerduty.tell(a_message(OPEN), PagerDuty(type="pagerduty", secret="PD"), KEY, NEW, service)

    assert service.asked[0].url == "https://events.pagerduty.com/v2/enqueue"
    event = service.sent()
    details = event["payload"].pop("custom_details")
    assert event == {
        "routing_key": KEY,
        "dedup_key": "slipway/north/flight-delay--2013-01",
        "event_action": "trigger",
        "payload": {
            "summary": "flight-delay 2013-01: it failed: KeyError",
            "source": "slipway/north",
            "severity": "error",
            "timestamp": "2013-02-01T12:00:00+00:00",
            "component": "flight-delay 2013-01",
            "group": "airline-operations",
            "class": "model/job-failed",
        },
        "links": [
            {"href": "https://slipway/dashboard/incidents/flight-delay--2013-01", "text": "incident"},
            {"href": "https://slipway/dashboard/models/flight-delay/periods/2013-01", "text": "period"},
            {"href": f"https://slipway/dashboard/runs/{RUN}", "text": "run"},
            {"href": f"https://slipway/api/runs/{RUN}/history", "text": "history"},
            {"href": f"https://slipway/api/runs/{RUN}/log", "text": "output"},
            {"href": LOG, "text": "job in Azure ML studio"},
        ],
        "client": "Slipway",
        "client_url": "https://slipway/dashboard/incidents/flight-delay--2013-01",
    }
    assert details["waiting"] == ["crew-plan"]
    last = {"what": "if nobody needs this period", "command": "slipway waive flight-delay 2013-01 --env prod"}
    assert details["commands"][-1] == last


def test_pagerduty_is_told_who_is_on_it_and_that_it_is_over() -> None:
    """An acknowledgement follows a trigger, since one of an alert that is not there is dropped."""
    on_it, over = Service(202, 202), Service(202)
    to = PagerDuty(type="pagerduty", secret="PD")

    pagerduty.tell(a_message(acknowledged(OPEN, by("ann"), NOON)), to, KEY, NEW, on_it)
    pagerduty.tell(a_message(OVER), to, KEY, KNOWN, over)

    assert [on_it.sent(number)["event_action"] for number in (0, 1)] == ["trigger", "acknowledge"]
    assert over.sent() == {
        "routing_key": KEY, "dedup_key": "slipway/north/flight-delay--2013-01", "event_action": "resolve"
    }  # fmt: skip


def test_the_largest_alert_is_far_below_what_pagerduty_takes() -> None:
    """512 KB: the message is cut when it is made, the models that wait have names of at most 40 characters."""
    waiting = [f"{'m' * 36}-{number:03}" for number in range(1000)]
    biggest = opened(None, a_failure(message="ü" * 5000, waiting=waiting), NOON)

    (event,) = pagerduty.events(a_message(biggest), KEY)

    assert len(json.dumps(event, ensure_ascii=False).encode()) < 512 * 1024 / 4
    assert len(event["payload"]["summary"]) <= pagerduty.LONGEST_SUMMARY
    assert len(event["dedup_key"]) <= pagerduty.LONGEST_KEY


# ServiceNow

SERVICENOW = ServiceNow(type="servicenow", url="https://x.service-now.com", user="slipway", secret="SNOW")
TABLE = "/api/now/table/incident"


def test_servicenow_gets_one_ticket_which_is_looked_for_before_it_is_made() -> None:
    """IN-2: the table has no keys of its own, so it is searched by the correlation id, the same on every try."""
    service = Service({"result": []}, {"result": {"sys_id": "T1", "number": "INC0010001"}})

    assert servicenow.tell(a_message(OPEN), SERVICENOW, "pass", NEW, service) == "T1"

    assert service.lines() == [f"GET {TABLE}", f"POST {TABLE}"]
    query = parse_qs(urlsplit(service.asked[0].url).query)
    correlation = "slipway/north/flight-delay--2013-01@2013-02-01T12:00:00"
    assert query["sysparm_query"] == [f"correlation_id={correlation}"]
    assert service.asked[0].headers["Authorization"] == "Basic c2xpcHdheTpwYXNz"
    described = service.sent().pop("description")
    assert described == a_message(OPEN).text
    assert {name: value for name, value in service.sent().items() if name != "description"} == {
        "short_description": "flight-delay 2013-01: it failed: KeyError",
        "urgency": "1",
        "impact": "2",
        "correlation_id": correlation,
        "correlation_display": "Slipway",
    }


def test_servicenow_is_updated_and_closed_by_what_is_remembered_or_found() -> None:
    """A lost answer left a ticket: it is found, and no second one made."""
    found, over = Service({"result": [{"sys_id": "T7"}]}, {"result": {}}), Service({"result": {}})

    assert servicenow.tell(a_message(OPEN), SERVICENOW, "pass", NEW, found) == "T7"
    assert servicenow.tell(a_message(OVER), SERVICENOW, "pass", KNOWN, over) == "T1"

    assert found.lines()[-1] == f"PATCH {TABLE}/T7"
    assert over.lines() == [f"PATCH {TABLE}/T1"]
    assert over.sent() == {
        "state": "6", "close_code": "Solution provided", "close_notes": "Resolved by waived by ann."
    }  # fmt: skip


def test_a_ticket_that_people_deleted_is_made_anew_only_while_it_is_needed() -> None:
    """404 on the ticket; resolved, there is nothing left to do."""
    again, over = Service(404, {"result": {"sys_id": "T2"}}), Service(404)

    assert servicenow.tell(a_message(OPEN), SERVICENOW, "pass", KNOWN, again) == "T2"
    assert servicenow.tell(a_message(OVER), SERVICENOW, "pass", KNOWN, over) is None
    assert len(over.asked) == 1


def test_a_table_that_is_not_there_is_a_failure_and_no_empty_answer() -> None:
    """404 on the table itself: the address is wrong, and somebody has to be told."""
    with pytest.raises(Failed, match="404"):
        servicenow.tell(a_message(OPEN), SERVICENOW, "pass", NEW, Service(404))


# Azure DevOps

DEVOPS = AzureDevOps(type="azure-devops", url="https://dev.azure.com/contoso/ml%20ops")
ITEMS = "/contoso/ml%20ops/_apis/wit/workitems"


def fields(service: Service) -> dict[str, Any]:
    """The fields that the last request sets, by name."""
    return {change["path"].removeprefix("/fields/"): change["value"] for change in service.sent()}


def test_azure_devops_gets_one_work_item_which_is_looked_for_before_it_is_made() -> None:
    """IN-2: by a tag; what it says is text, whatever people put into a message."""
    service = Service({"workItems": []}, {"id": 42})
    incident = opened(None, a_failure(message="<script>alert(1)</script>"), NOON)

    assert azure_devops.tell(a_message(incident), DEVOPS, "token", NEW, service) == "42"

    assert service.lines() == ["POST /contoso/ml%20ops/_apis/wit/wiql", f"POST {ITEMS}/$Issue"]
    tag = azure_devops.tag(a_message(incident))
    assert service.sent(0) == {"query": f"SELECT [System.Id] FROM WorkItems WHERE [System.Tags] CONTAINS '{tag}'"}
    assert service.asked[1].headers["Content-Type"].startswith("application/json-patch+json")
    assert service.asked[1].headers["Authorization"] == "Bearer token"
    told = fields(service)
    assert told["System.Tags"] == f"slipway; {tag}"
    assert told["Microsoft.VSTS.Common.Priority"] == 3
    assert told["System.Description"].startswith("&lt;script&gt;alert(1)&lt;/script&gt;<br>")


def test_azure_devops_is_updated_closed_and_made_anew() -> None:
    """By the id that is remembered, or found; one that was deleted is made anew while it is needed."""
    found, over, gone = Service({"workItems": [{"id": 7}]}, {"id": 7}), Service({"id": 1}), Service(404, {"id": 8})

    assert azure_devops.tell(a_message(OPEN), DEVOPS, "token", NEW, found) == "7"
    assert azure_devops.tell(a_message(OVER), DEVOPS, "token", Known(open=True, ticket="1"), over) == "1"
    assert azure_devops.tell(a_message(OPEN), DEVOPS, "token", Known(open=True, ticket="1"), gone) == "8"

    assert found.lines()[-1] == f"PATCH {ITEMS}/7"
    assert fields(over) == {"System.State": "Done", "System.History": "Resolved by waived by ann."}
    assert gone.lines() == [f"PATCH {ITEMS}/1", f"POST {ITEMS}/$Issue"]


def test_each_opening_is_a_ticket_of_its_own() -> None:
    """What was closed stays closed; two environments never share one."""
    anew = opened(OVER, a_failure(attempt=3), NOON + timedelta(days=1))
    update = opened(OPEN, a_failure(attempt=2), NOON + timedelta(days=1))
    south = message(OPEN, "slipway/south")

    for of in (azure_devops.tag, servicenow.correlation_id):
        assert of(a_message(anew)) != of(a_message(OPEN))
        assert of(a_message(update)) == of(a_message(OPEN))
        assert of(south) != of(a_message(OPEN))


# Teams and e-mail


def test_teams_is_posted_a_card() -> None:
    """One attachment, as workflows take it; what to do first and the commands stand in it."""
    service = Service(202)

    teams.tell(a_message(OPEN), Teams(type="teams", secret="TEAMS"), "https://flow.example.com/x?sig=s", NEW, service)

    assert service.asked[0].url == "https://flow.example.com/x?sig=s"
    posted = service.sent()
    (attachment,) = posted["attachments"]
    card = attachment["content"]
    assert (posted["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    (title,), (text,), *commands = [block["inlines"] for block in card["body"] if block["type"] == "RichTextBlock"]
    [facts] = [block["facts"] for block in card["body"] if block["type"] == "FactSet"]
    assert (title["text"], title["color"]) == ("flight-delay 2013-01: it failed: KeyError", "Attention")
    assert text == {"type": "TextRun", "text": "it failed: KeyError"}
    assert {"title": "Waiting", "value": "crew-plan"} in facts
    assert f"slipway logs {RUN} --env prod  # read the job's log" in [line["text"] for (line,) in commands]
    assert {"type": "Action.OpenUrl", "title": "job", "url": LOG} in card["actions"]
    assert len(json.dumps(posted)) < 28_000, "what Teams takes in one message"


def test_a_resolution_in_teams_is_a_card_of_its_own_without_commands() -> None:
    """Nobody has to do anything any more."""
    card = teams.posted(a_message(OVER), KNOWN)["attachments"][0]["content"]

    [title] = card["body"][0]["inlines"]
    assert title["text"].startswith("Resolved: ")
    assert title["color"] == "Good"
    assert len(card["body"]) == 3


def test_what_a_model_says_is_no_markdown_in_teams() -> None:
    """Its error may look like a link; each line of it is a text of its own, in no element that reads Markdown."""
    said = "see [the fix](https://evil.example.com)\n# now"

    body = teams.posted(a_message({**OPEN, "message": said}), NEW)["attachments"][0]["content"]["body"]

    assert {block["type"] for block in body} == {"RichTextBlock", "FactSet"}
    assert [block["inlines"][0]["text"] for block in body[1:3]] == said.splitlines()
    assert not any("evil" in fact["value"] for block in body if block["type"] == "FactSet" for fact in block["facts"])


@pytest.mark.parametrize(
    ("incident", "known", "subject"),
    [
        pytest.param(OPEN, NEW, "[error] flight-delay 2013-01: it failed: KeyError", id="opened"),
        pytest.param(OPEN, KNOWN, "[error, update] flight-delay 2013-01: it failed: KeyError", id="updated"),
        pytest.param(OVER, KNOWN, "[resolved] flight-delay 2013-01: it failed: KeyError", id="resolved"),
    ],
)
def test_a_mail_says_in_its_subject_how_it_stands(incident: Incident, known: Known, subject: str) -> None:
    """To all that are named, by the app's identity; the same state has the same operation id on every try."""
    service = Service(202)
    to = Email(type="email", url="https://x.communication.azure.com", sender="s@x.com", to=["a@x.com", "b@x.com"])

    email.tell(a_message(incident), to, "token", known, service)

    assert service.asked[0].url == "https://x.communication.azure.com/emails:send?api-version=2023-03-31"
    assert service.asked[0].headers["Operation-Id"] == email.operation_id(a_message(incident))
    assert service.sent() == {
        "senderAddress": "s@x.com",
        "recipients": {"to": [{"address": "a@x.com"}, {"address": "b@x.com"}]},
        "content": {"subject": subject, "plainText": a_message(incident).text},
    }


@pytest.mark.parametrize("of", [email.operation_id, pagerduty.dedup_key])
def test_keys_are_the_same_on_every_try(of: Callable[[Message], str]) -> None:
    """A lost answer opens no second incident."""
    assert of(a_message(OPEN)) == of(a_message(dict(OPEN)))
