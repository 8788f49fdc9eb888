"""``host.json``: the settings of it that this host follows, with the real host's defaults."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.functions.durable.versions import Versions


class AppError(Exception):
    """The app cannot be run as it is; the text names the thing, the rule and the remedy."""


@dataclass(frozen=True)
class QueueSettings:
    """``extensions.queues``: how queue triggers read."""

    batch_size: int = 16
    new_batch_threshold: int = 8  #: messages are fetched again once no more than so many are being worked on
    max_dequeue_count: int = 5
    visibility_timeout: float = 0.0  #: seconds until a failed message is tried again
    base64: bool = True  #: ``messageEncoding``


@dataclass(frozen=True)
class HostSettings:
    """What ``host.json`` says; durations are seconds."""

    route_prefix: str
    function_timeout: float
    hub_name: str
    versions: Versions
    replace_any_state: bool
    max_activities: int
    max_orchestrators: int
    queues: QueueSettings


def read_host_json(app: Path) -> HostSettings:
    """Read ``<app>/host.json``; raises :class:`AppError`."""
    path = app / "host.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AppError(f'{path} is missing: a Functions app has one, the smallest is {{"version": "2.0"}}') from None
    except ValueError as problem:
        raise AppError(f"{path} is not a JSON document: {problem}") from problem
    extensions = document.get("extensions", {})
    durable = extensions.get("durableTask", {})
    many = 10 * (os.cpu_count() or 1)
    return HostSettings(
        route_prefix=extensions.get("http", {}).get("routePrefix", "api").strip("/"),
        function_timeout=_timeout(document.get("functionTimeout", "00:30:00")),
        hub_name=settings_filled_in(durable.get("hubName", "TestHubName")),
        versions=_versions(durable),
        replace_any_state=durable.get("overridableExistingInstanceStates") == "AnyState",
        max_activities=durable.get("maxConcurrentActivityFunctions", many),
        max_orchestrators=durable.get("maxConcurrentOrchestratorFunctions", many),
        queues=_queues(extensions.get("queues", {})),
    )


def settings_filled_in(text: str) -> str:
    """Replace each ``%SETTING%`` by the app setting of that name; raises :class:`AppError` for a missing one."""

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in os.environ:
            raise AppError(f"'%{name}%' names an app setting that does not exist: add {name} to the app's settings")
        return os.environ[name]

    return re.sub(r"%([^%]+)%", value, text)


def duration(text: str) -> float:
    """Read a .NET duration ``[d.]hh:mm:ss[.fffffff]`` as seconds; raises :class:`AppError`."""
    found = re.fullmatch(r"(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)", text)
    if found is None:
        raise AppError(f"'{text}' is not a duration: write [d.]hh:mm:ss, e.g. 00:05:00")
    days, hours, minutes, seconds = found.groups()
    return int(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _timeout(text: str) -> float:
    return float("inf") if text == "-1" else duration(text)


def _versions(durable: dict[str, Any]) -> Versions:
    found = Versions(
        default=durable.get("defaultVersion", ""),
        match=durable.get("versionMatchStrategy", "CurrentOrOlder"),
        on_mismatch=durable.get("versionFailureStrategy", "Reject"),
    )
    if found.match not in ("None", "Strict", "CurrentOrOlder") or found.on_mismatch not in ("Reject", "Fail"):
        raise AppError(
            "host.json: versionMatchStrategy is None, Strict or CurrentOrOlder, versionFailureStrategy Reject or Fail;"
            f" found {found.match} and {found.on_mismatch}"
        )
    return found


def _queues(settings: dict[str, Any]) -> QueueSettings:
    batch_size = settings.get("batchSize", 16)
    return QueueSettings(
        batch_size=batch_size,
        new_batch_threshold=settings.get("newBatchThreshold", batch_size // 2 * (os.cpu_count() or 1)),
        max_dequeue_count=settings.get("maxDequeueCount", 5),
        visibility_timeout=duration(settings.get("visibilityTimeout", "00:00:00")),
        base64=settings.get("messageEncoding", "base64").lower() == "base64",
    )
