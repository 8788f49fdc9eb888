"""What people decide over HTTP of a period, its incident or a model, and all that is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.flows.sink import Sink
from tests.flows.yard import MODEL, SAYING_JOB, SAYING_MODEL, Yard, read
from tests.running import eventually

DAY = "2024-01-01"
REASON = {"reason": "the analyst asked for it"}


#: A model that reads what the one of the retraction publishes.
CONSUMER = MODEL.replace(
    'path: "landing/NAME/{period:%Y-%m-%d}/", complete: {marker: _SUCCESS}', "from: command-retract/all"
)


def decide(yard: Yard, what: str, key: str | None = None, reason: str = REASON["reason"], **more: str) -> Any:
    """Send a command; returns status and answer."""
    return yard.call("POST", f"models/{what}", {"reason": reason, **more}, {"Idempotency-Key": key} if key else {})


def test_a_waived_period_needs_no_run_until_it_is_reopened(yard: Yard, sink: Sink) -> None:
    """Its incident is resolved by the waiver, no data and no person start a run; reopened, new data do at once."""
    model = yard.a_model("command-waive")
    yard.land(f"{model}/{DAY}", {"a.txt": "fail"})
    failed = yard.ended(model, DAY, "failed")["run"]
    status, told = decide(yard, f"{model}/periods/{DAY}/incident/acknowledge", "on-it", "I call the owner")
    assert (status, told["acknowledged"]["by"], told["acknowledged"]["reason"]) == (
        200,
        "developer",
        "I call the owner",
    )
    assert yard.period(model, DAY)["incident"]["acknowledged"] == told["acknowledged"]

    status, told = decide(yard, f"{model}/periods/{DAY}/waive", "waive-1", "a holiday")

    assert (status, told["waived"]["by"], told["waived"]["reason"]) == (200, "developer", "a holiday")
    eventually(lambda: sink.told(model) == [(type_, "job-failed") for type_ in ("Opened", "Updated", "Resolved")])
    assert sink.last(model)["resolved_by"] == "waived by developer"
    assert decide(yard, f"{model}/periods/{DAY}/incident/acknowledge")[0] == 409, "no incident is open any more"
    yard.land(f"{model}/{DAY}", {"a.txt": "good"})
    card = yard.period(model, DAY)
    assert (card["active"], card["published"], card["waived"]) == (None, None, told["waived"])
    assert card["decision"]["why"] == "waived by developer"
    for path, body in ((f"models/{model}/runs", {"period": DAY, **REASON}), (f"runs/{failed}/resume", REASON)):
        status, problem = yard.call("POST", path, body)
        assert (status, "reopen it first" in problem["detail"]) == (409, True), problem
    assert decide(yard, f"{model}/periods/{DAY}/waive", reason="once more")[1]["waived"] == told["waived"]

    assert decide(yard, f"{model}/periods/{DAY}/reopen")[1]["waived"] is None
    assert decide(yard, f"{model}/periods/{DAY}/waive", "waive-1", "a holiday") == (200, told), "the same answer again"
    assert decide(yard, f"{model}/periods/{DAY}/waive", "waive-1", "another reason")[0] == 422
    assert decide(yard, f"{model}/periods/{DAY}/reopen", "waive-1", "a holiday")[0] == 422
    assert yard.published(model, DAY)["run"] != failed
    status, problem = decide(yard, f"{model}/periods/{DAY}/waive")
    assert (status, problem["title"]) == (409, "Cannot be waived")
    assert "retract it" in problem["detail"]


def test_beside_an_active_run_a_period_is_not_waived_and_its_commands_are_answered_once(yard: Yard) -> None:
    """409 with the run; cancel and resume take an Idempotency-Key, and a late repetition undoes nothing."""
    model = yard.a_model("command-active")
    yard.land(f"{model}/{DAY}", {"a.txt": "hang"})
    run = eventually(lambda: (yard.period(model, DAY)["active"] or {}).get("run"))

    status, problem = decide(yard, f"{model}/periods/{DAY}/waive")
    assert (status, problem["run"]) == (409, run)

    first = yard.call("POST", f"runs/{run}/cancel", REASON, {"Idempotency-Key": "cancel-1"})
    assert first[0] == 202
    yard.ended(model, DAY, "canceled")
    assert yard.call("POST", f"runs/{run}/cancel", REASON, {"Idempotency-Key": "cancel-1"}) == first
    assert yard.call("POST", f"runs/{run}/resume", REASON, {"Idempotency-Key": "cancel-1"})[0] == 422
    assert yard.call("POST", f"runs/{run}/resume", REASON, {"Idempotency-Key": "resume-1"})[0] == 202
    assert yard.call("POST", f"runs/{run}/cancel", {"reason": "again"}, {"Idempotency-Key": "cancel-2"})[0] == 202
    eventually(lambda: yard.run(run)["attempt"] == 2 and yard.run(run)["state"] == "canceled")
    assert yard.call("POST", f"runs/{run}/resume", REASON, {"Idempotency-Key": "resume-1"})[0] == 202
    assert yard.period(model, DAY)["active"] is None


def test_a_paused_model_starts_nothing_by_itself_until_it_is_unpaused(yard: Yard) -> None:
    """What is active goes on; data that land meanwhile are run after the pause, unasked; a person need not wait."""
    model = yard.a_model("command-pause")
    other = "2024-01-02"
    with yard.held_up(service="aml", operation="PutJob", name=f"{model}--*"):
        yard.land(f"{model}/{DAY}", {"a.txt": "one"})
        eventually(lambda: yard.period(model, DAY)["active"])

        status, told = decide(yard, f"{model}/pause", "pause-1")

    assert (status, told["paused"]["by"], told["paused"]["reason"]) == (200, "developer", REASON["reason"])
    first = yard.published(model, DAY)["run"]
    yard.land(f"{model}/{other}", {"a.txt": "two"})
    yard.reconciled()
    card = yard.period(model, other)
    assert (card["active"], card["readiness"]["ready"], card["paused"]) == (None, True, told["paused"])
    assert card["decision"]["why"] == "the model is paused"
    assert decide(yard, f"{model}/pause", reason="me too")[1]["paused"] == told["paused"], "the first pause stands"
    assert yard.call("POST", f"models/{model}/runs", {"period": DAY, **REASON})[0] == 202

    yard.events(off=True)
    assert decide(yard, f"{model}/unpause")[1]["paused"] is None
    yard.published(model, other)
    assert yard.published(model, DAY, other_than=first)
    assert decide(yard, f"{model}/pause", "pause-1") == (200, told)
    assert yard.period(model, DAY)["paused"] is None


def pointer(yard: Yard, model: str, name: str = DAY, principal: str = "analyst") -> dict[str, Any]:
    """What a pointer says, as a reader reads it."""
    found: dict[str, Any] = json.loads(read(yard.lake(principal, "models"), f"{model}/published/{name}.json"))
    return found


def listed(yard: Yard, model: str) -> dict[str, Any]:
    """The period as the list of its model's periods shows it."""
    rows = yard.get(f"models/{model}/periods?limit=500")["periods"]
    return next(row for row in rows if row["period"] == DAY)


