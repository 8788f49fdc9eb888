"""The documents are held to the code: links lead somewhere, tables are true, and every command they name exists."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from azure.core.exceptions import HttpResponseError

from docs import tables
from localcloud.cli import app as localcloud
from slipway.azure.failures import failure_of
from slipway.claim import STAGE_LIMITS
from slipway.cli import app as slipway
from slipway.definition import json_schema
from slipway.failure import Kind
from slipway.incident import FIRST_STEPS
from slipway.paths import LAYOUT
from slipway.run_view import STEPS

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "models/*/README.md", "demo/*.md")
    for path in PROJECT.glob(pattern)
    if path.is_file()
)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
#: A status of an Azure service to each code that an SDK's exception may become.
STATUSES = (401, 403, 404, 408, 409, 412, 418, 429, 500)


def _name(page: Path) -> str:
    return page.relative_to(PROJECT).as_posix()


def _rows(page: Path) -> Iterator[list[str]]:
    """The cells of every table's rows."""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _anchor(heading: str) -> str:
    """A heading's anchor, as the usual renderers make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_to_a_file_of_the_repository_and_to_a_heading_in_it(page: Path) -> None:
    """A link is relative or to a public page; what is relative is there."""
    broken = []
    for link in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        where, _, anchor = link.partition("#")
        if where.startswith(("https://", "http://")):
            continue
        target = (page.parent / where).resolve() if where else page
        headings = re.findall(r"^#+ (.*)", target.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        if not target.exists() or (anchor and anchor not in map(_anchor, headings)):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_reached_from_the_index() -> None:
    """Nobody has to know that a page exists in order to find it."""
    seen, waiting = set(), [PROJECT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        links = _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
        waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links if "://" not in link]
    assert [_name(page) for page in PAGES if page not in seen] == []


@pytest.mark.parametrize(("file", "part"), list(tables.WRITTEN))
def test_what_is_written_from_the_code_is_up_to_date(file: str, part: str) -> None:
    """`python -m docs.tables` changes nothing."""
    page = (tables.REFERENCE / file).read_text(encoding="utf-8")
    assert page == tables.replaced(page, part, tables.WRITTEN[file, part]()), "run: python -m docs.tables"


def test_no_part_of_a_definition_is_left_out() -> None:
    """Every part of the schema that has fields has a table."""
    assert set(tables.PARTS) == {name for name, part in json_schema()["$defs"].items() if "properties" in part}


def test_the_layout_page_lists_the_lakes_paths_and_no_others() -> None:
    """What lies where is told of every path that the code can build."""
    told = [row[0].strip("`") for row in _rows(DOCS / "reference/lake-layout.md") if row[0].startswith("`")]
    assert sorted(told) == sorted(path for rows in LAYOUT.values() for path in rows.values())


def test_the_failures_page_lists_the_codes_of_the_code_and_no_others() -> None:
    """A code in a query or an incident can be looked up, and one that is gone is not looked for."""
    rows = [row for row in _rows(DOCS / "reference/failures.md") if row[1].startswith("`")]
    told = {(row[0].strip("`"), row[1].strip("`")) for row in rows}
    assert len(told) == len(rows)
    assert told == set(_codes())


def test_every_kind_of_failure_has_its_first_step_on_the_page() -> None:
    """The four kinds of the page are those of the code."""
    told = {row[0].strip("`") for row in _rows(DOCS / "reference/failures.md") if row[0].startswith("`")}
    assert told == {kind.value for kind in Kind} == set(FIRST_STEPS)


def test_the_story_of_a_run_names_its_steps() -> None:
    """Each step that a run's view may show is explained, and each step of the page is a file of the app."""
    told = {name for row in _rows(DOCS / "explanation/a-run.md") for name in _CODE.findall(row[0])}
    steps = {name for name in told if "_" in name}
    files = {path.stem for folder in ("activities", "orchestrators") for path in (PROJECT / folder).glob("*.py")}
    assert set(STEPS) <= steps <= files


def test_the_page_on_the_claim_tells_the_limits_of_the_stages() -> None:
    """How long a stage may go without a sign of life is what the code says."""
    rows = [row for row in _rows(DOCS / "explanation/the-claim.md") if re.fullmatch(r"\d+ minutes", row[1])]
    told = {row[0].strip("`"): timedelta(minutes=int(row[1].split()[0])) for row in rows}
    assert told == STAGE_LIMITS


def test_the_http_page_lists_the_addresses_of_the_app_and_no_others() -> None:
    """Each route has its row."""
    told = {row[0].strip("`") for row in _rows(DOCS / "reference/http-api.md") if " /api/" in row[0]}
    assert told == set(_routes())


def test_every_command_that_the_documents_name_exists() -> None:
    """`make`, `slipway` and `localcloud` can do what they are said to do."""
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    known = {
        "make": set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE)),
        "slipway": _commands(slipway),
        "localcloud": _commands(localcloud),
    }
    unknown = [(_name(page), *said) for page in PAGES for said in _said(page) if said[1] not in known[said[0]]]
    assert unknown == []


