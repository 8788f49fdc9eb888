"""The reconciler alone, every event lost: what goes wrong with one model costs the others nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from azure.core.exceptions import ResourceNotFoundError

from slipway.event_path import SILENT_PASSES
from tests.flows.sink import Sink
from tests.flows.yard import MODEL, Yard, put, read
from tests.running import PROJECT, eventually

DAY = "2024-01-05"
#: Landing filesystems beside the usual one: one that is there, and one that is not.
LANDING = ["landing", "vault", "nowhere"]


@pytest.fixture(scope="module")
def own_sink() -> Iterator[Sink]:
    """Where the incidents of these flows go."""
    one = Sink()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def app_of_its_own(own_yard: Callable[..., Yard], tmp_path_factory: pytest.TempPathFactory, own_sink: Sink) -> Yard:
    """An app with a second landing filesystem, and a third that does not exist."""
    app = tmp_path_factory.mktemp("app")
    for path in PROJECT.iterdir():
        if path.name in ("function_app.py", "host.json", "triggers", "orchestrators", "activities", "slipway"):
            (app / path.name).symlink_to(path)
    declared = yaml.safe_load((PROJECT / "localcloud.yaml").read_text())
    declared["storage"]["filesystems"]["vault"] = {}
    declared["storage"]["roles"] += [
        {"principal": "app", "role": "Storage Blob Data Reader", "scope": "vault"},
        {"principal": "upstream", "role": "Storage Blob Data Contributor", "scope": "vault"},
    ]
    declared["functions"]["settings"]["SLIPWAY_LANDING_FILESYSTEMS"] = LANDING
    (app / "localcloud.yaml").write_text(yaml.safe_dump(declared))
    yard = own_yard(app, **own_sink.settings())
    eventually(lambda: is_there(yard, "control", "heartbeat/reconcile.json"))
    return yard


@pytest.fixture
def lone_yard(app_of_its_own: Yard) -> Yard:
    """That app, when it hears of no event."""
    app_of_its_own.calm()
    app_of_its_own.events(off=True)
    return app_of_its_own


def a_reader(yard: Yard, name: str, filesystem: str) -> str:
    """A model of one day whose input lies in another landing filesystem."""
    text = MODEL.replace("landing/", f"{filesystem}/").replace('"2024-01-01"', f'"{DAY}"').replace("2024-03-31", DAY)
    return yard.a_model(name, text)


def heartbeat(yard: Yard) -> dict[str, Any]:
    """What the last pass left."""
    found: dict[str, Any] = json.loads(read(yard.lake("app", "control"), "heartbeat/reconcile.json"))
    return found


def test_what_a_pass_says_from_its_threads_arrives(yard: Yard) -> None:
    """Each record names its invocation, or Azure's host would drop it; and its action, which docs tell to look for."""
    log = yard.cloud.state / "logs" / "functions.log"

    def passes() -> list[str]:
        lines = log.read_text(errors="replace").splitlines()
        return [line.partition(" slipway ")[2] for line in lines if ", unannounced " in line]

    eventually(passes)
    told = passes()
    assert all(line.startswith("[reconcile]: reconciled: asked ") for line in told)


