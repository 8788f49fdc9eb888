"""The command line. Results go to stdout, talk and progress to stderr; `--json` wherever a script may listen.

`validate`, `release` and `schema` are about definitions, `rebuild` about records; the others ask the app's HTTP API and
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

import typer

from slipway.cli import backfills
from slipway.cli.changes import (
    acknowledge,
    cancel,
    pause,
    publish,
    reopen,
    rerun,
    resume,
    retract,
    take_over,
    unpause,
    waive,
)
from slipway.cli.doctor import doctor
from slipway.cli.examples import epilog
from slipway.cli.incidents import incidents
from slipway.cli.links import open_links
from slipway.cli.logs import logs
from slipway.cli.rebuild import rebuild
from slipway.cli.release import release
from slipway.cli.retention import retention
from slipway.cli.runs import runs
from slipway.cli.schema import schema
from slipway.cli.show import show
from slipway.cli.status import status
from slipway.cli.validate import validate
from slipway.cli.why import why

#: The commands by what they are for, in the order of the help.
PANELS: dict[str, dict[str, Callable[..., None]]] = {
    "Definitions": {"validate": validate, "release": release, "schema": schema},
    "Look": {
        "status": status,
        "why": why,
        "runs": runs,
        "show": show,
        "logs": logs,
        "incidents": incidents,
        "open": open_links,
        "retention": retention,
        "doctor": doctor,
    },
    "Change": {
        "rerun": rerun,
        "resume": resume,
        "cancel": cancel,
        "take-over": take_over,
        "waive": waive,
        "reopen": reopen,
        "retract": retract,
        "publish": publish,
        "acknowledge": acknowledge,
        "pause": pause,
        "unpause": unpause,
    },
    "Tend": {"rebuild": rebuild},
}

app = typer.Typer(
    name="slipway",
    help="Data lands; Slipway launches the model, waits for it, and delivers its outputs in place.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for panel, commands in PANELS.items():
    for name, command in commands.items():
        app.command(name, rich_help_panel=panel, epilog=epilog(name))(command)
group = typer.Typer(help="Plan, start and watch runs of many periods.", no_args_is_help=True)
for name, command in backfills.COMMANDS.items():
    group.command(name, epilog=epilog(f"backfill {name}"))(command)
app.add_typer(group, name="backfill", rich_help_panel="Change")
