"""`python -m demo`: real data land, three real models run, their outputs are published, and all of it is checked.

Exit codes: 0 every check is true; 1 one is not, or the demonstration could not begin; 2 wrong use; 3 the local cloud
ended in the middle; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Any

from azure.core.exceptions import AzureError

from demo import ending
from demo.checks import Check, Checks
from demo.cloud import PROJECT, Cloud, CloudEnded, StartError, clean_environment
from demo.plan import Plan
from demo.proof import Proof
from demo.screen import Screen, console
from demo.sink import Event, Sink
from demo.story import Story
from demo.table import Row, table
from localcloud.client import RefusedError


class Exit(IntEnum):
    """How the demonstration ends."""

    PASSED = 0
    FAILED = 1
    CLOUD_ENDED = 3
    INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration; return its exit code."""
    given = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    clean_environment()
    screen = Screen()
    try:
        return _demonstrate(given, screen)
    except (StartError, AzureError, RefusedError, OSError) as problem:
        return _end(screen, f"{problem}", Exit.FAILED)
    except CloudEnded as end:
        return _end(screen, f"{end}", Exit.CLOUD_ENDED)
    except KeyboardInterrupt:
        return _end(screen, "Stopped, and the local cloud with it.", Exit.INTERRUPTED)


def _demonstrate(given: argparse.Namespace, screen: Screen) -> int:
    plan = Plan() if given.days is None else Plan(("2013-01",), given.days)
    checks = Checks(partial(_show, screen))
    with Sink(lambda: cloud.now(), partial(_tell, screen)) as sink:  # noqa: PLW0108 (the cloud comes after)
        destinations = {"demo": {"type": "webhook", "url": sink.url, "secret": "DEMO"}}
        settings = {"SLIPWAY_DESTINATIONS": json.dumps(destinations), "SLIPWAY_SECRET_DEMO": sink.secret}
        with Cloud(given.state.resolve(), settings, keep=given.keep) as cloud:
            screen.say(f"a local Azure is up, with the app in it: {cloud.endpoints.functions}")
            told = Story(cloud, sink, plan, screen).tell()
            proof = Proof(cloud, plan, told, checks)
            proof.check_runs()
            proof.check_failure(sink)
            proof.check_reader("analyst")
            proof.check_stranger("stranger")
            proof.check_job("job")
            rows = proof.rows()
            _show_result(rows, checks, screen, as_json=given.json)
            for what, where in ending.ways(cloud, rows, ending.save_reports(cloud, rows, "analyst")).items():
                screen.say(f"{what}: {where}")
    return Exit.PASSED if checks.passed else Exit.FAILED


def _tell(screen: Screen, event: Event) -> None:
    """Say what the sink was told."""
    incident = event["data"]
    if incident["status"] == "open":
        screen.say(f"incident, signature checked: {incident['model']} {incident['period']}, {incident['code']}", "red")
        screen.say(incident["message"].splitlines()[-1].strip(), "red")
    else:
        screen.say(f"incident resolved, signature checked: by {incident['resolved_by']}", "green")


def _show(screen: Screen, check: Check) -> None:
    sign, style = ("✓", "green") if check.passed else ("✗", "bold red")
    screen.say(f"{sign} {check.name}: {check.detail}", style)


def _show_result(rows: list[Row], checks: Checks, screen: Screen, *, as_json: bool) -> None:
    if not as_json:
        console().print(table(rows))
        return
    document: dict[str, Any] = {
        "passed": checks.passed,
        "seconds": round(screen.seconds, 1),
        "checks": [check.document() for check in checks.done],
        "runs": [row.document() for row in rows],
    }
    print(json.dumps(document, indent=2))


def _end(screen: Screen, text: str, code: Exit) -> Exit:
    screen.say(text, "bold red")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the result for machines")
    parser.add_argument("--keep", action="store_true", help="leave the local cloud running")
    parser.add_argument("--state", type=Path, default=PROJECT / ".demo", help="the cloud's state folder, made anew")
    parser.add_argument(
        "--days", type=int, metavar="N", help="a short form: only N days of January, and so weather-daily alone"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