def test_what_is_retracted_is_invisible_at_once_and_the_same_data_do_not_bring_it_back(yard: Yard) -> None:
    """Pointer, latest and gate; the models that read it wait; corrected data are published over it, unasked."""
    model, later = yard.a_model("command-retract"), "2024-01-02"
    consumer = yard.a_model("command-consumer", CONSUMER)
    for day in (DAY, later):
        yard.land(f"{model}/{day}", {"a.txt": "bad"})
    yard.published(model, DAY)
    before = yard.published(model, later)
    assert yard.published(consumer, later)
    assert pointer(yard, model, "latest")["period"] == later

    status, told = decide(yard, f"{model}/periods/{later}/retract", "retract-1")

    assert (status, told["retracted"]["run"], told["retracted"]["by"]) == (202, before["run"], "developer")
    nothing = pointer(yard, model, later)
    assert (nothing["run"], nothing["generation"]) == (None, before["generation"] + 1)
    assert pointer(yard, model, "latest")["period"] == DAY
    assert not yard.can_read("analyst", before["folder"].replace("/outputs-", "/closed-") + "/all/all.txt")
    assert not yard.lake("app", "models").get_directory_client(before["folder"]).exists()
    yard.reconciled()
    card = yard.period(model, later)
    assert (card["active"], card["published"], card["retracted"]) == (None, None, told["retracted"])
    assert card["decision"]["why"].startswith(f"{before['run']} was retracted by developer; start a run by hand")
    inputs = yard.period(consumer, later)["readiness"]["inputs"]
    assert [one["state"] for one in (inputs.values() if isinstance(inputs, dict) else inputs)] == ["waiting"]

    yard.land(f"{model}/{later}", {"a.txt": "good"})
    after = yard.published(model, later, other_than=before["run"])
    assert after["generation"] == before["generation"] + 2
    assert yard.period(model, later)["retracted"] is None
    assert pointer(yard, model, "latest")["run"] == after["run"]
    assert decide(yard, f"{model}/periods/{later}/retract", "retract-1") == (status, told), "it undoes nothing since"
    assert set(yard.outputs(model, later)) == {"all/all.txt"}
    for day in (DAY, later):
        assert decide(yard, f"{model}/periods/{day}/retract")[0] == 202
    assert (pointer(yard, model)["run"], pointer(yard, model, "latest")["run"]) == (None, None)


def test_only_what_is_published_is_retracted_and_not_beside_a_run(yard: Yard) -> None:
    """409: the run may be publishing at this moment."""
    model = yard.a_model("command-unpublished")
    status, problem = decide(yard, f"{model}/periods/{DAY}/retract")
    assert (status, problem["detail"]) == (409, "nothing is published")

    yard.land(f"{model}/{DAY}", {"a.txt": "hang"})
    run = eventually(lambda: (yard.period(model, DAY)["active"] or {}).get("run"))

    status, problem = decide(yard, f"{model}/periods/{DAY}/retract")
    assert (status, problem["title"], problem["run"]) == (409, "Cannot be retracted", run)
    yard.call("POST", f"runs/{run}/cancel", REASON)


