"""What all commands over the API share: which environment, as JSON or in words, and what becomes of a refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from slipway.cli import environments
from slipway.cli.client import Client, NoName, Refused, Unreachable
from slipway.cli.environments import UnknownEnvironment
from slipway.cli.exits import Asked
from slipway.cli.screen import clean
from slipway.cli.validate import problems
from slipway.problems import DefinitionError

Env = Annotated[
    str | None,
    typer.Option(
        "--env", envvar="SLIPWAY_ENV", help="An entry of environments.yaml; else the local cloud.", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the API's own document.")]
Model = Annotated[str, typer.Argument(help="A model's name.", show_default=False)]
Period = Annotated[str, typer.Argument(help="A period, as the model's cadence writes it.", show_default=False)]
Run = Annotated[str, typer.Argument(help="A run's id.", show_default=False)]


@contextmanager
def asking(env: str | None, *, as_json: bool) -> Iterator[Client]:
    """The API of the environment. What it refuses is printed, and ends the command with the exit code for it."""
    try:
        yield Client(environments.chosen(env))
    except DefinitionError as error:
        typer.echo(problems(error, as_json=as_json), err=not as_json)
        raise typer.Exit(Asked.USAGE) from None
    except UnknownEnvironment as error:
        raise typer.BadParameter(str(error), param_hint="'--env'") from None
    except Refused as refused:
        tell(refused.problem, as_json=as_json)
        raise typer.Exit(Asked.UNREACHABLE if refused.problem.get("status") == 401 else Asked.REFUSED) from None
    except Unreachable as error:
        tell({"title": error.title, "detail": error.detail}, as_json=as_json)
        raise typer.Exit(Asked.UNREACHABLE) from None
    except NoName as error:
        raise typer.BadParameter(str(error)) from None


def tell(problem: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a problem: as it is on stdout, or in words on stderr."""
    typer.echo(json.dumps(problem, indent=1) if as_json else in_words(problem), err=not as_json)


def in_words(problem: Mapping[str, Any]) -> str:
    """A problem as a sentence, and a line for each part of a body that was refused."""
    lines = [f"{problem['title']}: {problem['detail']}"]
    lines += [f"  {error['where']}: {error['rule']}" for error in problem.get("errors", ())]
    return "\n".join(clean(line) for line in lines)


def show_json(document: Mapping[str, Any]) -> None:
    """Print a document for a script."""
    typer.echo(json.dumps(document, indent=1))
