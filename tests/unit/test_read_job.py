"""One look at a job: until when it says that its owner lives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from activities import read_job
from slipway.azure.jobs import Job, Phase
from slipway.period_record import Record
from slipway.waiting import Limits
from tests.unit.builders import NOON

HOUR = timedelta(hours=1)
LIMITS = Limits(queued=2 * HOUR, preparing=HOUR, running=6 * HOUR)
ASK = {"run": "flight-delay--2013-01--0123abcd-1", "attempt": 1, "token": "mine"}


class Period:
    """The record of a period whose owner awaits a job, and the service that runs it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        claim = {"run": ASK["run"], "token": "mine", "ending": None, "job": "j", "version": "v", "stage": "queued"}
        self.record: Record = {"claim": {**claim, "deadline": (NOON + HOUR).isoformat()}, "cancel": None}
        self._clocks: dict[str, Any] = {}
        self._job: Job | None = None
        monkeypatch.setattr(read_job, "claim_of", lambda _: self.record["claim"])
        monkeypatch.setattr(read_job, "limits_of", lambda _: LIMITS)
        monkeypatch.setattr(read_job, "catalog", SimpleNamespace(pinned=lambda *_: None))
        monkeypatch.setattr(read_job, "lake", lambda: SimpleNamespace(control=None, change_period=self._change))
        monkeypatch.setattr(read_job, "jobs", lambda: SimpleNamespace(read=lambda _: self._job))

    def _change(self, _: str, __: object, change: Callable[[Record, datetime], Record]) -> None:
        self.record = change(self.record, NOON)

    def look(self, phase: Phase, at: datetime, started_at: datetime | None = None) -> Record:
        """Look while the job is in this phase; returns the claim."""
        self._job = Job("j", phase, phase, None, True, NOON, started_at, None, at, None, {})
        activity = read_job.read_job.build().get_user_function()
        self._clocks = activity({**ASK, "clocks": self._clocks})["result"]["clocks"]
        claim: Record = self.record["claim"]
        return claim


def test_an_owner_whose_job_lost_its_node_has_the_time_of_one_that_is_queued_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The limits count each phase from its begin, and so does the claim: else a living owner is taken for dead."""
    period, lost, again = Period(monkeypatch), NOON + 5 * HOUR, NOON + 6 * HOUR
    assert period.look("queued", NOON)["deadline"] == (NOON + HOUR).isoformat()
    ran = period.look("running", NOON, started_at=NOON)
    assert (ran["stage"], ran["deadline"]) == ("running", (NOON + 6.75 * HOUR).isoformat())

    queued = period.look("queued", lost)
    assert (queued["stage"], queued["deadline"]) == ("running", (lost + 3.5 * HOUR).isoformat())
    ran = period.look("running", again + HOUR, started_at=again)
    assert (ran["stage"], ran["deadline"]) == ("running", (again + 6.75 * HOUR).isoformat())
    assert period.look("running", again + 2 * HOUR, started_at=again) == ran