def test_an_earlier_runs_outputs_are_published_again_and_what_they_replace_does_not_come_back(yard: Yard) -> None:
    """Superseded and retracted ones, without a job; consumers see the pointer move; only verified sets are taken."""
    model = yard.a_model("command-publish", SAYING_MODEL + "corrections: 4000d\n", SAYING_JOB)
    yard.land(f"{model}/{DAY}", {"a.txt": "first"})
    yard.land(f"{model}/2024-01-02", {"a.txt": "fail"})
    first = yard.published(model, DAY)
    bytes_of_first = yard.outputs(model, DAY)
    yard.land(f"{model}/{DAY}", {"a.txt": "second"})
    second = yard.published(model, DAY, other_than=first["run"])
    assert listed(yard, model)["metrics"] == second["metrics"] != first["metrics"]

    status, told = decide(yard, f"{model}/periods/{DAY}/publish", "publish-1", run=first["run"])

    assert (status, told["run"], told["attempt"]) == (202, first["run"], 2)
    again = yard.published(model, DAY, other_than=second["run"])
    assert (again["run"], again["attempt"], again["generation"]) == (first["run"], 2, 3)
    assert yard.outputs(model, DAY) == bytes_of_first
    assert pointer(yard, model, "latest")["generation"] == 3
    run = yard.run(first["run"])
    assert (run["state"], run["cause"]["kind"], run["links"]["outputs"]) == ("succeeded", "data", again["folder"])
    assert run["metrics"] == listed(yard, model)["metrics"] == again["metrics"] == first["metrics"]
    assert yard.jobs(first["run"]) == [f"{first['run']}-a1"]
    yard.reconciled()
    card = yard.period(model, DAY)
    assert (card["active"], card["published"]["run"]) == (None, first["run"])
    assert "was published in place of what came of them by developer" in card["decision"]["why"]

    assert decide(yard, f"{model}/periods/{DAY}/retract")[0] == 202
    assert listed(yard, model)["metrics"] == {}
    assert decide(yard, f"{model}/periods/{DAY}/publish", run=first["run"])[1]["attempt"] == 3
    assert yard.published(model, DAY)["generation"] == 5
    assert listed(yard, model)["metrics"] == first["metrics"]
    assert yard.outputs(model, DAY) == bytes_of_first
    assert decide(yard, f"{model}/periods/{DAY}/publish", run=second["run"])[0] == 202
    assert yard.published(model, DAY, other_than=first["run"])["run"] == second["run"]
    assert decide(yard, f"{model}/periods/{DAY}/publish", "publish-1", run=first["run"]) == (status, told)
    assert yard.period(model, DAY)["published"]["run"] == second["run"], "sent again late, it undoes nothing"
    failed = yard.ended(model, "2024-01-02", "failed")["run"]
    for day, which, code in (("2024-01-02", failed, 409), (DAY, failed, 404), (DAY, "what-is-this", 404)):
        assert decide(yard, f"{model}/periods/{day}/publish", run=which)[0] == code


PERIOD_COMMANDS = ["waive", "reopen", "retract", "publish", "incident/acknowledge"]
MODEL_COMMANDS = ["pause", "unpause"]


@pytest.mark.parametrize("command", [*MODEL_COMMANDS, *(f"periods/{DAY}/{name}" for name in PERIOD_COMMANDS)])
def test_a_command_asks_for_the_operators_role_a_reason_and_names_that_are_known(yard: Yard, command: str) -> None:
    """T9, RR-5: a problem document with a reason; nothing is changed."""
    model = "command-refused"
    if not (yard.models / model).exists():
        yard.a_model(model)
    before = yard.period(model, DAY)
    viewer = {"Authorization": f"Bearer {yard.cloud.token('viewer', yard.cloud.endpoints.functions)}"}
    more = {"run": f"{model}--{DAY}--00000000-1"} if command.endswith("/publish") else {}
    path, good = f"models/{model}/{command}", {**REASON, **more}

    assert yard.call("POST", path, good, viewer)[0] == 403
    for wrong in ({**more}, {**good, "reason": " "}, {**good, "force": True}, [good]):
        status, problem = yard.call("POST", path, wrong)
        assert (status, problem["status"]) == (400, 400), problem
    assert yard.call("POST", path, good, {"Idempotency-Key": "k" * 201})[0] == 400
    assert yard.call("POST", path.replace(model, "nobody"), good)[0] == 404
    assert yard.call("POST", path.replace(model, "No%20Body"), good)[0] == 404
    if DAY in command:
        assert yard.call("POST", path.replace(DAY, "2024-01"), good)[0] == 400
    assert json.dumps(yard.period(model, DAY)) == json.dumps(before)
