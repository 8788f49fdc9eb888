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
    """Read ``<app>/host.json``, and what app settings put in its place; raises :class:`AppError`."""
    document = _overridden(_document(app / "host.json"))
    extensions = document.get("extensions", {})
    durable = extensions.get("durabletask", {})
    many = 10 * (os.cpu_count() or 1)
    return HostSettings(
        route_prefix=extensions.get("http", {}).get("routeprefix", "api").strip("/"),
        function_timeout=_timeout(document.get("functiontimeout", "00:30:00")),
        hub_name=settings_filled_in(durable.get("hubname", "TestHubName")),
        versions=_versions(durable),
        replace_any_state=_replaces_any_state(durable.get("overridableexistinginstancestates", "NonRunningStates")),
        max_activities=durable.get("maxconcurrentactivityfunctions", many),
        max_orchestrators=durable.get("maxconcurrentorchestratorfunctions", many),
        queues=_queues(extensions.get("queues", {})),
    )


def _document(path: Path) -> dict[str, Any]:
    """Return ``host.json`` with all names in lower case: .NET reads them in any."""
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise AppError(f'{path} is missing: a Functions app has one, the smallest is {{"version": "2.0"}}') from None
    except ValueError as problem:
        raise AppError(f"{path} is not a JSON document: {problem}") from problem
    found = _lowered(document)
    if not isinstance(found, dict) or found.get("version") != "2.0":
        raise AppError(f"{path} needs the property 'version': \"2.0\", the version of the file's own form")
    return found


def _lowered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name.lower(): _lowered(inner) for name, inner in value.items()}
    return value


def _overridden(document: dict[str, Any]) -> dict[str, Any]:
    """Put app settings such as ``AzureFunctionsJobHost__extensions__http__routePrefix`` in the file's place."""
    for name, text in os.environ.items():
        head, *path = name.lower().split("__")
        if head != "azurefunctionsjobhost" or not path:
            continue
        place = document
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = int(text) if text.isdecimal() else text
    return document


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


def _replaces_any_state(states: str) -> bool:
    if states.lower() not in ("anystate", "nonrunningstates"):
        raise AppError(f"host.json: overridableExistingInstanceStates is AnyState or NonRunningStates; found {states}")
    return states.lower() == "anystate"


def _versions(durable: dict[str, Any]) -> Versions:
    found = Versions(
        default=durable.get("defaultversion", ""),
        match=durable.get("versionmatchstrategy", "CurrentOrOlder"),
        on_mismatch=durable.get("versionfailurestrategy", "Reject"),
    )
    if found.match not in ("None", "Strict", "CurrentOrOlder") or found.on_mismatch not in ("Reject", "Fail"):
        raise AppError(
            "host.json: versionMatchStrategy is None, Strict or CurrentOrOlder, versionFailureStrategy Reject or Fail;"
            f" found {found.match} and {found.on_mismatch}"
        )
    return found


def _queues(settings: dict[str, Any]) -> QueueSettings:
    batch_size = settings.get("batchsize", 16)
    return QueueSettings(
        batch_size=batch_size,
        new_batch_threshold=settings.get("newbatchthreshold", batch_size // 2 * (os.cpu_count() or 1)),
        max_dequeue_count=settings.get("maxdequeuecount", 5),
        visibility_timeout=duration(settings.get("visibilitytimeout", "00:00:00")),
        base64=settings.get("messageencoding", "base64").lower() == "base64",
    )
