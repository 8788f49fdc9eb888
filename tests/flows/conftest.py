"""Fixtures of the flows: one set of Azure's services for all of them, and the app's own code acting on it."""

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
from tests.flows.sink import Sink
from tests.flows.yard import Yard
from tests.running import PROJECT, LocalCloud

ActAs = Callable[[str], AbstractContextManager[None]]
#: How often the shared app reconciles; and many flows fail a model of their own, without a common cause.
RECONCILING = {"SLIPWAY_RECONCILE_SCHEDULE": "*/3 * * * * *", "SLIPWAY_ALIKE_MODELS": "100"}
#: An app of a few models does it each second: a pass is over by then.
OFTEN = {**RECONCILING, "SLIPWAY_RECONCILE_SCHEDULE": "* * * * * *"}


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package")
def sink() -> Iterator[Sink]:
    """Where the incidents of the shared yard go."""
    one = Sink()
    yield one
    one.stop()


@pytest.fixture(scope="package")
def shared_yard(tmp_path_factory: pytest.TempPathFactory, authority: Path, sink: Sink) -> Iterator[Yard]:
    """The whole app on a local cloud, started once for all flows, and stopped after them: it is busy all the while."""
    folder = tmp_path_factory.mktemp("yard")
    cloud = LocalCloud(PROJECT, folder / "state", authority, variables=RECONCILING | sink.settings())
    yield Yard(cloud.start(), folder / "models")
    cloud.stop()


@pytest.fixture
def yard(shared_yard: Yard, sink: Sink) -> Iterator[Yard]:
    """The shared yard, without the faults that a flow switched on; each flow has a model of its own."""
    yield shared_yard
    sink.answers, sink.pager_is_down = "ok", False
    shared_yard.calm()


@pytest.fixture(scope="module")
def own_yard(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[Callable[..., Yard]]:
    """Make yards for one file, with settings or an app folder of their own: ``own_yard(app=..., SLIPWAY_X="1")``."""
    clouds: list[LocalCloud] = []

    def make(app: Path = PROJECT, **settings: str) -> Yard:
        """Start an app, and return where to launch runs in it."""
        folder = tmp_path_factory.mktemp("own-yard")
        clouds.append(LocalCloud(app, folder / "state", authority, variables=OFTEN | settings))
        return Yard(clouds[-1].start(), folder / "models")

    yield make
    for cloud in clouds:
        cloud.stop()
