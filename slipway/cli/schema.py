"""`slipway schema`: the JSON Schema of model.yaml."""

from __future__ import annotations

import json

import typer

from slipway.definition import json_schema


def schema() -> None:
    """Print the JSON Schema of model.yaml, for an editor's completion."""
    typer.echo(json.dumps(json_schema(), indent=2))
