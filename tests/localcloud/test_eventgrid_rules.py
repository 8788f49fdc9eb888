"""Who gets an event, and what follows from a try: the rules without a server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.config import ConfigError, Resources, Subscription
from localcloud.eventgrid.filters import passes, wants
from localcloud.eventgrid.operators import AdvancedFilter
from localcloud.eventgrid.rules import SCHEDULE, Verdict, finals, judge
from localcloud.eventgrid.schemas import CLOUD_EVENTS, body, convert, missing
from localcloud.eventgrid.switches import SwitchError, Switches

EVENT = {
    "id": "1",
    "topic": "/t",
    "subject": "/blobServices/default/containers/raw/blobs/a.CSV",
    "eventType": "Microsoft.Storage.BlobCreated",
    "eventTime": "2026-11-21T22:41:00Z",
    "data": {"api": "FlushWithClose", "contentLength": 12, "tags": {"run": "r1", "ok": True}, "none": None},
    "dataVersion": "2",
    "metadataVersion": "1",
}
CLOUD_EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "News"}


def subscription(**more: Any) -> Subscription:
    """Return a subscription of a function to storage, with more said of it."""
    return Subscription.model_validate({"name": "s", "source": "storage", "function": "f", **more})


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({}, True),
        ({"types": ["Microsoft.Storage.BlobCreated"]}, True),
        ({"types": ["Microsoft.Storage.BlobDeleted"]}, False),
        ({"subject_begins_with": "/blobservices/default/containers/RAW/"}, True),
        ({"subject_begins_with": "/blobServices/default/containers/RAW/", "subject_case_sensitive": True}, False),
        ({"subject_begins_with": "/blobServices/default/containers/ra/"}, False),
        ({"subject_ends_with": ".csv"}, True),
        ({"subject_ends_with": ".parquet"}, False),
        ({"advanced_filters": [{"operatorType": "StringIn", "key": "data.api", "values": ["PutBlob"]}]}, False),
    ],
)
def test_a_subscription_gets_what_its_filters_let_through(more: dict[str, Any], wanted: bool) -> None:
    """Types, subject prefix and suffix (without case unless asked for), advanced filters: all must agree."""
    assert wants(subscription(**more), EVENT) is wanted


@pytest.mark.parametrize(
    ("operator", "key", "values", "passed"),
    [
        ("NumberIn", "data.contentLength", [1, 12], True),
        ("NumberNotIn", "data.contentLength", [1, 12], False),
        ("NumberNotIn", "data.missing", [1], True),
        ("NumberGreaterThan", "data.contentLength", 11, True),
        ("NumberLessThan", "data.contentLength", 12, False),
        ("NumberLessThanOrEquals", "data.contentLength", 12, True),
        ("NumberGreaterThanOrEquals", "data.contentLength", 12, True),
        ("NumberInRange", "data.contentLength", [[0, 3], [10, 20]], True),
        ("NumberNotInRange", "data.contentLength", [[0, 3]], True),
        ("BoolEquals", "data.tags.ok", True, True),
        ("StringIn", "data.api", ["putblob", "FLUSHWITHCLOSE"], True),
        ("StringNotIn", "data.api", ["flushwithclose"], False),
        ("StringNotIn", "data.missing", ["x"], True),
        ("StringContains", "subject", ["/RAW/"], True),
        ("StringNotContains", "subject", ["/cooked/"], True),
        ("StringBeginsWith", "Subject", ["/blob"], True),
        ("StringNotBeginsWith", "subject", ["/blob"], False),
        ("StringEndsWith", "subject", [".csv"], True),
        ("StringNotEndsWith", "subject", [".csv"], False),
        ("StringIn", "data.missing", ["x"], False),
        ("StringIn", "data.tags.run", ["R1"], True),
        ("IsNullOrUndefined", "data.none", [], True),
        ("IsNullOrUndefined", "data.missing", [], True),
        ("IsNotNull", "data.api", [], True),
    ],
)
def test_advanced_filters(operator: str, key: str, values: Any, passed: bool) -> None:
    """Values are ORed, texts compared without case; a missing key fails positive operators and passes negative ones."""
    operand = "values" if isinstance(values, list) else "value"
    one = AdvancedFilter.model_validate({"operatorType": operator, "key": key, operand: values})
    assert passes(one, EVENT) is passed


def verdict(one: Subscription, status: int, attempts: int, age: float, jitter: float) -> Verdict:
    """What follows from a try, by today's rules."""
    return judge(one, status, attempts, age, jitter, finals(one, retry_unauthorized=False))


