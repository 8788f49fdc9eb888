"""Pydantic's complaints as findings in our own words: each with its rule and its remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from slipway.names import shown
from slipway.problems import Finding

#: What our words are for pydantic's error types; its own are used for the rest.
_WORDS = {
    "missing": ("`<name>` is required", "add `<name>:`"),
    "enum": ("<given> is none of the values allowed here", "write one of <expected>"),
    "literal_error": ("<given> is none of the values allowed here", "write one of <expected>"),
    "string_pattern_mismatch": ("<given> is not allowed here", "write a text that matches <pattern>"),
    "string_type": ("<given> is not a text", "write a text, in quotes if it looks like a number"),
    "int_type": ("<given> is not a whole number", "write one without quotes"),
    "bool_type": ("<given> is neither true nor false", "write one of them, without quotes"),
    "model_type": ("<given> is not a mapping of fields", "write `field: value` lines below it"),
    "dict_type": ("<given> is not a mapping of fields", "write `field: value` lines below it"),
    "tuple_type": ("<given> is not a list", "write it in brackets, such as [one, two]"),
}


def findings(error: ValidationError, data: Any, fields: Iterable[str]) -> Iterator[Finding]:
    """What pydantic found in `data`; `fields` are all names that exist, to guess what a misspelled one meant."""
    known = sorted(fields)
    for detail in error.errors(include_url=False):
        way = _way(detail["loc"], data)
        if detail["type"] == "broken_rules":
            for finding in detail["ctx"]["all"]:
                yield Finding((*way, *finding.at), finding.rule, finding.remedy)
        else:
            yield Finding(way, *_rule(detail, known))


def _way(loc: tuple[int | str, ...], data: Any) -> tuple[int | str, ...]:
    """The way through the data; pydantic's own steps in between (tags of unions, `[key]`) are left out."""
    way: list[int | str] = []
    for step in loc:
        if isinstance(data, dict) and step in data:
            data = data[str(step)]
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            continue
        way.append(step)
    return tuple(way)


def _rule(detail: ErrorDetails, known: list[str]) -> tuple[str, str]:
    """The rule and the remedy for one of pydantic's errors."""
    name = str(detail["loc"][-1]) if detail["loc"] else ""
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, known, 1)
        return f"{shown(name)} is no field here", f"remove it, or write `{near[0]}`" if near else "remove it"
    rule, remedy = _WORDS.get(detail["type"], (detail["msg"], "correct the value"))
    facts = {"name": name, "given": shown(str(detail["input"])), **detail.get("ctx", {})}
    return _filled(rule, facts), _filled(remedy, facts)


def _filled(text: str, facts: dict[str, Any]) -> str:
    return re.sub(r"<(\w+)>", lambda slot: str(facts[slot[1]]), text)
