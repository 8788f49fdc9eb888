"""What people are told of an incident, and the commands that help."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import typer

from slipway.cli import app
from slipway.incident import ASKING, FIRST_STEPS, LATE, WILL_NOT_END, Incident, acknowledged, opened, resolved
from slipway.message import message
from slipway.subject import Subject
from tests.unit.builders import NOON, by
from tests.unit.test_incident import HOUR, RUN, a_failure

COMMANDS: Any = getattr(typer.main.get_command(app), "commands")  # noqa: B009 - a group's, which typer does not type
#: What is told of a period that is late and of which nothing ran.
NO_RUN = {"run": None, "attempt": None, "step": None, "job": None}


def lines(incident: Incident) -> list[str]:
    """The text of an incident, where the app is reached under https://slipway."""
    return message(incident, "slipway/north", "https://slipway", "prod").text.splitlines()


def commands(**facts: Any) -> list[str]:
    """The commands of an incident."""
    return [one.command for one in message(opened(None, a_failure(**facts), NOON), "slipway/north").remedies]


def test_the_text_has_all_that_on_call_needs_to_begin() -> None:
    """What happened first and last, where, what was tried, what to do first, who waits until when, where to read on."""
    log = "https://ml.azure.com/runs/x?wsid=/subscriptions/s/workspaces/w&tid=t"
    due = {"due": "2013-02-03T14:00:00+00:00", "waiting": ["crew-plan", "fuel"]}
    first = opened(None, a_failure(code="outputs-differ", message="no file like *.parquet", **due), NOON)
    incident = opened(first, a_failure(attempt=2, transient=True, log=log, **due), NOON + HOUR)
    incident = acknowledged(incident, by("ann", "I look"), NOON + HOUR)

    assert lines(incident) == [
        "it failed: KeyError",
        "On it: ann: I look",
        f"Where: step await_job, run {RUN}, attempt 2, job {RUN}-a1",
        "First error: outputs-differ: no file like *.parquet",
        "Tried: 2 attempts of this run, its last step again until its tries were used up",
        f"First: {FIRST_STEPS['model']}",
        "Due: 2013-02-03T14:00:00+00:00",
        "Waiting: crew-plan, fuel",
        f"Log: {log}",
        "Incident: https://slipway/dashboard/incidents/flight-delay--2013-01",
        "Period: https://slipway/dashboard/models/flight-delay/periods/2013-01",
        f"Run: https://slipway/dashboard/runs/{RUN}",
        f"History: https://slipway/api/runs/{RUN}/history",
        f"Output: https://slipway/api/runs/{RUN}/log",
        "Say that you are on it: slipway acknowledge flight-delay 2013-01 --env prod",
        "See what blocks: slipway why flight-delay 2013-01 --env prod",
        f"See what happened: slipway show {RUN} --env prod",
        f"Read the job's log: slipway logs {RUN} --env prod",
        "After the code was mended: slipway release flight-delay",
        "And then: slipway rerun flight-delay 2013-01 --env prod",
        "If nobody needs this period: slipway waive flight-delay 2013-01 --env prod",
    ]


def test_what_is_not_known_has_no_line_and_what_is_over_no_commands() -> None:
    """A late period has no run, no job and no log; an installation may have no address."""
    incident = opened(None, a_failure(code=LATE, kind="data", **NO_RUN), NOON)
    over = resolved(incident, 1, "waived by ann", NOON) or {}

    assert message(over, "slipway/north").text.splitlines() == [
        "it failed: KeyError",
        f"First: {FIRST_STEPS['data']}",
    ]
    assert message(over, "slipway/north").to_document()["commands"] == []


def test_a_title_says_what_it_is_about() -> None:
    """In one line, whatever the message is."""
    assert message(opened(None, a_failure(), NOON), "n").title == "flight-delay 2013-01: it failed: KeyError"
    backfill = opened(None, {**a_failure(**NO_RUN), **Subject.of_backfill("shop", "B-1").to_document()}, NOON)
    assert message(backfill, "n").title == "backfill B-1 of shop: it failed: KeyError"
    assert len(message(opened(None, a_failure(message="x " * 900), NOON), "n").title) < 200


def test_the_models_that_wait_are_named_as_far_as_that_helps() -> None:
    """A hundred names help nobody."""
    told = lines(opened(None, a_failure(waiting=[f"m{number}" for number in range(30)]), NOON))

    assert next(line for line in told if line.startswith("Waiting")).endswith(", m18, m19 and 10 more")


@pytest.mark.parametrize(
    ("facts", "helps"),
    [
        pytest.param({"kind": "platform"}, f"slipway resume {RUN}", id="platform"),
        pytest.param({"kind": "slipway"}, f"slipway resume {RUN}", id="a fault of Slipway's"),
        pytest.param({"kind": "model"}, "slipway rerun flight-delay 2013-01", id="the model's code"),
        pytest.param({"kind": "data"}, "slipway rerun flight-delay 2013-01", id="the data"),
        pytest.param({"code": LATE, "kind": "platform"}, f"slipway cancel {RUN}", id="a run that never ends"),
        pytest.param({"code": LATE, "kind": "data", **NO_RUN}, "slipway waive flight-delay 2013-01", id="no data come"),
        pytest.param({"kind": "platform", **NO_RUN, "step": ASKING}, "slipway why flight-delay 2013-01", id="asking"),
        pytest.param({"code": WILL_NOT_END, "kind": "platform"}, f"slipway show {RUN}", id="a job that will not end"),
    ],
)
def test_each_remedy_is_a_command_that_the_command_line_understands(facts: dict[str, Any], helps: str) -> None:
    """Whatever failed, the command that helps is among them, ready to be pasted."""
    told = commands(**facts)

    assert helps in told
    for command in told:
        program, name, *arguments = shlex.split(command)
        assert program == "slipway"
        COMMANDS[name].make_context(name, arguments)


@pytest.mark.parametrize(
    ("about", "helps"),
    [
        pytest.param(Subject.of_backfill("shop", "bf-1"), "slipway backfill show bf-1", id="a backfill"),
        pytest.param(Subject.of_platform("event-path-silent"), "slipway doctor", id="the platform"),
    ],
)
def test_what_is_about_no_single_period_has_commands_too(about: Subject, helps: str) -> None:
    """To see what happened; what is to be done stands in its first step."""
    told = commands(**NO_RUN, **about.to_document())

    assert helps in told
    for command in told:
        _, name, *arguments = shlex.split(command)
        COMMANDS[name].make_context(name, arguments)


def test_a_document_keeps_the_records_own_bookkeeping_to_itself() -> None:
    """Who wrote the record and what was sent is nobody's business outside."""
    told = message({**opened(None, a_failure(), NOON), "writer": "w"}, "slipway/north").to_document()

    assert not {"to", "told", "routing", "writer", "schema"} & set(told)
