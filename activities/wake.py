"""Waking the evaluation of a period: starting it, or telling the one that exists that there is news."""

from __future__ import annotations

import logging
import warnings

import azure.durable_functions as df

from slipway.period import Period

WAKE = "wake"
log = logging.getLogger("slipway")
# To be woken more than once is usual; the SDK takes it for a mistake of its own, and says so in every replay.
warnings.filterwarnings("ignore", message=f"Potential duplicate Task completion for TaskId: {WAKE}")


def evaluation_id(model: str, period: Period) -> str:
    """The instance that evaluates a period: a singleton for each (model, period)."""
    return f"evaluate--{model}--{period}"


async def wake(client: df.DurableOrchestrationClient, model: str, period: Period) -> bool:
    """Start the period's evaluation; where it exists, wake it. False if the engine took neither.

    Nothing fails for a wake that is lost, here or between the two: the reconciler asks the same question.
    """
    ask: dict[str, object] = {"model": model, "period": str(period)}
    return await _awake(client, "evaluate_period", evaluation_id(model, period), ask)


def driver_id(backfill: str) -> str:
    """The instance that drives a backfill: a singleton for each."""
    return f"backfill--{backfill}"


async def wake_backfill(client: df.DurableOrchestrationClient, backfill: str) -> bool:
    """As `wake`, for the driver of a backfill."""
    return await _awake(client, "drive_backfill", driver_id(backfill), {"backfill": backfill})


async def _awake(client: df.DurableOrchestrationClient, name: str, instance: str, ask: dict[str, object]) -> bool:
    """Start it or tell it; one that was running at the first and had ended at the second is started after all."""
    try:
        return (
            await start(client, name, instance, ask)
            or await raise_event(client, instance, WAKE)
            or await start(client, name, instance, ask)
        )
    except Exception as error:
        log.warning("%s was not woken: %r", instance, error, extra={"action": "wake_failed"})
        return False


async def start(client: df.DurableOrchestrationClient, name: str, instance: str, ask: dict[str, object]) -> bool:
    """Start an instance; False if one of this id is running already, which the extension reports as an error's text.

    Source: Durable Functions extension, create-if-exists semantics (`overridableExistingInstanceStates`).
    """
    try:
        await client.start_new(name, instance, ask)
    except Exception as error:
        if "already exists" in str(error):
            return False
        raise
    return True


async def raise_event(client: df.DurableOrchestrationClient, instance: str, event: str) -> bool:
    """Raise an event; False if there is no such instance, or it has ended: nobody waits for the news then."""
    try:
        await client.raise_event(instance, event, {})
    except Exception as error:
        if "No instance with ID" in str(error) or "is gone" in str(error):
            return False
        raise
    return True
