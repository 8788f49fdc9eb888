"""How a story takes its steps: activities whose failures are values, retried on durable timers, and stories within it.

An activity answers `{"result": ...}` or `{"failure": {...}}` (see `activities.effects`). The SDK's own retries have a
constant interval and flatten exceptions to text, so the waiting is done here. Deterministic, no I/O: time comes from
the context.
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any
from zlib import crc32

import azure.durable_functions as df

from slipway.failure import Failure, Kind

Step = Generator[Any, Any, Any]

#: The waits between the tries of a step that fails for a while: a quarter of an hour, longer if the service asks.
WAITS = (1, 4, 15, 60, 240, 300, 300)
#: The longest wait a service's Retry-After is honoured for, in seconds.
LONGEST_WAIT = 900
#: The waits, in seconds, that are spread: in shorter ones nothing gathers.
SPREAD_FROM = 60
#: How long a singleton gathers further wake-ups before it looks again, or ends.
SETTLE = timedelta(seconds=2)
#: How many plain activities a fan-out has under way at once.
ROUND = 8


class StepFailed(Exception):
    """A step failed for good. `failure` is the failure as a dict: kind, code, message, transient, retry_after."""

    def __init__(self, step: str, failure: dict[str, Any]) -> None:
        super().__init__(f"{step}: {failure['kind']}/{failure['code']}: {failure['message']}")
        self.step = step
        self.failure = failure


def step(
    context: df.DurableOrchestrationContext, activity: str, ask: dict[str, Any], waits: tuple[int, ...] = WAITS
) -> Step:
    """Call an activity until it answers with a result, and return that. Raises StepFailed when its failure is final."""
    for wait in (*waits, None):
        answer = yield from _answer(activity, context.call_activity(activity, ask))
        failure = answer.get("failure")
        if failure is None:
            return answer["result"]
        if not failure["transient"] or wait is None:
            raise StepFailed(activity, failure)
        yield pause(context, max(wait, failure.get("retry_after") or 0))
    raise AssertionError("the last try returns or raises")


def pause(context: df.DurableOrchestrationContext, seconds: float) -> Any:
    """A timer for a wait before another try, of LONGEST_WAIT at most.

    From a minute on it takes up to a fifth longer, by the instance's id: what failed together comes back one by one.
    """
    if seconds >= SPREAD_FROM:
        seconds += round(seconds / 5 * (crc32(context.instance_id.encode()) % 1000) / 1000)
    return context.create_timer(context.current_utc_datetime + timedelta(seconds=min(seconds, LONGEST_WAIT)))


def settled(context: df.DurableOrchestrationContext, woken: Any) -> Step:
    """Wait one settle time; returns whether nothing woke the instance, and waits it out to its end if something did."""
    until = context.current_utc_datetime + SETTLE
    quiet = context.create_timer(until)
    winner = yield context.task_any([woken, quiet])
    if winner == quiet:
        return True
    # A timer of its own for what is left: one that lost a race is not awaited again, the extension would not see it.
    if not quiet.is_completed:
        quiet.cancel()
    yield context.create_timer(until)
    return False


def story(context: df.DurableOrchestrationContext, name: str, ask: dict[str, Any], label: str | None = None) -> Step:
    """Run a story as the instance `<this instance>-<label or name>`. Raises StepFailed if it failed."""
    child = context.call_sub_orchestrator(name, ask, f"{context.instance_id}-{label or name}")
    answer = yield from _answer(name, child)
    if answer.get("failure") is not None:
        raise StepFailed(answer.get("step", name), answer["failure"])
    return answer["result"]


def fan_out(
    context: df.DurableOrchestrationContext, activity: str, asks: list[dict[str, Any]]
) -> Generator[Any, Any, list[dict[str, Any]]]:
    """Call an activity once for each ask, at the same time, and return the answers (results or failures) in order.

    One round of plain activities: what failed is for the caller's next round. Retries inside a `task_all` would let
    the SDK and the extension count event ids differently.
    """
    assert len(asks) <= ROUND, f"a round has at most {ROUND} activities"
    all_of_them = context.task_all([context.call_activity(activity, ask) for ask in asks])
    answers: list[dict[str, Any]] = yield from _answer(activity, all_of_them)
    return answers


def _answer(name: str, task: Any) -> Step:
    """What the task answers. One that raised, for a bug or the time limit, is a failure for good like any other.

    The SDK flattens what was raised to text, and raises that as a plain Exception.
    """
    try:
        return (yield task)
    except Exception as error:
        raise StepFailed(name, Failure(Kind.SLIPWAY, "bug", str(error)).to_document()) from error
