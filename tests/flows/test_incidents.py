"""Incidents tell the truth: what was lost, came late or was ended by a person is put right within a pass."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from slipway.incident import index, opened
from tests.flows.sink import Sink
from tests.flows.yard import MODEL, Yard
from tests.running import eventually

DAY = "2024-01-01"


def test_a_person_who_cancels_what_had_failed_ends_its_incident(yard: Yard, sink: Sink) -> None:
    """I10: open while the latest attempt that ended failed; a canceled one is a person's decision."""
    model = yard.a_model("incident-canceled", timeout=8)
    yard.land(f"{model}/{DAY}", {"a.txt": "hang"})
    run = yard.ended(model, DAY, "failed")["run"]
    assert yard.period(model, DAY)["incident"]["status"] == "open"

    assert yard.call("POST", f"runs/{run}/resume", {"reason": "once more"})[0] == 202
    assert yard.call("POST", f"runs/{run}/cancel", {"reason": "no, never mind"})[0] == 202
    yard.ended(model, DAY, "canceled")

    eventually(lambda: sink.told(model) == [("Opened", "job-timed-out"), ("Resolved", "job-timed-out")])
    assert sink.last(model)["resolved_by"] == f"{run} was canceled"


def test_an_alarm_that_is_written_after_the_recovery_is_taken_back_untold(yard: Yard, sink: Sink) -> None:
    """IN-3: the sender of attempt 1 slept until its period was published, and died when it had opened the incident."""
    model = yard.a_model("incident-overtaken")
    yard.land(f"{model}/{DAY}", {"a.txt": "good"})
    published = yard.published(model, DAY)
    facts = {"model": model, "period": DAY, "kind": "model", "code": "job-failed", "message": "it had failed"}
    late = opened(None, {**facts, "run": published["run"], "attempt": 1}, datetime.now(UTC))

    yard.put_record(f"incidents/{model}/{DAY}.json", json.dumps(late).encode(), index(late))

    eventually(lambda: yard.period(model, DAY)["incident"]["status"] == "resolved")
    yard.reconciled()
    assert sink.told(model) == []


def test_a_failure_whose_incident_was_lost_is_told_by_the_next_pass(yard: Yard, sink: Sink) -> None:
    """IN-6: with the failed step, its job and its log, as the attempt's record has them."""
    model = yard.a_model("incident-lost")
    where = {"service": "storage", "operation": "PutBlob", "name": f"control/incidents/{model}/*"}
    yard.fault({"status": 403, "code": "AuthorizationPermissionMismatch"}, **where)
    yard.land(f"{model}/{DAY}", {"a.txt": "fail"})
    run = yard.ended(model, DAY, "failed")
    assert run["incident"] is None

    yard.calm()

    eventually(lambda: sink.told(model) == [("Opened", "job-failed")])
    told = sink.last(model)
    assert (told["run"], told["attempt"], told["step"]) == (run["run"], 1, "await_job")
    assert told["log"] == run["links"]["studio"]
    assert told["text"].splitlines()[0] == run["failure"]["message"]
    assert f"job {run['run']}-a1" in told["text"]


def test_what_cannot_be_delivered_calls_a_person_until_it_can(yard: Yard, sink: Sink) -> None:
    """PB-5 (I9): beyond the point of no return there is no failing, but somebody has to know."""
    model = yard.a_model("incident-undelivered")
    where = {"service": "storage", "operation": "PutBlob", "name": f"models/{model}/published/*"}
    yard.fault({"status": 403, "code": "AuthorizationPermissionMismatch"}, **where)
    yard.land(f"{model}/{DAY}", {"a.txt": "good"})
    eventually(lambda: (yard.period(model, DAY)["active"] or {}).get("stage") == "publishing")

    yard.cloud.advance("31m")

    eventually(lambda: sink.told(model) == [("Opened", "access")])
    assert sink.last(model)["step"] == "roll_forward"
    yard.reconciled()
    yard.reconciled()
    assert sink.told(model) == [("Opened", "access")]
    yard.calm()
    yard.published(model, DAY)
    eventually(lambda: sink.told(model) == [("Opened", "access"), ("Resolved", "access")])


