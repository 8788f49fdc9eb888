"""Orchestrators are replayed: what they do depends on their history alone. A scan of their sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ORCHESTRATORS = sorted((Path(__file__).parents[2] / "orchestrators").glob("*.py"))

#: All that an orchestrator may import beside the other orchestrators; of a module with a clock in it, which names.
ALLOWED = {
    "__future__": "*",
    "azure.durable_functions": "*",
    "collections.abc": "*",
    "datetime": "timedelta",
    "slipway.failure": "*",  # values and pure functions of text
    "slipway.run": "job_name",
    "typing": "*",
    "zlib": "crc32",  # the same in every process, unlike hash
}
#: Calls whose value, or whose effect, is another in a replay, by their last name.
FORBIDDEN_CALLS = {
    **dict.fromkeys(("now", "utcnow", "today", "time", "monotonic", "perf_counter", "sleep"), "reads a clock"),
    **dict.fromkeys(("uuid1", "uuid4", "random", "randint", "choice", "shuffle", "token_hex", "urandom"), "is chance"),
    **dict.fromkeys(("getenv", "open", "print", "input", "exec", "eval"), "touches the world outside"),
    **dict.fromkeys(("set", "frozenset", "id", "hash"), "is another in another process"),
}
FORBIDDEN_SHAPES = {
    ast.Set: "the order of a set is another in another process",
    ast.SetComp: "the order of a set is another in another process",
    ast.AsyncFunctionDef: "an orchestrator is a generator",
    ast.Await: "an orchestrator is a generator",
    ast.Global: "nothing may be kept between replays",
    ast.Nonlocal: "nothing may be kept between replays",
}


def findings(source: str) -> Iterator[str]:
    """What in a source would make a replay go another way: a line and a reason each."""
    for node in ast.walk(ast.parse(source)):
        for why in (*_imports(node), *_calls(node), *_shapes(node)):
            yield f"{getattr(node, 'lineno', 0)}: {why}"


def _imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (f"imports {name.name}" for name in node.names if ALLOWED.get(name.name) != "*")
    elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("orchestrators."):
        allowed = ALLOWED.get(node.module or "")
        yield from (f"imports {node.module}.{name.name}" for name in node.names if allowed not in ("*", name.name))


def _calls(node: ast.AST) -> Iterator[str]:
    called = node.func if isinstance(node, ast.Call) else None
    name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else None
    if name in FORBIDDEN_CALLS:
        yield f"{name}() {FORBIDDEN_CALLS[name]}"


def _shapes(node: ast.AST) -> Iterator[str]:
    if type(node) in FORBIDDEN_SHAPES:
        yield FORBIDDEN_SHAPES[type(node)]
    if isinstance(node, ast.Attribute) and node.attr == "environ":
        yield "the environment is not part of the history"


@pytest.mark.parametrize("path", ORCHESTRATORS, ids=lambda path: path.stem)
def test_an_orchestrator_depends_on_its_history_alone(path: Path) -> None:
    """DP-9: no clock but the context's, no chance, no environment, no file, no network, no set to walk through."""
    found = [f"orchestrators/{path.name}:{finding}" for finding in findings(path.read_text())]

    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "import random, uuid",
        "from datetime import datetime",
        "from os import environ",
        "from slipway.clock import now",
        "import azure.storage.blob",
        "x = clock.now()",
        "x = uuid.uuid4()",
        "x = os.environ['X']",
        "open('x')",
        "for x in {1, 2}: pass",
        "x = set(y)",
        "x = [y for y in {z for z in w}]",
        "async def f(): pass",
    ],
)
def test_the_scan_finds_what_it_is_for(source: str) -> None:
    """A rule that finds nothing would be no rule."""
    assert list(findings(source))
