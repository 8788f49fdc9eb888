"""I19, DP-1, DP-9: recorded histories, replayed on the present code by the SDK itself, schedule the same steps.

The fixtures come from runs on the local cloud (see record.py). A change that breaks runs under way fails here, before
it is deployed on top of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from azure.durable_functions.models import DurableOrchestrationContext
from azure.durable_functions.orchestrator import Orchestrator

import function_app

RECORDED = sorted(Path(__file__).parent.glob("*.json"))

#: History events, by the numbers the extension gives them. Source: DurableTask.Core, EventType.
COMPLETED, ACTIVITY, STORY, TIMER, EVENT = 13, 4, 7, 10, 15
#: Actions that hold others: when-any and when-all.
GROUPS = (11, 12)
KINDS = {0: "activity", 2: "story", 5: "timer"}


def orchestrators() -> dict[str, Any]:
    """The plain generator behind each orchestration trigger of the app."""
    found = {}
    for module in function_app.ORCHESTRATORS:
        name = module.__name__.rpartition(".")[2]
        found[name] = getattr(module, name).build().get_user_function().orchestrator_function
    return found


def scheduled(history: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    """What a history says was scheduled, in order: kind and name."""
    kinds = {ACTIVITY: "activity", STORY: "story", TIMER: "timer"}
    return [(kinds[event["EventType"]], event.get("Name")) for event in history if event["EventType"] in kinds]


def replayed(recorded: dict[str, Any], history: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    """What the present code schedules on this history."""
    body = {
        "history": history,
        "input": json.loads(recorded["input"]) if recorded["input"] else None,
        "instanceId": recorded["instance"],
        "isReplaying": False,
        "parentInstanceId": recorded["parent"],
        "upperSchemaVersion": 1,
        "upperSchemaVersionNew": 2,
    }
    context = DurableOrchestrationContext.from_json(json.dumps(body))
    answer = json.loads(Orchestrator(orchestrators()[recorded["name"]]).handle(context))
    return [found for action in answer["actions"][0] for found in _flat(action)]


def _flat(action: dict[str, Any]) -> list[tuple[str, str | None]]:
    if action["actionType"] in GROUPS:
        return [found for inner in action["compoundActions"] for found in _flat(inner)]
    kind = KINDS.get(action["actionType"])
    return [(kind, action.get("functionName"))] if kind else []


def test_every_orchestrator_has_a_recorded_history() -> None:
    """One that is new is recorded before it is deployed."""
    assert {path.stem for path in RECORDED} == set(orchestrators())


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_history_schedules_the_same_steps(path: Path) -> None:
    """At the end of every episode, as a host that restarts there would see it."""
    recorded = json.loads(path.read_text())
    history = recorded["history"]
    ends = [position + 1 for position, event in enumerate(history) if event["EventType"] == COMPLETED]

    for end in ends:
        assert replayed(recorded, history[:end]) == scheduled(history[:end])


def test_the_replay_does_not_depend_on_the_process() -> None:
    """DP-9: another hash seed, zone and an empty environment change nothing."""
    environment = {"PYTHONHASHSEED": "4711", "TZ": "Pacific/Kiritimati", "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "pytest", __file__, "-k", "same_steps"]
    ended = subprocess.run(
        command, cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout


def test_to_be_woken_twice_is_no_news_for_the_log() -> None:
    """Every file that lands wakes its period: a warning for each, in each replay, would bury what matters."""
    script = f"import json, sys; from {__name__} import replayed; replayed(*json.load(sys.stdin))"
    recorded = json.loads((Path(__file__).parent / "await_job.json").read_text())
    history = [again for event in recorded["history"] for again in [event] * (1 + (event["EventType"] == EVENT))]

    ended = subprocess.run(
        [sys.executable, "-W", "always::UserWarning", "-c", script],
        cwd=Path(__file__).parents[2],
        input=json.dumps([recorded, history]),
        capture_output=True,
        text=True,
        check=False,
    )

    assert len(history) > len(recorded["history"])
    assert (ended.returncode, ended.stderr) == (0, "")
