"""For all tests: local clouds that are started, handed out and stopped; how properties are tested."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from localcloud.tls import Tls
from tests.running import LocalCloud

StartCloud = Callable[..., LocalCloud]

# The same examples each time, so that a failure is the change's own and nobody else's; and no haste, since the machine
# may be busy. `--hypothesis-profile search` looks for new ones instead, and for longer.
settings.register_profile("same", deadline=None, derandomize=True, database=None)
settings.register_profile("search", deadline=None, derandomize=False, max_examples=2000)
settings.load_profile("same")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The certificate authority of every cloud of the session; the process of the tests trusts it."""
    tls = Tls.load(tmp_path_factory.mktemp("authority"))
    names = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(tls.bundle)))
    yield tls.folder
    for name, value in before.items():
        os.environ.pop(name)
        if value is not None:
            os.environ[name] = value


@pytest.fixture
def start_cloud(tmp_path: Path, authority: Path) -> Iterator[StartCloud]:
    """Start clouds for one test: ``start_cloud(app, "--only", "storage,identity", variables={...})``."""
    clouds: list[LocalCloud] = []

    def start(app: Path, *options: str, variables: dict[str, str] | None = None) -> LocalCloud:
        state = tmp_path / f"state-{len(clouds)}"
        clouds.append(LocalCloud(app, state, authority, *options, variables=variables))
        return clouds[-1].start()

    yield start
    for cloud in clouds:
        cloud.stop()
