"""What people do over HTTP: start a run with a reason, cancel it, resume it; and all that is refused, with reasons."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.flows.sink import Sink
from tests.flows.yard import JOB_YAML, Yard
from tests.running import eventually

DAY = "2024-01-01"
REASON = {"reason": "the analyst asked for it"}


@pytest.fixture(scope="module")
def model(shared_yard: Yard) -> str:
    """A model with a published period; what is refused below changes nothing of it."""
    name = shared_yard.a_model("hand")
    shared_yard.land(f"{name}/{DAY}", {"a.txt": "one"})
    shared_yard.published(name, DAY)
    return name


def start(yard: Yard, model: str, period: str = DAY, key: str | None = None, reason: str = "once more") -> Any:
    """Ask for a run; returns status and answer."""
    headers = {"Idempotency-Key": key} if key else {}
    return yard.call("POST", f"models/{model}/runs", {"period": period, "reason": reason}, headers)


def test_a_run_started_by_hand_publishes_over_the_one_before_and_says_who_and_why(yard: Yard) -> None:
    """The same inputs, a new run: numbered on, with its own outputs; the pointer moves (RR-3)."""
    model = yard.a_model("hand-again")
    yard.land(f"{model}/{DAY}", {"a.txt": "one"})
    before = yard.published(model, DAY)

    status, told = start(yard, model, reason="the analyst asked for it")

    assert status == 202
    assert told["links"]["self"].endswith(f"/api/runs/{told['run']}")
    after = yard.published(model, DAY, other_than=before["run"])
    run = yard.run(told["run"])
    assert after["run"] == told["run"] == before["run"].removesuffix("-1") + "-2"
    assert after["generation"] == before["generation"] + 1
    assert (run["cause"]["kind"], run["cause"]["reason"]) == ("request", "the analyst asked for it")
    assert run["cause"]["by"] == "developer"


def test_equal_requests_have_the_effect_and_the_answer_of_one(yard: Yard) -> None:
    """RR-1, RR-4, I12: by key, at once and later; a key never stands for another request."""
    model = yard.a_model("hand-equal")
    yard.land(f"{model}/{DAY}", {"a.txt": "one"})
    yard.published(model, DAY)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: start(yard, model, key="k-1"), range(6)))

    assert {status for status, _ in answers} == {202}
    (run,) = {told["run"] for _, told in answers}
    assert yard.published(model, DAY, other_than=run.removesuffix("-2") + "-1")["run"] == run
    assert start(yard, model, key="k-1") == answers[0]
    for other in ({"period": "2024-01-02"}, {"reason": "another reason"}):
        status, problem = start(yard, model, key="k-1", **other)
        assert (status, problem["title"]) == (422, "Idempotency-Key used before")
    assert start(yard, yard.a_model("hand-other"), key="k-1")[0] == 422
    assert yard.period(model, DAY)["active"] is None
    assert len(yard.jobs(f"{model}--")) == 2


def test_the_same_words_twice_within_a_minute_are_one_request(yard: Yard) -> None:
    """RR-1: a double click has no key."""
    model = yard.a_model("hand-twice")
    yard.land(f"{model}/{DAY}", {"a.txt": "one"})
    yard.published(model, DAY)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: start(yard, model), range(4)))

    assert {status for status, _ in answers} == {202}
    assert len({told["run"] for _, told in answers}) == 1


def test_beside_an_active_run_the_answer_is_its_id(yard: Yard) -> None:
    """RR-2: never two; and a run that waits in the queue or runs is canceled without incident, and not run again."""
    model = yard.a_model("hand-busy")
    yard.land(f"{model}/{DAY}", {"a.txt": "hang"})
    run = in_stage(yard, model, "running")

    status, problem = start(yard, model)

    assert (status, problem["title"], problem["run"]) == (409, "A run is active", run)
    assert yard.call("POST", f"runs/{run}/resume", REASON)[1]["run"] == run
    status, told = yard.call("POST", f"runs/{run}/cancel", REASON)
    assert (status, told["run"]) == (202, run)
    canceled = yard.ended(model, DAY, "canceled")
    assert canceled["failure"]["code"] == "canceled"
    assert yard.job_states(run) == {f"{run}-a1": "Canceled"}
    stays(yard, model, run, "canceled")


def test_a_queued_run_is_canceled_before_its_job_begins(yard: Yard) -> None:
    """The wish is durable before the job is there; the job is seen ended, or never was."""
    model = yard.a_model("hand-queued")
    with yard.held_up(service="aml", operation="PutJob", name=f"{model}--*"):
        yard.land(f"{model}/{DAY}", {"a.txt": "hang"})
        run = in_stage(yard, model, "queued")

        assert yard.call("POST", f"runs/{run}/cancel", REASON)[0] == 202
        assert yard.run(run)["canceling"]
        assert yard.call("POST", f"runs/{run}/cancel", REASON)[0] == 202

    assert yard.ended(model, DAY, "canceled")["run"] == run
    assert set(yard.job_states(run).values()) <= {"Canceled"}
    stays(yard, model, run, "canceled")
    assert yard.call("POST", f"runs/{run}/cancel", REASON)[0] == 409


def test_what_is_on_its_way_to_readers_is_no_longer_canceled(yard: Yard) -> None:
    """From `publishing` on there is no way back, and the answer says so."""
    model = yard.a_model("hand-late")
    with yard.held_up(service="storage", operation="PutBlob", name=f"models/{model}/published/{DAY}.json"):
        yard.land(f"{model}/{DAY}", {"a.txt": "one"})
        run = in_stage(yard, model, "publishing")

        status, problem = yard.call("POST", f"runs/{run}/cancel", REASON)

    assert (status, problem["title"]) == (409, "Cannot be canceled")
    assert "being published" in problem["detail"]
    assert yard.published(model, DAY)["run"] == run
    assert yard.call("POST", f"runs/{run}/cancel", REASON)[0] == 409


def test_a_failed_run_is_resumed_as_its_next_attempt(yard: Yard, sink: Sink) -> None:
    """It fails as before, and is one incident; what did not fail, or is not the last, is not resumed."""
    model = yard.a_model("hand-failed")
    yard.land(f"{model}/{DAY}", {"a.txt": "fail"})
    failed = yard.ended(model, DAY, "failed")

    status, _ = yard.call("POST", f"runs/{failed['run']}/resume", REASON)

    assert status == 202
    eventually(lambda: yard.run(failed["run"])["attempt"] == 2 and yard.run(failed["run"])["state"] == "failed")
    run = yard.run(failed["run"])
    assert [attempt["state"] for attempt in run["attempts"]] == ["failed", "failed"]
    assert run["failure"]["kind"] == "model"
    assert yard.jobs(failed["run"]) == [f"{failed['run']}-a1", f"{failed['run']}-a2"]
    yard.land(f"{model}/{DAY}", {"a.txt": "good"})
    published = yard.published(model, DAY)
    for other in (failed["run"], published["run"]):
        status, problem = yard.call("POST", f"runs/{other}/resume", REASON)
        assert (status, problem["title"]) == (409, "Cannot be resumed")
    eventually(lambda: [type_ for type_, _ in sink.told(model)] == ["Opened", "Updated", "Resolved"])
    assert sink.refused == []


def test_while_inputs_are_missing_the_answer_is_the_readiness_card(yard: Yard, model: str) -> None:
    """409 with what blocks; nothing is remembered of it."""
    status, problem = start(yard, model, "2024-01-02")

    assert (status, problem["title"]) == (409, "Inputs are missing")
    assert problem["readiness"]["ready"] is False
    assert f"landing/{model}/2024-01-02/" in problem["detail"]
    assert yard.period(model, "2024-01-02")["last"] is None


def nested(depth: int) -> bytes:
    """A body of lists in lists."""
    return b'{"period": ' + b"[" * depth + b"]" * depth + b"}"


GOOD = {"period": DAY, "reason": "because"}
JSON = {"Content-Type": "application/json"}
MALFORMED: dict[str, tuple[str, Any, dict[str, str], int]] = {
    "no body": ("models/hand/runs", b"", JSON, 400),
    "no JSON": ("models/hand/runs", b"{period", JSON, 400),
    "not UTF-8": ("models/hand/runs", b'{"period": "\xff\xfe", "reason": "because"}', JSON, 400),
    "half a surrogate": ("models/hand/runs", b'{"period": "2024-01-01", "reason": "x\\ud800y because"}', JSON, 400),
    "not a number": ("models/hand/runs", b'{"period": NaN, "reason": "because"}', JSON, 400),
    "a huge number": ("models/hand/runs", b'{"period": ' + b"9" * 9000 + b', "reason": "because"}', JSON, 400),
    "nesting": ("models/hand/runs", nested(8000), JSON, 400),
    "a member twice": ("models/hand/runs", b'{"period": "2024-01-01", "reason": "why", "reason": "not"}', JSON, 400),
    "a list": ("models/hand/runs", [GOOD], JSON, 400),
    "a text": ("models/hand/runs", "2024-01-01", JSON, 400),
    "null": ("models/hand/runs", b"null", JSON, 400),
    "no reason": ("models/hand/runs", {"period": DAY}, JSON, 400),
    "an empty reason": ("models/hand/runs", {**GOOD, "reason": ""}, JSON, 400),
    "a long reason": ("models/hand/runs", {**GOOD, "reason": "x" * 501}, JSON, 400),
    "a reason of blanks": ("models/hand/runs", {**GOOD, "reason": "     "}, JSON, 400),
    "control characters": ("models/hand/runs", {**GOOD, "reason": "be\u0000cause"}, JSON, 400),
    "a number for a reason": ("models/hand/runs", {**GOOD, "reason": 12345}, JSON, 400),
    "no period": ("models/hand/runs", {"reason": "because"}, JSON, 400),
    "an impossible day": ("models/hand/runs", {**GOOD, "period": "2024-02-30"}, JSON, 400),
    "another cadence": ("models/hand/runs", {**GOOD, "period": "2024-W05"}, JSON, 400),
    "a way out": ("models/hand/runs", {**GOOD, "period": "../../../etc"}, JSON, 400),
    "a day and a bit": ("models/hand/runs", {**GOOD, "period": "2024-01-01 "}, JSON, 400),
    "a day in other digits": ("models/hand/runs", {**GOOD, "period": "\uff12024-01-01"}, JSON, 400),
    "a number for a period": ("models/hand/runs", {**GOOD, "period": 20240101}, JSON, 400),
    "a field of its own": ("models/hand/runs", {**GOOD, "force": True}, JSON, 400),
    "too large": ("models/hand/runs", {**GOOD, "reason": "x" * 20_000}, JSON, 413),
    "a form": ("models/hand/runs", b"period=2024-01-01&reason=because", {"Content-Type": "text/plain"}, 415),
    "no content type": ("models/hand/runs", GOOD, {"Content-Type": ""}, 415),
    "a key too long": ("models/hand/runs", GOOD, {**JSON, "Idempotency-Key": "k" * 201}, 400),
    "an empty key": ("models/hand/runs", GOOD, {**JSON, "Idempotency-Key": ""}, 400),
    "an unknown model": ("models/nobody/runs", GOOD, JSON, 404),
    "no name of a model": ("models/No%20Body/runs", GOOD, JSON, 404),
    "a way out of models": ("models/..%2f..%2fcontrol/runs", GOOD, JSON, 404),
    "a model with a zero byte": ("models/hand%00/runs", GOOD, JSON, 404),
    "cancel: an unknown run": (f"runs/hand--{DAY}--00000000-1/cancel", REASON, JSON, 404),
    "cancel: no name of a run": ("runs/what/cancel", REASON, JSON, 404),
    "cancel: without a reason": (f"runs/hand--{DAY}--00000000-1/cancel", {}, JSON, 400),
    "resume: an unknown run": (f"runs/hand--{DAY}--00000000-1/resume", REASON, JSON, 404),
    "resume: no name of a run": ("runs/..%2f..%2fx/resume", REASON, JSON, 404),
    "resume: a list": (f"runs/hand--{DAY}--00000000-1/resume", [], JSON, 400),
    "a period before the first": ("models/hand/runs", {**GOOD, "period": "2023-12-31"}, JSON, 409),
    "a period to come": ("models/hand/runs", {**GOOD, "period": "2124-01-01"}, JSON, 409),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_request_is_told_what_is_wrong_and_changes_nothing(yard: Yard, model: str, case: str) -> None:
    """RR-5: a problem document with a reason, without a word of the program's own; the period is as it was."""
    path, body, headers, status = MALFORMED[case]
    before = yard.period(model, DAY)

    answered, problem = yard.call("POST", path, body, headers)

    assert (answered, problem["status"]) == (status, status), problem
    assert {"type", "title", "detail"} <= set(problem)
    assert 10 < len(problem["detail"]) < 600
    text = json.dumps(problem)
    assert not any(word in text for word in ("Traceback", "Error(", "pydantic", "NewRun", "/work", "site-packages"))
    assert yard.period(model, DAY) == before


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("models/hand/periods/2024-13-01", 400),
        ("models/hand/periods/2024-01", 400),
        ("models/hand/periods/%2e%2e", 400),
        ("models/nobody/periods/2024-01-01", 404),
        ("models/NOBODY/periods/2024-01-01", 404),
        ("runs/hand--2024-01-01--00000000-1", 404),
        ("runs/hand--2024-01-01--00000000-0", 404),
        ("runs/%00", 404),
    ],
)
def test_what_is_not_there_is_not_found(yard: Yard, model: str, path: str, status: int) -> None:
    """Reading says so too, as a problem document."""
    answered, problem = yard.call("GET", path)

    assert (answered, problem["status"]) == (status, status), problem
    assert model == "hand"


