"""`slipway release`: definitions into an environment, all or none.

Everything that can be wrong is found before anything is changed. Then code and environments are registered, the
resolved definitions stored (each once, under its content's version), and last the one pointer is moved. Whatever
happens before that, nothing is released; doing it again finds what is there already.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from slipway import catalog, clock, paths
from slipway.azure import job_document
from slipway.azure.assets import Assets
from slipway.azure.credential import credential
from slipway.azure.failures import failure_of
from slipway.azure.lake import lake
from slipway.azure.store import Store
from slipway.catalog import Catalog
from slipway.cli import folders
from slipway.cli.exits import Exit
from slipway.cli.validate import problems
from slipway.content import released_files
from slipway.definition import Definition
from slipway.dependencies import check_together
from slipway.failure import Failed, Failure
from slipway.job import resolve
from slipway.problems import DefinitionError, Finding, Problem
from slipway.settings import Settings, SettingsError, settings

Step = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What a release does, or did, for one model: which version it had before, and which it has now."""

    model: str
    before: str | None
    version: str
    change: Literal["new", "changed", "unchanged"]


def release(
    models: Annotated[list[str] | None, typer.Argument(help="Names of models; all, if none is given.")] = None,
    root: Annotated[Path, typer.Option("--from", help="The folder that holds the models.")] = Path("models"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and compare; change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Release models into the environment that the SLIPWAY_ settings name, all or none.

    The same content keeps its version and is left unchanged. A release makes periods outdated, nothing more: no run
    is started by it.

    Exit codes: 0 released or unchanged, 1 a definition breaks a rule, 3 a setting is missing or wrong, 4 Azure
    refused or did not answer. With 1, 3 and 4 nothing is released, and doing it again is safe.
    """
    try:
        with _progress() as step:
            outcomes = release_models(root, models or [], dry_run=dry_run, step=step)
    except DefinitionError as error:
        typer.echo(problems(error, as_json=as_json))
        raise typer.Exit(Exit.INVALID) from None
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(Exit.SETTINGS) from None
    except Exception as error:
        failure = failure_of(error)  # raises again what is a bug
        typer.echo(_refusal(failure, as_json=as_json), err=not as_json)
        raise typer.Exit(Exit.REFUSED) from None
    _show(outcomes, as_json=as_json, dry_run=dry_run)


def release_models(root: Path, names: list[str], *, dry_run: bool, step: Step) -> list[Outcome]:
    """Release the named models below `root`, or all; `step` is told what is being done.

    Raises:
        DefinitionError: With every problem found, before anything was changed.
        SettingsError: The environment is not set up.
        Failed, AzureError: Azure refused or did not answer; nothing is released.
    """
    step("reading definitions")
    given = settings()
    definitions = folders.read(root, names)
    step("reading the catalog")
    control = lake().control
    current = catalog.load(control)
    check_for_release(definitions, current, given)
    outcomes = [_outcome(definition, current) for definition in definitions]
    moved = [definition for definition in definitions if _outcome(definition, current).change != "unchanged"]
    step("reading jobs")
    check_jobs(moved, root, given)
    if moved and not dry_run:
        assets = Assets(given, credential())
        for definition in moved:
            step(f"registering {definition.name} {definition.version}")
            _store(control, assets, definition, root / definition.name)
        step("moving the catalog's pointer")
        _move(control, current, definitions, moved, given)
    return outcomes


def _move(
    control: Store, current: Catalog, definitions: list[Definition], moved: list[Definition], given: Settings
) -> None:
    """Move the catalog's pointer; where others released meanwhile, only if all still fit with what they released."""
    versions = {definition.name: definition.version for definition in moved}
    try:
        control.update(
            paths.catalog_pointer(), lambda seen, now: catalog.released(seen, versions, current.generation, now)
        )
    except catalog.Overtaken:
        present = catalog.load(control)
        check_for_release(definitions, present, given)
        _move(control, present, definitions, moved, given)


def check_for_release(definitions: Iterable[Definition], current: Catalog, given: Settings) -> None:
    """Check what this environment adds to the rules of a definition.

    The models to be released must fit each other and those that stay, their readers must be known here, and their
    datasets lie where data land here.

    Raises:
        DefinitionError: With every problem found.
    """
    found = [problem for definition in definitions for problem in _unknown_readers(definition, given)]
    staying = {name: one.definition for name, one in current.models.items()}
    live = staying | {one.name: one for one in definitions}
    found += check_together(list(live.values()), given.landing_filesystems, unreadable=current.broken)
    if found:
        raise DefinitionError(found)


def check_jobs(definitions: Iterable[Definition], root: Path, given: Settings) -> None:
    """Check that azure-ai-ml reads the jobs, as it will when a run submits one; no service is asked.

    Raises:
        DefinitionError: With every job that it does not read, and its reason.
    """
    found = []
    for definition in definitions:
        # What they will be called is known only once they are registered; any exact ids will do.
        code, environment = (f"{given.workspace_id}/{kind}/any/versions/1" for kind in ("codes", "environments"))
        try:
            job_document.read(resolve(definition.job, code, environment))
        except Failed as error:
            file, remedy = root / definition.name / "job.yaml", "compare it with Azure ML's command job schema"
            found.append(Problem(str(file), 1, error.failure.message.rstrip("."), remedy))
    if found:
        raise DefinitionError(found)


def _unknown_readers(definition: Definition, given: Settings) -> Iterator[Problem]:
    for index, reader in enumerate(definition.readers):
        if reader not in given.readers:
            rule = f"the reader {reader} has no group in this environment"
            yield definition.problem(Finding(("readers", index), rule, "add it to SLIPWAY_READERS there, or remove it"))


def _outcome(definition: Definition, current: Catalog) -> Outcome:
    known = current.models.get(definition.name)
    before = known.version if known else None
    change: Literal["new", "changed", "unchanged"] = "changed" if before else "new"
    return Outcome(definition.name, before, definition.version, "unchanged" if before == definition.version else change)


def _store(control: Store, assets: Assets, definition: Definition, folder: Path) -> None:
    """Register what the job needs and store the resolved definition; a version that is stored stays as it is."""
    path = paths.catalog_definition(definition.name, definition.version)
    if control.read(path) is None:
        job = resolve(definition.job, _code_id(assets, definition, folder), _environment_id(assets, definition, folder))
        control.create(path, catalog.definition_record(definition, job, clock.now()))


def _code_id(assets: Assets, definition: Definition, folder: Path) -> str | None:
    code = definition.job.get("code")
    if code is None:
        return None
    with tempfile.TemporaryDirectory() as temporary:
        # Only what the version was computed from is uploaded: no caches, nothing hidden.
        upload = Path(temporary) / definition.name
        source = folder / code
        for name in released_files(folder):
            if (folder / name).is_relative_to(source):
                target = upload / (folder / name).relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / name, target)
        return assets.register_code(upload, definition.name, definition.version)


def _environment_id(assets: Assets, definition: Definition, folder: Path) -> str:
    environment: str | Mapping[str, Any] = definition.job["environment"]
    if isinstance(environment, str):
        return assets.environment_id(environment)
    return assets.register_environment(folder, environment, definition.name, definition.version)


@contextmanager
def _progress() -> Iterator[Step]:
    """Show on stderr what is being done, and nothing once it is."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda doing: progress.update(task, description=doing)


def _refusal(failure: Failure, *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"failure": failure.to_document()}, indent=2)
    again = " Doing it again later may help." if failure.transient else ""
    return f"Nothing is released. {failure.message}{again}"


def _show(outcomes: list[Outcome], *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"dry_run": dry_run, "models": [asdict(outcome) for outcome in outcomes]}, indent=2))
        return
    table = Table("model", "before", "now", "would be" if dry_run else "is", box=None)
    for outcome in outcomes:
        table.add_row(outcome.model, outcome.before or "-", outcome.version, outcome.change)
    Console().print(table)
