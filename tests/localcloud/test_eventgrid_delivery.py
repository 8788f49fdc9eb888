"""Events from their source to their destination, with the real publisher, lake client and functions host."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent, EventGridPublisherClient
from azure.storage.filedatalake import DataLakeServiceClient
from azure.storage.queue import QueueClient

from tests.running import LocalCloud, eventually

StartCloud = Callable[..., LocalCloud]


class Webhook:
    """A webhook on the loopback that keeps its own ledger; ``status`` is what it answers to notifications."""

    def __init__(self) -> None:
        self.status = 200
        self.agrees = True
        self.received: list[tuple[dict[str, str], Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def notifications(self) -> list[Any]:
        """Return the bodies of the notifications so far."""
        return [body for headers, body in self.received if headers.get("aeg-event-type") == "Notification"]

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                webhook.received.append((dict(self.headers), body))
                if self.headers["aeg-event-type"] != "SubscriptionValidation":
                    self.answer(webhook.status)
                elif webhook.agrees:
                    self.answer(200, {"validationResponse": body[0]["data"]["validationCode"]})
                else:
                    self.answer(200)

            def answer(self, status: int, document: object = None) -> None:
                text = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """Return a listening webhook."""
    one = Webhook()
    yield one
    one.close()


def hook(app: Path, webhook: Webhook, start_cloud: StartCloud) -> LocalCloud:
    """Return a cloud without functions whose subscription ``hooked`` goes to the webhook."""
    declared = app / "localcloud.yaml"
    declared.write_text(declared.read_text().replace("http://127.0.0.1:1/hook", webhook.address))
    return start_cloud(app, "--only", "storage,eventgrid,identity")


@pytest.fixture
def hooked(events_app: Path, webhook: Webhook, start_cloud: StartCloud) -> LocalCloud:
    """Return a cloud whose webhook agrees to get events."""
    return hook(events_app, webhook, start_cloud)


def publisher(cloud: LocalCloud, topic: str = "news") -> EventGridPublisherClient:
    """Return a client that sends to a topic as the writer."""
    return EventGridPublisherClient(cloud.endpoints.topic(topic), cloud.credential("writer"))


def news(kind: str, subject: str = "s") -> EventGridEvent:
    """Return an event of a kind."""
    return EventGridEvent(subject=subject, event_type=kind, data={"n": 1}, data_version="1")


def lake(cloud: LocalCloud) -> DataLakeServiceClient:
    """Return a client of the lake as the writer."""
    return DataLakeServiceClient(cloud.endpoints.storage_tls, cloud.credential("writer"))


def seen(cloud: LocalCloud) -> list[dict[str, str]]:
    """Return the events that the sample app's function was given since its host started."""
    found: list[dict[str, str]] = requests.get(f"{cloud.endpoints.functions}/api/seen", timeout=60).json()
    return found


def messages(cloud: LocalCloud) -> list[dict[str, Any]]:
    """Take the messages off the queue."""
    queue = QueueClient(cloud.endpoints.storage_tls, "events", credential=cloud.credential("writer"))
    taken = []
    for message in queue.receive_messages(max_messages=32):
        taken.append(json.loads(base64.b64decode(message.content)))
        queue.delete_message(message)
    return taken


