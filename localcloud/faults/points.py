"""Where faults can strike: the points inside the services, and what can be done at each.

A point is a moment inside a service: a request that is about to be carried out, a delivery, a turn of the engine, a
step of a job, a write to a disk. Not everything can be done everywhere; :func:`kinds_at` says what.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Services whose requests are points, by the operation that each request asks for.
SERVICES = ("functions", "slot", "durable", "storage", "aml", "eventgrid", "identity", "control")
#: What changes the answer of an effect that happens, and is so decided before it.
ALTERS = frozenset({"truncate", "flip", "empty", "drip", "stale", "skew"})
#: The stores that have a place on the disk; the first two are databases, whose write lock can be held.
STORES = ("cloud", "engine", "lake", "jobs")

_EVERYWHERE = frozenset({"crash", "terminate", "pause", "lock"})
_OF_REQUESTS = ALTERS | {"status", "reset", "duplicate"}
#: The operations on many entries that can be left half done.
ON_MANY = ("SetAccessControlRecursive", "PublishEvents", "DeliverEvents", "PurgeInstances")
_OF_DELIVERIES = frozenset(
    {"status", "reset", "truncate", "flip", "empty", "duplicate", "drop", "corrupt", "batch", "delay"}
)
#: Messages of the engine, as histories call them.
MESSAGES = ("ExecutionStarted", "TaskCompleted", "TaskFailed", "TimerFired", "EventRaised", "GenericEvent",
             "SubOrchestrationInstanceCompleted", "SubOrchestrationInstanceFailed", "ExecutionTerminated",
             "ExecutionSuspended", "ExecutionResumed")  # fmt: skip
#: Steps of a job's life.
STEPS = ("JobStarting", "JobPreparing", "JobQueued", "JobRunning", "JobCommand", "JobFinalizing", "JobCompleted")
_OF_HOSTS = {
    "ActivityStarted": frozenset({"duplicate", "delay"}),
    "ActivityCompleted": frozenset({"delay"}),
    "EpisodeCommitted": frozenset({"duplicate", "delay"}),
    **dict.fromkeys(MESSAGES, frozenset({"corrupt"})),
}
#: The points that are no requests, and what can be done there beside what can be done everywhere.
INNER = {
    **{("functions", operation): kinds for operation, kinds in _OF_HOSTS.items()},
    **{("slot", operation): kinds for operation, kinds in _OF_HOSTS.items()},
    ("eventgrid", "Deliver"): _OF_DELIVERIES,
    **dict.fromkeys((("aml", step) for step in STEPS), frozenset({"delay"})),
    ("disk", "Write"): frozenset({"full"}),
}


@dataclass(frozen=True)
class Point:
    """A moment a rule can strike: which service does what to which thing for whom."""

    service: str
    operation: str
    name: str = ""
    caller: str = ""


def kinds_at(service: str, operation: str, phase: str) -> frozenset[str]:
    """Return what can be done at a point, in a phase."""
    here = INNER.get((service, operation))
    if here is None:
        here = _OF_REQUESTS | {"delay"}
        here |= {"partial"} if operation in ON_MANY else frozenset()
        here |= {"touch", "corrupt"} if service == "storage" else frozenset()
    elif service == "disk":
        return here | _EVERYWHERE if phase == "before" else frozenset()
    if phase == "after":
        here &= {"status", "reset", "delay"} | ({"corrupt"} if service == "storage" else frozenset())
    return here | _EVERYWHERE
