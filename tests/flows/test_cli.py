"""The command line over the API, as people on call and scripts use it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from slipway.cli import app
from tests.flows.yard import Yard, forget_clients
from tests.running import eventually
from triggers.shapes.incidents import Incidents
from triggers.shapes.models import Board
from triggers.shapes.periods import Card, Decided
from triggers.shapes.runs import Accepted, Attempts, Log, Run

DAY, BROKEN, EMPTY = "2024-03-31", "2024-03-30", "2024-03-29"
#: A job that says a line, works for a moment, and says another.
TALKING = """
import pathlib, sys, time
for line in ("one", "two", "three"):
    print(line, flush=True)
    time.sleep(0.7)
pathlib.Path(sys.argv[2], "all.txt").write_text("x")
"""
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def slipway(yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """`slipway …` in a folder whose environments are the yard: exit code, stdout, stderr."""
    url = yard.cloud.endpoints.functions
    (tmp_path / "environments.yaml").write_text(
        f"local: {{url: '{url}'}}\nsigned: {{url: '{url}', audience: '{url}'}}\ngone: {{url: 'http://127.0.0.1:9'}}\n"
    )
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.output
        return result.exit_code, result.stdout, result.stderr

    return run


@pytest.fixture(scope="module")
def model(shared_yard: Yard) -> str:
    """A model with one period published and one that failed; what reads it changes nothing."""
    name = shared_yard.a_model("typed")
    shared_yard.land(f"{name}/{DAY}", {"a.txt": "one"})
    shared_yard.land(f"{name}/{BROKEN}", {"a.txt": "fail"})
    shared_yard.published(name, DAY)
    shared_yard.ended(name, BROKEN, "failed")
    eventually(lambda: (shared_yard.period(name, BROKEN)["incident"] or {}).get("status") == "open")
    return name


def test_the_board_shows_marks_and_what_needs_a_person(yard: Yard, slipway: Command, model: str) -> None:
    """`--check` is for scripts that wake somebody."""

    def shown() -> str:
        return next(line for line in slipway("status", "--periods", "3")[1].splitlines() if line.startswith(model))

    eventually(lambda: shown().split()[1:] == ["✓", "✗!", "·"])
    code, told, _ = slipway("status", "--check", "--json")
    assert code == 4
    assert Board.model_validate_json(told).models
    assert slipway("status")[0] == 0
    assert yard.get("board")["models"]


def test_a_failed_run_is_found_shown_and_read(yard: Yard, slipway: Command, model: str) -> None:
    """From the incident to the last line that the job printed."""
    run = yard.period(model, BROKEN)["last"]["run"]

    assert run in slipway("incidents")[1]
    assert run in slipway("runs", "--model", model, "--state", "failed")[1]
    assert slipway("show", run)[1].splitlines()[1].startswith("model/job-failed in await_job")
    assert "the input told me to fail" in slipway("logs", run)[1]
    assert "submit_job" in slipway("show", run)[1]
    code, told, _ = slipway("why", model, BROKEN, "--check")
    assert (code, "Incident since" in told) == (4, True)
    links = json.loads(slipway("open", f"{model}/{BROKEN}", "--json")[1])
    assert (links["run"], links["links"]["studio"] is not None) == (run, True)


def test_what_a_period_waits_for_is_said_in_words(slipway: Command, model: str) -> None:
    """And that nobody is needed for it."""
    code, told, _ = slipway("why", model, EMPTY, "--check")

    assert code == 0
    assert f"Blocked: rows: landing/{model}/{EMPTY}/ has no data" in told
    assert slipway("open", f"{model}/{EMPTY}") == (1, "", f"No run: Nobody has run {model}/{EMPTY} yet.\n")


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        (["status"], Board),
        (["runs", "--model", "typed", "--all"], Attempts),
        (["incidents", "--all"], Incidents),
        (["why", "typed", DAY], Card),
        (["show", "RUN"], Run),
        (["logs", "RUN"], Log),
        (["logs", "-f", "RUN"], Log),
    ],
)
def test_scripts_get_the_apis_own_documents(
    yard: Yard, slipway: Command, model: str, arguments: list[str], shape: Any
) -> None:
    """Whatever is read."""
    run = yard.period(model, BROKEN)["last"]["run"]

    code, told, _ = slipway(*(run if one == "RUN" else one for one in arguments), "--json")

    assert code == 0
    shape.model_validate_json(told)


def test_a_log_is_followed_from_before_its_job_is_there_until_it_has_ended(yard: Yard, slipway: Command) -> None:
    """Each line once."""
    model = yard.a_model("typed-talks", job=TALKING)
    yard.fault({"delay": 3}, service="aml", operation="PutJob", name=f"{model}--*", times=1)
    yard.land(f"{model}/{DAY}", {"a.txt": "one"})
    run = eventually(lambda: (card := yard.period(model, DAY))["active"] or card["last"])["run"]

    code, told, talk = slipway("logs", "-f", run)

    assert (code, told.splitlines()) == (0, ["one", "two", "three"])
    assert talk == f"{run}-a1: Completed\n"


def test_a_run_is_started_canceled_and_resumed_with_reasons(yard: Yard, slipway: Command) -> None:
    """Each prints what to look at next; with --json what the API answered."""
    model = yard.a_model("typed-runs")
    yard.land(f"{model}/{DAY}", {"a.txt": "one"})
    before = yard.published(model, DAY)["run"]

    code, told, _ = slipway("rerun", model, DAY, "--reason", "the list was wrong", "--key", "typed-1", "--json")
    run = Accepted.model_validate_json(told).run
    again = slipway("rerun", model, DAY, "--reason", "the list was wrong", "--key", "typed-1")
    assert (code, again[:2]) == (0, (0, f"{run} is started: slipway show {run}\n"))
    assert yard.published(model, DAY, other_than=before)["run"] == run
    assert yard.run(run)["cause"]["reason"] == "the list was wrong"

    yard.land(f"{model}/{BROKEN}", {"a.txt": "hang"})
    active = eventually(lambda: (yard.period(model, BROKEN)["active"] or {}).get("run"))
    code, _, problem = slipway("rerun", model, BROKEN, "--reason", "because")
    assert (code, problem) == (1, f"A run is active: {active} is active.\n")
    assert slipway("cancel", active, "--reason", "wrong release")[0] == 0
    yard.ended(model, BROKEN, "canceled")
    assert slipway("resume", active, "--reason", "it was right after all")[0] == 0
    assert slipway("cancel", active, "--reason", "no, it was not")[0] == 0


def test_decisions_are_made_and_taken_back(yard: Yard, slipway: Command) -> None:
    """About a period and about a model; who decided first is who is named."""
    model = yard.a_model("typed-decides")
    yard.land(f"{model}/{BROKEN}", {"a.txt": "fail"})
    yard.land(f"{model}/{DAY}", {"a.txt": "one"})
    yard.ended(model, BROKEN, "failed")
    yard.published(model, DAY)
    eventually(lambda: (yard.period(model, BROKEN)["incident"] or {}).get("status") == "open")

    def decide(*words: str) -> str:
        code, told, problem = slipway(*words, "--reason", "I say so")
        assert code == 0, problem
        return told

    assert "acknowledged, by developer at" in decide("acknowledge", model, BROKEN)
    assert "developer is on it since" in slipway("why", model, BROKEN)[1]
    assert "is waived, by developer at" in decide("waive", model, BROKEN)
    assert "Waived by developer" in slipway("why", model, BROKEN)[1]
    assert decide("reopen", model, BROKEN) == f"{model} {BROKEN} is open: slipway why {model} {BROKEN}\n"
    assert "is retracted, by developer at" in decide("retract", model, DAY)
    run = yard.period(model, DAY)["last"]["run"]
    assert decide("publish", model, DAY, run) == f"{run} will be published again: slipway show {run}\n"
    yard.published(model, DAY)
    assert "is paused, by developer at" in decide("pause", model)
    assert Decided.model_validate_json(decide("unpause", model, "--json")).paused is None


def test_what_is_refused_is_told_in_words_and_in_exit_codes(slipway: Command, model: str) -> None:
    """1 refused, 3 not reachable; as JSON the problem itself."""
    assert slipway("why", "nobody", DAY) == (1, "", "Unknown model: No model named 'nobody' is released here.\n")
    assert slipway("why", model, "2024-02-30")[0] == 1
    assert slipway("show", "what")[2].startswith("Unknown run: ")
    assert slipway("runs", "--since", "yesterday")[2].startswith("Malformed time: ")
    assert slipway("logs", "-f", f"{model}--{EMPTY}--00000000-1")[0] == 1
    code, _, problem = slipway("waive", model, EMPTY, "--reason", "x")
    assert (code, problem.splitlines()[0]) == (1, "Malformed body: The body does not have the form that is asked for.")
    code, told, _ = slipway("show", "what", "--json")
    assert (code, json.loads(told)["status"]) == (1, 404)
    code, told, problem = slipway("status", "--env", "gone")
    assert (code, told, problem.startswith("Not reachable: Nobody answers at http://127.0.0.1:9")) == (3, "", True)


def test_a_token_is_of_whoever_is_signed_in(yard: Yard, slipway: Command, model: str) -> None:
    """Who has no role reads and changes nothing; no token stands in any output."""
    with yard.cloud.acting_as("viewer"):
        forget_clients()
        seen = slipway("status", "--env", "signed")
        refused = slipway("pause", model, "--reason", "because", "--env", "signed")
        forget_clients()

    assert seen[0] == 0
    assert refused[0] == 1
    assert refused[2].startswith("Not allowed: ")
    assert not any("eyJ" in text for result in (seen, refused) for text in result[1:])
