"""What happened in a run, in order."""

from __future__ import annotations

from typing import Any

from slipway.timeline import of_attempt, timeline


def at(second: int) -> str:
    """A moment."""
    return f"2024-01-06T03:00:{second:02d}Z"


def task(what: str, began: int, ended: int, **more: Any) -> dict[str, Any]:
    """A completed task, as the management API shows it."""
    known = {"EventType": "TaskCompleted", "FunctionName": what, "ScheduledTime": at(began), "Timestamp": at(ended)}
    return {**known, **more}


def step(what: str, began: int, ended: int) -> dict[str, Any]:
    """A step of the run's view."""
    return {"step": what, "attempt": 1, "started_at": at(began), "ended_at": at(ended)}


def an_engine(*events: dict[str, Any]) -> dict[str, Any]:
    """The engine's history of a first attempt with one story."""
    status = {"instanceId": "r-a1", "name": "run_model", "runtimeStatus": "Completed", "historyEvents": list(events)}
    return of_attempt(1, [status])


FAILURE = {"failure": {"kind": "platform", "code": "throttled", "message": "busy"}}


def test_each_try_is_told_with_how_it_ended() -> None:
    """A failure that a step answered, an exception that it raised, and what was done at last."""
    engine = an_engine(
        {"EventType": "ExecutionStarted", "Name": "run_model", "Timestamp": at(0)},
        task("submit_job", 1, 2, Result=FAILURE),
        {"EventType": "TimerFired", "Timestamp": at(3)},
        task("submit_job", 3, 4, Result={"result": {}}),
        task("seal_outputs", 5, 6, EventType="TaskFailed", Reason="it raised"),
    )
    told = [(one["what"], one["outcome"], one["error"], one["tries"]) for one in timeline([], [engine])]
    assert told == [
        ("submit_job", "failure", "platform/throttled: busy", 1),
        ("submit_job", "done", None, 2),
        ("seal_outputs", "failed", "it raised", 1),
    ]


def test_what_the_engine_has_forgotten_receipts_tell() -> None:
    """Each task once, all in the order in which they began."""
    engine = an_engine(
        task("claim_run", 0, 1, Result={"result": {}}), task("seal_outputs", 9, 9, Result={"result": {}})
    )
    steps = [step("copy_batch", 2, 5), step("seal_outputs", 9, 9)]
    told = [(one["what"], one["source"]) for one in timeline(steps, [engine])]
    assert told == [("claim_run", "engine"), ("copy_batch", "receipt"), ("seal_outputs", "engine")]
    assert [one["source"] for one in timeline(steps, [an_engine()])] == ["receipt", "receipt"]
