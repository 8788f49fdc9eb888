"""The parts of the reference that are written from the code: `python -m docs.tables` brings them up to date.

Each part stands between two comments, `<!-- NAME: written from CODE -->` and `<!-- end -->`; what is around it is
written by hand. A test holds every part to the code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from slipway.definition import json_schema
from slipway.settings import PREFIX, Settings

REFERENCE = Path(__file__).parent / "reference"
#: The order in which the parts of model.yaml are shown; a test holds that none is missing.
PARTS = ("Input", "Window", "Complete", "Output", "Due", "Limits")


def settings_table() -> str:
    """Every setting, with its default and its meaning."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.default
        if field.default_factory is not None:
            default = field.default_factory()  # type: ignore[call-arg]
        if isinstance(default, BaseModel):
            default = default.model_dump(mode="json")
        if default is PydanticUndefined:
            shown = "**required**"
        else:
            shown = "none" if default is None else f"`{default if isinstance(default, str) else json.dumps(default)}`"
        variable = field.validation_alias or f"{PREFIX}{name.upper()}"
        rows.append((f"`{variable}`", shown, field.description or ""))
    return _table(("variable", "default", "meaning"), rows)


def definition_tables() -> str:
    """Every field of model.yaml, part by part."""
    schema = json_schema()
    parts = [_part("The file", schema, schema)]
    parts += [_part(_titled(name), schema["$defs"][name], schema) for name in PARTS]
    return "\n\n".join(parts)


#: What is written where: the file below docs/reference, the part's name, and what writes it.
WRITTEN: dict[tuple[str, str], Callable[[], str]] = {
    ("settings.md", "settings"): settings_table,
    ("definition.md", "fields"): definition_tables,
}


def replaced(text: str, name: str, part: str) -> str:
    """The page with this part of it written anew. Raises ValueError for a page without the two comments."""
    pattern = re.compile(rf"(<!-- {name}: [^\n]* -->\n).*?(\n<!-- end -->)", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"the page needs the comments around its part {name!r}, once")
    return pattern.sub(lambda found: f"{found[1]}\n{part}\n{found[2]}", text)


def main() -> None:
    """Write all parts anew."""
    for (file, name), write in WRITTEN.items():
        page = REFERENCE / file
        page.write_text(replaced(page.read_text(encoding="utf-8"), name, write()), encoding="utf-8")


def _titled(name: str) -> str:
    where = {
        "Input": "`inputs.<name>`",
        "Window": "`inputs.<name>.periods`, as a window",
        "Complete": "`inputs.<name>.complete`",
        "Output": "`outputs.<name>`",
        "Due": "`due`",
        "Limits": "`limits`",
    }
    return where[name]


def _part(title: str, part: dict[str, Any], schema: dict[str, Any]) -> str:
    required = part.get("required", [])
    rows = []
    for name, field in part["properties"].items():
        default = "**required**" if name in required else _default(field.get("default"))
        rows.append((f"`{name}`", "; ".join(_forms(field, schema)), default, _meaning(field, schema)))
    return f"### {title}\n\n{part['description']}\n\n{_table(('field', 'form', 'default', 'meaning'), rows)}"


def _meaning(field: dict[str, Any], schema: dict[str, Any]) -> str:
    """What a field means; one that says nothing itself means what its part is."""
    values = [field, *(field.get("patternProperties") or {}).values()]
    names = [value["$ref"].rpartition("/")[2] for value in values if "$ref" in value]
    told = field.get("description") or next((schema["$defs"][name]["description"] for name in names), "")
    return str(told).replace("<", "&lt;")


def _default(value: Any) -> str:
    if isinstance(value, dict) and value:
        return "as below"
    return (
        "none" if value is None or value in ([], {}) else f"`{value if isinstance(value, str) else json.dumps(value)}`"
    )


def _forms(field: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    """What a value may look like, in words: each of the forms that the schema allows."""
    for one in field.get("anyOf") or field.get("oneOf") or ():
        yield from _forms(one, schema)
    if reference := field.get("$ref"):
        name = reference.rpartition("/")[2]
        named = schema["$defs"][name]
        yield from _forms(named, schema) if "enum" in named else [f"see {_titled(name)}"]
    elif "enum" in field:
        yield ", ".join(f"`{value}`" for value in field["enum"])
    elif "const" in field:
        yield f"`{field['const']}`"
    elif "patternProperties" in field:
        (pattern, value), *_ = field["patternProperties"].items()
        names = f"{field['minProperties']} to {field['maxProperties']} names `{pattern}`"
        yield f"{names}, each {' or '.join(_forms(value, schema))}"
    elif "type" in field and field["type"] != "null":
        yield _simple(field)


def _simple(field: dict[str, Any]) -> str:
    kind = {"string": "text", "boolean": "`true` or `false`", "integer": "number", "array": "list", "object": "mapping"}
    words = kind[field["type"]]
    if "examples" in field:
        return f"a duration such as {', '.join(f'`{one}`' for one in field['examples'])}"
    if "pattern" in field:
        words += f" `{field['pattern']}`"
    if "minimum" in field:
        words += f" from {field['minimum']:,} to {field['maximum']:,}"
    if "maxLength" in field:
        words += f" of at most {field['maxLength']:,} characters"
    if "maxItems" in field:
        words += f" of at most {field['maxItems']}: {_simple(field['items'])}"
    return words


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    main()
