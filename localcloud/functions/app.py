"""Loads ``function_app.py`` and lists its functions, through azure-functions' own objects.

Source: azure-functions-python-worker, ``loader.py`` and ``functions.py``.
"""

from __future__ import annotations

import collections.abc
import importlib
import inspect
import json
import os
import re
import sys
import traceback
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import azure.functions as func

from localcloud.functions.host_json import AppError, settings_filled_in

#: Triggers this host fires; functions of another kind are listed and refused by name.
TRIGGERS = (
    "httpTrigger",
    "timerTrigger",
    "eventGridTrigger",
    "queueTrigger",
    "orchestrationTrigger",
    "activityTrigger",
)
_OTHER_BINDINGS = ("durableClient", "http")
#: What the host takes for a function's name.
_NAME = re.compile(r"(?!host$)[a-z][a-z0-9_-]{0,127}", re.IGNORECASE)
#: Names of durable functions as they are called, by the field of their trigger binding.
_CALL_NAMES = {"orchestrationTrigger": "orchestration", "activityTrigger": "activity", "entityTrigger": "entity_name"}


@dataclass(frozen=True)
class Function:
    """One function of the app. ``called_as`` is the name a durable function is called by; ``refused`` names a feature
    of it that this host does not have, or is empty."""

    name: str
    trigger: dict[str, Any]
    inputs: dict[str, str]  #: names of input bindings to their types, the trigger's included
    call: Callable[..., Any]
    is_async: bool
    wants_context: bool
    output: str  #: the binding type whose converter encodes the result, or ""
    response: str  #: the parameter in which the function leaves its HTTP response, or "" when it returns it
    called_as: str
    refused: str = ""
    disabled: bool = False  #: the setting ``AzureWebJobs.NAME.Disabled`` is true

    @property
    def runs(self) -> bool:
        """Whether the host can and may run the function."""
        return not self.refused and not self.disabled

    @property
    def kind(self) -> str:
        """The trigger's type, e.g. ``httpTrigger``."""
        return str(self.trigger["type"])


@dataclass
class App:
    """The functions of one app, by name and, for durable ones, by the name they are called by (ignoring case)."""

    functions: dict[str, Function] = field(default_factory=dict)
    durable: dict[tuple[str, str], Function] = field(default_factory=dict)

    def add(self, function: Function) -> None:
        """List a function."""
        self.functions[function.name] = function
        if function.kind in _CALL_NAMES:
            self.durable[function.kind, function.called_as.casefold()] = function

    def of_kind(self, kind: str) -> list[Function]:
        """Return the enabled functions with this trigger that the host can run."""
        return [f for f in self.functions.values() if f.kind == kind and f.runs]

    def durable_function(self, kind: str, name: str) -> Function | None:
        """Return the orchestrator or activity called ``name``, or None."""
        found = self.durable.get((kind, name.casefold()))
        return found if found and found.runs else None


def load_app(folder: Path, hub_name: str) -> App:
    """Import the app in ``folder``, which becomes the current directory; raises :class:`AppError`.

    ``hub_name`` is the app's own task hub.
    """
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    packages = folder / ".python_packages" / "lib" / "site-packages"
    if packages.is_dir():
        sys.path.insert(0, str(packages))
    app = App()
    for found in _registered(_import()):
        app.add(_function(found, hub_name))
    if not app.functions:
        raise AppError(f"{folder}: the app registers no function; decorate at least one")
    return app


def _import() -> Any:
    file_name = os.environ.get("PYTHON_SCRIPT_FILE_NAME", "function_app.py")
    if not Path(file_name).exists():
        raise AppError(f"{Path.cwd()} has no {file_name}: a Python app of the v2 model registers its functions there")
    try:
        return importlib.import_module(Path(file_name).stem)
    except (Exception, SystemExit) as problem:
        raise AppError(f"{file_name} cannot be imported:\n{traceback.format_exc()}") from problem


def _registered(module: Any) -> list[Any]:
    """Return the functions of the module's one FunctionApp, built and validated by azure-functions itself."""
    apps = {id(value): value for value in vars(module).values() if isinstance(value, func.FunctionRegister)}
    if len(apps) != 1:
        raise AppError(
            f"{module.__name__}.py holds {len(apps)} FunctionApp objects at top level; exactly one is needed."
            " Use Blueprint and app.register_functions for more files."
        )
    try:
        return list(next(iter(apps.values())).get_functions())
    except Exception as problem:
        raise AppError(f"the functions cannot be indexed: {problem}") from problem