class TestFunctions:
    """Storage events to an Event Grid trigger."""

    def test_a_landed_file_calls_the_function(self, cloud: LocalCloud) -> None:
        """The filters hold back the creation of the empty file; what closes it arrives once."""
        lake(cloud).get_file_system_client("landing").get_file_client("in/a.csv").upload_data(b"1", overwrite=True)
        subject = "/blobServices/default/containers/landing/blobs/in/a.csv"
        found = eventually(lambda: [one for one in seen(cloud) if one["subject"] == subject])
        assert [one["type"] for one in found] == ["Microsoft.Storage.BlobCreated"]

    def test_other_filesystems_do_not_call_it(self, cloud: LocalCloud) -> None:
        """The subject's prefix decides."""
        before = cloud.events().get("landed", {}).get("matched", 0)
        lake(cloud).get_file_system_client("letters").get_file_client("in/a.csv").upload_data(b"1", overwrite=True)
        assert cloud.events().get("landed", {}).get("matched", 0) == before

    def test_switched_off_events_are_counted_and_gone(self, cloud: LocalCloud) -> None:
        """Off loses them for good, as a cloud may."""
        cloud.control.post("/events", {"off": True})
        lake(cloud).get_file_system_client("landing").get_file_client("off.csv").upload_data(b"1", overwrite=True)
        assert cloud.events()["landed"]["switched_off"] == 1
        cloud.control.post("/events", {"off": False})
        assert not [one for one in seen(cloud) if one["subject"].endswith("off.csv")]

    def test_duplicated_events_have_the_same_id(self, cloud: LocalCloud) -> None:
        """Three deliveries of one event."""
        cloud.control.post("/events", {"duplicate": 3, "shuffle": 0.2, "seed": 7})
        lake(cloud).get_file_system_client("landing").get_file_client("thrice.csv").upload_data(b"1", overwrite=True)
        cloud.control.post("/events", {"duplicate": 1, "shuffle": 0})
        found = eventually(lambda: [o for o in seen(cloud) if o["subject"].endswith("thrice.csv")][2:] and seen(cloud))
        assert len({one["id"] for one in found if one["subject"].endswith("thrice.csv")}) == 1

    def test_held_events_come_when_they_are_released(self, cloud: LocalCloud) -> None:
        """Hold keeps, release delivers."""
        cloud.control.post("/events", {"hold": True})
        lake(cloud).get_file_system_client("landing").get_file_client("held.csv").upload_data(b"1", overwrite=True)
        eventually(lambda: cloud.events()["landed"]["waiting"] == 1)  # those before it have been settled
        assert not [one for one in seen(cloud) if one["subject"].endswith("held.csv")]
        cloud.control.post("/events", {"hold": False})
        eventually(lambda: [one for one in seen(cloud) if one["subject"].endswith("held.csv")])

    def test_delayed_events_follow_the_clock(self, cloud: LocalCloud) -> None:
        """An hour's delay passes when the clock is advanced by an hour."""
        cloud.control.post("/events", {"delay": 3600})
        lake(cloud).get_file_system_client("landing").get_file_client("late.csv").upload_data(b"1", overwrite=True)
        cloud.control.post("/events", {"delay": 0})
        assert not [one for one in seen(cloud) if one["subject"].endswith("late.csv")]
        cloud.advance("1h")
        eventually(lambda: [one for one in seen(cloud) if one["subject"].endswith("late.csv")])

    def test_a_failing_function_is_tried_again(self, events_app: Path, tmp_path: Path, start_cloud: StartCloud) -> None:
        """Ten seconds of the cloud's clock later, and across a kill of the whole cloud."""
        refuse = tmp_path / "refuse"
        refuse.touch()
        declared = events_app / "localcloud.yaml"
        declared.write_text(declared.read_text().replace("/nonexistent", str(refuse)))
        cloud = start_cloud(events_app)
        lake(cloud).get_file_system_client("landing").get_file_client("again.csv").upload_data(b"1", overwrite=True)
        eventually(lambda: cloud.events()["landed"].get("failed_tries") == 1)
        cloud.advance("-1h")  # however slow the start is, the ten seconds are not over by then
        cloud.kill()
        refuse.unlink()
        cloud.start()
        assert seen(cloud) == []
        cloud.advance("1h15s")
        eventually(lambda: [one for one in seen(cloud) if one["subject"].endswith("again.csv")])
        eventually(lambda: cloud.events()["landed"].get("delivered") == 1)
        assert "waiting" not in cloud.events()["landed"]


class TestTopics:
    """Custom topics and queues."""

    def test_an_event_reaches_a_queue(self, cloud: LocalCloud) -> None:
        """As one JSON object in base64, in the subscription's schema."""
        publisher(cloud).send([news("News.Queued"), news("News.Clouded"), news("News.Unwanted")])
        found: list[dict[str, Any]] = []
        eventually(lambda: found.extend(messages(cloud)) or len(found) == 2)
        by_kind = {one.get("eventType") or one["type"]: one for one in found}
        assert set(by_kind) == {"News.Queued", "News.Clouded"}
        assert by_kind["News.Queued"]["topic"].endswith("/providers/Microsoft.EventGrid/topics/news")
        assert by_kind["News.Clouded"]["specversion"] == "1.0"

    def test_cloud_events_are_taken_too(self, cloud: LocalCloud) -> None:
        """A publisher may send either schema."""
        publisher(cloud).send(CloudEvent(source="/me", type="News.Clouded", data={"n": 2}, subject="x"))
        (event,) = eventually(lambda: messages(cloud))
        assert (event["source"], event["type"], event["data"]) == ("/me", "News.Clouded", {"n": 2})

    def test_an_unknown_topic_is_not_found(self, cloud: LocalCloud) -> None:
        """Topics are declared."""
        with pytest.raises(ResourceNotFoundError):
            publisher(cloud, "other").send(news("News.Queued"))

    def test_an_access_key_is_refused_by_name(self, cloud: LocalCloud) -> None:
        """There are no keys to topics here: 501 says so."""
        client = EventGridPublisherClient(cloud.endpoints.topic("news"), AzureKeyCredential("key"))
        with pytest.raises(HttpResponseError, match="aeg-sas-key") as refusal:
            client.send(news("News.Queued"))
        assert refusal.value.status_code == 501

    def test_a_token_for_storage_does_not_open_a_topic(self, cloud: LocalCloud) -> None:
        """The audience is checked."""
        headers = {"Authorization": f"Bearer {cloud.token('writer')}"}
        answer = requests.post(cloud.endpoints.topic("news"), json=[], headers=headers, timeout=60)
        assert answer.status_code == 401

    def test_managing_topics_is_refused_by_name(self, cloud: LocalCloud) -> None:
        """Topics and subscriptions are declared, not made."""
        answer = requests.put(f"{cloud.endpoints.eventgrid}/subscriptions/s/topics/more", json={}, timeout=60)
        assert answer.status_code == 501
        assert "topics/more" in answer.json()["error"]["message"]

    @pytest.mark.parametrize("text", ["{", "{}", "[{}]", '[{"id": "1"}]'])
    def test_malformed_events_are_refused_whole(self, cloud: LocalCloud, text: str) -> None:
        """One bad event, and none is taken."""
        headers = {"Authorization": f"Bearer {cloud.token('writer', 'https://eventgrid.azure.net')}"}
        answer = requests.post(cloud.endpoints.topic("news"), data=text, headers=headers, timeout=60)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest")

    def test_an_event_that_no_queue_can_hold_is_given_up(self, cloud: LocalCloud) -> None:
        """A message has at most 64 KiB; the events after it come all the same."""
        publisher(cloud).send(EventGridEvent("s", "News.Queued", "x" * 70_000, "1"))
        publisher(cloud).send(news("News.Queued", "after"))
        assert eventually(lambda: [one["subject"] for one in messages(cloud)]) == ["after"]
        eventually(lambda: cloud.events()["queued"].get("dropped") == 1)

    def test_events_into_a_channel_are_refused_by_name(self, cloud: LocalCloud) -> None:
        """Only partner namespaces have channels."""
        with pytest.raises(HttpResponseError, match="aeg-channel-name"):
            publisher(cloud).send(news("News.Queued"), channel_name="partner")


