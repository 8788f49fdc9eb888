"""Every path of the models and control filesystems, built and parsed back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway import paths
from slipway.names import PORT_PATTERN
from slipway.paths import LAYOUT, PathError
from slipway.period import Period
from slipway.run import RunId
from slipway.subject import Subject
from tests.unit.test_run import runs

RUN = RunId("flight-delay", Period.parse("2013-01"), "0a1b2c3d", 1)
FOLDER = f"flight-delay/2013-01/{RUN}"


@pytest.mark.parametrize(
    ("built", "expected"),
    [
        (paths.model_root("flight-delay"), "flight-delay"),
        (paths.published_folder("flight-delay"), "flight-delay/published"),
        (paths.pointer("flight-delay", RUN.period), "flight-delay/published/2013-01.json"),
        (paths.latest("flight-delay"), "flight-delay/published/latest.json"),
        (paths.period_folder("flight-delay", RUN.period), "flight-delay/2013-01"),
        (paths.run_folder(RUN), FOLDER),
        (paths.inputs_folder(RUN), f"{FOLDER}/inputs"),
        (paths.inputs_folder(RUN, "flights"), f"{FOLDER}/inputs/flights"),
        (paths.outputs_folder(RUN, 2), f"{FOLDER}/outputs-2"),
        (paths.outputs_folder(RUN, 2, "scores"), f"{FOLDER}/outputs-2/scores"),
        (paths.closed_folder(RUN, 2), f"{FOLDER}/closed-2"),
        (paths.period_record("flight-delay", RUN.period), "periods/flight-delay/2013-01.json"),
        (paths.run_file(RUN), f"runs/{FOLDER}/run.json"),
        (paths.attempt_record(RUN, 2), f"runs/{FOLDER}/record-2.json"),
        (paths.snapshot_part(RUN, 3), f"runs/{FOLDER}/snapshot/part-00003.json"),
        (paths.receipt(RUN, "submit_job"), f"runs/{FOLDER}/receipts/submit_job.json"),
        (paths.receipt(RUN, "copy_batch", 1, 3), f"runs/{FOLDER}/receipts/copy_batch-a1-00003.json"),
        (paths.catalog_pointer(), "catalog/current.json"),
        (paths.catalog_folder("flight-delay", "0123456789ab"), "catalog/flight-delay/0123456789ab"),
        (paths.catalog_definition("flight-delay", "0123456789ab"), "catalog/flight-delay/0123456789ab/definition.json"),
        (paths.period_records("flight-delay"), "periods/flight-delay"),
        (paths.control_folder(RUN), f"runs/{FOLDER}"),
        (paths.listings(), "listings/current.json"),
        (paths.heartbeat(), "heartbeat/reconcile.json"),
        (paths.heard(), "heartbeat/events.json"),
        (paths.request("R-1"), "requests/R-1.json"),
        (paths.model_state("flight-delay"), "models/flight-delay.json"),
        (paths.incident(Subject.of_period("flight-delay", RUN.period)), "incidents/flight-delay/2013-01.json"),
        (
            paths.incident(Subject.of_backfill("flight-delay", "bf-0123456789")),
            "incidents/_backfills/flight-delay/bf-0123456789.json",
        ),
        (paths.incident(Subject.of_platform("event-path-silent")), "incidents/_platform/event-path-silent.json"),
    ],
)
def test_paths_are_where_people_look_for_them(built: str, expected: str) -> None:
    """The layout of the lake, as the documentation shows it."""
    assert built == expected


@given(runs, st.integers(1, 999), st.integers(0, 99_999), st.from_regex(PORT_PATTERN, fullmatch=True))
def test_every_path_of_a_run_reads_back(run: RunId, attempt: int, number: int, port: str) -> None:
    """For any run: what a function built, `parse` takes apart into the same parts."""
    models = {
        "run_folder": paths.run_folder(run),
        "pointer": paths.pointer(run.model, run.period),
        "staged_manifest": paths.staged_manifest(run),
        "input_folder": paths.inputs_folder(run, port),
        "input_file": paths.inputs_folder(run, port) + "/2013-01/part 1.csv",
        "work_folder": paths.work_folder(run, attempt),
        "work_output": paths.work_folder(run, attempt, port),
        "work_file": paths.work_folder(run, attempt, port) + "/part-0.parquet",
        "outputs_folder": paths.outputs_folder(run, attempt),
        "output_manifest": paths.output_manifest(run, attempt),
        "success_marker": paths.success_marker(run, attempt),
        "output_folder": paths.outputs_folder(run, attempt, port),
        "closed_folder": paths.closed_folder(run, attempt),
    }
    control = {
        "run_file": paths.run_file(run),
        "attempt_record": paths.attempt_record(run, attempt),
        "snapshot_index": paths.snapshot_index(run),
        "snapshot_part": paths.snapshot_part(run, number),
        "receipt": paths.receipt(run, "seal_outputs"),
        "receipt_of_batch": paths.receipt(run, "copy_batch", None, number),
        "receipt_of_attempt": paths.receipt(run, "seal_outputs", attempt),
        "receipt_of_attempt_batch": paths.receipt(run, "copy_batch", attempt, number),
        "incident": paths.incident(Subject.of_period(run.model, run.period)),
    }
    for what, path in models.items():
        assert paths.parse("models", path).what == what
        assert paths.parse("models", path).period == run.period
    for what, path in control.items():
        assert paths.parse("control", path).what == what
        assert paths.parse("control", path).run in (run, None)
    part = paths.parse("control", control["snapshot_part"])
    assert (part.run, part.number) == (run, number)
    batch = paths.parse("control", control["receipt_of_attempt_batch"])
    assert (batch.run, batch.step, batch.attempt, batch.number) == (run, "copy_batch", attempt, number)


def test_every_row_of_the_table_has_a_function() -> None:
    """A path that is written somewhere else is not in the table."""
    source = open(paths.__file__).read()  # noqa: PTH123, SIM115
    used = set(re.findall(r'_build\(\s*"\w+", "(\w+)"', source))

    files_below = {"input_file", "work_file", "output_file", "closed_file"}
    assert used == {row for rows in LAYOUT.values() for row in rows} - files_below


@pytest.mark.parametrize(
    ("filesystem", "path"),
    [
        ("models", ""),
        ("models", "/flight-delay"),
        ("models", "flight-delay/"),
        ("models", "../control/catalog/current.json"),
        ("models", "flight-delay/2013-13"),
        ("models", f"flight-delay/2013-02/{RUN}"),
        ("models", f"weather-daily/2013-01/{RUN}"),
        ("models", f"{FOLDER}/outputs-0"),
        ("models", f"{FOLDER}/outputs-1/../inputs"),
        ("models", f"{FOLDER}/inputs/flights/a%2fb"),
        ("models", "catalog/current.json"),
        ("control", "flight-delay/published/latest.json"),
        ("control", f"runs/{FOLDER}/receipts/copy_batch-a1-3.json"),
    ],
)
def test_a_path_that_nobody_would_have_built_is_refused(filesystem: paths.Filesystem, path: str) -> None:
    """T4: also one that names a run in another period's folder."""
    with pytest.raises(PathError):
        paths.parse(filesystem, path)


@pytest.mark.parametrize("name", ["../x", "a/b", "", "A", "x\n"])
def test_no_path_is_built_from_what_is_no_name(name: str) -> None:
    """I17: a name that slipped through cannot lead elsewhere."""
    with pytest.raises(PathError):
        paths.model_root(name)
    with pytest.raises(PathError):
        paths.inputs_folder(RUN, name)
    with pytest.raises(PathError):
        paths.receipt(RUN, name)
    with pytest.raises(PathError):
        paths.request(f"{name}/")