def test_a_destination_that_was_unplugged_is_told_the_newest_state_of_each_incident_once(
    yard: Yard, sink: Sink
) -> None:
    """IN-1: one failed and stays so, one failed twice, one has recovered; meanwhile the other destination is told."""
    failing, again, recovered = (yard.a_model(f"incident-unplugged-{which}") for which in ("a", "b", "c"))
    sink.pager_is_down = True
    for model in (failing, again, recovered):
        yard.land(f"{model}/{DAY}", {"a.txt": "fail"})
    for model in (failing, again, recovered):
        run = yard.ended(model, DAY, "failed")["run"]
        eventually(lambda model=model: sink.told(model) == [("Opened", "job-failed")])
    run = yard.ended(again, DAY, "failed")["run"]
    assert yard.call("POST", f"runs/{run}/resume", {"reason": "once more"})[0] == 202
    eventually(lambda: sink.told(again) == [("Opened", "job-failed"), ("Updated", "job-failed")])
    yard.land(f"{recovered}/{DAY}", {"a.txt": "good"})
    eventually(lambda: sink.told(recovered) == [("Opened", "job-failed"), ("Resolved", "job-failed")])
    yard.cloud.advance("1h")
    yard.reconciled()
    assert [sink.paged(model) for model in (failing, again, recovered)] == [[], [], []]

    sink.pager_is_down = False

    eventually(lambda: sink.paged(failing) == sink.paged(again) == [("trigger", "warning")])
    yard.reconciled()
    assert sink.paged(failing) == sink.paged(again) == [("trigger", "warning")]
    assert sink.told(failing) == [("Opened", "job-failed")]
    for model in (failing, again):
        yard.land(f"{model}/{DAY}", {"a.txt": "good"})
        yard.published(model, DAY)
    eventually(lambda: sink.paged(failing) == sink.paged(again) == [("trigger", "warning"), ("resolve", None)])
    assert sink.paged(recovered) == [], "what had recovered before it was back is never told there"


def test_an_incident_gets_louder_as_its_due_time_nears(yard: Yard, sink: Sink) -> None:
    """IN-4: it is told again, with who waits until when, and the commands that help."""
    now = yard.now()
    yesterday, due = str((now - timedelta(days=1)).date()), now + timedelta(hours=6)
    days = (due.date() - datetime.fromisoformat(yesterday).date()).days
    text = MODEL.replace('"2024-01-01"', f'"{yesterday}"').replace('"2024-03-31"', f'"{yesterday}"')
    model = yard.a_model("incident-nearing", text + f'tier: 1\ndue: {{day: {days}, at: "{due:%H:%M}"}}\n')
    reader = text.replace('path: "landing/NAME/{period:%Y-%m-%d}/", complete: {marker: _SUCCESS}', f"from: {model}/all")
    yard.a_model("incident-reader", reader)
    yard.land(f"{model}/{yesterday}", {"a.txt": "fail"})
    run = yard.ended(model, yesterday, "failed")
    eventually(lambda: sink.told(model) == [("Opened", "job-failed")])
    assert sink.last(model)["severity"] == "error"

    yard.cloud.advance("3h")

    eventually(lambda: sink.told(model) == [("Opened", "job-failed"), ("Updated", "job-failed")])
    told = sink.last(model)
    assert (told["severity"], told["tier"], told["waiting"]) == ("critical", 1, ["incident-reader"])
    status, shown = yard.call("GET", f"incidents/{model}--{yesterday}")
    assert (status, shown["text"], shown["commands"]) == (200, told["text"], told["commands"])
    assert f"slipway rerun {model} {yesterday}" in [one["command"] for one in told["commands"]]
    status, _ = yard.call("POST", f"incidents/{model}--{yesterday}/acknowledge", {"reason": "I mend the code"})
    assert status == 200
    eventually(lambda: "On it" in sink.last(model)["text"])
    triggers = [("trigger", "error"), ("trigger", "critical"), ("trigger", "critical")]
    eventually(lambda: sink.paged(model) == [*triggers, ("acknowledge", None)])
    assert yard.run(run["run"])["incident"]["status"] == "open"


def test_a_canceled_job_that_goes_on_running_calls_a_person_until_it_has_ended(yard: Yard, sink: Sink) -> None:
    """IN-4 (I7): the service refuses to end it; it is asked again and again, and an incident says so."""
    model = yard.a_model("incident-unending", timeout=21 * 86400)  # the clock is moved until the run has ended
    yard.fault({"status": 500}, service="aml", operation="CancelJob", name=f"{model}--*")
    yard.land(f"{model}/{DAY}", {"a.txt": "hang"})
    run = eventually(lambda: (yard.period(model, DAY)["active"] or {}).get("run"))
    eventually(lambda: yard.job_states(run).get(f"{run}-a1") == "Running")
    assert yard.call("POST", f"runs/{run}/cancel", {"reason": "no longer needed"})[0] == 202

    def handed_over() -> bool:
        yard.cloud.advance("10m")
        return yard.period(model, DAY)["active"] is None

    eventually(handed_over)
    assert yard.run(run)["state"] == "canceled"
    yard.cloud.advance("16m")

    eventually(lambda: sink.told(model) == [("Opened", "job-will-not-end")])
    assert f"{run}-a1" in sink.last(model)["message"]
    yard.calm()
    yard.cloud.advance("2m")
    eventually(lambda: sink.told(model) == [("Opened", "job-will-not-end"), ("Resolved", "job-will-not-end")])
    assert yard.job_states(run)[f"{run}-a1"] == "Canceled"
