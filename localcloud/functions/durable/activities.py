"""Runs the activities that orchestrations have scheduled, at least once each; a result counts once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from localcloud.clock import Clock
from localcloud.database import until_stored
from localcloud.faults.points import Point
from localcloud.faults.switchboard import Faults
from localcloud.functions.durable.events import Event, EventType, dump, event
from localcloud.functions.durable.lane import Lane
from localcloud.functions.durable.store import Activity, Store

#: Names an open activity: its execution, and its task in it.
ActivityKey = tuple[str, int]


class ActivityError(Exception):
    """The activity function raised; the text is ``TypeName: message``."""


class Activities:
    """The open activities of ``store``, ``limit`` of them at once.

    ``run_function(name, input, instance_id)`` takes and returns JSON texts and raises :class:`ActivityError`;
    ``send`` gives an instance a message, within a transaction.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        run_function: Callable[[str, str, str], Awaitable[str]],
        faults: Faults,
        limit: int,
        send: Callable[[str, Event], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._run_function = run_function
        self._faults = faults
        self._send = send
        self._lane: Lane[ActivityKey] = Lane(limit, self._run_open)
        self._beside: set[asyncio.Task[None]] = set()
        self._owed: dict[
            ActivityKey, Activity
        ] = {}  #: what another host ran too: it runs here even if that was quicker

    def add(self, key: ActivityKey) -> None:
        """Put an open activity in line."""
        self._lane.add(key)

    def run_beside(self, activity: Activity, scheduled: asyncio.Event) -> None:
        """Run an activity at once and past the line, as another host does.

        Its result is kept until the activity is ``scheduled`` here too, and counts if it is the first then.
        """
        self._owed[activity.execution_id, activity.task_id] = activity
        task = asyncio.create_task(self._run(activity, scheduled))
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def close(self, grace: float) -> None:
        """Start nothing more; give what runs ``grace`` seconds, then abandon it."""
        await self._lane.close(grace)
        for task in self._beside:
            task.cancel()

    async def _run_open(self, key: ActivityKey) -> None:
        owed = self._owed.pop(key, None)
        activity = self._store.activity(*key) or owed
        if activity is not None:
            await self._run(activity)

    async def _run(self, activity: Activity, scheduled: asyncio.Event | None = None) -> None:
        """Run an activity and store its result, if it is open still; the fault points around that."""
        fault = await self._faults.before(Point("functions", "ActivityStarted", activity.name, activity.instance_id))
        executions = 2 if fault and "duplicate" in fault else 1  # two at once: a lease was lost, and the body goes on
        result, *_ = await asyncio.gather(*(self._result_of(activity) for _ in range(executions)))
        point = Point("functions", "ActivityCompleted", activity.name, activity.instance_id)
        await self._faults.before(point)
        if scheduled is not None:
            await scheduled.wait()
        result_of = f"the result of {activity.name} of {activity.instance_id}"
        await until_stored(result_of, lambda: self._store_result(activity, result))
        await self._faults.after(point)

    def _store_result(self, activity: Activity, result: Event) -> None:
        """Store a result if nobody else's came first."""
        with self._store.transaction():
            if self._store.close_activity(activity.execution_id, activity.task_id):
                self._send(activity.instance_id, result)

    async def _result_of(self, activity: Activity) -> Event:
        """Run the function; what it raises is a result too."""
        try:
            result = await self._run_function(activity.name, activity.input, activity.instance_id)
        except ActivityError as problem:
            return event(
                EventType.TASK_FAILED,
                self._clock.now(),
                TaskScheduledId=activity.task_id,
                Reason=f"Activity function '{activity.name}' failed:  {problem}",
                Details=_dotnet_exception(f" {problem}"),
            )
        return event(EventType.TASK_COMPLETED, self._clock.now(), TaskScheduledId=activity.task_id, Result=result)


def _dotnet_exception(message: str) -> str:
    """Write an exception as .NET serialises it, which is what histories carry as ``Details``."""
    return dump(
        {
            "$type": "System.Exception, System.Private.CoreLib",
            "ClassName": "System.Exception",
            "Message": message,
            "Data": None,
            "InnerException": None,
            "HelpURL": None,
            "StackTraceString": None,
            "RemoteStackTraceString": None,
            "HResult": -2146233088,
            "Source": None,
        }
    )
