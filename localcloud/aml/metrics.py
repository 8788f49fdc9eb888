"""What finished and running jobs used, as Azure Monitor's platform metrics of the workspace tell it.

Source: REST reference, Metrics - List; "Monitoring data reference" of Azure Machine Learning. What is measured here is
the job's processes, not the node: other programs of this machine do not count.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psutil
from aiohttp import web

from localcloud.aml.door import WORKSPACE, Door, check_query
from localcloud.aml.errors import ArmError, unsupported
from localcloud.aml.names import Workspace
from localcloud.aml.rules import parse_duration
from localcloud.aml.store import JobStore, Minute

_FILTER = re.compile(r"RunId eq '(?P<run>[^']*)'(?: and InstanceId eq '\*')?", re.IGNORECASE)
_AGGREGATIONS = ("average", "maximum")
_MEGABYTE = 2**20
_MOST_POINTS = 1440


@dataclass(frozen=True)
class Metric:
    """One metric: ``value`` makes it of millicores and bytes of memory."""

    unit: str
    value: Callable[[float, float], float]


def _cores() -> int:
    return os.cpu_count() or 1


def _memory() -> int:
    return int(psutil.virtual_memory().total)


METRICS = {
    "CpuUtilizationPercentage": Metric("Count", lambda cpu, memory: cpu / _cores() / 10),  # noqa: ARG005
    "CpuUtilizationMillicores": Metric("Count", lambda cpu, memory: cpu),  # noqa: ARG005
    "CpuCapacityMillicores": Metric("Count", lambda cpu, memory: _cores() * 1000.0),  # noqa: ARG005
    "CpuMemoryUtilizationPercentage": Metric("Count", lambda cpu, memory: memory / _memory() * 100),  # noqa: ARG005
    "CpuMemoryUtilizationMegabytes": Metric("Count", lambda cpu, memory: memory / _MEGABYTE),  # noqa: ARG005
    "CpuMemoryCapacityMegabytes": Metric("Count", lambda cpu, memory: _memory() / _MEGABYTE),  # noqa: ARG005
}


class MetricsRoutes:
    """The handler of metrics."""

    def __init__(self, workspace: Workspace, store: JobStore) -> None:
        self._workspace = workspace
        self._store = store

    def add_to(self, app: web.Application, door: Door) -> None:
        """Add the route."""
        path = WORKSPACE + r"/{_providers2:(?i:providers)}/{_insights:(?i:Microsoft\.Insights)}/metrics"
        app.router.add_get(path, door.opens("GetMetrics", self._get))

    async def _get(self, request: web.Request) -> web.Response:
        check_query(request, "metricnames", "timespan", "interval", "aggregation", "$filter", "metricnamespace")
        asked = _FILTER.fullmatch(request.query.get("$filter", ""))
        if asked is None:
            raise unsupported(
                "metrics other than of one run; $filter is RunId eq 'NAME' or RunId eq 'NAME' and InstanceId eq '*'"
            )
        begin, end = _timespan(request.query.get("timespan", ""))
        interval = _interval(request.query.get("interval", "PT1M"))
        wanted = [one.strip().lower() for one in request.query.get("aggregation", "Average").split(",")]
        if strange := [one for one in wanted if one not in _AGGREGATIONS]:
            raise unsupported(f"the aggregation {strange[0]} (only Average and Maximum)")
        minutes = self._store.minutes(asked["run"])
        buckets = _buckets(minutes, begin, end, interval)
        return web.json_response(
            {
                "cost": 0,
                "timespan": request.query["timespan"],
                "interval": request.query.get("interval", "PT1M"),
                "namespace": "Microsoft.MachineLearningServices/workspaces",
                "resourceregion": self._workspace.region,
                "value": [
                    self._metric(name, asked["run"], buckets if minutes else [], wanted) for name in _names(request)
                ],
            }
        )

    def _metric(
        self, name: str, run: str, buckets: list[tuple[datetime, list[Minute]]], wanted: list[str]
    ) -> dict[str, Any]:
        metric = METRICS[name]
        series = {
            "metadatavalues": [
                {"name": {"value": "runid", "localizedValue": "runid"}, "value": run},
                {"name": {"value": "instanceid", "localizedValue": "instanceid"}, "value": "localhost"},
            ],
            "data": [_point(metric, begin, minutes, wanted) for begin, minutes in buckets],
        }
        return {
            "id": f"{self._workspace.id}/providers/Microsoft.Insights/metrics/{name}",
            "type": "Microsoft.Insights/metrics",
            "name": {"value": name, "localizedValue": name},
            "unit": metric.unit,
            "timeseries": [series] if buckets else [],
            "errorCode": "Success",
        }


def _point(metric: Metric, begin: datetime, minutes: list[Minute], wanted: list[str]) -> dict[str, Any]:
    """Return one point; one without data has only its time."""
    point: dict[str, Any] = {"timeStamp": begin.isoformat().replace("+00:00", "Z")}
    if minutes:
        count = sum(one.count for one in minutes)
        mean = metric.value(sum(one.cpu_sum for one in minutes) / count, sum(one.memory_sum for one in minutes) / count)
        most = metric.value(max(one.cpu_max for one in minutes), max(one.memory_max for one in minutes))
        point |= {key: value for key, value in (("average", mean), ("maximum", most)) if key in wanted}
    return point


def _buckets(
    minutes: list[Minute], begin: datetime, end: datetime, interval: timedelta
) -> list[tuple[datetime, list[Minute]]]:
    if (end - begin) / interval > _MOST_POINTS:
        raise ArmError(
            400, "BadRequest", f"The timespan has more than {_MOST_POINTS} intervals; ask for a longer interval."
        )
    buckets, at = [], begin
    while at < end:
        buckets.append((at, [one for one in minutes if at <= one.begin < at + interval]))
        at += interval
    return buckets


def _names(request: web.Request) -> list[str]:
    known = {name.lower(): name for name in METRICS}
    names = [one.strip().lower() for one in request.query.get("metricnames", "").split(",")]
    if strange := [one for one in names if one not in known]:
        raise ArmError(
            400,
            "BadRequest",
            f"Failed to find metric configuration for {strange[0]!r}. Valid metrics: {', '.join(METRICS)}",
        )
    return [known[one] for one in names]


def _timespan(text: str) -> tuple[datetime, datetime]:
    """Read ``START/END``; the start is rounded down to its minute, the grain of the metrics."""
    begin, _, end = text.partition("/")
    try:
        moments = datetime.fromisoformat(begin), datetime.fromisoformat(end)
    except ValueError:
        moments = None
    if moments is None or any(one.tzinfo is None for one in moments) or moments[0] >= moments[1]:
        raise ArmError(400, "BadRequest", f"timespan is START/END, both ISO 8601 with a time zone, not {text!r}.")
    return moments[0].replace(second=0, microsecond=0), moments[1]


def _interval(text: str) -> timedelta:
    try:
        interval = parse_duration(text)
    except ValueError as problem:
        raise ArmError(400, "BadRequest", f"interval: {problem}") from problem
    if interval < timedelta(minutes=1):
        raise ArmError(400, "BadRequest", "The smallest interval is PT1M.")
    return interval
