"""What people decide over HTTP: waive and reopen a period, pause a model, and all that is refused, with reasons."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.flows.sink import Sink
from tests.flows.yard import Yard
from tests.running import eventually

DAY = "2024-01-01"
REASON = {"reason": "the analyst asked for it"}


def decide(yard: Yard, what: str, key: str | None = None, reason: str = REASON["reason"], **more: str) -> Any:
    """Send a command; returns status and answer."""
    return yard.call("POST", f"models/{what}", {"reason": reason, **more}, {"Idempotency-Key": key} if key else {})


def test_a_waived_period_needs_no_run_until_it_is_reopened(yard: Yard, sink: Sink) -> None:
    """Its incident is resolved by the waiver, no data and no person start a run; reopened, new data do at once."""
    model = yard.a_model("command-waive")
    yard.land(f"{model}/{DAY}", {"a.txt": "fail"})
    failed = yard.ended(model, DAY, "failed")["run"]

    status, told = decide(yard, f"{model}/periods/{DAY}/waive", "waive-1", "a holiday")

    assert (status, told["waived"]["by"], told["waived"]["reason"]) == (200, "developer", "a holiday")
    eventually(lambda: sink.told(model) == [("Opened", "job-failed"), ("Resolved", "job-failed")])
    assert sink.last(model)["resolved_by"] == "waived by developer"
    yard.land(f"{model}/{DAY}", {"a.txt": "good"})
    yard.reconciled()
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
    run = eventually(lambda: (yard.period(model, DAY)["active"] or {}).get("run"), 40)

    status, problem = decide(yard, f"{model}/periods/{DAY}/waive")
    assert (status, problem["run"]) == (409, run)

    first = yard.call("POST", f"runs/{run}/cancel", REASON, {"Idempotency-Key": "cancel-1"})
    assert first[0] == 202
    yard.ended(model, DAY, "canceled")
    assert yard.call("POST", f"runs/{run}/cancel", REASON, {"Idempotency-Key": "cancel-1"}) == first
    assert yard.call("POST", f"runs/{run}/resume", REASON, {"Idempotency-Key": "cancel-1"})[0] == 422
    assert yard.call("POST", f"runs/{run}/resume", REASON, {"Idempotency-Key": "resume-1"})[0] == 202
    assert yard.call("POST", f"runs/{run}/cancel", {"reason": "again"}, {"Idempotency-Key": "cancel-2"})[0] == 202
    eventually(lambda: yard.run(run)["attempt"] == 2 and yard.run(run)["state"] == "canceled", 40)
    assert yard.call("POST", f"runs/{run}/resume", REASON, {"Idempotency-Key": "resume-1"})[0] == 202
    assert yard.period(model, DAY)["active"] is None


def test_a_paused_model_starts_nothing_by_itself_until_it_is_unpaused(yard: Yard) -> None:
    """What is active goes on; data that land meanwhile are run after the pause, unasked; a person need not wait."""
    model = yard.a_model("command-pause")
    other = "2024-01-02"
    yard.land(f"{model}/{DAY}", {"a.txt": "one"})
    eventually(lambda: yard.period(model, DAY)["active"], 40)

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
    assert yard.published(model, DAY, other_than=first)

    yard.events(off=True)
    assert decide(yard, f"{model}/unpause")[1]["paused"] is None
    yard.published(model, other)
    assert decide(yard, f"{model}/pause", "pause-1") == (200, told)
    assert yard.period(model, DAY)["paused"] is None


PERIOD_COMMANDS = ["waive", "reopen"]
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
