"""Fixtures for the tests of localcloud itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import LocalCloud

APPS = Path(__file__).parent / "cloud_apps"


@pytest.fixture
def events_app(tmp_path: Path) -> Path:
    """A copy of the sample app, for a test that changes what it declares."""
    return Path(shutil.copytree(APPS / "events", tmp_path / "app"))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[LocalCloud]:
    """A running cloud of the sample app, functions host included, shared by the tests of a module."""
    running = LocalCloud(APPS / "events", tmp_path_factory.mktemp("cloud") / "state", authority).start()
    yield running
    running.stop()
