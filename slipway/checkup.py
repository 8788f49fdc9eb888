"""What a check of an environment says: how it came out, what was found, what to do. Pure judgements."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from slipway.definition import Definition

#: How far two clocks may be apart: conditions of requests and expiry of tokens are judged by them.
SKEW = timedelta(seconds=30)
#: Retention that made no pass for so long is not running.
RETENTION_STALE = timedelta(days=2)
#: The versions of Python that the app is tested on.
PYTHONS = ("3.11", "3.12")

#: What nobody can see from within the app, and where it is looked at.
UNSEEN = (
    "that readers and the jobs' identity hold no data role on the lake, at any scope: `az role assignment list`",
    "that the jobs' identity is in no reader group: Entra",
    "that no lifecycle rule of the account touches models or control: `az storage account management-policy show`",
    "that the event subscriptions are there, with their filters: `az eventgrid system-topic event-subscription list`",
    "that the app may submit jobs: the first run shows it",
)


class State(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Check:
    """One check: its name, how it came out, what was found, and what to do about it (empty where nothing is)."""

    name: str
    state: State
    found: str
    remedy: str = ""

    def to_document(self) -> dict[str, Any]:
        """As the API shows it."""
        return asdict(self)


def ok(name: str, found: str) -> Check:
    """Nothing is wrong."""
    return Check(name, State.OK, found)


def warning(name: str, found: str, remedy: str) -> Check:
    """It works, and something should be done."""
    return Check(name, State.WARNING, found, remedy)


def failed(name: str, found: str, remedy: str) -> Check:
    """It does not work until something is done."""
    return Check(name, State.FAILED, found, remedy)


def settings_complete(missing: Mapping[str, str]) -> Check:
    """`missing`: the optional settings that are not set, each with what is missed without it."""
    if not missing:
        return ok("settings", "complete and well formed")
    found = "; ".join(f"{name} is not set: {lack}" for name, lack in missing.items())
    return warning("settings", f"well formed; {found}", "Set what is missed, if it is: docs/reference/settings.md.")


def secrets_resolved(unresolved: Collection[str]) -> Check:
    """`unresolved`: the names of settings that hold a Key Vault reference in place of its value."""
    if not unresolved:
        return ok("secrets", "no setting holds an unresolved Key Vault reference")
    remedy = "Give the app's identity the role Key Vault Secrets User, check the secret's name, and restart the app."
    return failed("secrets", f"unresolved Key Vault references: {', '.join(sorted(unresolved))}", remedy)


def clocks(name: str, here: datetime, there: datetime, who: str) -> Check:
    """Whether two clocks agree."""
    apart = abs(here - there)
    found = f"{who} are {apart.total_seconds():.0f} s apart"
    if apart <= SKEW:
        return ok(name, found)
    return warning(name, found, "Set the clock: tokens, deadlines and due times are judged by it.")


def threads_enough(given: str | None, cores: int, activities: int, orchestrators: int) -> Check:
    """Whether each activity and each orchestrator that host.json lets run at a time has a thread of the worker.

    `given` is the worker's setting. Source: azure-functions-python-worker, dispatcher.py, _get_sync_tp_max_workers.
    """
    told = given is not None and given.isdecimal() and int(given) >= 1
    have, need = int(given or 0) if told else min(32, cores + 4), activities + orchestrators
    found = f"the worker has {have}, for {activities} activities and {orchestrators} orchestrators at a time"
    if have >= need:
        return ok("threads", found)
    remedy = f"Set PYTHON_THREADPOOL_THREAD_COUNT to {need}: copies that take minutes keep all else waiting."
    return warning("threads", found, remedy)


def heartbeat(beat: Mapping[str, Any] | None, now: datetime, stale: timedelta) -> list[Check]:
    """Whether the reconciler passes, and whether it did the work of events that did not come."""
    remedy = "Look at the function `reconcile` in the portal: is it disabled, or does it fail? See its log."
    if beat is None:
        return [failed("reconcile", "it has never passed", remedy)]
    age = now - datetime.fromisoformat(beat["at"])
    found = f"the last pass ended {age.total_seconds():.0f} s ago"
    failures, left = beat.get("failed", 0), beat.get("left", 0)
    if age > stale:
        passes = failed("reconcile", found, remedy)
    elif failures or beat.get("unlisted", 0):
        told = (
            f"{found}; {failures} questions failed, {beat.get('unlisted', 0)} places could not be listed, {left} left"
        )
        passes = warning("reconcile", told, "See the app's log (action evaluation_failed, listing_failed).")
    else:
        passes = ok("reconcile", found)
    unannounced = beat.get("unannounced", 0)
    if not unannounced:
        return [passes, ok("events", "the last pass started nothing that no landing event had announced")]
    told = f"the last pass started {unannounced} runs of data that no landing event had announced"
    return [passes, warning("events", told, "Check the subscription of the lake, its filter and its dead letters.")]


def models_known(models: Collection[str], broken: Mapping[str, str]) -> Check:
    """Whether all released definitions can be read."""
    if broken:
        found = "; ".join(f"{name}: {reason}" for name, reason in sorted(broken.items())[:5])
        return failed("models", f"{len(broken)} definitions cannot be read: {found}", "Release these models again.")
    if not models:
        return warning("models", "none is released", "`slipway release` releases models.")
    return ok("models", f"{len(models)} are released, and all can be read")


def readers_known(definitions: Iterable[Definition], known: Collection[str]) -> Check:
    """Whether the environment has a group for each reader of a released model."""
    unknown = {f"{one.name}: {reader}" for one in definitions for reader in one.readers if reader not in known}
    if not unknown:
        return ok("readers", "each reader of a released model has a group")
    remedy = "Add them to SLIPWAY_READERS with the object ids of their groups, or publishing fails."
    return failed("readers", f"no group for {', '.join(sorted(unknown))}", remedy)


def computes_named(definitions: Iterable[Definition]) -> dict[str, set[str]]:
    """The compute targets that released models name, each with these models; serverless jobs name none."""
    named: dict[str, set[str]] = {}
    for one in definitions:
        if compute := one.job.get("compute"):
            named.setdefault(str(compute).removeprefix("azureml:").partition("@")[0], set()).add(one.name)
    return named


def computes_there(named: Mapping[str, Collection[str]], missing: Collection[str]) -> Check:
    """Whether the workspace has what models name."""
    if not missing:
        return ok("compute", f"the workspace has {', '.join(sorted(named)) or 'nothing to have: no model names one'}")
    found = "; ".join(f"{name}, of {', '.join(sorted(named[name]))}" for name in sorted(missing))
    return failed("compute", f"the workspace has no {found}", "Create it, or name another in job.yaml and release.")


def priced(named: Collection[str], prices: Collection[str]) -> Check:
    """Whether estimates can tell money."""
    if missing := sorted(set(named) - set(prices)):
        found = f"no price of a node-hour of {', '.join(missing)}"
        return warning("prices", found, "Add it to SLIPWAY_NODE_HOUR_PRICES: plans of backfills then tell money.")
    return ok("prices", "each compute target that a model names has one")


def retention_passes(last: Mapping[str, Any] | None, now: datetime) -> Check:
    """Whether what is old is deleted."""
    remedy = "Look at the function `retention` and its schedule, SLIPWAY_RETENTION_SCHEDULE."
    if last is None:
        return warning("retention", "it has never passed; its first pass is due within a day of the deployment", remedy)
    age, left = now - datetime.fromisoformat(last["at"]), last.get("left", 0)
    found = (
        f"the last pass ended {age.total_seconds() / 3600:.0f} h ago; {left} periods left, {last['failed']} failures"
    )
    return warning("retention", found, remedy) if age > RETENTION_STALE or last["failed"] else ok("retention", found)