def _routes() -> Iterator[str]:
    for path in (PROJECT / "triggers").glob("*.py"):
        for route, method in re.findall(r'route\("([^"]+)", methods=\["([A-Z]+)"\]', path.read_text(encoding="utf-8")):
            if route.startswith("api/"):
                yield f"{method} /{route}"


def _commands(app: typer.Typer) -> set[str]:
    """The names of an app's commands, those of its groups as `group command`."""
    commands = getattr(typer.main.get_command(app), "commands")  # noqa: B009 - a group's, which typer does not type
    nested = {f"{name} {inner}" for name, one in commands.items() for inner in getattr(one, "commands", ())}
    return {*commands, *nested}


def _said(page: Path) -> Iterator[tuple[str, str]]:
    """Each program and command that a page's code names."""
    text = page.read_text(encoding="utf-8")
    spans = [span for fence in _FENCE.findall(text) for span in fence.splitlines()]
    spans += _CODE.findall(_FENCE.sub("", text))
    for span in spans:
        for program, rest in re.findall(
            r"(?:^|[\s(;|])(make|slipway|(?:python -m )?localcloud)((?: [a-z]+)+)(?=$|[\s)`;<'\"])", span
        ):
            name, words = program.removeprefix("python -m "), rest.split()
            groups = {"localcloud": ("clock", "events", "faults"), "slipway": ("backfill",)}
            grouped = words[0] in groups.get(name, ())
            if words[0] != "is":  # "localcloud is up", as it says itself
                yield name, " ".join(words[: 2 if grouped else 1])


def _codes() -> Iterator[tuple[str, str]]:
    """Each (kind, code) that the code makes a failure of."""
    for folder in ("slipway", "activities", "orchestrators", "triggers"):
        for path in (PROJECT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                yield from _made(node)
    for status in STATUSES:
        yield "platform", failure_of(_refusal(status)).code


def _made(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Dict):
        said = {
            key.value: value for key, value in zip(node.keys, node.values, strict=True) if isinstance(key, ast.Constant)
        }
        kind, code = said.get("kind"), said.get("code")
        if isinstance(kind, ast.Constant) and isinstance(code, ast.Constant):
            yield str(kind.value), str(code.value)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == "Failure" and len(node.args) > 1:
            kinds = [one.attr.lower() for one in ast.walk(node.args[0]) if isinstance(one, ast.Attribute)]
            yield from _with_kinds(kinds, node.args[1])
        elif node.func.id in ("_platform", "_failure") and node.args:
            yield from _with_kinds(["platform"], node.args[0])


def _with_kinds(kinds: list[str], code: ast.expr) -> Iterator[tuple[str, str]]:
    if isinstance(code, ast.JoinedStr):  # f"{job.phase}-too-long"
        yield from (("platform", "queued-too-long"), ("platform", "preparing-too-long"), ("model", "running-too-long"))
    for text in (one.value for one in ast.walk(code) if isinstance(one, ast.Constant)):
        if not isinstance(code, ast.JoinedStr):
            yield from ((kind, str(text)) for kind in kinds)


def _refusal(status: int) -> HttpResponseError:
    response: Any = SimpleNamespace(status_code=status, reason="", headers={}, request=None)
    return HttpResponseError(response=response)


def test_the_alert_on_the_heartbeat_looks_for_what_a_pass_writes() -> None:
    """An alert on absence that looks for another line would ring for ever, or be switched off."""
    page = (DOCS / "how-to/watch-the-watcher.md").read_text(encoding="utf-8")
    source = (DOCS.parent / "triggers/reconcile.py").read_text(encoding="utf-8")
    logging = json.loads((DOCS.parent / "host.json").read_text(encoding="utf-8"))["logging"]
    unsampled = logging["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";")

    assert 'Name == "reconcile" and Success == true' in page
    assert '@bp.function_name("reconcile")' in source
    assert {"Request", "Trace"} <= set(unsampled)


def test_actions_that_docs_tell_to_look_for_are_logged() -> None:
    """Each action of the table on the log is one that the app gives to a record."""
    page = (DOCS / "how-to/watch-the-watcher.md").read_text(encoding="utf-8")
    rows = page.partition("| action | means |")[2].partition("\n\n")[0].splitlines()[2:]
    shown = {action for row in rows for action in re.findall(r"`(\w+)`", row.split("|")[1])}
    app = [path for part in ("slipway", "activities", "triggers") for path in (DOCS.parent / part).rglob("*.py")]
    given = set(re.findall(r'"action": "(\w+)"', "".join(path.read_text(encoding="utf-8") for path in app)))

    assert len(shown) > 5
    assert shown <= given


def test_the_page_on_a_lost_engine_has_the_times_of_the_claim() -> None:
    """After how long a run goes on by itself."""
    page = (DOCS / "how-to/watch-the-watcher.md").read_text(encoding="utf-8")
    shown = re.findall(r"^   \| (`[a-z]+`(?:, `[a-z]+`)?) \| (\d+) minutes \|$", page, re.MULTILINE)
    told = {
        stage: timedelta(minutes=int(minutes)) for stages, minutes in shown for stage in re.findall(r"[a-z]+", stages)
    }

    assert told == STAGE_LIMITS
