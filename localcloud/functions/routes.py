"""Route templates of HTTP triggers, as ASP.NET Core matches them: ``items/{id:int?}``, ``{kind=all}``, ``{*rest}``;
case is ignored.

Source: ASP.NET Core documentation, "Routing", route constraints.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from localcloud.functions.host_json import AppError

_GUID = re.compile(r"\{?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}\}?", re.IGNORECASE)
_PARAMETER = re.compile(r"\{(\*{0,2})(\w+)((?::[^{}:?=]+)*)(\?|=[^{}]*)?\}")


def _number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text, re.IGNORECASE) is not None


_CONSTRAINTS: dict[str, Callable[[str, str], bool]] = {
    "int": lambda text, _: re.fullmatch(r"[+-]?\d+", text) is not None and -(2**31) <= int(text) < 2**31,
    "long": lambda text, _: re.fullmatch(r"[+-]?\d+", text) is not None and -(2**63) <= int(text) < 2**63,
    "bool": lambda text, _: text.lower() in ("true", "false"),
    "float": lambda text, _: _number(text),
    "double": lambda text, _: _number(text),
    "decimal": lambda text, _: _number(text),
    "guid": lambda text, _: _GUID.fullmatch(text) is not None,
    "alpha": lambda text, _: re.fullmatch(r"[a-zA-Z]*", text) is not None,
    "required": lambda text, _: text != "",
    "minlength": lambda text, limit: len(text) >= int(limit),
    "maxlength": lambda text, limit: len(text) <= int(limit),
    "length": lambda text, limits: _between(len(text), limits),
    "min": lambda text, limit: text.lstrip("-").isdigit() and int(text) >= int(limit),
    "max": lambda text, limit: text.lstrip("-").isdigit() and int(text) <= int(limit),
    "range": lambda text, limits: text.lstrip("-").isdigit() and _between(int(text), limits),
}


def _between(value: int, limits: str) -> bool:
    low, _, high = limits.partition(",")
    return int(low) <= value <= int(high or low)


@dataclass(frozen=True)
class Route:
    """One parsed template; ``rank`` orders templates that match the same path, the most particular first."""

    template: str
    rank: tuple[int, ...]
    _pattern: re.Pattern[str]
    _constraints: dict[str, list[str]]
    _defaults: dict[str, str]

    def match(self, path: str) -> dict[str, str] | None:
        """Return the parameters of ``path`` (percent-encoded, no slash at its ends), or None."""
        found = self._pattern.fullmatch(path)
        if found is None:
            return None
        values = {name: unquote(value) for name, value in found.groupdict().items() if value is not None}
        values = self._defaults | values
        return values if all(self._holds(name, value) for name, value in values.items()) else None

    def _holds(self, name: str, value: str) -> bool:
        return all(_holds(constraint, value) for constraint in self._constraints[name])


def parse_route(template: str) -> Route:
    """Parse a template; raises :class:`AppError` for a constraint that is not known."""
    constraints: dict[str, list[str]] = {}
    defaults: dict[str, str] = {}
    parts, rank = [], []
    for position, segment in enumerate(segment for segment in template.split("/") if segment):
        pattern, weight, optional = _segment(template, segment, constraints, defaults)
        slash = "/" if position else ""
        parts.append(f"(?:{slash}{pattern})?" if optional else slash + pattern)
        rank.append(weight)
    return Route(template, tuple(rank), re.compile("".join(parts), re.IGNORECASE), constraints, defaults)


def _segment(
    template: str, segment: str, constraints: dict[str, list[str]], defaults: dict[str, str]
) -> tuple[str, int, bool]:
    """Return a segment's pattern, its weight (0 literal to 4 catch-all), and whether it may be left out."""
    pattern, weight, optional, end = "", 0, False, 0
    for found in _PARAMETER.finditer(segment):
        catch_all, name, rules, absent = found.groups()
        constraints[name] = [rule for rule in rules.split(":") if rule]
        for rule in constraints[name]:
            _known(template, rule)
        pattern += re.escape(segment[end : found.start()]) + f"(?P<{name}>{'.*' if catch_all else '[^/]+'})"
        end = found.end()
        optional = optional or bool(absent) or bool(catch_all)
        if absent and absent != "?":
            defaults[name] = absent[1:]
        weight = max(weight, 4 if catch_all else 2 if constraints[name] else 3)
    rest = segment[end:]
    if "{" in rest or "}" in rest:
        raise AppError(
            f"the route '{template}' cannot be read at '{rest}': write {{name}}, {{name:int}}, {{name=x}} or {{*rest}}"
        )
    if weight and (rest or end != len(segment) or not segment.startswith("{")):
        weight = min(weight, 1)
    return pattern + re.escape(rest), weight, optional


def _known(template: str, rule: str) -> None:
    name = rule.partition("(")[0]
    if name not in _CONSTRAINTS:
        raise AppError(
            f"the route '{template}' uses the constraint '{name}'; known are {', '.join(sorted(_CONSTRAINTS))}"
        )


def _holds(rule: str, value: str) -> bool:
    name, _, argument = rule.partition("(")
    return _CONSTRAINTS[name](value, argument.rstrip(")"))
