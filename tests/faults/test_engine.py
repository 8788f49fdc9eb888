"""The engine's own misdeeds, and what long waits do to histories."""

from __future__ import annotations

import pytest

from tests.faults.scene import ROWS, Onlooker, Scene
from tests.running import eventually

#: What no generation of any history may exceed, in events as orchestrators are given them.
MOST_EVENTS = 60


#: Where everything is done twice, as by two hosts that do not know of each other. Not the turn that claims a run: the
#: token made in it is another on each host, so that the two are strangers to each other; that is the next test's.
TURNS = {"operation": "EpisodeCommitted"}
TWICE = {
    "activities": [{"operation": "ActivityStarted"}],
    "turns": [
        *({**TURNS, "name": name} for name in ("evaluate_period", "stage_inputs", "await_job", "verify_outputs")),
        *({**TURNS, "name": "run_model", "nth": turn} for turn in range(2, 7)),
    ],
}


@pytest.mark.parametrize("what", TWICE)
def test_everything_is_done_twice_at_the_same_time(scene: Scene, what: str) -> None:
    """DP-4, DP-6, RC-2 (I1, I5, I6, I20): as when a lease is lost, or two hosts take each turn: the same end, once."""
    model = scene.stage(f"twice-{what}")
    scene.land(f"{model}/2024-01-01", ROWS)
    scene.published(model, "2024-01-01")
    for where in TWICE[what]:
        scene.fault({"duplicate": True}, service="functions", **where)

    with Onlooker(scene, model, "2024-01-02") as onlooker:
        scene.land(f"{model}/2024-01-02", ROWS)
        published = scene.published(model, "2024-01-02")

    onlooker.verdict()
    eventually(lambda: scene.idle() == [])  # the last ones strike when the period is free already
    assert scene.outputs(model, "2024-01-02") == scene.outputs(model, "2024-01-01")
    assert (published["generation"], published["attempt"]) == (1, 1)
    assert scene.job_states(published["run"]) == {f"{published['run']}-a1": "Completed"}
    assert {n: end["state"] for n, end in scene.ends(published["run"]).items()} == {1: "succeeded"}
    eventually(lambda: scene.instance(f"{published['run']}-a1")["runtimeStatus"] == "Completed")


def test_the_turn_that_claims_a_run_is_taken_by_two_hosts(scene: Scene) -> None:
    """DP-6 (I6, I9): the one that loses has the claim, the other does not know it; the next attempt goes on."""
    model, day = scene.stage("strangers"), "2024-01-01"
    scene.fault({"duplicate": True}, service="functions", operation="EpisodeCommitted", name="run_model", nth=1)
    scene.land(f"{model}/{day}", ROWS)
    scene.fired(1)
    run = eventually(lambda: scene.record(model, day).get("claim"))["run"]
    eventually(lambda: scene.instance(f"{run}-a1")["runtimeStatus"] == "Completed")
    scene.outlive(model, day)
    published = scene.published(model, day)
    assert (published["run"], published["attempt"]) == (run, 2)
    assert scene.job_states(run) == {f"{run}-a2": "Completed"}


@pytest.mark.parametrize(
    ("duration", "limit", "stride"),
    [("PT6H", 7 * 3600, None), ("P10D", 11 * 86400, 6 * 3600.0)],
    ids=["six hours", "ten days"],
)
def test_a_long_job_leaves_short_histories(scene: Scene, duration: str, limit: int, stride: float | None) -> None:
    """WT-9, WT-10 (I9, I18): no generation of any history above 60 events, and the run ends published.

    The clock goes from look to look, or in strides of a quarter of a day for the longest. Events are counted as the
    engine stores them, and as its management API shows them.
    """
    model, day = f"long-{duration.lower()}", "2024-01-01"
    scene.stage(model, limit, f"tags: {{localcloud.duration: {duration}}}\n")
    scene.land(f"{model}/{day}", ROWS)
    run = scene.until(model, day, "running")["run"]
    longest = {"raw": 0, "shown": 0}

    while (looked := scene.instance(f"{run}-a1-await_job"))["runtimeStatus"] == "Running":
        waits = scene.timers(run)
        if waits:
            scene.advance(stride or max(0.0, (min(waits) - scene.now()).total_seconds()))
            eventually(lambda before=looked: scene.instance(f"{run}-a1-await_job") != before)
        watch(scene, run, longest)
    published = scene.published(model, day)
    watch(scene, run, longest)

    assert (published["attempt"], scene.job_states(run)) == (1, {f"{run}-a1": "Completed"})
    assert 20 < longest["raw"] <= MOST_EVENTS
    assert 10 < longest["shown"] <= MOST_EVENTS
    [awaited] = [step for step in scene.run(run)["steps"] if step["step"] == "await_job"]
    assert awaited["seconds"] >= limit * 0.8


def watch(scene: Scene, run: str, longest: dict[str, int]) -> None:
    """Note how long the longest history of a run's instances is at this moment."""
    for story in ("", "-stage_inputs", "-await_job", "-verify_outputs"):
        instance = f"{run}-a1{story}"
        longest["raw"] = max(longest["raw"], len(scene.history(instance)))
        shown = scene.instance(instance, "showHistory=true").get("historyEvents") or []
        longest["shown"] = max(longest["shown"], len(shown))
