"""What happened in a run, in order: the engine's history of each attempt, and the receipts where that is gone. Pure.

The engine keeps only the newest generation of a story that begins anew, and forgets what is purged; the receipts in the
lake stay. A task that both tell of is told once, by the engine, which knows tries that failed too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: How the engine's history of a status names what ends a task. Source: the management API, `historyEvents`.
_ENDS = {"TaskCompleted": "done", "TaskFailed": "failed"}

Engine = Mapping[str, Any]


def timeline(steps: Iterable[Mapping[str, Any]], engines: Iterable[Engine]) -> list[dict[str, Any]]:
    """Every task of a run that ended, by the time it began (ISO 8601, UTC).

    `steps` are the run's as `slipway.run_view` has them, `engines` what `of_attempt` documents of each attempt.
    `outcome` is done, failure (the step said so: see `error`) or failed (it raised); `tries` counts within its story.
    """
    told = [entry for engine in engines for story in engine["stories"] for entry in _of_story(engine["attempt"], story)]
    by_engine = {(entry["attempt"], entry["what"]) for entry in told}
    told += [
        _entry(step["attempt"], step["step"], step["started_at"], step["ended_at"], "done", source="receipt")
        for step in steps
        if (step["attempt"], step["step"]) not in by_engine
    ]
    return sorted(told, key=lambda entry: (entry["began_at"], entry["ended_at"]))


def of_attempt(attempt: int, statuses: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What is kept of an attempt's instances: `statuses` are status documents of the management API, with histories."""
    stories = [
        {
            "instance": status["instanceId"],
            "name": status["name"],
            "status": status["runtimeStatus"],
            "events": list(status.get("historyEvents") or ()),
        }
        for status in statuses
    ]
    return {"schema": 1, "attempt": attempt, "stories": stories}


def _of_story(attempt: int, story: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    tries: dict[str, int] = {}
    for event in story["events"]:
        outcome, name = _ENDS.get(event["EventType"]), event.get("FunctionName") or event.get("Name")
        if outcome is None or name is None:
            continue
        failure = _failure(event)
        tries[name] = tries.get(name, 0) + 1
        yield _entry(
            attempt,
            name,
            event.get("ScheduledTime") or event["Timestamp"],
            event["Timestamp"],
            "failure" if failure else outcome,
            error=failure or (str(event.get("Reason") or "") if outcome == "failed" else None),
            tries=tries[name],
        )


def _failure(event: Mapping[str, Any]) -> str | None:
    """The failure that a step answered as a value, in words."""
    result = event.get("Result")
    failure = result.get("failure") if isinstance(result, Mapping) else None
    return f"{failure['kind']}/{failure['code']}: {failure['message']}" if isinstance(failure, Mapping) else None


def _entry(
    attempt: int, what: str, began_at: str, ended_at: str, outcome: str, *, error: str | None = None, tries: int = 1,
    source: str = "engine",
) -> dict[str, Any]:  # fmt: skip
    return {
        "attempt": attempt,
        "what": what,
        "began_at": began_at,
        "ended_at": ended_at,
        "outcome": outcome,
        "error": error,
        "tries": tries,
        "source": source,
    }
