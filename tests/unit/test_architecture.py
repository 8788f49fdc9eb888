"""The rules of the layout, held against the sources: who may import whom, and what is said in one place only."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from slipway.decision import Action

PROJECT = Path(__file__).parents[2]

#: Each part of the app, and the parts it may import: dependencies point one way.
#: Orchestrators import no activity; they know its name.
MAY_IMPORT = {
    "function_app": {"triggers", "orchestrators", "activities"},
    "triggers": {"triggers", "orchestrators", "activities", "slipway.azure", "slipway.sinks", "slipway"},
    "orchestrators": {"orchestrators", "slipway"},
    "activities": {"activities", "slipway.azure", "slipway.sinks", "slipway"},
    "slipway.cli": {"slipway.cli", "slipway.azure", "slipway"},
    "slipway.sinks": {"slipway.sinks", "slipway"},
    "slipway.azure": {"slipway.azure", "slipway"},
    "slipway": {"slipway"},
}
#: What lies beside the app and is no part of it.
BESIDE = {"localcloud", "demo", "tests", "pipelines", "bench", "models"}
#: Who binds functions to triggers, and so knows azure-functions; no other part does.
BINDS = {"function_app", "triggers", "orchestrators", "activities"}
FUNCTIONS = ("azure.functions", "azure.durable_functions")


@dataclass(frozen=True)
class Source:
    """A module: its dotted name, and its text."""

    module: str
    text: str

    @property
    def tree(self) -> ast.Module:
        """The parsed text."""
        return _parsed(self.text)

    @property
    def part(self) -> str:
        """The part of the project it belongs to."""
        return part_of(self.module)

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and full dotted name of all it imports, wherever in the module."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, name.name) for name in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.lineno, f"{'.' * node.level}{node.module or ''}.{name.name}") for name in node.names)


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def part_of(module: str) -> str:
    """The longest part's name that a module's name begins with; for other modules their first word."""
    parts = [part for part in MAY_IMPORT if f"{module}.".startswith(f"{part}.")]
    return max(parts, key=len, default=module.partition(".")[0])


@cache
def sources(*places: str) -> tuple[Source, ...]:
    """All modules of these files and folders of the project."""
    files = [file for place in places for file in sorted((PROJECT / place).rglob("*.py")) or [PROJECT / place]]
    modules = [".".join(file.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__") for file in files]
    return tuple(Source(module, file.read_text()) for module, file in zip(modules, files, strict=True))


def app() -> tuple[Source, ...]:
    """All that is deployed."""
    return sources("function_app.py", "triggers", "orchestrators", "activities", "slipway")


def _name(node: ast.expr | None) -> str:
    """The last word of a name: `f` of `f` and of `a.f`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


# The rules, each a function of one module


def wrong_way(source: Source) -> Iterator[str]:
    """Imports against the direction of the layout."""
    for line, name in source.imports():
        part = part_of(name)
        if name.startswith("."):
            yield f"{source.module}:{line} imports {name}: modules are named in full"
        elif part in MAY_IMPORT and part not in MAY_IMPORT[source.part]:
            yield f"{source.module}:{line} imports {name}: {source.part} may import {sorted(MAY_IMPORT[source.part])}"
        elif part in BESIDE:
            yield f"{source.module}:{line} imports {name}: the app knows nothing of {part}"


def sdks_elsewhere(source: Source) -> Iterator[str]:
    """Azure's SDKs outside slipway.azure; azure-functions outside the parts that bind functions."""
    for line, name in source.imports():
        functions = f"{name}.".startswith(tuple(f"{package}." for package in FUNCTIONS))
        if functions and source.part not in BINDS:
            yield f"{source.module}:{line} imports {name}: functions are bound by {sorted(BINDS)} only"
        elif name.startswith("azure.") and not functions and source.part != "slipway.azure":
            yield f"{source.module}:{line} imports {name}: Azure's SDKs are imported in slipway/azure only"


_CLOCKS = {(name, reading) for name in ("datetime", "date", "dt") for reading in ("now", "utcnow", "today")}


def clocks_elsewhere(source: Source) -> Iterator[str]:
    """Readings of the time that a simulation could not replace."""
    if source.module == "slipway.clock":
        return
    for line, name in source.imports():
        if name.partition(".")[0] == "time":
            yield f"{source.module}:{line} imports {name}: the time is read by slipway.clock.now() only"
    for node in ast.walk(source.tree):
        # `datetime.now` even where it is handed on uncalled; a field called `now` is none of these.
        if isinstance(node, ast.Attribute) and (_name(node.value), node.attr) in _CLOCKS:
            yield f"{source.module}:{node.lineno} uses {node.attr}: the time is read by slipway.clock.now() only"


