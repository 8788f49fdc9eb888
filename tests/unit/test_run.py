"""The names of runs, jobs and instances."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.azure import job_document
from slipway.names import MODEL_PATTERN, InvalidName
from slipway.period import SHAPES, Period
from slipway.run import RunId, instance_id, job_name, parse_job_name
from tests.unit.test_period import periods

models = st.from_regex(MODEL_PATTERN, fullmatch=True)
runs = st.builds(RunId, models, periods, st.from_regex(r"[0-9a-f]{8}", fullmatch=True), st.integers(1, 999_999))

RUN = RunId("flight-delay", Period.parse("2013-01"), "0a1b2c3d", 2)


def test_a_runs_id_says_what_it_is_for() -> None:
    """Model, period, key and number, readable at night."""
    assert str(RUN) == "flight-delay--2013-01--0a1b2c3d-2"
    assert job_name(RUN, 3) == "flight-delay--2013-01--0a1b2c3d-2-a3"
    assert instance_id(RUN, 3) == job_name(RUN, 3)
    assert instance_id(RUN, 3, "stage_inputs") == "flight-delay--2013-01--0a1b2c3d-2-a3-stage_inputs"


@pytest.mark.parametrize("period", SHAPES.values())
def test_azure_ml_keeps_the_name_of_a_job(period: str) -> None:
    """azure-ai-ml lowers the capitals of a name, and a job that is then asked for by another name is never found."""
    name = job_name(RunId("flight-delay", Period.parse(period), "0a1b2c3d"), 1)
    document = {"type": "command", "command": "true", "environment": "azureml:e:1", "compute": "azureml:c"}
    assert job_document.read({**document, "name": name}).name == name


@given(runs, st.integers(1, 999))
def test_ids_and_job_names_read_back(run: RunId, attempt: int) -> None:
    """For any run; and they stay within 90 characters that Azure ML allows in names."""
    assert RunId.parse(str(run)) == run
    assert parse_job_name(job_name(run, attempt)) == parse_job_name(instance_id(run, attempt)) == (run, attempt)
    assert re.fullmatch(r"[A-Za-z0-9-]{1,90}", str(run))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "flight-delay",
        "flight-delay--2013-01--0a1b2c3d",
        "flight-delay--2013-01--0a1b2c3d-0",
        "flight-delay--2013-01--0a1b2c3d-01",
        "flight-delay--2013-01--0A1B2C3D-1",
        "flight-delay--2013-13--0a1b2c3d-1",
        "Flight--2013-01--0a1b2c3d-1",
        "a--b--2013-01--0a1b2c3d-1",
        "../x--2013-01--0a1b2c3d-1",
        "flight-delay--2013-01--0a1b2c3d-1\n",
        "x" * 100_000,
    ],
)
def test_what_no_run_would_be_called_is_refused(text: str) -> None:
    """T4: ids from outside are matched against the grammar, never cleaned."""
    with pytest.raises(InvalidName):
        RunId.parse(text)


@pytest.mark.parametrize("text", [str(RUN), f"{RUN}-a0", f"{RUN}-b1", f"{RUN}-a1-stage_inputs"])
def test_what_is_no_attempts_name_is_refused(text: str) -> None:
    """A run without attempt, and a child's instance, are something else."""
    with pytest.raises(InvalidName):
        parse_job_name(text)


@pytest.mark.parametrize(("key8", "r"), [("0a1b2c3", 1), ("0A1B2C3D", 1), ("0a1b2c3d", 0), ("0a1b2c3d", 1_000_000)])
def test_no_run_is_made_that_would_not_read_back(key8: str, r: int) -> None:
    """A value that exists is valid."""
    with pytest.raises(InvalidName):
        RunId("flight-delay", Period.parse("2013-01"), key8, r)


def test_a_storys_name_is_checked() -> None:
    """Instance ids are built from words of ours alone."""
    with pytest.raises(InvalidName):
        instance_id(RUN, 1, "Stage/Inputs")
