"""The command line. Results go to stdout, talk and progress to stderr; `--json` wherever a script may listen."""

from __future__ import annotations

import typer

from slipway.cli.release import release
from slipway.cli.schema import schema
from slipway.cli.validate import validate

app = typer.Typer(
    name="slipway",
    help="Data lands; Slipway launches the model, waits for it, and delivers its outputs in place.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (validate, release, schema):
    app.command()(command)