def test_changes_ask_for_the_operators_role_and_reading_for_a_principal(yard: Yard, model: str) -> None:
    """T9: a viewer reads and changes nothing; a token that is none opens nothing; own headers count for none."""
    run = yard.period(model, DAY)["last"]["run"]
    viewer = {"Authorization": f"Bearer {yard.cloud.token('viewer', audience(yard))}"}
    claims = {"X-MS-CLIENT-PRINCIPAL": "eyJjbGFpbXMiOlt7InR5cCI6InJvbGVzIiwidmFsIjoiU2xpcHdheS5PcGVyYXRvciJ9XX0="}

    assert yard.call("GET", f"runs/{run}", headers=viewer)[0] == 200
    for path, body in ((f"models/{model}/runs", GOOD), (f"runs/{run}/cancel", REASON), (f"runs/{run}/resume", REASON)):
        for headers in (viewer, viewer | claims):
            status, problem = yard.call("POST", path, body, headers)
            assert (status, problem["title"]) == (403, "Not allowed")
            assert "Slipway.Operator" in problem["detail"]
        status, _ = yard.call("POST", path, body, {"Authorization": "Bearer of.no.token"})
        assert status == 401
    assert yard.call("GET", f"runs/{run}", headers={"Authorization": "Bearer of.no.token"})[0] == 401


