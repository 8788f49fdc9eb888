"""Joins the engine to the app: orchestrators and activities as the engine calls them, by name, on JSON texts."""

from __future__ import annotations

import sys
from functools import lru_cache

from azure.functions import meta

from localcloud.functions.app import App, Function
from localcloud.functions.durable.activities import ActivityError
from localcloud.functions.durable.engine import Functions
from localcloud.functions.durable.episode import EpisodeAbortedError, OrchestratorError
from localcloud.functions.durable.walk import Kind
from localcloud.functions.http_trigger import OtherInputs
from localcloud.functions.invoke import InvocationError, InvocationTimeoutError, Invoker

_TRIGGERS = {Kind.ACTIVITY: "activityTrigger", Kind.CHILD: "orchestrationTrigger"}
_NOUNS = {Kind.ACTIVITY: "an activity", Kind.CHILD: "an orchestrator"}


def durable_functions(app: App, invoker: Invoker, inputs: OtherInputs) -> Functions:
    """Return what the engine needs of ``app``."""
    _parse_timestamps_once()

    async def run(function: Function, text: str) -> str:
        datum = meta.Datum(type="string", value=text)
        result = await invoker.invoke(function, {function.trigger["name"]: datum, **inputs(function)})
        return str(result.value)

    async def run_orchestrator(name: str, context: str) -> str:
        try:
            return await run(_existing(app, Kind.CHILD, name), context)
        except InvocationTimeoutError as problem:
            raise EpisodeAbortedError(str(problem)) from problem
        except InvocationError as problem:
            raise OrchestratorError(str(problem)) from problem

    async def run_activity(name: str, text: str, instance_id: str) -> str:  # noqa: ARG001
        try:
            return await run(_existing(app, Kind.ACTIVITY, name), text)
        except (InvocationError, LookupError) as problem:
            raise ActivityError(str(problem)) from problem

    return Functions(run_orchestrator, run_activity, lambda kind, name: rejection(app, kind, name))


def rejection(app: App, kind: Kind, name: str) -> str | None:
    """Say in the extension's words why ``name`` cannot be called, or None."""
    if app.durable_function(_TRIGGERS[kind], name) is not None:
        return None
    refused = app.durable.get((_TRIGGERS[kind], name.casefold()))
    if refused is not None and refused.refused:
        return f"localcloud does not support {refused.refused} of the function '{name}'."
    known = sorted(f.called_as for f in app.of_kind(_TRIGGERS[kind]))
    listed = ", ".join(f"'{one}'" for one in known) or "none"
    noun = _NOUNS[kind]
    return (
        f"The function '{name}' doesn't exist, is disabled, or is not {noun} function. Additional info: "
        f"The following are the known {noun.split()[1]} functions: {listed}."
    )


def _parse_timestamps_once() -> None:
    """Remember the moments of history events.

    In each episode the SDK parses the timestamp of every event anew, which is two thirds of what a replay costs. The
    texts do not change, so the SDK's own parser is asked once for each.
    """
    module = sys.modules.get("azure.durable_functions.models.history.HistoryEvent")
    parse = getattr(module, "dt_parse", None)
    if module is not None and parse is not None and not hasattr(parse, "cache_info"):
        module.dt_parse = lru_cache(maxsize=65536)(parse)  # type: ignore[attr-defined]


def _existing(app: App, kind: Kind, name: str) -> Function:
    function = app.durable_function(_TRIGGERS[kind], name)
    if function is None:
        raise LookupError(rejection(app, kind, name))
    return function
