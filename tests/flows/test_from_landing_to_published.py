"""From landing to published outputs, as upstream, readers and people over HTTP see it."""

from __future__ import annotations

from tests.flows.yard import Yard
from tests.running import eventually


def test_landed_data_are_run_and_published_to_their_readers_alone(yard: Yard) -> None:
    """The marker lands, the model runs once, and readers, not strangers nor the job, read what it wrote."""
    model = yard.a_model("happy")
    yard.land(f"{model}/2024-01-01", {"a.txt": "one", "b.txt": "two"})

    published = yard.published(model, "2024-01-01")

    assert set(yard.outputs(model, "2024-01-01")) == {"all/all.txt"}
    run = yard.run(published["run"])
    assert run["state"] == "succeeded"
    assert run["cause"]["kind"] == "data"
    assert {"copy_batch", "await_job", "publish_outputs"} <= {step["step"] for step in run["steps"]}
    assert yard.jobs(published["run"]) == [f"{published['run']}-a1"]
    result = f"{published['folder']}/all/all.txt"
    assert yard.can_read("analyst", result)
    assert not yard.can_read("stranger", result)
    assert not yard.can_read("planner", result)
    assert not yard.can_read("job", result)
    assert not yard.can_read("analyst", f"{run['links']['inputs']}/rows/2024-01-01/a.txt")
    assert not yard.can_read("job", f"{run['links']['inputs']}/rows/2024-01-01/a.txt")


def test_a_landing_without_its_marker_runs_nothing_and_says_what_blocks(yard: Yard) -> None:
    """Readiness names the input, the folder and what it lacks; the marker then starts the run."""
    model = yard.a_model("no-marker")
    yard.land(f"{model}/2024-01-02", {"a.txt": "one"}, marker=None)

    card = eventually(lambda: (c := yard.period(model, "2024-01-02"))["readiness"]["inputs"]["rows"]["files"] and c)

    assert card["decision"]["action"] == "wait"
    assert "landing/no-marker/2024-01-02/ has 1 file but no _SUCCESS" in card["readiness"]["blocks"]
    assert card["active"] is None
    yard.land(f"{model}/2024-01-02", {})
    yard.published(model, "2024-01-02")


def test_data_from_before_the_first_period_run_nothing(yard: Yard) -> None:
    """A landing folder full of history starts no run; the first period's data do."""
    model = yard.a_model("history")
    for day in range(1, 6):
        yard.land(f"{model}/2023-12-{day:02d}", {"a.txt": "old"})
    yard.land(f"{model}/2024-01-01", {"a.txt": "new"})

    yard.published(model, "2024-01-01")

    for day in range(1, 6):
        card = yard.period(model, f"2023-12-{day:02d}")
        assert (card["active"], card["last"], card["published"]) == (None, None, None)


def test_corrected_data_start_a_new_run_and_leave_the_old_bytes_alone(yard: Yard) -> None:
    """The pointer moves to a new generation; the superseded set stays open for its grace, byte for byte."""
    model = yard.a_model("correction")
    yard.land(f"{model}/2024-01-01", {"a.txt": "first"})
    before = yard.published(model, "2024-01-01")
    old = yard.outputs(model, "2024-01-01")

    yard.land(f"{model}/2024-01-01", {"a.txt": "corrected"})
    after = yard.published(model, "2024-01-01", other_than=before["run"])

    assert after["generation"] > before["generation"]
    assert yard.outputs(model, "2024-01-01") != old
    assert yard.run(before["run"])["state"] == "succeeded"
    assert yard.can_read("analyst", f"{before['folder']}/all/all.txt")


def test_a_model_that_reads_another_ones_outputs_follows_it(yard: Yard) -> None:
    """Publishing wakes the consumer, which runs on the published bytes."""
    producer = yard.a_model("producer")
    consumer = yard.a_model(
        "consumer",
        """
        description: Reads what the producer published.
        owner: yard
        readers: [planning]
        cadence: daily
        first_period: "2024-01-01"
        last_period: "2024-03-31"
        inputs:
          rows: {from: producer/all}
        outputs:
          all: {must_have: ["*.txt"]}
        """,
    )
    yard.land(f"{producer}/2024-01-05", {"a.txt": "chained"})

    yard.published(producer, "2024-01-05")
    yard.published(consumer, "2024-01-05")

    assert set(yard.outputs(consumer, "2024-01-05", principal="planner")) == {"all/all.txt"}
