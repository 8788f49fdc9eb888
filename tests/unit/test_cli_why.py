"""The card of a period in words."""

from __future__ import annotations

from typing import Any, get_args

from slipway.cli.why import ACTIONS, needs_a_person, rendered
from slipway.decision import Action
from tests.unit.printed import printed
from triggers.shapes.periods import Card

BLOCKS = "prices: landing/prices/2024-03-01/ is not quiet yet"


def card(**more: Any) -> dict[str, Any]:
    """A card of a daily period that waits for its second input."""
    again = "2024-03-02T06:30:00Z"
    inputs = {
        "sales": {
            "state": "arrived",
            "since": "2024-03-02T05:00:00Z",
            "files": 3,
            "bytes": 1500,
            "blocks": None,
            "ask_again": None,
        },
        "prices": {
            "state": "partial",
            "since": "2024-03-02T06:00:00Z",
            "files": 1,
            "bytes": 9,
            "blocks": BLOCKS,
            "ask_again": again,
        },
    }
    document = {
        "model": "shop",
        "period": "2024-03-01",
        "interval": {"start": "2024-03-01T00:00:00Z", "end": "2024-03-02T00:00:00Z"},
        "version": "0123456789ab",
        "readiness": {
            "model": "shop",
            "period": "2024-03-01",
            "ready": False,
            "blocks": BLOCKS,
            "ask_again": again,
            "inputs": inputs,
        },
        "decision": {"action": "wait", "why": BLOCKS, "ask_again": again},
        **dict.fromkeys(("active", "published", "last", "waived", "retracted", "paused", "incident")),
        **dict.fromkeys(("due", "timing", "expected", "usual_seconds")),
        **more,
    }
    Card.model_validate(document)
    return document


def test_what_blocks_since_when_and_when_it_is_asked_again() -> None:
    """The answer stands first, the inputs last."""
    assert printed(rendered(card()), 140).split("\n") == [
        "shop 2024-03-01  not ready",
        "Blocked: prices: landing/prices/2024-03-01/ is not quiet yet",
        "Slipway waits: prices: landing/prices/2024-03-01/ is not quiet yet",
        "Asked again: 2024-03-02 06:30:00Z",
        "Period: 2024-03-01 00:00:00Z to 2024-03-02 00:00:00Z; version 0123456789ab",
        "",
        "input   state    since                 files  size    asked again           what is missing",
        "sales   arrived  2024-03-02 05:00:00Z  3      1.5 KB  -                     -",
        f"prices  partial  2024-03-02 06:00:00Z  1      9 B     2024-03-02 06:30:00Z  {BLOCKS}",
    ]


def test_what_people_decided_and_what_runs() -> None:
    """Who, when and why."""
    decided = {"by": "dana", "at": "2024-03-02T07:00:00Z", "reason": "a holiday"}
    incident = {
        "key": "k",
        "status": "open",
        "code": "job-failed",
        "message": "exit 1",
        "opened_at": "2024-03-02T06:00:00Z",
        "acknowledged": {**decided, "by": "kim", "reason": "I look"},
    }
    active = {"run": "r-2", "attempt": 2, "stage": "running", "deadline": "2024-03-02T08:00:00Z"}
    told = printed(
        rendered(
            card(
                waived=decided,
                paused=decided,
                incident=incident,
                active=active,
                published={"run": "r-1", "at": "2024-03-02T05:00:00Z"},
                last={"run": "r-1", "state": "succeeded"},
            )
        )
    ).split("\n")

    assert told[0] == "shop 2024-03-01  running"
    assert {
        "Incident since 2024-03-02 06:00:00Z: job-failed: exit 1",
        "kim is on it since 2024-03-02 07:00:00Z: I look",
        "Waived by dana at 2024-03-02 07:00:00Z: a holiday",
        "Paused by dana at 2024-03-02 07:00:00Z: a holiday",
        "Active: r-2, attempt 2, running, shows life until 2024-03-02 08:00:00Z",
        "Published: r-1, at 2024-03-02 05:00:00Z",
        "Last run: r-1, succeeded",
    } <= set(told)


def test_when_it_is_due_and_how_that_stands() -> None:
    """In a sentence, as far as it is known."""
    due = {"due": "2024-03-02T09:00:00Z", "usual_seconds": 1500.0, "expected": "2024-03-02T09:10:00Z"}

    usually = "usually it takes 25m 00s, so a run that began now would end at 2024-03-02 09:10:00Z"
    shown = printed(rendered(card(**due, timing="at-risk"))).split("\n")

    assert f"Due: 2024-03-02 09:00:00Z, at risk; {usually}" in shown
    assert "Due: 2024-03-02 09:00:00Z, late" in printed(
        rendered(card(due="2024-03-02T09:00:00Z", timing="late"))
    ).split("\n")


def test_a_person_is_needed_by_an_open_incident_or_a_late_period() -> None:
    """What `--check` asks."""
    incident = {"key": "k", "code": "c", "message": "m", "opened_at": "2024-03-02T06:00:00Z"}
    late = card(due="2024-03-02T06:00:00Z", timing="late")

    assert not needs_a_person(card())
    assert not needs_a_person(card(incident={**incident, "status": "resolved"}))
    assert needs_a_person(card(incident={**incident, "status": "open"}))
    assert needs_a_person(late)


def test_every_action_has_its_words() -> None:
    """Those of the decision, and no others."""
    assert set(ACTIONS) == set(get_args(Action))