def audience(yard: Yard) -> str:
    """What tokens for the app are issued for."""
    return yard.cloud.endpoints.functions


def in_stage(yard: Yard, model: str, stage: str) -> str:
    """Wait until the period's run is in this stage; returns its id."""

    def there() -> str | None:
        active = yard.period(model, DAY)["active"]
        return active["run"] if active and active["stage"] == stage else None

    run: str = eventually(there)
    return run


def stays(yard: Yard, model: str, run: str, state: str) -> None:
    """Ask once more what should happen: nothing does, and nobody was called."""
    yard.land(f"{model}/{DAY}", {}, marker="_SUCCESS")
    yard.reconciled()
    card = yard.period(model, DAY)
    assert (card["active"], card["last"]["run"], card["last"]["state"], card["incident"]) == (None, run, state, None)


def test_a_rerun_reads_what_an_earlier_run_read_and_is_not_replaced_by_the_next_pass(yard: Yard) -> None:
    """The correction was wrong: the first data are run again by the first definition, on another machine, and stay."""
    model = yard.a_model("hand-earlier", job_yaml=JOB_YAML + "tags: {made: first}\n")
    yard.land(f"{model}/{DAY}", {"a.txt": "right"})
    first = yard.published(model, DAY)["run"]
    yard.a_model("hand-earlier", job_yaml=JOB_YAML + "tags: {made: second}\n")
    yard.land(f"{model}/{DAY}", {"a.txt": "wrong"})
    second = yard.published(model, DAY, other_than=first)["run"]
    asked = {"period": DAY, "reason": "the correction was wrong", "inputs": first, "definition": "same"}

    status, told = yard.call("POST", f"models/{model}/runs", {**asked, "compute": "large-cluster"})

    assert status == 202, told
    third = yard.published(model, DAY, other_than=second)["run"]
    run = yard.run(third)
    assert third == told["run"]
    assert run["cause"] | {"inputs": first, "definition": run["version"], "compute": "large-cluster"} == run["cause"]
    assert run["version"] == yard.run(first)["version"] != yard.run(second)["version"]
    assert yard.job(f"{third}-a1")["properties"]["computeId"].endswith("/computes/large-cluster")
    content = yard.text(model, DAY, "all/all.txt")
    assert content == f"{DAY}/a.txt: right"
    yard.reconciled()
    yard.reconciled()
    assert yard.period(model, DAY)["published"]["run"] == third
    assert "was asked for in their place" in yard.period(model, DAY)["decision"]["why"]


@pytest.mark.parametrize(
    ("choice", "status", "title"),
    [
        ({"inputs": "elsewhere"}, 400, "Malformed body"),
        ({"inputs": "other--2024-01-01--0a1b2c3d-1"}, 404, "Unknown run"),
        ({"definition": "0123456789ab"}, 404, "Unknown version"),
        ({"definition": "newest"}, 400, "Malformed body"),
        ({"compute": "moon"}, 422, "Unknown compute"),
        ({"compute": "../x"}, 400, "Malformed body"),
        ({"inputs": "same", "period": "2024-02-01"}, 409, "No earlier run"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_by_name(
    yard: Yard, model: str, choice: dict[str, str], status: int, title: str
) -> None:
    """RR-5: nothing starts, and the answer says what is wrong."""
    before = yard.period(model, DAY)

    answered, problem = yard.call("POST", f"models/{model}/runs", {"period": DAY, "reason": "once more", **choice})

    assert (answered, problem["title"]) == (status, title)
    assert yard.period(model, DAY)["active"] == before["active"] is None
