"""The timer trigger: schedules by the cloud's clock, one occurrence at a time, missed ones made up for once.

Source: azure-webjobs-sdk-extensions, ``TimerListener.cs`` and ``ScheduleMonitor.cs``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sqlite3
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from azure.functions import meta

from localcloud.clock import Clock
from localcloud.database import Database
from localcloud.functions.app import App, Function
from localcloud.functions.host_json import AppError, settings_filled_in
from localcloud.functions.http_trigger import OtherInputs
from localcloud.functions.invoke import InvocationError, Invoker
from localcloud.functions.ncrontab import Schedule, parse_schedule

log = logging.getLogger(__name__)

_TABLE = """
CREATE TABLE IF NOT EXISTS schedules (name TEXT PRIMARY KEY, last TEXT, next TEXT NOT NULL, updated TEXT NOT NULL);
"""


class Timers:
    """Runs the timer functions of ``app`` until :meth:`stop`."""

    def __init__(self, app: App, database: Database, clock: Clock, invoker: Invoker, inputs: OtherInputs) -> None:
        database.script(_TABLE)
        self._database = database
        self._clock = clock
        self._invoker = invoker
        self._inputs = inputs
        self._schedules = {f.name: (f, schedule_of(f)) for f in app.of_kind("timerTrigger")}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin waiting for each schedule."""
        self._tasks = [asyncio.create_task(self._keep(f, schedule)) for f, schedule in self._schedules.values()]

    async def stop(self) -> None:
        """Wait for no more occurrences."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def run_now(self, name: str) -> bool:
        """Run a timer function outside its schedule, as the admin endpoint does; False when there is none."""
        if name not in self._schedules:
            return False
        await self._run(self._schedules[name][0], past_due=False)
        return True

    async def _keep(self, function: Function, schedule: Schedule) -> None:
        """Run the function at each occurrence, first perhaps for the start of the host or one that was missed."""
        now = self._clock.now()
        monitored = function.trigger.get("useMonitor", True) and not schedule.fires_within_a_minute(now)
        missed = monitored and self._was_missed(function.name, now)
        if missed or function.trigger.get("runOnStartup"):
            await self._run(function, past_due=missed)
        following = schedule.next_after(self._clock.now())
        while following is not None:
            if monitored:
                self._store(function.name, None, following)
            await self._clock.sleep_until(following)
            await self._run(function, past_due=False)
            last, following = following, schedule.next_after(max(following, self._clock.now()))
            if monitored and following:
                self._store(function.name, last, following)

    async def _run(self, function: Function, *, past_due: bool) -> None:
        datum = meta.Datum(type="json", value=json.dumps(self._timer_info(function.name, past_due=past_due)))
        try:
            await self._invoker.invoke(function, {function.trigger["name"]: datum, **self._inputs(function)})
        except InvocationError as problem:
            log.error("timer function %s: %s; its schedule goes on", function.name, problem)

    def _timer_info(self, name: str, *, past_due: bool) -> dict[str, object]:
        row = self._database.one("SELECT * FROM schedules WHERE name = ?", name)
        status = {"Last": row["last"], "Next": row["next"], "LastUpdated": row["updated"]} if row else None
        return {"IsPastDue": past_due, "Schedule": {"AdjustForDST": True}, "ScheduleStatus": status}

    def _was_missed(self, name: str, now: datetime) -> bool:
        row = self._database.one("SELECT next FROM schedules WHERE name = ?", name)
        return row is not None and datetime.fromisoformat(row["next"]) < now

    def _store(self, name: str, last: datetime | None, following: datetime) -> None:
        """Note the next occurrence, and the last one unless it is still the one noted before.

        A store that is full or locked does not stop the schedule: only what was missed is not known then.
        """
        try:
            self._database.run(
                "INSERT INTO schedules VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE"
                " SET last = coalesce(excluded.last, last), next = excluded.next, updated = excluded.updated",
                *(name, _text(last), _text(following), _text(self._clock.now())),
            )
        except sqlite3.OperationalError as problem:
            log.error("the schedule of %s cannot be noted now: %s", name, problem)


def schedule_of(function: Function) -> Schedule:
    """Return a timer function's schedule in the app's time zone; raises :class:`AppError`."""
    zone_name = os.environ.get("WEBSITE_TIME_ZONE") or os.environ.get("TZ") or "UTC"
    try:
        zone = UTC if zone_name == "UTC" else ZoneInfo(zone_name)
        return parse_schedule(settings_filled_in(function.trigger["schedule"]), zone)
    except AppError as problem:
        raise AppError(f"function {function.name}: {problem}") from problem
    except (ZoneInfoNotFoundError, ValueError) as problem:
        raise AppError(
            f"WEBSITE_TIME_ZONE or TZ is '{zone_name}', which is no IANA time zone such as Europe/Paris"
        ) from problem


def _text(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
