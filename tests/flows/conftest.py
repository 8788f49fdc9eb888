"""Fixtures of the flows: one set of Azure's services for the session, and the app's own code acting on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from slipway.azure.credential import credential
from slipway.azure.job_details import job_details
from slipway.azure.jobs import jobs
from slipway.azure.lake import lake
from slipway.azure.topic import topic_client
from slipway.settings import settings
from tests.flows.yard import Yard
from tests.running import PROJECT, LocalCloud

ActAs = Callable[[str], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[LocalCloud]:
    """Storage, Azure ML, Event Grid and identity, without the app."""
    state = tmp_path_factory.mktemp("services") / "state"
    cloud = LocalCloud(PROJECT, state, authority, "--only", "storage,aml,eventgrid,identity").start()
    yield cloud
    cloud.stop()


@pytest.fixture
def act_as(services: LocalCloud) -> ActAs:
    """Be a principal within a block: what the app keeps for the process is made anew, with that one's rights."""

    @contextmanager
    def acting(principal: str) -> Iterator[None]:
        with services.acting_as(principal):
            _forget()
            try:
                yield
            finally:
                _forget()

    return acting


def _forget() -> None:
    for kept in (settings, credential, lake, jobs, job_details, topic_client):
        kept.cache_clear()


@pytest.fixture(scope="session")
def yard(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[Yard]:
    """The whole app on a local cloud, shared by the flows; each flow has a model of its own."""
    folder = tmp_path_factory.mktemp("yard")
    cloud = LocalCloud(PROJECT, folder / "state", authority, variables={"SLIPWAY_RECONCILE_SCHEDULE": "*/3 * * * * *"})
    yield Yard(cloud.start(), folder / "models")
    cloud.stop()
