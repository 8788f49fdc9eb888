"""Two installations on one lake: a second host of the app, whose engine knows nothing of the first's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.scene import FILES, ROWS, Scene
from tests.flows.sink import Sink
from tests.running import PROJECT, LocalCloud, eventually


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, authority: Path) -> Iterator[Scene]:
    """The app twice, in one cloud."""
    folder, sink = tmp_path_factory.mktemp("both"), Sink()
    settings = {"SLIPWAY_RECONCILE_SCHEDULE": "*/2 * * * * *", **sink.settings()}
    cloud = LocalCloud(PROJECT, folder / "state", authority, "--slot", "second", variables=settings)
    yield Scene(cloud.start(), folder / "models", sink)
    cloud.stop()
    sink.stop()


def test_each_period_is_published_once(both: Scene) -> None:
    """CL-8, RD-3, RD-4 (I1, I6): both look at every landing; each run is one installation's alone."""
    model = both.stage("shared")
    both.events(off=True)
    days = [f"2024-01-{day:02}" for day in range(1, 7)]
    for day in days:
        both.land(f"{model}/{day}", ROWS)
    owners = set()
    for day in days:
        published = both.published(model, day)
        run = published["run"]
        assert (published["generation"], published["attempt"]) == (1, 1)
        assert both.job_states(run) == {f"{run}-a1": "Completed"}
        eventually(lambda run=run: {n: end["state"] for n, end in both.ends(run).items()} == {1: "succeeded"})
        assert both.outputs(model, day) == both.outputs(model, days[0])
        owners.add(both.ends(run)[1]["installation"])
    assert owners <= {"local", "second"}


def test_a_run_of_the_one_goes_on_while_the_other_is_killed(both: Scene) -> None:
    """CL-8, LO-1 (I6): the claim of an installation that is away is left to it, or taken over whole."""
    model, day = both.stage("orphan"), "2024-01-01"
    both.fault({"crash": True}, service="slot", operation="ActivityStarted", every=5, times=4)
    both.fault({"crash": True}, service="functions", operation="ActivityStarted", every=7, times=3)
    both.land(f"{model}/{day}", ROWS)
    published = both.published(model, day)
    assert published["generation"] == 1
    states = both.job_states(published["run"])
    assert list(states.values()).count("Completed") == 1
    assert set(both.outputs(model, day)) == set(FILES)
