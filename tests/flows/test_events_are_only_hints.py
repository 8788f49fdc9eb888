"""Events only wake: lost, repeated, reordered or malformed, they change when something happens, never what (I13)."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from localcloud.secrets import Secrets
from tests.flows.yard import MODEL, Yard
from tests.running import PROJECT, LocalCloud, eventually

READER = MODEL.replace(
    '{path: "landing/NAME/{period:%Y-%m-%d}/", complete: {marker: _SUCCESS}}', "{from: UPSTREAM/all}"
)
#: What the reader of the corrected data writes, whatever happened on the way.
CORRECTED = "2024-01-05/all.txt: 2024-01-05/a.txt: corrected\n2024-01-05/b.txt: two"
SELDOM = "0 0 0 1 1 *"


def a_trace(yard: Yard, name: str) -> dict[str, Any]:
    """Land good, corrected, bad and unfinished data for a model and its reader; returns all that came of it."""
    yard.a_model(name)
    reader = yard.a_model(f"{name}-reader", READER.replace("UPSTREAM", name))
    yard.land(f"{name}/2024-01-05", {"a.txt": "one", "b.txt": "two"})
    yard.land(f"{name}/2024-01-06", {"a.txt": "fail"})
    yard.land(f"{name}/2024-01-07", {"a.txt": "unfinished"}, marker=None)
    first = yard.published(name, "2024-01-05")
    yard.land(f"{name}/2024-01-05", {"a.txt": "corrected"})
    yard.published(name, "2024-01-05", other_than=first["run"])
    yard.ended(name, "2024-01-06", "failed")
    right = (len(CORRECTED), hashlib.sha256(CORRECTED.encode()).hexdigest())
    eventually(lambda: yard.period(reader, "2024-01-05")["published"])
    eventually(lambda: yard.outputs(reader, "2024-01-05")["all/all.txt"] == right)
    eventually(lambda: not yard.period(reader, "2024-01-05")["active"])
    return outcome(yard, name, reader)


def outcome(yard: Yard, name: str, reader: str) -> dict[str, Any]:
    """Published names, lengths and hashes, states, generations of the first model, open incidents."""
    cards = {day: yard.period(name, f"2024-01-0{day}") for day in (5, 6, 7)}
    return {
        "outputs": yard.outputs(name, "2024-01-05"),
        "reader": yard.outputs(reader, "2024-01-05"),
        "states": {day: card["last"] and card["last"]["state"] for day, card in cards.items()},
        "generation": cards[5]["published"]["generation"],
        "published": [day for day, card in cards.items() if card["published"]],
        "incidents": {day: (i["status"], i["code"]) for day, card in cards.items() if (i := card["incident"])},
    }


EXPECTED = {
    "states": {5: "succeeded", 6: "failed", 7: None},
    "generation": 2,
    "published": [5],
    "incidents": {6: ("open", "job-failed")},
}
_undisturbed: dict[str, Any] = {}


@pytest.fixture
def undisturbed(yard: Yard) -> dict[str, Any]:
    """What comes of the trace when each event arrives once."""
    if not _undisturbed:
        _undisturbed.update(a_trace(yard, "hints-once"))
        assert {key: _undisturbed[key] for key in EXPECTED} == EXPECTED
    return _undisturbed


def test_with_every_event_lost_the_reconciler_alone_brings_the_same(yard: Yard, undisturbed: dict[str, Any]) -> None:
    """TR-1: no event of the lake, of jobs or anything else is delivered."""
    yard.events(off=True)

    assert a_trace(yard, "hints-lost") == undisturbed


def test_with_every_event_tripled_and_shuffled_it_is_the_same(yard: Yard, undisturbed: dict[str, Any]) -> None:
    """TR-2, TR-3: late repetitions, after the runs have ended too, start nothing again and fill no log."""
    log = yard.cloud.state / "logs" / "functions.log"
    before = log.stat().st_size
    yard.events(duplicate=3, shuffle=4)

    assert a_trace(yard, "hints-tripled") == undisturbed

    eventually(lambda: not any(counts.get("waiting") for counts in yard.cloud.events().values()))
    assert outcome(yard, "hints-tripled", "hints-tripled-reader") == undisturbed
    assert len(yard.jobs("hints-tripled--2024-01-05")) == 2
    assert b"Warning" not in log.read_bytes()[before:]


def test_data_that_change_while_their_run_is_under_way_are_run_after_it(yard: Yard) -> None:
    """EV-6: the news came while nothing could be done about it; once the run has ended, nobody has to tell again."""
    model = yard.a_model("hints-meanwhile")
    with yard.held_up(service="aml", operation="PutJob", name=f"{model}--*"):
        yard.land(f"{model}/2024-01-05", {"a.txt": "first"})
        first = eventually(lambda: yard.period(model, "2024-01-05")["active"])["run"]
        eventually(lambda: yard.period(model, "2024-01-05")["active"]["stage"] == "queued")

        yard.land(f"{model}/2024-01-05", {"a.txt": "second"})

    second = yard.published(model, "2024-01-05", other_than=first)
    assert yard.run(first)["state"] == "succeeded"
    assert second["generation"] == 2


@pytest.fixture(scope="module")
def queue_yard(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[Yard]:
    """An app whose landing events come through the storage queue, and which hardly ever reconciles."""
    folder = tmp_path_factory.mktemp("queue")
    app = folder / "app"
    app.mkdir()
    for name in ("function_app.py", "host.json", "triggers", "orchestrators", "activities", "slipway"):
        (app / name).symlink_to(PROJECT / name)
    declared = yaml.safe_load((PROJECT / "localcloud.yaml").read_text())
    landing = next(one for one in declared["eventgrid"]["subscriptions"] if one["name"] == "landing")
    landing["queue"] = "landing-events"
    del landing["function"]
    (app / "localcloud.yaml").write_text(yaml.safe_dump(declared))
    cloud = LocalCloud(app, folder / "state", authority, variables={"SLIPWAY_RECONCILE_SCHEDULE": SELDOM})
    yield Yard(cloud.start(), folder / "models")
    cloud.stop()


def test_the_queue_is_a_door_like_the_other(queue_yard: Yard, undisturbed: dict[str, Any]) -> None:
    """Event Grid to storage queue to queue trigger, the reconciler asleep; a bad event costs no good one (TR-7)."""
    yard = queue_yard

    assert a_trace(yard, "hints-queued") == undisturbed

    yard.events(off=True)
    model = yard.a_model("hints-batch")
    yard.land(f"{model}/2024-01-05", {"a.txt": "one"})
    yard.land(f"{model}/2024-01-06", {"a.txt": "one"})
    queue = QueueClient(
        yard.cloud.endpoints.storage_tls,
        "landing-events",
        credential=yard.cloud.credential("app"),
        message_encode_policy=TextBase64EncodePolicy(),
    )
    good = {"eventType": "Microsoft.Storage.BlobCreated", "subject": subject(model, "2024-01-05"), "data": {}}
    cloud = {"specversion": "1.0", "type": good["eventType"], "subject": subject(model, "2024-01-06"), "data": None}
    for message in ("no JSON {", json.dumps([7, {"eventType": "Own.Type"}, {**good, "subject": "no path"}, good])):
        queue.send_message(message)
    queue.send_message(json.dumps(cloud))
    yard.published(model, "2024-01-05")
    yard.published(model, "2024-01-06")


def test_a_message_that_no_function_can_be_given_is_set_aside_and_kept(queue_yard: Yard) -> None:
    """The host moves it to the poison queue with the app's identity, which needs a role for it; else it never ends."""
    cloud = queue_yard.cloud
    account, credential = cloud.endpoints.storage_tls, cloud.credential("app")
    poison = QueueClient(account, "landing-events-poison", credential=credential)
    QueueClient(account, "landing-events", credential=credential).send_message("no base64 {")

    def set_aside() -> list[str]:
        cloud.advance("31s")  # the visibility timeout of host.json, after which it is tried again
        return [message.content for message in poison.peek_messages()]

    assert eventually(set_aside) == ["no base64 {"]