def test_folders_that_cannot_be_listed_concern_their_own_readers_alone(lone_yard: Yard, own_sink: Sink) -> None:
    """RD-6: 403 and a missing filesystem are incidents of the models that read there; others run, passes are whole."""
    yard = lone_yard
    refused = {"status": 403, "code": "AuthorizationPermissionMismatch"}
    yard.fault(refused, operation="ListBlobs", name="vault*")
    a_reader(yard, "a-locked", "vault")
    a_reader(yard, "b-missing", "nowhere")
    good, silent = yard.a_model("c-good"), heartbeat(yard)["silent"]
    yard.land(f"{good}/{DAY}", {"a.txt": "one"})

    eventually(lambda: heartbeat(yard)["silent"] > silent)  # TR-10: found by a pass, announced by no event
    yard.published(good, DAY)
    for day in range(2, 8):  # three would do, but for a pass that sees one half landed, and does not count it
        if heartbeat(yard)["silent"] < SILENT_PASSES:
            yard.land(f"{good}/2024-01-0{day}", {"a.txt": "two"})
            yard.published(good, f"2024-01-0{day}")
    eventually(lambda: own_sink.told(None) == [("Opened", "events-silent")])
    assert own_sink.last(None)["key"] == "platform--event-path-silent"

    for model, code in (("a-locked", "access"), ("b-missing", "not-found")):
        eventually(lambda model=model, code=code: own_sink.told(model) == [("Opened", code)])
        told = own_sink.last(model)
        assert (told["kind"], told["period"], told["run"], told["step"]) == ("platform", DAY, None, "assess_period")
    yard.reconciled()
    beat = heartbeat(yard)
    assert (beat["failed"], beat["unlisted"]) == (2, 2)
    assert own_sink.told(good) == []

    yard.calm()
    yard.events(off=True)

    eventually(lambda: own_sink.told("a-locked") == [("Opened", "access"), ("Resolved", "access")])
    assert own_sink.told("b-missing") == [("Opened", "not-found")]
    vault = yard.lake("upstream", "vault")
    put(vault, f"a-locked/{DAY}/a.txt", b"one")
    put(vault, f"a-locked/{DAY}/_SUCCESS", b"")
    yard.published("a-locked", DAY)
    yard.calm()
    yard.land(f"{good}/2024-01-09", {"a.txt": "three"})
    eventually(lambda: own_sink.told(None) == [("Opened", "events-silent"), ("Resolved", "events-silent")])


def test_a_receiver_that_refuses_one_incident_gets_the_next(lone_yard: Yard, own_sink: Sink) -> None:
    """IN-1: what is refused for good stays unsent, and blocks nothing that comes after it."""
    yard = lone_yard
    own_sink.answers = "down"
    first, second = yard.a_model("a-unwanted"), yard.a_model("b-wanted")
    for model in (first, second):
        yard.land(f"{model}/{DAY}", {"a.txt": "fail"})
        yard.ended(model, DAY, "failed")

    own_sink.unwanted.add(first)
    own_sink.answers = "ok"

    eventually(lambda: own_sink.told(second) == [("Opened", "job-failed")])
    assert own_sink.told(first) == []
    own_sink.unwanted.clear()
    eventually(lambda: own_sink.told(first) == [("Opened", "job-failed")])


def test_a_damaged_memory_is_forgotten_and_written_anew(lone_yard: Yard) -> None:
    """RD-3: nothing rests on it but what is asked in vain."""
    yard = lone_yard
    model, control = yard.a_model("forgetful"), yard.lake("app", "control")
    yard.reconciled()
    for damaged in (b"{", b"[]", b'{"schema": 2, "asks": 7}', b'{"schema": 1}'):
        yard.put_record("listings/current.json", damaged)
        yard.reconciled()

    yard.land(f"{model}/{DAY}", {"a.txt": "one"})

    yard.published(model, DAY)
    assert json.loads(read(control, "listings/current.json"))["schema"] == 2


def test_what_a_withdrawn_model_has_left_behind_is_tended(lone_yard: Yard) -> None:
    """Superseded outputs of a model that is released no more are closed when their grace is over."""
    yard = lone_yard
    model, control, models = yard.a_model("withdrawn"), yard.lake("app", "control"), yard.lake("app", "models")
    yard.land(f"{model}/{DAY}", {"a.txt": "one"})
    first = yard.published(model, DAY)
    yard.land(f"{model}/{DAY}", {"a.txt": "corrected"})
    yard.published(model, DAY, other_than=first["run"])
    pointer = json.loads(read(control, "catalog/current.json"))
    left = {name: entry for name, entry in pointer["models"].items() if name != model}
    pointer |= {"generation": pointer["generation"] + 1, "models": left}
    yard.put_record("catalog/current.json", json.dumps(pointer).encode())
    yard.reconciled()
    marker = f"{model}/{DAY}/{first['run']}/{{}}-1/_SUCCESS"
    read(models, marker.format("outputs"))

    yard.cloud.advance("25h")

    eventually(lambda: is_there(yard, "models", marker.format("closed")))
    assert not is_there(yard, "models", marker.format("outputs"))


def is_there(yard: Yard, filesystem: str, path: str) -> bool:
    """Whether a file can be found."""
    try:
        read(yard.lake("app", filesystem), path)
    except ResourceNotFoundError:
        return False
    return True
