"""Faults of events on their way: forged, lost, doubled, damaged, several in one delivery."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from azure.core.messaging import CloudEvent

from tests.localcloud.disturbance import APP, Disturbed, dump, news
from tests.localcloud.test_eventgrid_delivery import Webhook
from tests.running import LocalCloud, eventually

DELIVER = {"service": "eventgrid", "operation": "Deliver"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[Disturbed]:
    """One cloud for all."""
    one = Disturbed(tmp_path_factory.mktemp("fault-events") / "state", authority)
    yield one
    one.stop()


@pytest.fixture
def disturbed(shared: Disturbed) -> Iterator[Disturbed]:
    """The cloud, calm at the start of each test."""
    shared.messages()
    yield shared
    shared.calm()


def subjects(disturbed: Disturbed, prefix: str) -> list[str]:
    """The subjects that the app was told of, as often as it was."""
    return sorted(one["subject"] for one in disturbed.told() if one["subject"].startswith(prefix))


class TestForged:
    """An event for something that did not happen."""

    def test_what_never_happened_is_told(self, disturbed: Disturbed) -> None:
        """TR-4, T1: by command, through the filters, to whoever subscribed; there is no such file."""
        event = {
            "subject": "/blobServices/default/containers/landing/blobs/never.csv",
            "eventType": "Microsoft.Storage.BlobCreated",
            "data": {"api": "PutBlob"},
        }
        done = disturbed.cloud.run("events", "forge", dump(event))
        assert done.returncode == 0, done.stderr
        told = eventually(lambda: [one for one in disturbed.told() if one["subject"] == event["subject"]])
        assert [one["id"] for one in told] == [json.loads(done.stdout)["id"]]

    def test_a_forged_cloud_event_needs_what_one_needs(self, disturbed: Disturbed) -> None:
        """In the other schema, from a topic."""
        event = {"specversion": "1.0", "id": "1", "type": "News.Queued", "source": "/s", "subject": "forged"}
        done = disturbed.cloud.run("events", "forge", dump(event), "--source", "news")
        assert done.returncode == 0, done.stderr
        (message,) = eventually(disturbed.messages)
        assert json.loads(message)["subject"] == "forged"

    @pytest.mark.parametrize(
        ("event", "source", "word"),
        [
            ("[]", "storage", "object"),
            ('{"subject": "s"}', "storage", "eventType"),
            ('{"subject": "s", "eventType": "t"}', "nowhere", "news"),
            ('{"specversion": "1.0"}', "news", "source"),
            ("{", "storage", "JSON"),
        ],
    )
    def test_what_event_grid_would_not_take_is_refused(
        self, disturbed: Disturbed, event: str, source: str, word: str
    ) -> None:
        """With what it lacks."""
        done = disturbed.cloud.run("events", "forge", event, "--source", source)
        assert done.returncode in (1, 2)
        assert word in done.stderr


class TestDeliveries:
    """What becomes of one delivery, to a function, a queue and a webhook alike."""

    def test_the_second_of_three_is_lost(self, disturbed: Disturbed) -> None:
        """TR-1: nobody gets it, and Event Grid believes it delivered."""
        disturbed.fault({"drop": True}, **DELIVER, name="told", nth=2)
        for number in range(3):
            disturbed.publish(news("Told", f"lost/{number}"))
            eventually(lambda number=number: disturbed.cloud.events()["told"].get("matched", 0) % 3 == (number + 1) % 3)
            eventually(lambda: "waiting" not in disturbed.cloud.events()["told"])
        assert subjects(disturbed, "lost/") == ["lost/0", "lost/2"]
        assert disturbed.cloud.events()["told"]["lost"] == 1

    @pytest.mark.parametrize("kind", ["Told", "Clouded", "Queued"])
    def test_one_is_delivered_twice(self, disturbed: Disturbed, kind: str) -> None:
        """TR-2: whatever the destination and the schema."""
        disturbed.fault({"duplicate": True}, **DELIVER, name=kind.lower(), times=1)
        disturbed.publish(news(kind, f"twice/{kind}"))
        if kind == "Queued":
            found: list[bytes] = []
            eventually(lambda: found.extend(disturbed.messages()) or len(found) == 2)
        else:
            eventually(lambda: subjects(disturbed, f"twice/{kind}") == [f"twice/{kind}"] * 2)

    def test_a_message_that_is_no_json(self, disturbed: Disturbed) -> None:
        """TR-7: on the queue lies what nobody can read."""
        disturbed.fault({"corrupt": True}, **DELIVER, name="queued", times=1)
        disturbed.publish(news("Queued", "damaged"))
        (message,) = eventually(disturbed.messages)
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            json.loads(message)
        assert message.startswith(b'{"id"')

    def test_a_message_that_lacks_a_field_and_has_another_of_the_wrong_type(self, disturbed: Disturbed) -> None:
        """TR-7: null takes a field away, all else is put in its place."""
        disturbed.fault({"corrupt": {"subject": None, "data": {"n": "many"}}}, **DELIVER, name="queued", times=1)
        disturbed.publish(news("Queued", "bent"))
        (message,) = eventually(disturbed.messages)
        event = json.loads(message)
        assert ("subject" in event, event["data"]) == (False, {"n": "many"})

    def test_damage_to_a_function_is_answered_and_given_up(self, disturbed: Disturbed) -> None:
        """The host's 400 to what is no JSON is final; the events after it come."""
        before = disturbed.cloud.events()["told"].get("dropped", 0)
        disturbed.fault({"corrupt": True}, **DELIVER, name="told", times=1)
        disturbed.publish(news("Told", "unreadable"))
        eventually(lambda: disturbed.cloud.events()["told"].get("dropped", 0) == before + 1)
        disturbed.publish(news("Told", "after"))
        eventually(lambda: subjects(disturbed, "after"))
        assert subjects(disturbed, "unreadable") == []

    @pytest.mark.parametrize("kind", ["Told", "Clouded"])
    def test_three_in_one_delivery_although_nobody_asked(self, disturbed: Disturbed, kind: str) -> None:
        """TR-7: the subscription wants one each; three come at once, once three are there."""
        disturbed.fault({"batch": 3}, **DELIVER, name=kind.lower(), times=1)
        for number in range(3):
            assert subjects(disturbed, f"batch-{kind}") == []
            disturbed.publish(news(kind, f"batch-{kind}/{number}"))
        eventually(lambda: len(subjects(disturbed, f"batch-{kind}")) == 3)

        def tries() -> list[str]:
            newest = disturbed.cloud.control.get("/state")["deliveries"]["newest"]
            return [one["when"] for one in newest if one["subject"].startswith(f"batch-{kind}")]

        eventually(lambda: len(tries()) == 3)  # noted when the function has answered
        assert len(set(tries())) == 1

    def test_a_batch_that_never_fills_goes_when_its_rule_is_off(self, disturbed: Disturbed) -> None:
        """Nothing hangs on a fault that is gone."""
        disturbed.fault({"batch": 5}, **DELIVER, name="told")
        disturbed.publish(news("Told", "alone"))
        eventually(lambda: disturbed.fired() == [1])
        assert subjects(disturbed, "alone") == []
        disturbed.calm()
        eventually(lambda: subjects(disturbed, "alone") == ["alone"])

    def test_one_bad_event_in_a_batch(self, disturbed: Disturbed) -> None:
        """TR-7: two faults at once: three in a delivery, and the first is bent."""
        disturbed.fault({"corrupt": {"eventType": 7}}, **DELIVER, name="told", times=1)
        disturbed.fault({"batch": 3}, **DELIVER, name="told", times=1)
        disturbed.publish(*(news("Told", f"mixed/{number}") for number in range(3)))
        eventually(lambda: len(subjects(disturbed, "mixed/")) >= 2)

    def test_a_subject_names_the_delivery(self, disturbed: Disturbed) -> None:
        """A rule may be about one file or job alone."""
        disturbed.fault({"drop": True}, **DELIVER, caller="*/chosen.csv")
        for name in ("chosen", "other"):
            disturbed.publish(news("Queued", f"files/{name}.csv"))
        assert [json.loads(one)["subject"] for one in eventually(disturbed.messages)] == ["files/other.csv"]

    def test_half_of_a_batch_was_handled(self, disturbed: Disturbed) -> None:
        """The function ran for two of three; the delivery failed, so that all three come again."""
        disturbed.fault({"batch": 3}, **DELIVER, name="told", times=1)
        disturbed.fault({"partial": 2}, service="functions", operation="DeliverEvents", times=1)
        before = disturbed.cloud.events()["told"].get("failed_tries", 0)
        disturbed.publish(*(news("Told", f"half/{number}") for number in range(3)))
        eventually(lambda: disturbed.cloud.events()["told"].get("failed_tries", 0) == before + 3)
        disturbed.calm()
        disturbed.cloud.advance("1m")
        eventually(lambda: len(subjects(disturbed, "half/")) == 5)
        assert subjects(disturbed, "half/") == ["half/0", "half/0", "half/1", "half/1", "half/2"]

    def test_delivered_and_believed_lost(self, disturbed: Disturbed) -> None:
        """TR-2: the answer is withheld after the effect, so it comes again, to a queue too."""
        disturbed.fault({"status": 503}, **DELIVER, name="queued", phase="after", times=1)
        before = disturbed.cloud.events()["queued"].get("failed_tries", 0)
        disturbed.publish(news("Queued", "again"))
        assert len(eventually(disturbed.messages)) == 1
        eventually(lambda: disturbed.cloud.events()["queued"].get("failed_tries", 0) == before + 1)
        disturbed.cloud.advance("1m")
        assert len(eventually(disturbed.messages)) == 1


