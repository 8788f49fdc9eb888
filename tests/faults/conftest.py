"""Fixtures of the faults: one cloud for all of them, calm at the start of each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.scene import Scene
from tests.flows.sink import Sink
from tests.running import PROJECT, LocalCloud


@pytest.fixture(scope="package")
def shared_scene(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[Scene]:
    """The app on a local cloud of its own, since its clock is moved and its host killed."""
    folder, sink = tmp_path_factory.mktemp("faults"), Sink()
    # Many tests fail a model of their own; that they fail alike is no common cause.
    settings = {"SLIPWAY_RECONCILE_SCHEDULE": "*/2 * * * * *", "SLIPWAY_ALIKE_MODELS": "100", **sink.settings()}
    cloud = LocalCloud(PROJECT, folder / "state", authority, variables=settings)
    yield Scene(cloud.start(), folder / "models", sink)
    cloud.stop()
    sink.stop()


@pytest.fixture
def scene(shared_scene: Scene) -> Iterator[Scene]:
    """The shared scene, without the faults of the test before."""
    yield shared_scene
    shared_scene.sink.answers = "ok"
    shared_scene.calm()