@pytest.mark.parametrize("status", range(200, 205))
def test_success_is_200_to_204(status: int) -> None:
    """Anything else is a failure."""
    assert verdict(subscription(), status, 1, 0, 0).delivered


@pytest.mark.parametrize(("status", "wait"), [(500, 10), (0, 10), (503, 30), (408, 120), (404, 300), (401, 300)])
def test_the_first_retry_waits_at_least_as_long_as_the_status_asks(status: int, wait: float) -> None:
    """The schedule begins at ten seconds; some statuses wait longer."""
    assert verdict(subscription(), status, 1, 0, 0).retry_in == wait


def test_retries_back_off_along_the_schedule() -> None:
    """Ten seconds to twelve hours, with some jitter on top."""
    waits = [verdict(subscription(), 500, attempt, 0, 0).retry_in for attempt in range(1, 12)]
    assert waits == [*SCHEDULE, SCHEDULE[-1]]
    assert 10 < verdict(subscription(), 500, 1, 0, 1.0).retry_in <= 11


@pytest.mark.parametrize(
    ("destination", "final"),
    [({"function": None, "webhook": "http://h"}, {400, 401, 403, 413}), ({}, {400, 403, 413})],
)
def test_some_statuses_are_final(destination: dict[str, Any], final: set[int]) -> None:
    """Trying again cannot help; webhooks also give up at 401."""
    one = subscription(**destination)
    assert {status for status in range(300, 600) if verdict(one, status, 1, 0, 0).reason} == final


def test_a_webhook_s_401_and_403_are_tried_again_by_the_older_rule() -> None:
    """An older page of the documentation said so; an app has to do with both."""
    older = finals(subscription(function=None, webhook="http://h"), retry_unauthorized=True)
    assert older == {400, 413}


def test_an_event_is_given_up_after_its_attempts_or_its_time() -> None:
    """Whichever comes first."""
    assert verdict(subscription(max_delivery_attempts=3), 500, 3, 0, 0).reason == "MaxDeliveryAttemptsExceeded"
    assert verdict(subscription(event_ttl_minutes=1), 500, 1, 55, 0).retry_in == 5
    assert verdict(subscription(event_ttl_minutes=1), 500, 1, 60, 0).reason == "TimeToLiveExceeded"


def test_an_event_becomes_a_cloud_event_and_back() -> None:
    """What both schemas have is kept."""
    other = convert(EVENT, CLOUD_EVENTS, "2030-01-01T00:00:00Z")
    assert other == {
        "source": "/t",
        "subject": EVENT["subject"],
        "type": EVENT["eventType"],
        "time": EVENT["eventTime"],
        "id": "1",
        "data": EVENT["data"],
        "specversion": "1.0",
    }
    assert convert(other, "EventGridSchema", "2030-01-01T00:00:00Z") == EVENT | {"dataVersion": ""}


def test_a_cloud_event_without_a_time_happened_when_it_was_accepted() -> None:
    """In Event Grid's schema no event is without a time; as a CloudEvent it stays as it was sent."""
    timeless = {"specversion": "1.0", "id": "1", "type": "t", "source": "/s"}
    assert convert(timeless, "EventGridSchema", "2030-01-01T00:00:00Z")["eventTime"] == "2030-01-01T00:00:00Z"
    assert convert(timeless, CLOUD_EVENTS, "2030-01-01T00:00:00Z") == timeless