class TestWebhooks:
    """Webhooks that are not functions: validation, final statuses, dead letters."""

    def test_a_webhook_agrees_before_it_gets_events(self, hooked: LocalCloud, webhook: Webhook) -> None:
        """The first call asks for its agreement; headers are those of the service."""
        publisher(hooked).send(news("News.Hooked"))
        ((event,),) = eventually(webhook.notifications)
        assert event["eventType"] == "News.Hooked"
        (asked, _), (told, _) = webhook.received
        assert asked["aeg-event-type"] == "SubscriptionValidation"
        assert (told["aeg-subscription-name"], told["aeg-delivery-count"]) == ("HOOKED", "0")
        assert told["aeg-data-version"] == "1"

    def test_a_webhooks_owner_may_agree_by_hand(
        self, events_app: Path, webhook: Webhook, start_cloud: StartCloud
    ) -> None:
        """By opening the validation address; what was published meanwhile comes then."""
        webhook.agrees = False
        hooked = hook(events_app, webhook, start_cloud)
        publisher(hooked).send(news("News.Hooked"))
        ((_, (asked,)),) = eventually(lambda: list(webhook.received))
        assert requests.get(asked["data"]["validationUrl"], timeout=60).status_code == 200
        eventually(webhook.notifications)

    def test_a_final_status_leads_to_a_dead_letter(self, hooked: LocalCloud, webhook: Webhook) -> None:
        """Five minutes after the only try, with the reason in it."""
        webhook.status = 413
        publisher(hooked).send(news("News.Hooked"))
        eventually(lambda: hooked.events()["hooked"].get("failed_tries") == 1)
        hooked.advance("6m")
        eventually(lambda: hooked.events()["hooked"].get("dead_lettered") == 1)
        letters = lake(hooked).get_file_system_client("letters")
        (path,) = [one.name for one in letters.get_paths() if not one.is_directory]
        assert path.startswith("HOOKED/")
        (letter,) = json.loads(letters.get_file_client(path).download_file().readall())
        assert letter["deadLetterReason"] == "UndeliverableDueToHttpBadResponse"
        assert (letter["deliveryAttempts"], letter["lastDeliveryOutcome"]) == (1, "RequestEntityTooLarge")

    def test_an_event_that_has_outlived_its_time_is_not_tried_again(self, hooked: LocalCloud, webhook: Webhook) -> None:
        """However far the clock is moved at once: 24 hours after it was published it is a dead letter."""
        webhook.status = 404  # the next try is minutes away, not seconds
        publisher(hooked).send(news("News.Hooked"))
        eventually(lambda: hooked.events()["hooked"].get("failed_tries") == 1)
        hooked.advance("24h")
        eventually(lambda: hooked.events()["hooked"].get("dead_lettered") == 1)
        letters = lake(hooked).get_file_system_client("letters")
        (path,) = [one.name for one in letters.get_paths() if not one.is_directory]
        (letter,) = json.loads(letters.get_file_client(path).download_file().readall())
        assert (letter["deadLetterReason"], letter["deliveryAttempts"]) == ("TimeToLiveExceeded", 1)
        assert len(webhook.notifications()) == 1

    def test_a_fault_can_stand_in_for_the_answer(self, hooked: LocalCloud, webhook: Webhook) -> None:
        """For instance the 503 of an app that is being deployed: tried again half a minute later."""
        rule = {"service": "eventgrid", "operation": "Deliver", "times": 1, "action": {"status": 503}}
        hooked.control.post("/faults", rule)
        publisher(hooked).send(news("News.Hooked"))
        eventually(lambda: hooked.events()["hooked"].get("failed_tries") == 1)
        assert webhook.notifications() == []
        hooked.advance("40s")
        eventually(webhook.notifications)
