"""The app's lake: its filesystems, and the records in them that have a shape of their own.

A change of a period or an incident also shows in the rollups that lists are read from (see `slipway.rollup`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import requests
from azure.core.credentials import TokenCredential
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobServiceClient
from azure.storage.blob import ExponentialRetry as BlobRetry
from azure.storage.filedatalake import DataLakeServiceClient
from azure.storage.filedatalake import ExponentialRetry as DataLakeRetry
from requests.adapters import HTTPAdapter

from slipway import backfill_view, incident, metrics, paths, period_record, rollup
from slipway.azure.blob_pages import BlobPages
from slipway.azure.credential import credential
from slipway.azure.failures import failure_of
from slipway.azure.store import Change, Store
from slipway.period import Period
from slipway.selection import Standing
from slipway.settings import Settings, settings
from slipway.subject import Subject

log = logging.getLogger("slipway")

#: A round of batches, eight copies in each: see `orchestrators.steps.ROUND` and `activities.copy_batch.PARALLEL`.
CONNECTIONS = 64
_TIMEOUTS: dict[str, Any] = {"connection_timeout": 10, "read_timeout": 60}
_RETRIES: dict[str, Any] = {"initial_backoff": 1, "increment_base": 2, "retry_total": 2, "random_jitter_range": 1}


@dataclass(frozen=True)
class Lake:
    """The filesystems the app knows: `models` and `control` of its own, and the landing ones it may only read."""

    models: Store
    control: Store
    landing: dict[str, Store]

    def store(self, filesystem: str) -> Store:
        """The filesystem of this name; KeyError for one the settings do not name."""
        if filesystem == self.models.name:
            return self.models
        return self.landing[filesystem]

    def period(self, model: str, period: Period) -> dict[str, Any] | None:
        """The record of a period, or None where nobody has run it yet."""
        return self.period_at(model, period)[0]

    def period_at(self, model: str, period: Period) -> tuple[dict[str, Any] | None, datetime]:
        """As `period`, with the lake's own time."""
        seen, now = self.control.read_at(paths.period_record(model, period))
        return seen.data if seen else None, now

    def change_period(self, model: str, period: Period, change: Change) -> dict[str, Any]:
        """Change the record of a period (see `slipway.claim` and `slipway.wishes`) and return it as it then stands."""
        seen: list[dict[str, Any] | None] = [None]

        def noting(before: dict[str, Any] | None, now: datetime) -> dict[str, Any] | None:
            seen[0] = before
            return change(before, now)

        record = self.control.update(paths.period_record(model, period), noting, _period_index)
        if rollup.facts(record or None) != rollup.facts(seen[0]):
            self._show(model, period, rollup.facts(record), rollup.FACTS)
        return record

    def incident(self, about: Subject) -> dict[str, Any] | None:
        """The incident of a subject, open or resolved, or None where there was never one."""
        seen = self.control.read(paths.incident(about))
        return seen.data if seen else None

    def change_incident(self, about: Subject, change: Change) -> dict[str, Any]:
        """Change the incident of a subject (see `slipway.incident`) and return it as it then stands."""
        changed = self.control.update(paths.incident(about), change, _incident_index)
        if changed and about.model and about.period:
            self._show(about.model, about.period, rollup.incident_facts(changed), rollup.INCIDENT_FACTS)
        return changed

    def backfill_at(self, id: str) -> tuple[dict[str, Any] | None, datetime]:  # noqa: A002 - the field's word
        """The record of a backfill, or None where there is none, and the lake's own time."""
        seen, now = self.control.read_at(paths.backfill(id))
        return seen.data if seen else None, now

    def change_backfill(self, id: str, change: Change) -> dict[str, Any]:  # noqa: A002 - the field's word
        """Change the record of a backfill (see `slipway.backfill`) and return it as it then stands."""
        return self.control.update(paths.backfill(id), change, backfill_view.index)

    def list_attempt(self, row: dict[str, Any]) -> None:
        """Enter an attempt into the list of the hour in which it began (see `slipway.rollup`)."""
        path = paths.attempts(rollup.hour_of(row["began_at"]))
        _as_far_as_it_goes(lambda: self.control.update(path, lambda seen, _: rollup.with_attempt(seen, row)))

    def _show(self, model: str, period: Period, found: rollup.Facts, names: Iterable[str]) -> None:
        path = paths.board(rollup.shard(model))
        _as_far_as_it_goes(
            lambda: self.control.update(path, lambda seen, _: rollup.with_facts(seen, model, period, found, names))
        )


def _period_index(record: dict[str, Any]) -> dict[str, str]:
    """What a listing shows of a period's record: for the reconciler, and for people."""
    return period_record.index(record) | rollup.facts(record) | Standing.of_record(record).index | metrics.index(record)


def _incident_index(told: dict[str, Any]) -> dict[str, str]:
    return incident.index(told) | rollup.incident_facts(told)


def _as_far_as_it_goes(write: Callable[[], object]) -> None:
    """Write a rollup. What is lost is made good by the reconciler: no step fails for what lists show."""
    try:
        write()
    except Exception as error:
        log.warning("a rollup was not written: %s", failure_of(error), extra={"action": "rollup_failed"})


def open_lake(given: Settings, token: TokenCredential) -> Lake:
    """The lake of these settings. Makes clients only; the first request is made by the first use."""
    url = given.lake_url.replace(".dfs.", ".blob.")
    retry = BlobRetry(**_RETRIES)
    blobs = BlobServiceClient(url, credential=token, retry_policy=retry, transport=_transport(), **_TIMEOUTS)
    pages = BlobPages(url, token, BlobRetry(**_RETRIES), _transport(), **_TIMEOUTS)
    again = DataLakeRetry(**_RETRIES)
    paths = DataLakeServiceClient(
        given.lake_url, credential=token, retry_policy=again, transport=_transport(), **_TIMEOUTS
    )

    def store(name: str) -> Store:
        return Store(name, blobs, paths, pages, token)

    return Lake(
        store(given.models_filesystem),
        store(given.control_filesystem),
        {name: store(name) for name in given.landing_filesystems},
    )


def _transport() -> RequestsTransport:
    """A transport that keeps a connection for every thread that may be asking at once.

    That of azure-core keeps ten; each request beyond pays for a TLS handshake of its own. Retries are the pipeline's.
    """
    session = requests.Session()
    session.mount("https://", HTTPAdapter(pool_maxsize=CONNECTIONS, max_retries=0))
    return RequestsTransport(session=session)


@cache
def lake() -> Lake:
    """The lake of this process."""
    return open_lake(settings(), credential())
