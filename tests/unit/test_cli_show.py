"""A run on one screen: the failure first, steps on a timeline, attempts, links."""

from __future__ import annotations

from typing import Any

import pytest

from slipway.cli.show import bar, rendered
from tests.unit.printed import printed
from triggers.shapes.runs import Run

RUN = "shop--2024-03-01--84b477cc-1"


def task(name: str, attempt: int, began: int, ended: int, error: str | None = None) -> dict[str, Any]:
    """A task that was tried within one minute."""
    times = {"began_at": f"2024-03-02T06:0{attempt}:{began:02}Z", "ended_at": f"2024-03-02T06:0{attempt}:{ended:02}Z"}
    outcome = {"outcome": "failure" if error else "done", "error": error, "tries": 1, "source": "engine"}
    return {"attempt": attempt, "what": name, **times, **outcome}


HISTORY = [
    task("plan_staging", 1, 0, 10),
    task("copy_batch", 1, 10, 30),
    task("copy_batch", 1, 12, 40, "platform/throttled: busy"),
    task("copy_batch", 1, 30, 40),
    task("submit_job", 2, 0, 5),
    task("read_job", 2, 5, 10, "model/job-failed: exit 1"),
]


def run(**more: Any) -> dict[str, Any]:
    """A run that failed twice."""
    failure = {"kind": "model", "code": "job-failed", "message": "exit 1"}
    ends = {"state": "failed", "job": f"{RUN}-a1", "ended_at": "2024-03-02T06:01:40Z", "failure": failure}
    document = {
        "run": RUN,
        "model": "shop",
        "period": "2024-03-01",
        "state": "failed",
        "attempt": 2,
        "cause": {"kind": "request", "by": "dana", "reason": "the shop list was wrong"},
        "version": "0123456789ab",
        "fingerprint": "f",
        "since": "2024-03-02T06:01:00Z",
        "deadline": None,
        "canceling": False,
        "failure": failure,
        "failed_step": "await_job",
        "metrics": {},
        "steps": [],
        "attempts": [{"attempt": 1, **ends}, {"attempt": 2, **ends, "job": f"{RUN}-a2"}],
        "gone": {},
        "incident": {
            "key": "k",
            "status": "open",
            "code": "job-failed",
            "opened_at": "2024-03-02T06:01:41Z",
            "resolved_at": None,
        },
        "links": {"job": f"{RUN}-a2", "studio": None, "inputs": f"shop/2024-03-01/{RUN}/inputs"},
        **more,
    }
    Run.model_validate(document)
    return document


def test_a_failed_run() -> None:
    """Nobody scrolls for the reason; each attempt has a scale of its own; what came right in the end is no failure."""
    assert printed(rendered(run(), HISTORY, 140), 140).split("\n") == [
        f"{RUN}  failed",
        "model/job-failed in await_job: exit 1",
        "model     shop 2024-03-01, version 0123456789ab",
        "attempt   2, since 2024-03-02 06:01:00Z",
        "cause     request, by dana: the shop list was wrong",
        "incident  open, job-failed, since 2024-03-02 06:01:41Z",
        "",
        "attempt  task                 took                                     began                 failed with",
        f"1        plan_staging         10.0s  {'█' * 8:32}  2024-03-02 06:01:00Z",
        f"         copy_batch, 3 times  30.0s  {' ' * 8}{'█' * 24}  2024-03-02 06:01:10Z",
        f"2        submit_job           5.0s   {'█' * 16:32}  2024-03-02 06:02:00Z",
        f"         read_job             5.0s   {' ' * 16}{'█' * 16}  2024-03-02 06:02:05Z  model/job-failed",
        "",
        "attempt  ended                 state   failure           job",
        f"1        2024-03-02 06:01:40Z  failed  model/job-failed  {RUN}-a1",
        f"2        2024-03-02 06:01:40Z  failed  model/job-failed  {RUN}-a2",
        "",
        f"job     {RUN}-a2",
        f"inputs  shop/2024-03-01/{RUN}/inputs",
    ]


def test_an_active_run_that_somebody_wants_ended() -> None:
    """What is not there is left out."""
    active = run(
        state="running", canceling=True, failure=None, failed_step=None, deadline="2024-03-02T08:00:00Z", incident=None,
        attempts=[],
    )  # fmt: skip
    assert printed(rendered(active, [], 80), 80).split("\n") == [
        f"{RUN}  running  to be canceled",
        "model     shop 2024-03-01, version 0123456789ab",
        "attempt   2, since 2024-03-02 06:01:00Z",
        "cause     request, by dana: the shop list was wrong",
        "deadline  2024-03-02 08:00:00Z, for the next sign of life",
        "",
        f"job     {RUN}-a2",
        f"inputs  shop/2024-03-01/{RUN}/inputs",
    ]


def test_what_the_model_says_of_itself_stands_before_the_links() -> None:
    """Name by name; an app that knows no metrics answers none."""
    told = printed(rendered(run(metrics={"mae": 27.1234, "rows": 27_004.0}), [], 80), 80)
    assert told.split("\n\n")[-2].split("\n") == ["metric  value", "mae     27.1234", "rows    27,004"]
    older = {name: value for name, value in run().items() if name != "metrics"}
    assert "metric" not in printed(rendered(older, [], 80), 80)


@pytest.mark.parametrize(
    ("begin", "end", "whole", "shown"),
    [
        (0, 10, 10, "████"),
        (0, 5, 10, "██  "),
        (9.9, 10, 10, "   █"),
        (10, 10, 10, "   █"),
        (0, 0, 10, "█   "),
        (0, 0, 0, "█   "),
    ],
)
def test_a_bar_is_never_empty_and_never_leaves_its_line(begin: float, end: float, whole: float, shown: str) -> None:
    """Steps of milliseconds stand beside those of hours."""
    assert bar(begin, end, whole, 4) == shown


def test_a_run_whose_inputs_are_gone_says_so() -> None:
    """What retention deleted is not promised: who would read it again sees it before asking."""
    shown = printed(rendered(run(gone={"inputs": "2024-04-02T03:00:00Z"}), [], 100))

    assert "Its inputs are deleted since 2024-04-02 03:00:00Z, as slipway retention says" in shown