def pools_elsewhere(source: Source) -> Iterator[str]:
    """Threads that would not know whose work they do: what they log would be lost."""
    if source.module == "slipway.invocation" or source.part == "slipway.cli":
        return
    for line, name in source.imports():
        if name.startswith(("concurrent.futures.ThreadPoolExecutor", "threading.Thread")):
            yield f"{source.module}:{line} imports {name}: pools of threads are slipway.invocation.Threads"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr in ("ThreadPoolExecutor", "Thread"):
            yield f"{source.module}:{node.lineno} uses {node.attr}: pools of threads are slipway.invocation.Threads"


def environment_elsewhere(source: Source) -> Iterator[str]:
    """Readings of the environment outside the settings."""
    if source.module == "slipway.settings":
        return
    for line, name in source.imports():
        if name.startswith(("os.environ", "os.getenv", "pydantic_settings")):
            yield f"{source.module}:{line} imports {name}: the environment is read by slipway.settings only"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"):
            yield f"{source.module}:{node.lineno} uses {node.attr}: the environment is read by slipway.settings only"


#: What a program would look at to learn whether it is on a laptop. Whether the platform's authentication stands in
#: front is asked for safety, and answered alike everywhere. A loopback address may be named where addresses
#: are checked, in the settings.
_LOCAL = re.compile(
    r"localcloud|azurite|devstoreaccount|is_?local\b|am.i.local|running_locally|AZURE_FUNCTIONS_ENVIRONMENT|WEBSITE_(?!AUTH_ENABLED)\w+"
    r"|FUNCTIONS_CORE_TOOLS\w*|UseDevelopmentStorage",
    re.IGNORECASE,
)
#: Who knows how loopback is spelt: addresses that settings name may be plain http there; the desk's own address.
SPELL_LOOPBACK = {"slipway.settings", "slipway.addresses"}
_LOOPBACK = re.compile(r"localhost|127\.0\.0\.1|\[::1\]", re.IGNORECASE)


def asks_where_it_runs(source: Source) -> Iterator[str]:
    """Traces of the question "am I local?"."""
    patterns = [_LOCAL] if source.module in SPELL_LOOPBACK else [_LOCAL, _LOOPBACK]
    for number, line in enumerate(source.text.splitlines(), 1):
        for pattern in patterns:
            if found := pattern.search(line):
                yield f"{source.module}:{number} says {found[0]!r}: the app never asks where it runs"


RULES = [wrong_way, sdks_elsewhere, clocks_elsewhere, pools_elsewhere, environment_elsewhere, asks_where_it_runs]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_app_keeps_the_rule(rule: Callable[[Source], Iterator[str]]) -> None:
    """Nothing of these is found anywhere in what is deployed."""
    found = [finding for source in app() for finding in rule(source)]

    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("rule", "module", "text"),
    [
        pytest.param(wrong_way, "slipway.claim", "from activities import wake", id="the core imports an activity"),
        pytest.param(wrong_way, "slipway.claim", "from slipway import azure", id="the core imports slipway.azure"),
        pytest.param(wrong_way, "slipway.azure.lake", "import slipway.sinks.webhook", id="the lake imports a sink"),
        pytest.param(wrong_way, "orchestrators.x", "from activities.wake import W", id="a story imports an activity"),
        pytest.param(wrong_way, "activities.x", "def f():\n from triggers import api", id="an activity, deep inside"),
        pytest.param(wrong_way, "triggers.x", "from slipway.cli import app", id="a trigger imports the CLI"),
        pytest.param(wrong_way, "function_app", "from slipway import claim", id="the table of contents does work"),
        pytest.param(wrong_way, "slipway.x", "from localcloud import clock", id="the app knows localcloud"),
        pytest.param(wrong_way, "slipway.x", "from . import claim", id="a relative import"),
        pytest.param(sdks_elsewhere, "activities.x", "import azure.storage.blob", id="an SDK in an activity"),
        pytest.param(sdks_elsewhere, "slipway.claim", "from azure import functions", id="functions in the core"),
        pytest.param(sdks_elsewhere, "slipway.azure.x", "import azure.functions as func", id="functions in the lake"),
        pytest.param(clocks_elsewhere, "slipway.x", "x = datetime.now(UTC)", id="datetime.now"),
        pytest.param(clocks_elsewhere, "slipway.x", "x = datetime.datetime.utcnow()", id="utcnow"),
        pytest.param(clocks_elsewhere, "slipway.x", "field(default_factory=datetime.utcnow)", id="handed on"),
        pytest.param(clocks_elsewhere, "slipway.x", "from time import time", id="time.time"),
        pytest.param(pools_elsewhere, "activities.x", "from concurrent.futures import ThreadPoolExecutor", id="a pool"),
        pytest.param(pools_elsewhere, "triggers.x", "threading.Thread(target=f).start()", id="a thread"),
        pytest.param(environment_elsewhere, "slipway.x", "x = os.environ['X']", id="os.environ"),
        pytest.param(environment_elsewhere, "slipway.x", "from os import getenv", id="getenv"),
        pytest.param(asks_where_it_runs, "slipway.x", "if settings().is_local: pass", id="is_local"),
        pytest.param(asks_where_it_runs, "slipway.x", "if '127.0.0.1' in url: pass", id="a loopback address"),
        pytest.param(asks_where_it_runs, "slipway.settings", "WEBSITE_INSTANCE_ID = 1", id="a host's own variable"),
    ],
)
def test_the_rule_finds_what_it_is_for(rule: Callable[[Source], Iterator[str]], module: str, text: str) -> None:
    """And names the module and the line."""
    [finding] = rule(Source(module, text))

    assert finding.startswith(f"{module}:")


