"""How to have the same again: what was started, from which source, with which seed, switches and faults."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from localcloud.eventgrid.switches import Switches
from localcloud.faults.rules import Rule


def command(started: Iterable[str], switches: Switches, rules: Iterable[Rule]) -> str:
    """Return one line for a shell: a cloud started as this one was, and what is switched on here from its beginning."""
    words = ["localcloud", "up", *started]
    changed = {name: value for name, value in switches.document().items() if value != getattr(Switches(), name)}
    if changed:
        words += ["--events", json.dumps(changed)]
    for rule in rules:
        words += ["--fault", json.dumps(rule.document())]
    return shlex.join(words)


def commit(folder: Path) -> str | None:
    """Return the git commit that a folder's files are of, marked where they were changed since; None without git."""
    ask = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty", "--match", ""]
    try:
        told = subprocess.run(ask, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout.strip() or None


def facts(started: Mapping[str, Any]) -> list[str]:
    """Return the options of ``up`` for what a cloud was started with: texts, numbers, true; None is left out."""
    words = []
    for name, value in started.items():
        if value is True:
            words.append(f"--{name}")
        elif value is not None and value is not False:
            words += [f"--{name}", str(value)]
    return words
