"""The example models are folders of plain scripts: their tests import and run them as a job does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

MODELS = Path(__file__).parents[3] / "models"
sys.path += [str(MODELS / name / "src") for name in ("weather-daily", "flight-delay", "delay-report")]


@pytest.fixture(scope="session")
def write() -> Callable[[Path, Mapping[str, bytes]], Path]:
    """Return a function that writes files below a folder and returns the folder."""

    def write(folder: Path, files: Mapping[str, bytes]) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder

    return write


@pytest.fixture(scope="session")
def script() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs a model's script in a process of its own: `script("weather-daily/src/clean.py", …)`.

    Strings are hashed with the seed given, so that an order taken from a set would differ between two runs.
    """

    def script(path: str, *arguments: object, hash_seed: int = 0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(MODELS / path), *map(str, arguments)],
            env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return script


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Return a function that reads all files below a folder, by relative path."""

    def contents(folder: Path) -> dict[str, bytes]:
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    return contents