def test_localcloud_knows_nothing_of_the_app() -> None:
    """It loads any Functions app from its folder."""
    found = [
        f"{source.module}:{line} imports {name}"
        for source in sources("localcloud")
        for line, name in source.imports()
        if part_of(name) in MAY_IMPORT or part_of(name) in BESIDE - {"localcloud"}
    ]

    assert not found, "\n".join(found)


def test_nothing_is_called_utils() -> None:
    """A module is a noun of the domain; what has no noun has no place."""
    everything = app() + sources("localcloud", "demo", "tests", "pipelines", "models")
    words = {"utils", "util", "helpers", "helper", "common", "misc"}

    found = [source.module for source in everything if words & set(re.split(r"[._]", source.module))]

    assert not found, "\n".join(found)


# One word for file, function and name in history


def bound(source: Source, trigger: str) -> list[str]:
    """The functions of a module that are bound to this kind of trigger."""
    return [
        node.name
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and _name(decorator.func) == trigger
    ]


def functions(folder: str, trigger: str) -> dict[str, list[str]]:
    """The functions of each module of a folder that binds any, by the module's last word."""
    found = {source.module.partition(".")[2]: bound(source, trigger) for source in sources(folder)}
    return {module: names for module, names in found.items() if names}


ACTIVITIES = functions("activities", "activity_trigger")
ORCHESTRATORS = functions("orchestrators", "orchestration_trigger")


@pytest.mark.parametrize(("word", "names"), [*ACTIVITIES.items(), *ORCHESTRATORS.items()])
def test_file_and_function_are_one_word(word: str, names: list[str]) -> None:
    """So that whoever reads a history knows which file to open; one effect, or one story, a file."""
    assert names == [word]


@pytest.mark.parametrize(("table", "there"), [("ACTIVITIES", ACTIVITIES), ("ORCHESTRATORS", ORCHESTRATORS)])
def test_every_function_is_registered(table: str, there: dict[str, list[str]]) -> None:
    """What function_app leaves out would be found missing by the first run that needs it."""
    [source] = sources("function_app.py")
    [registered] = [
        [_name(element) for element in node.value.elts]
        for node in source.tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple) and _name(node.targets[0]) == table
    ]

    assert sorted(registered) == sorted(there)


def named(source: Source) -> Iterator[tuple[str, str, int]]:
    """Each activity ('step') or story ('story') that an orchestrator names, and the line it does so in."""
    loops = {
        _name(node.target): [element.value for element in node.iter.elts if isinstance(element, ast.Constant)]
        for node in ast.walk(source.tree)
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple)
    }
    for node in ast.walk(source.tree):
        kind = _name(node.func) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and kind in ("step", "story", "fan_out", "in_rounds"):
            given = node.args[1:] if kind == "in_rounds" else node.args[1:2]
            for argument in given:
                names = [argument.value] if isinstance(argument, ast.Constant) else loops.get(_name(argument), [])
                yield from (("story" if kind == "story" else "step", str(name), node.lineno) for name in names)


def test_every_name_in_an_orchestrator_is_that_of_a_function() -> None:
    """A typing error here would only show in the middle of a run."""
    known = {"step": ACTIVITIES, "story": ORCHESTRATORS}
    found = [(source.module, *use) for source in sources("orchestrators") for use in named(source)]

    unknown = [f"{module}:{line} names {name}" for module, kind, name, line in found if name not in known[kind]]
    assert not unknown, "\n".join(unknown)
    assert {"finish_run", "copy_batch", "await_job", "judge_failure"} <= {name for _, _, name, _ in found}


def test_every_decision_has_an_activity_that_carries_it_out() -> None:
    """In the evaluation and in the reconciler alike; waiting and doing nothing need none."""
    from activities.assess_period import ACTIVITIES as CARRIES_OUT
    from triggers.reconcile import ACTS

    assert set(CARRIES_OUT) == set(get_args(Action)) - {"nothing", "wait"}
    assert set(CARRIES_OUT.values()) <= set(ACTIVITIES)
    assert set(ACTS) == set(CARRIES_OUT.values()) - {"start_run"}