def test_a_webhook_gets_what_is_damaged_too(tmp_path: Path, authority: Path, webhook: Webhook) -> None:
    """Cut short in mid-air: what it answers to that counts, as always."""
    app = tmp_path / "app"
    app.mkdir()
    for file in APP.glob("*.*"):
        (app / file.name).write_text(file.read_text().replace("http://127.0.0.1:1/hook", webhook.address))
    cloud = LocalCloud(app, tmp_path / "state", authority, "--only", "storage,eventgrid,identity").start()
    try:
        cloud.control.post("/faults", {**DELIVER, "times": 1, "action": {"corrupt": {"id": None}}})
        post(cloud, news("Hooked", "bent"))
        ((event,),) = eventually(webhook.notifications)
        assert ("id" in event, event["subject"]) == (False, "bent")
    finally:
        cloud.stop()


def test_an_event_without_a_time_happened_when_it_was_taken(disturbed: Disturbed) -> None:
    """A CloudEvent need not say when; in Event Grid's schema every event has a time."""
    event = CloudEvent(source="/s", type="News.Queued", subject="timeless", time=None)
    event.time = None
    before = disturbed.cloud.control.get("/clock")["now"]
    disturbed.publish(event)
    (message,) = eventually(disturbed.messages)
    told: dict[str, Any] = json.loads(message)
    after = disturbed.cloud.control.get("/clock")["now"]
    before, when, after = map(datetime.fromisoformat, (before, told["eventTime"], after))
    assert before <= when <= after
    assert told["eventTime"].endswith("Z")


def post(cloud: LocalCloud, event: Any) -> None:
    """Send one event to the topic of a cloud."""
    from azure.eventgrid import EventGridPublisherClient

    EventGridPublisherClient(cloud.endpoints.topic("news"), cloud.credential("writer")).send(event)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """Return a listening webhook."""
    one = Webhook()
    yield one
    one.close()
