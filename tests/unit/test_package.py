"""The deployment package: what ships, and that it runs with nothing else there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY / "pipelines"))
import package  # noqa: E402 - a script of the pipelines, in no package

#: As the Functions worker does it: the app's folder and its vendored dependencies, nothing of this environment.
INDEX = """
import importlib, json, pkgutil, sys
sys.path[:0] = [".", sys.argv[1]]
import function_app
names = [function.get_function_name() for function in function_app.app.get_functions()]
for folder in ("slipway", "triggers", "orchestrators", "activities"):
    for module in pkgutil.walk_packages([folder], folder + "."):
        importlib.import_module(module.name)
absent = []
for name in ("localcloud", "models", "demo", "typer", "rich", "pytest"):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        absent.append(name)
import azure.ai.ml, azure.eventgrid
print(json.dumps({"functions": names, "absent": absent}))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as the pipeline builds it, its dependencies taken from this environment, not downloaded."""
    folder = tmp_path_factory.mktemp("deployment") / "slipway app"
    package.build(REPOSITORY, folder)
    site = folder / package.SITE_PACKAGES
    for found in required(folder / "requirements.txt"):
        for file in found.files or ():
            source, target = Path(str(found.locate_file(file))), site / file
            if source.is_file() and ".." not in file.parts:
                target.parent.mkdir(parents=True, exist_ok=True)
                if not target.exists():
                    target.symlink_to(source)
    return folder


def required(requirements: Path) -> Iterator[Distribution]:
    """The installed distributions that a requirements file asks for, and what those ask for in turn."""
    lines = (line.partition("#")[0].strip() for line in requirements.read_text().splitlines())
    waiting = [Requirement(line) for line in lines if line]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted = waiting.pop()
        key = (wanted.name.lower(), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            found = distribution(wanted.name)
        except PackageNotFoundError:  # an optional one this platform has no use for
            continue
        yield found
        for text in found.requires or ():
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in ["", *wanted.extras]):
                waiting.append(needed)


def test_only_what_runs_in_production_ships() -> None:
    """The app, its host's configuration and its requirements; nothing of desks, tests, models or pipelines."""
    tops = {path.parts[0] for path in package.shipped(REPOSITORY)}

    assert tops <= {
        "activities",
        "dashboard",
        "function_app.py",
        "host.json",
        "orchestrators",
        "requirements.txt",
        "slipway",
        "triggers",
    }
    assert {"function_app.py", "host.json", "requirements.txt"} <= tops


def test_no_secret_and_no_left_over_ships(tmp_path: Path) -> None:
    """A person's local settings, state, caches and links stay at the desk, whatever lies about."""
    (tmp_path / ".funcignore").write_text((REPOSITORY / ".funcignore").read_text())
    for path in ("local.settings.json", ".env", ".localcloud/cloud.db", "slipway/__pycache__/a.pyc", "slipway/run.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "slipway" / "link.py").symlink_to("/etc/hostname")

    assert [str(path) for path in package.shipped(tmp_path)] == ["slipway/run.py"]


def test_building_again_leaves_nothing_of_the_last_time(tmp_path: Path) -> None:
    """A file that was removed from the app does not live on in the package."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / ".funcignore").touch()
    (tmp_path / "app" / "kept.py").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "removed.py").touch()

    package.build(tmp_path / "app", tmp_path / "out")

    assert [path.name for path in (tmp_path / "out").iterdir() if path.suffix == ".py"] == ["kept.py"]


def test_the_package_is_indexed_with_nothing_but_its_requirements(built: Path) -> None:
    """Every module imports and every function is found, from the package's folder, without this environment."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", INDEX, str(package.SITE_PACKAGES)],
        cwd=built,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert {"data_landed", "job_changed", "reconcile", "run_model"} <= set(seen["functions"])
    assert len(seen["functions"]) == len(set(seen["functions"]))
    assert seen["absent"] == ["localcloud", "models", "demo", "typer", "rich", "pytest"]
