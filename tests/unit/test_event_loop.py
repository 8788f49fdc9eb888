"""No asynchronous function waits for a service on the worker's event loop, where every other request would wait, too.

Read from the sources: what is called on the loop is followed through the functions of the app to a client of Azure's.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.unit.test_architecture import Source, sources

#: What makes a client of a service, or of the identity; making one sends nothing, calling what it has does.
CLIENTS = {"lake", "jobs", "job_details", "topic_client", "credential"}
#: What hands a function on to another thread instead of calling it.
HANDS_ON = {"to_thread", "run_in_executor", "partial"}

Function = ast.FunctionDef | ast.AsyncFunctionDef
#: A function by module and name, a method as `Class.name`.
Key = tuple[str, str]


class App:
    """The functions of some modules, and which of them reach a service when they are called."""

    def __init__(self, modules: tuple[Source, ...]) -> None:
        self.functions: dict[Key, Function] = {}
        self._names: dict[str, dict[str, str]] = {}
        for source in modules:
            self._names[source.module] = dict(_imported(source))
            for owner in (source.tree, *(node for node in source.tree.body if isinstance(node, ast.ClassDef))):
                prefix = f"{owner.name}." if isinstance(owner, ast.ClassDef) else ""
                self.functions |= {
                    (source.module, prefix + node.name): node for node in owner.body if isinstance(node, Function)
                }
        self.reaching = self._reaching()

    def on_the_loop(self) -> Iterator[str]:
        """The calls in asynchronous functions that wait for a service there, by module and line."""
        for (module, name), function in self.functions.items():
            for each in (node for node in ast.walk(function) if isinstance(node, ast.AsyncFunctionDef)):
                for call in _calls(each):
                    if self._waits((module, name), call):
                        yield f"{module}:{call.lineno} waits in {each.name}: {ast.unparse(call)}"

    def _reaching(self) -> set[Key]:
        found: set[Key] = set()
        while more := {
            key
            for key, function in self.functions.items()
            if key not in found
            and isinstance(function, ast.FunctionDef)
            and any(
                _is_client(call) or self._called(key, call) in found
                for call in ast.walk(function)
                if isinstance(call, ast.Call)
            )
        }:
            found |= more
        return found

    def _waits(self, where: Key, call: ast.Call) -> bool:
        """Whether a call waits: of what a client has, of a function that reaches one, of any that is given one."""
        if _is_client(call):
            return False
        if _of_client(call.func) or self._called(where, call) in self.reaching:
            return True
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        return _last(call.func) not in HANDS_ON and any(_is_client(one) or _of_client(one) for one in given)

    def _called(self, where: Key, call: ast.Call) -> Key | None:
        """The function of the app that a call calls; None for any other, and where the sources do not tell."""
        module, within = where
        match call.func:
            case ast.Name(name):
                full = self._names[module].get(name, f"{module}.{name}")
            case ast.Attribute(ast.Name("self"), name):
                full = f"{module}.{within.partition('.')[0]}.{name}"
            case ast.Attribute(ast.Name(first) | ast.Call(ast.Name(first)), name):
                full = f"{self._names[module].get(first, f'{module}.{first}')}.{name}"
            case _:
                return None
        for made in (full, f"{full}.__init__"):
            words = made.split(".")
            for cut in (len(words) - 1, len(words) - 2):
                key = (".".join(words[:cut]), ".".join(words[cut:]))
                if key in self.functions:
                    return key
        return None


def _imported(source: Source) -> Iterator[tuple[str, str]]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((name.asname or name.name, f"{node.module}.{name.name}") for name in node.names)


def _calls(function: ast.AsyncFunctionDef) -> Iterator[ast.Call]:
    """The calls in its own body: what is defined within is called elsewhere."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, Function | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def _is_client(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLIENTS


def _of_client(node: ast.expr) -> bool:
    """Whether it is what a client has: `lake().control.read`."""
    return isinstance(node, ast.Attribute) and (_is_client(node.value) or _of_client(node.value))


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def test_no_handler_waits_for_a_service_on_the_event_loop() -> None:
    """Neither in its own words nor while it works out the arguments of what it hands on."""
    app = App(sources("function_app.py", "triggers", "activities", "slipway"))

    assert len(app.reaching) > 100
    assert list(app.on_the_loop()) == []


READS = """
class Wanted:
    def of(x): return helper(x)
def helper(x): lake().read()
"""


@pytest.mark.parametrize(
    "body",
    [
        "lake().control.read(1)",
        "helper(1)",
        "await asyncio.to_thread(print, Wanted.of(1))",
        "catalog.load(lake().control)",
        "shown(lake())",
        "[helper(x) for x in y]",
    ],
)
def test_a_call_that_waits_is_found(body: str) -> None:
    """However deep it stands, with its line."""
    [finding] = App((Source("triggers.x", f"{READS}async def get(request):\n {body}\n"),)).on_the_loop()

    assert finding.startswith("triggers.x:6 waits in get: ")


@pytest.mark.parametrize(
    "body",
    [
        "await asyncio.to_thread(lake().control.read, 1)",
        "await asyncio.to_thread(helper, 1)",
        "await asyncio.to_thread(lambda: Wanted.of(1))",
        "await loop.run_in_executor(pool, partial(lake().read, 1))",
    ],
)
def test_what_another_thread_calls_does_not_wait_here(body: str) -> None:
    """It is handed on, uncalled."""
    assert not list(App((Source("triggers.x", f"{READS}async def get(request):\n {body}\n"),)).on_the_loop())
