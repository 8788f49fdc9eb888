"""What a model says of its own quality: the numbers of one JSON file among its outputs, named in its model.yaml. Pure.

They are read when the outputs are verified, kept with the publication, and shown; nothing is decided by them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from slipway.failure import Failed, Failure, Kind
from slipway.names import shown

#: Values by name, as records keep them.
Metrics = dict[str, float]

#: The largest file that is read, in bytes: it holds a few numbers, not data.
LARGEST = 64 << 10
#: How many a model may have, and what they may be called: a listing carries all of them, in metadata of at most 8 KiB.
MOST, NAME = 20, r"[A-Za-z0-9_.-]{1,60}"


class _Members(list[tuple[str, Any]]):
    """The members of a JSON object as they stand there: a name may stand twice, which a dict would not tell."""


def read(path: str, body: bytes) -> Metrics:
    """The metrics in the file's bytes, by name; `path` is what messages call the file.

    Every number is one; a member of an object inside is named with a dot, `test.mae`. Texts, lists, true, false and
    null are left alone. Raises Failed `metrics-unusable` (kind model) for whatever else the bytes are.
    """
    try:
        document = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_Members, parse_int=float)
    except (ValueError, RecursionError) as error:
        raise unusable(path, f"is no JSON in UTF-8: {error}", 'Write one object, such as {"mae": 12.3}') from error
    if not isinstance(document, _Members):
        raise unusable(path, "is no JSON object", 'Write one, such as {"mae": 12.3}')
    found: Metrics = {}
    for name, value in _numbers(document):
        if not math.isfinite(value):
            raise unusable(
                path, f"says that {shown(name)} is {value}, no finite number", "Write null where there is none"
            )
        if re.fullmatch(NAME, name) is None:
            rule = f"has a number called {shown(name)}; a metric's name is 1 to 60 of A-Z, a-z, 0-9, _, . and -"
            raise unusable(path, rule, "Call it otherwise, or write it as a text")
        if name in found:
            raise unusable(path, f"has two numbers called {shown(name)}", "Keep one of the two")
        found[name] = value
    if len(found) > MOST:
        rule = f"has {len(found)} numbers; a model has at most {MOST} metrics"
        raise unusable(path, rule, "Write the others as texts, in a list, or into another file")
    if not found:
        remedy = (
            'Write {"mae": 12.3}, not {"mae": [12.3]}: lists are left alone (in R, jsonlite needs auto_unbox = TRUE)'
        )
        raise unusable(path, "has no number", remedy)
    return dict(sorted(found.items()))


def unusable(path: str, why: str, remedy: str) -> Failed:
    """The failure of outputs whose metrics cannot be read."""
    message = f"{path}, which `metrics` of model.yaml names, {why}. {remedy}."
    return Failed(Failure(Kind.MODEL, "metrics-unusable", message))


def index(record: Mapping[str, Any]) -> dict[str, str]:
    """What a listing of the periods' records shows of the published metrics: at most 1,720 bytes of ASCII."""
    published = record["published"] or {}
    return {"metrics": text(published["metrics"])} if published.get("metrics") else {}


def text(metrics: Metrics) -> str:
    """As metadata hold them: `mae=12.3 test.rows=310.0`, every digit that tells a value from its neighbours."""
    return " ".join(f"{name}={float(value)!r}" for name, value in sorted(metrics.items()))


def parse(text: str | None) -> Metrics:
    """Read back what `text` gave; nothing for what it has not written."""
    found = {}
    for word in (text or "").split(" "):
        name, _, value = word.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            return {}
    return found if all(map(math.isfinite, found.values())) else {}


def words(value: float) -> str:
    """A value as people read it: whole numbers whole, others to six digits."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.1f}" if 1e5 <= abs(value) < 1e15 else f"{value:.6g}"


def _numbers(members: _Members) -> Iterator[tuple[str, float]]:
    """Every number with its name; not recursive, since only the parser bounds how deep objects lie in one another."""
    waiting = [("", members)]
    while waiting:
        before, inside = waiting.pop()
        for key, value in inside:
            if isinstance(value, _Members):
                waiting.append((f"{before}{key}.", value))
            elif isinstance(value, float):
                yield before + key, value
