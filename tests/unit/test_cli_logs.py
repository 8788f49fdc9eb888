"""Following a log: each line once, none lost, half a line not taken for a whole one."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from slipway.cli.client import Refused
from slipway.cli.logs import FULL, _follow
from triggers.run_files import LINES
from triggers.shapes.runs import Log


def log(*lines: str, state: str = "Running", begins: int = 0, then: str | None = None, **more: Any) -> dict[str, Any]:
    """An answer of the API."""
    document = {
        "run": "r",
        "attempt": 1,
        "job": "r-a1",
        "state": state,
        "first_line": None,
        "lines": list(lines),
        "unfinished": None,
        "begins": begins,
        "bytes": begins + sum(len(line) + 1 for line in lines),
        "next": then,
        **more,
    }
    Log.model_validate(document)
    return document


class Api:
    """An API whose log has these answers by cursor; one that is a list is answered one after the other."""

    def __init__(self, answers: dict[str | None, list[Any]], deadline: str | None = "soon") -> None:
        self.answers, self.deadline = answers, deadline

    def get(self, *way: str, cursor: str | None = None) -> dict[str, Any]:
        """What lies there now."""
        if way[-1] != "log":
            return {"deadline": self.deadline}
        answer: dict[str, Any] | Refused = self.answers[cursor].pop(0)
        if isinstance(answer, Refused):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between two looks; they take no time."""
    made: list[float] = []
    monkeypatch.setattr(import_module("slipway.cli.logs"), "pause", made.append)
    return made


def test_a_log_is_followed_from_its_end_on_until_all_was_read(
    capsys: pytest.CaptureFixture[str], waits: list[float]
) -> None:
    """Each answer goes on where the one before ended; half a line waits until it is whole, or the job over."""
    api = Api(
        {
            None: [log("one", "two", begins=2 * 2**30, then="A", unfinished="thr")],
            "A": [log(then="A", unfinished="thr"), log("three", then="B", unfinished="fo")],
            "B": [log("fo", state="Failed")],
        }
    )

    _follow(api, "r", as_json=False)  # type: ignore[arg-type]

    told = capsys.readouterr()
    assert told.out.splitlines() == ["one", "two", "three", "fo"]
    assert told.err.splitlines() == ["(the last 8 B of 2.1 GB; all of it is in the studio)", "r-a1: Failed"]
    assert len(waits) == 3


def test_what_is_there_already_is_not_waited_for(waits: list[float]) -> None:
    """A job may print faster than somebody looks."""
    full = log(*["x"] * FULL, then="A")

    _follow(Api({None: [full], "A": [full, log(state="Completed")]}), "r", as_json=False)  # type: ignore[arg-type]

    assert waits == []
    assert FULL == LINES


def test_a_run_without_a_job_is_waited_for_while_it_is_active(waits: list[float]) -> None:
    """One that ended without a job never has a log."""
    none = Refused({"title": "No log"})

    _follow(Api({None: [none, log("one", state="Completed")]}), "r", as_json=False)  # type: ignore[arg-type]

    assert len(waits) == 1
    with pytest.raises(Refused):
        _follow(Api({None: [none]}, deadline=None), "r", as_json=False)  # type: ignore[arg-type]