@pytest.mark.parametrize(
    ("operator", "given", "word"),
    [
        ("NumberIn", {"values": ["1"]}, "a number, not '1'"),
        ("NumberIn", {"values": [True]}, "a number, not True"),
        ("NumberIn", {"value": 1}, "values: a list, each a number"),
        ("NumberIn", {"values": []}, "values: a list"),
        ("NumberLessThan", {"values": [1]}, "value: a number"),
        ("NumberGreaterThan", {"value": "1"}, "a number, not '1'"),
        ("NumberInRange", {"values": [1, 2]}, "a pair [from, to] of numbers, not 1"),
        ("NumberNotInRange", {"values": [[1, 2, 3]]}, "a pair"),
        ("BoolEquals", {"value": "true"}, "true or false, not 'true'"),
        ("StringIn", {"values": [1]}, "a text of up to 512 characters, not 1"),
        ("StringContains", {"values": ["x" * 513]}, "512"),
        ("StringNotEndsWith", {"value": "x"}, "values: a list"),
        ("IsNotNull", {"values": [1]}, "IsNotNull compares with nothing; leave values out"),
    ],
)
def test_what_a_filter_compares_with_fits_its_operator(
    operator: str, given: dict[str, Any], word: str, tmp_path: Path
) -> None:
    """Refused when localcloud.yaml is read, with file and line; it would let nothing through, or fail at an event."""
    declared = {"operatorType": operator, "key": "data.n", **given}
    one = {"name": "s", "source": "storage", "function": "f", "advanced_filters": [declared]}
    text = yaml.safe_dump({"eventgrid": {"subscriptions": [one]}}, sort_keys=False)
    (tmp_path / "localcloud.yaml").write_text(text)
    line = text[: text.index("operatorType")].count("\n") + 1
    with pytest.raises(ConfigError, match=rf"localcloud.yaml:{line}: .*{re.escape(word)}"):
        Resources.load(tmp_path)


def test_only_an_unbatched_cloud_event_is_no_array() -> None:
    """Content types and shapes of the four kinds of delivery."""
    assert body([EVENT], "EventGridSchema", batched=False)[1].startswith(b"[")
    kind, text = body([EVENT], CLOUD_EVENTS, batched=False)
    assert (kind, text[:1]) == ("application/cloudevents+json; charset=utf-8", b"{")
    kind, text = body([EVENT], CLOUD_EVENTS, batched=True)
    assert (kind, text[:1]) == ("application/cloudevents-batch+json; charset=utf-8", b"[")


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        ({}, "eventType"), ({"specversion": "1.0"}, "source"), ("text", "object"),
        (EVENT | {"subject": None}, "subject"), (EVENT | {"id": 5}, "id"),
        (EVENT | {"eventTime": "yesterday"}, "eventTime"), (EVENT | {"topic": "/x"}, "topic"),
        (EVENT | {"metadataVersion": "2"}, "metadataVersion"), (CLOUD_EVENT | {"specversion": "0.3"}, "specversion"),
        (CLOUD_EVENT | {"data": 1, "data_base64": "eA=="}, "both"), (CLOUD_EVENT | {"time": "soon"}, "time"),
    ],
)  # fmt: skip
def test_a_malformed_event_is_named(event: object, problem: str) -> None:
    """The sender learns what is wrong."""
    assert problem in str(missing(event, "/t"))


def test_an_event_may_lack_what_event_grid_fills_in() -> None:
    """Data and its version are optional, in the table of the schema's properties."""
    assert missing({name: EVENT[name] for name in ("id", "subject", "eventType", "eventTime")}, "/t") is None
    assert missing(EVENT, "/t") is None
    assert missing(CLOUD_EVENT, "/t") is None


def test_switches_change_one_by_one() -> None:
    """What is not named stays."""
    switches = Switches().changed({"duplicate": 3}).changed({"off": True})
    assert (switches.duplicate, switches.off, switches.delay) == (3, True, 0)


@pytest.mark.parametrize("wrong", [{"of": True}, {"off": 1}, {"duplicate": 0}, {"delay": -1}, {"delay": "1h"}, []])
def test_a_wrong_switch_is_refused(wrong: object) -> None:
    """Nothing is switched by a typing error."""
    with pytest.raises(SwitchError):
        Switches().changed(wrong)
