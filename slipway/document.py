"""YAML files from people, read so that hostile ones are harmless and every value knows its line.

Plain data only: no tags, anchors or aliases, no duplicate keys, keys are texts, at most 256 KB and 32 levels. Only the
plain scalars of the YAML 1.2 core schema mean more than their text: `2013-01-31`, `09:00` and `no` are texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from slipway.names import shown
from slipway.problems import DefinitionError, Finding, Problem

#: The limits of a file: beyond these, nobody reads it either.
LARGEST, DEEPEST = 256 * 1024, 32

Way = tuple[str | int, ...]

# Eighteen digits fit every counter and keep the conversion cheap; longer ones stay texts and are refused as such.
_SCALARS = {
    "tag:yaml.org,2002:null": re.compile(r"~|null|"),
    "tag:yaml.org,2002:bool": re.compile(r"true|false"),
    "tag:yaml.org,2002:int": re.compile(r"[-+]?[0-9]{1,18}"),
    "tag:yaml.org,2002:float": re.compile(
        r"[-+]?(?:\.[0-9]{1,18}|[0-9]{1,18}(?:\.[0-9]{0,18})?)(?:[eE][-+]?[0-9]{1,2})?"
    ),
}


@dataclass(frozen=True)
class Document:
    """A file's data, and the line of each value by the way to it through mappings and lists."""

    file: str
    data: Any
    lines: dict[Way, int] = field(default_factory=dict)

    def line(self, way: Way) -> int:
        """The line of a value, or of the nearest thing around it that the file has."""
        while way and way not in self.lines:
            way = way[:-1]
        return self.lines.get(way, 1)

    def problem(self, finding: Finding) -> Problem:
        """The finding with its place in this file."""
        return Problem(self.file, self.line(finding.at), finding.rule, finding.remedy)


def read(path: Path, shown_as: str | None = None) -> Document:
    """Read a YAML file. Raises DefinitionError with one problem where it breaks a rule of this module."""
    file = shown_as or str(path)
    try:
        with path.open("rb") as stream:
            body = stream.read(LARGEST + 1)
    except OSError as error:
        raise DefinitionError([Problem(file, 1, f"the file cannot be read: {error.strerror}", "create it")]) from error
    if len(body) > LARGEST:
        raise _error(file, 1, f"the file is larger than {LARGEST // 1024} KB", "keep data out of it")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        raise _error(file, line, "the file is not UTF-8", "save it with that encoding") from error
    return parse(text, file)


def parse(text: str, file: str) -> Document:
    """Read YAML from a text; `file` is what problems call it. Raises DefinitionError."""
    try:
        _check_events(text, file)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        rule = f"this is not YAML: {error.problem or error.context}"
        raise _error(file, mark.line + 1 if mark else 1, rule, "check indentation, quotes and brackets here") from error
    except yaml.YAMLError as error:  # a character that YAML forbids; its place is all the error knows
        line = text[: getattr(error, "position", 0)].count("\n") + 1
        raise _error(file, line, "the file holds a character that YAML forbids", "remove it") from error
    if node is None:
        raise _error(file, 1, "the file is empty", "write a mapping of fields")
    lines: dict[Way, int] = {(): node.start_mark.line + 1}
    return Document(file, _value(node, (), lines, file), lines)


def _check_events(text: str, file: str) -> None:
    """Refuse what YAML offers beyond plain data, before anything is built from it."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        if documents > 1:
            raise _error(file, line, "the file holds more than one document", "keep the first one")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _error(file, line, "anchors (&) and aliases (*) are not allowed", "write the value out, or quote it")
        if getattr(event, "tag", None):
            raise _error(file, line, "tags (!) are not allowed", "remove the tag, or quote the text")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise _error(file, line, f"the file is nested deeper than {DEEPEST} levels", "flatten it")


def _value(node: yaml.Node, way: Way, lines: dict[Way, int], file: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, way, lines, file)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*way, index)] = item.start_mark.line + 1
        return [_value(item, (*way, index), lines, file) for index, item in enumerate(node.value)]
    assert isinstance(node, yaml.ScalarNode)
    return _scalar(node)


def _mapping(node: yaml.MappingNode, way: Way, lines: dict[Way, int], file: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = _scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            raise _error(file, line, "a key must be a text", "quote it")
        if key in made:
            raise _error(file, line, f"the key {shown(key)} stands here a second time", "keep one of the two")
        lines[(*way, key)] = line
        made[key] = _value(value_node, (*way, key), lines, file)
    return made


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style is not None:
        return text
    kind = next((tag for tag, pattern in _SCALARS.items() if pattern.fullmatch(text)), "")
    match kind.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text == "true"
        case "int":
            return int(text)
        case "float":
            return float(text)
    return text


def _error(file: str, line: int, rule: str, remedy: str) -> DefinitionError:
    return DefinitionError([Problem(file, line, rule, remedy)])