def test_event_grid_gets_its_answer_whatever_it_brings(queue_yard: Yard) -> None:
    """TR-7: a batch with a malformed member at any place is acknowledged, and its good members are honoured."""
    yard = queue_yard
    yard.events(off=True)
    model = yard.a_model("hints-webhook")
    good = event(subject(model, "2024-01-05"))
    bad = [event("no path"), event("/blobServices/default/containers/landing/blobs/../../x"), {**good, "data": "text"}]
    yard.land(f"{model}/2024-01-05", {"a.txt": "one"})

    for batch in ([*bad, good], [good, *bad], [bad[0], good, *bad[1:]]):
        assert deliver(yard, batch) == 202

    yard.published(model, "2024-01-05")


def subject(model: str, day: str) -> str:
    """The subject of a storage event about a model's marker."""
    return f"/blobServices/default/containers/landing/blobs/{model}/{day}/_SUCCESS"


def event(about: str) -> dict[str, Any]:
    """An event as Event Grid posts it."""
    return {
        "id": "1",
        "topic": "/subscriptions/x",
        "subject": about,
        "eventType": "Microsoft.Storage.BlobCreated",
        "eventTime": "2026-01-01T00:00:00Z",
        "data": {"url": "https://elsewhere.example/evil"},
        "dataVersion": "",
        "metadataVersion": "1",
    }


def deliver(yard: Yard, batch: list[dict[str, Any]]) -> int:
    """Post a batch to the door of the Event Grid trigger, as Event Grid does; returns the status."""
    code = Secrets.load(yard.cloud.state).function_keys["eventgrid_extension"]
    address = f"{yard.cloud.endpoints.functions}/runtime/webhooks/EventGrid?functionName=data_landed&code={code}"
    headers = {"Content-Type": "application/json", "aeg-event-type": "Notification"}
    request = urllib.request.Request(address, json.dumps(batch).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return int(answer.status)
