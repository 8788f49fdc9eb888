"""Lateness and incidents: what is due and missing is told once, by name, and resolved by publication."""

from __future__ import annotations

from datetime import timedelta

from tests.flows.sink import Sink
from tests.flows.yard import JOB_YAML, MODEL, Yard
from tests.running import eventually

DAY = "2024-01-01"


def test_an_input_that_never_comes_is_one_incident_resolved_by_its_publication(yard: Yard, sink: Sink) -> None:
    """RD-5: before the due time nobody is called; after it, once, with the name of what is missing."""
    yesterday, text = due_in_an_hour(yard)
    other = '  more: {path: "landing/NAME-more/{period:%Y-%m-%d}/", complete: {files: 1}}\noutputs:'
    model = yard.a_model(
        "late",
        text.replace("outputs:", f"{other}", 1),
        job_yaml=JOB_YAML.replace("inputs:\n", "inputs:\n  more: {type: uri_folder}\n"),
    )
    yard.land(f"{model}/{yesterday}", {"a.txt": "one"})
    eventually(lambda: yard.period(model, yesterday)["readiness"]["inputs"]["rows"]["state"] == "arrived")
    card = yard.period(model, yesterday)
    assert (card["incident"], card["timing"]) == (None, "on-time")

    yard.cloud.advance("62m")

    eventually(lambda: sink.told(model) == [("Opened", "late")])
    told = sink.last(model)
    assert (told["kind"], told["status"], told["run"]) == ("data", "open", None)
    assert f"landing/late-more/{yesterday}/" in told["message"]
    assert "rows" not in told["message"]
    assert yard.period(model, yesterday)["timing"] == "late"
    yard.cloud.advance("3h")
    yard.reconciled()
    yard.land(f"{model}-more/{yesterday}", {"b.txt": "two"}, marker=None)
    yard.published(model, yesterday)
    eventually(lambda: sink.told(model) == [("Opened", "late"), ("Resolved", "late")])
    assert sink.refused == []


def test_a_run_that_goes_on_past_its_due_time_is_late_too(yard: Yard, sink: Sink) -> None:
    """RD-5: it has not failed, and people wait for it all the same; who cancels it ends the incident."""
    yesterday, text = due_in_an_hour(yard)
    model = yard.a_model("late-running", text, timeout=100_000)
    yard.land(f"{model}/{yesterday}", {"a.txt": "hang"})
    run = eventually(lambda: (yard.period(model, yesterday)["active"] or {}).get("run"))
    eventually(lambda: (yard.period(model, yesterday)["active"] or {}).get("stage") == "running")

    yard.cloud.advance("62m")

    eventually(lambda: sink.told(model) == [("Opened", "late")])
    told = sink.last(model)
    assert (told["kind"], told["run"], told["job"]) == ("platform", run, f"{run}-a1")
    assert told["message"].endswith(f"and {run} is running")
    assert yard.call("POST", f"runs/{run}/cancel", {"reason": "it hangs"})[0] == 202
    eventually(lambda: sink.told(model) == [("Opened", "late"), ("Resolved", "late")])


def due_in_an_hour(yard: Yard) -> tuple[str, str]:
    """Yesterday, and the text of a model whose one period that was, due in an hour from now."""
    now = yard.now()
    yesterday, due = (now - timedelta(days=1)).date(), now + timedelta(hours=1)
    text = MODEL.replace('"2024-01-01"', f'"{yesterday}"').replace('"2024-03-31"', f'"{yesterday}"')
    return str(yesterday), text + f'due: {{day: {(due.date() - yesterday).days}, at: "{due:%H:%M}"}}\n'


def test_a_receiver_that_is_down_is_told_later_and_holds_up_no_run(yard: Yard, sink: Sink) -> None:
    """IN-1, IN-2: the run ends at once; what was taken without an answer is sent again under the same id."""
    model = yard.a_model("late-sink")
    sink.answers = "down"
    yard.land(f"{model}/{DAY}", {"a.txt": "fail"})

    run = yard.ended(model, DAY, "failed")

    assert sink.told(model) == []
    assert run["incident"]["status"] == "open"
    sink.answers = "lost"
    eventually(lambda: sink.told(model) == [("Opened", "job-failed")])
    sink.answers = "ok"
    yard.land(f"{model}/{DAY}", {"a.txt": "good"})
    yard.published(model, DAY)
    eventually(lambda: sink.told(model) == [("Opened", "job-failed"), ("Resolved", "job-failed")])


def test_a_recovery_overtakes_its_alarm(yard: Yard, sink: Sink) -> None:
    """IN-3: what has recovered before the receiver came back is never opened there."""
    model = yard.a_model("late-recovered")
    sink.answers = "down"
    yard.land(f"{model}/{DAY}", {"a.txt": "fail"})
    yard.ended(model, DAY, "failed")
    yard.land(f"{model}/{DAY}", {"a.txt": "good"})
    yard.published(model, DAY)
    yard.reconciled()  # no pass is about to send what it has read before the recovery

    sink.answers = "ok"

    yard.reconciled()
    assert "Opened" not in [type_ for type_, _ in sink.told(model)]
    assert yard.period(model, DAY)["incident"]["status"] == "resolved"