def _function(found: Any, hub_name: str) -> Function:
    name, call = found.get_function_name(), found.get_user_function()
    if _NAME.fullmatch(name) is None:
        raise AppError(
            f"'{name}' is not a valid function name: it begins with a letter, goes on with letters, digits, _ and -,"
            " has 128 characters at most, and is not 'host'"
        )
    bindings = [json.loads(text) for text in found.get_raw_bindings()]
    trigger = next(b for b in bindings if b["name"] == found.get_trigger().name)
    inputs = {b["name"]: b["type"] for b in bindings if b["direction"] == "IN"}
    returned = next((b["type"] for b in bindings if b["name"] == "$return"), "")
    implicit = trigger["type"] if trigger["type"] in _CALL_NAMES else ""
    refused = _refused(trigger, bindings, hub_name) or _refused_in_code(found, trigger)
    return Function(
        name=name,
        trigger=trigger,
        inputs=inputs,
        call=call,
        is_async=inspect.iscoroutinefunction(call),
        wants_context=checked_parameters(name, call, bindings),
        output=returned or implicit,
        response=next((b["name"] for b in bindings if b["type"] == "http" and b["name"] != "$return"), ""),
        called_as=_called_as(found.get_trigger(), name),
        refused=refused,
        disabled=_is_disabled(name),
    )


def _called_as(trigger: Any, name: str) -> str:
    """Return the name of a durable function for callers, which its decorator may override."""
    return str(getattr(trigger, _CALL_NAMES.get(trigger.type, ""), None) or name)


def _refused(trigger: dict[str, Any], bindings: list[dict[str, Any]], hub_name: str) -> str:
    if trigger["type"] not in TRIGGERS:
        return f"the trigger {trigger['type']}"
    if sum(binding["type"] == "http" for binding in bindings) > 1:
        return "a second HTTP output binding"
    for binding in bindings:
        if binding is not trigger and binding["type"] not in _OTHER_BINDINGS:
            return f"the binding {binding['type']}"
        if binding["type"] == "durableClient":
            if settings_filled_in(binding.get("taskHub") or hub_name).casefold() != hub_name.casefold():
                return "task hubs other than the app's own"
            if binding.get("connectionName"):
                return "durable clients with a connection of their own"
    return ""


def _refused_in_code(found: Any, trigger: dict[str, Any]) -> str:
    """Say what the function's decorators and annotations ask for in vain; its request may be one of FastAPI, say."""
    if found.get_settings_dict("retry_policy"):
        return "the retry decorator"
    request = inspect.signature(found.get_user_function()).parameters.get(trigger["name"])
    kind = request.annotation if request else None
    known = not isinstance(kind, type) or issubclass(kind, func.HttpRequest) or issubclass(func.HttpRequest, kind)
    if trigger["type"] == "httpTrigger" and kind is not inspect.Parameter.empty and not known:
        return "requests of other types than func.HttpRequest"
    return ""


def checked_parameters(name: str, call: Callable[..., Any], bindings: list[dict[str, Any]]) -> bool:
    """Hold parameters against bindings as the real worker does; returns whether ``context`` is to be filled in."""
    parameters = inspect.signature(call).parameters
    bound = {b["name"] for b in bindings} - {"$return"}
    wants_context = "context" in parameters and "context" not in bound
    declared = set(parameters) - ({"context"} if wants_context else set())
    if declared - bound:
        raise AppError(
            f"function {name}: the parameters {sorted(declared - bound)} are declared in Python but bound to nothing"
        )
    if bound - declared:
        raise AppError(f"function {name}: the bindings {sorted(bound - declared)} have no parameter in Python")
    _check_annotations(name, call, bindings)
    return wants_context


def _check_annotations(name: str, call: Callable[..., Any], bindings: list[dict[str, Any]]) -> None:
    """Hold the annotations of inputs and of the result against their bindings, as the real worker does.

    Source: azure-functions-python-worker, ``functions.py``, validate_function_params and get_function_return_type. What
    it says of a request is said by :func:`_refused_in_code`.
    """
    hints, registry = typing.get_type_hints(call), func.get_binding_registry()
    for binding in bindings:
        result = binding["name"] == "$return"
        hint = hints.get("return" if result else binding["name"])
        if hint is None or binding["type"] == "httpTrigger" or (binding["direction"] != "IN" and not result):
            continue
        if not isinstance(hint, type) and (result or not _is_generic(hint)):
            raise AppError(f"function {name}: binding {binding['name']} has invalid non-type annotation {hint!r}")
        converter = registry.get(binding["type"])
        if converter is None or (hint in (str, bytes) and not (result or converter.has_implicit_output())):
            continue  # of any type
        fits = converter.check_output_type_annotation if result else converter.check_input_type_annotation
        if not fits(hint):
            raise AppError(
                f"function {name}: the annotation {hint!r} of {binding['name']} does not fit its binding,"
                f" {binding['type']}"
            )


def _is_generic(hint: Any) -> bool:
    """Whether the worker takes it for a generic type: one of ``typing``, such as ``typing.List[str]``, is; those of
    the language, such as ``list[str]``, are not."""
    origin = typing.get_origin(hint)
    others = (typing.Union, types.UnionType, tuple, typing.ClassVar, collections.abc.Callable)
    return origin is not None and not isinstance(hint, types.GenericAlias) and origin not in others


def _is_disabled(name: str) -> bool:
    """Say whether the setting ``AzureWebJobs.NAME.Disabled`` switches a function off."""
    values = (os.environ.get(key, "") for key in (f"AzureWebJobs.{name}.Disabled", f"AzureWebJobs_{name}_Disabled"))
    return any(value.lower() in ("true", "1") for value in values)
