"""What a published run took, as it is counted, and as lists hold it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from slipway.usage import Usage, used
from tests.unit.builders import NOON

CLAIM: dict[str, Any] = {"since": NOON.isoformat(), "job": "run-a1"}
JOB = {"compute": "azureml:cpu-cluster", "resources": {"instance_count": 2}}


def awaited(started_at: str | None) -> dict[str, Any]:
    """The receipt of a job that was submitted at noon and ended an hour later."""
    ended = (NOON + timedelta(hours=1)).isoformat()
    return {"started_at": NOON.isoformat(), "ended_at": ended, "result": {"started_at": started_at}}


def test_time_nodes_and_bytes_are_counted() -> None:
    """The job's own times, by its nodes; the attempt's time from its claim on."""
    began = (NOON + timedelta(minutes=30)).isoformat()
    now = NOON + timedelta(hours=2)

    found = used(CLAIM, JOB, awaited(began), {"bytes": 10}, {"result": {"bytes": 20}}, now)

    assert found == Usage(7200, 1800, 2, "cpu-cluster", 10, 20)
    assert found.node_hours == 1


def test_what_nobody_saw_is_not_invented() -> None:
    """A workspace may not tell when a job began, and a receipt may be lost with its owner."""
    assert used(CLAIM, JOB, awaited(None), None, None, NOON).job_seconds == 3600
    assert used(CLAIM, JOB, None, None, None, NOON).node_hours is None


def test_a_machine_that_a_person_chose_is_the_one_that_counts() -> None:
    """And a serverless job is known by its size."""
    assert used(CLAIM | {"compute": "large"}, JOB, None, None, None, NOON).compute == "large"
    assert used(CLAIM, {"resources": {"instance_type": "Standard_D4"}}, None, None, None, NOON).compute == "Standard_D4"


sizes = st.integers(0, 10**15)
times = st.integers(0, 10**7).map(lambda tenths: tenths / 10)


@given(
    st.builds(
        Usage, times, st.none() | times, st.integers(1, 99), st.from_regex(r"[!-~]+", fullmatch=True), sizes, sizes
    )
)
def test_its_text_is_read_back(usage: Usage) -> None:
    """As a blob's metadata and the board keep it."""
    assert Usage.parse(usage.text) == usage


@given(st.text())
def test_any_other_text_is_none(text: str) -> None:
    """A list never fails over a record that another version wrote."""
    found = Usage.parse(text)
    assert found is None or len(text.split(" ")) == 6
