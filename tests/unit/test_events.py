"""Events of both schemas, reduced to the little that is taken from them; whatever comes, reading it never raises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.events import JOB_TYPES, LANDING_TYPES, LARGEST, Event, EventError, job, landed, parse, parse_message

SUBJECT = "/blobServices/default/containers/landing/blobs/flights/2013-01/part-1.csv"


def a_blob_event(**fields: Any) -> dict[str, Any]:
    """Build a storage event in the Event Grid schema."""
    usual = {
        "id": "1",
        "eventType": "Microsoft.Storage.BlobCreated",
        "subject": SUBJECT,
        "eventTime": "2013-02-01T12:00:00Z",
        "dataVersion": "",
        "data": {"api": "FlushWithClose", "contentLength": 10},
    }
    return usual | fields


def a_cloud_event(**fields: Any) -> dict[str, Any]:
    """Build the same event as a CloudEvent."""
    usual = {
        "specversion": "1.0",
        "id": "1",
        "source": "/subscriptions/x",
        "type": "Microsoft.Storage.BlobCreated",
        "subject": SUBJECT,
        "data": {},
    }
    return usual | fields


def a_job_event(run: Any, type_: str = "RunCompleted") -> Event:
    """Build a workspace event about a job."""
    return Event(f"Microsoft.MachineLearningServices.{type_}", "experiments/x/runs/y", {"runId": run})


@pytest.mark.parametrize(
    "document", [pytest.param(a_blob_event(), id="Event Grid"), pytest.param(a_cloud_event(), id="CloudEvents")]
)
def test_both_schemas_say_the_same(document: dict[str, Any]) -> None:
    """One handler, whichever way the subscription was made."""
    event = parse(document)

    assert (event.type, event.subject) == ("Microsoft.Storage.BlobCreated", SUBJECT)
    assert landed(event) == ("landing", "flights/2013-01/part-1.csv")


@pytest.mark.parametrize("name", ["BlobCreated", "BlobDeleted", "BlobRenamed", "DirectoryRenamed", "DirectoryDeleted"])
def test_whatever_changes_a_landing_folder_wakes(name: str) -> None:
    """EV-3: data may arrive by the rename of a directory, and leave as well."""
    assert landed(Event(f"Microsoft.Storage.{name}", SUBJECT, {})) is not None


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        pytest.param(
            "/blobServices/default/containers/landing/blobs/a b/ü.csv", ("landing", "a b/ü.csv"), id="letters"
        ),
        pytest.param("/blobServices/default/containers/a/blobs/x", None, id="a container's name too short"),
        pytest.param("/blobServices/default/containers/landing/blobs/", None, id="no path"),
        pytest.param("/blobServices/default/containers/landing", None, id="no blob"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_the_subject_names_a_path_or_is_an_error(subject: str, expected: tuple[str, str] | None) -> None:
    """Nothing else of a storage event is believed."""
    event = Event("Microsoft.Storage.BlobCreated", subject, {})
    if expected is None:
        with pytest.raises(EventError, match="names no path"):
            landed(event)
    else:
        assert landed(event) == expected


def test_an_event_of_another_type_says_nothing() -> None:
    """A subscription that is too wide costs nothing."""
    event = parse(a_blob_event(eventType="Microsoft.Storage.BlobTierChanged"))

    assert landed(event) is None
    assert job(event) is None


def test_a_job_event_names_its_job() -> None:
    """The run's name, and nothing of its state: the service is asked for that."""
    assert job(a_job_event("flight-delay--2013-01--0a1b2c3d-1-a1")) == "flight-delay--2013-01--0a1b2c3d-1-a1"
    assert job(a_job_event("imwidelyknown_123", "RunStatusChanged")) == "imwidelyknown_123"


@pytest.mark.parametrize("run", [None, "", 7, "../../x", "a" * 256, "a\nb"])
def test_a_job_event_without_a_name_is_an_error(run: Any) -> None:
    """A forged one builds no path and no instance id."""
    with pytest.raises(EventError):
        job(a_job_event(run))


def test_a_bad_event_costs_no_good_one() -> None:
    """TR-7: one array, three events, one of them broken."""
    read = parse_message(json.dumps([a_blob_event(), {"eventType": 7}, a_cloud_event()]))

    assert [type(one) for one in read] == [Event, EventError, Event]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("<xml/>", id="no JSON"),
        pytest.param("[" * 100_000, id="nested without end"),
        pytest.param("9" * 10_000, id="a number without end"),
        pytest.param('"' + "x" * LARGEST + '"', id="too large"),
        pytest.param("null", id="null"),
        pytest.param('"text"', id="a text"),
        pytest.param("{}", id="empty"),
        pytest.param('{"specversion": "1.0", "eventType": "x", "subject": "y"}', id="one schema's name in the other"),
    ],
)
def test_a_message_that_is_no_event_is_one_error(text: str) -> None:
    """TR-7: counted, dropped, and never raised: a poisoned queue would stand still."""
    [read] = parse_message(text)

    assert isinstance(read, EventError)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
likely = st.fixed_dictionaries(
    {},
    optional={
        "specversion": json_values,
        "type": st.sampled_from([*LANDING_TYPES, *JOB_TYPES]) | json_values,
        "eventType": st.sampled_from([*LANDING_TYPES, *JOB_TYPES]) | json_values,
        "subject": st.just(SUBJECT) | json_values,
        "data": st.fixed_dictionaries({"runId": json_values}) | json_values,
    },
)


@given(st.text() | json_values.map(json.dumps) | likely.map(json.dumps) | st.lists(likely).map(json.dumps))
def test_reading_a_message_never_raises(text: str) -> None:
    """Whatever is in the queue; and what was read says a path, a job, nothing, or what is wrong."""
    for event in parse_message(text):
        if isinstance(event, EventError):
            continue
        for read in (landed, job):
            try:
                said = read(event)
            except EventError:
                continue
            assert said is None or said
