"""`slipway validate`: definitions checked at the desk, without asking any service."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from slipway.cli import folders
from slipway.cli.exits import Exit
from slipway.problems import DefinitionError


def validate(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Models' folders or names, or folders of models.", show_default="models")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the problems as JSON.")] = False,
) -> None:
    """Check models: each by itself, and together with the models beside it.

    Prints each problem with file, line, rule and remedy. Exit code 0 if there is none, 1 if there is one.
    """
    try:
        names = check(folders.find(paths or [Path("models")]))
    except DefinitionError as error:
        typer.echo(problems(error, as_json=as_json))
        raise typer.Exit(Exit.INVALID) from None
    typer.echo(json.dumps({"problems": []}) if as_json else f"{', '.join(names)}: no problems")


def check(chosen: Sequence[Path]) -> list[str]:
    """Check these models and return their names. Raises DefinitionError with every problem that is in them."""
    found = folders.problems_with(folders.beside(chosen))
    if own := [one for one in found if any(Path(one.file).is_relative_to(folder) for folder in chosen)]:
        raise DefinitionError(own)
    return [folder.name for folder in chosen]


def problems(error: DefinitionError, *, as_json: bool) -> str:
    """Write problems for a person, one a line, or for a script."""
    return json.dumps({"problems": [asdict(one) for one in error.problems]}, indent=2) if as_json else str(error)
