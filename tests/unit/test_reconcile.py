"""A pass of the reconciler: who is asked in which order, what one model may cost, and when a person is called."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError

from slipway.catalog import Catalog
from slipway.failure import Failed, Failure, Kind
from slipway.period import Period
from slipway.period_record import Refused
from tests.unit.builders import NOON
from triggers import reconcile
from triggers.overview import STALE
from triggers.survey import Memory, Pair, Survey


def a_pair(model: str, month: int = 1) -> Pair:
    """A model and a month of 2013."""
    return model, Period.parse(f"2013-{month:02}")


def a_survey(*pairs: Pair) -> Survey:
    """A survey that wants to ask about these."""
    survey = Survey(Catalog(1, {}, {}), NOON, Memory(), Memory(at=NOON))
    survey.want(pairs)
    return survey


def asked(survey: Survey, monkeypatch: pytest.MonkeyPatch, broken: dict[str, Exception]) -> tuple[list[Pair], Any]:
    """Ask about all; the questions of broken models fail. Returns who was asked, and what the pass spent."""
    seen: list[Pair] = []

    async def answer(_: Survey, pair: Pair, *__: Any) -> None:
        seen.append(pair)
        if error := broken.get(f"{pair[0]}/{pair[1]}") or broken.get(pair[0]):
            raise error

    monkeypatch.setattr(reconcile, "ask_about", answer)
    monkeypatch.setattr(reconcile, "_call_person", lambda *_: None)
    spent = reconcile.Spent()
    asyncio.run(reconcile.ask_all(survey, None, spent))  # type: ignore[arg-type]
    return seen, spent


def test_a_pass_that_has_much_to_ask_is_not_taken_for_one_that_is_not_made() -> None:
    """Its heartbeat is written at its end; five minutes are left for the look around before it, and what is sent."""
    most = timedelta(seconds=reconcile.PASS_SECONDS + reconcile.QUESTION_SECONDS)

    assert most + timedelta(minutes=5) <= STALE


def test_who_has_waited_longest_is_asked_first() -> None:
    """A pass that is cut short leaves nobody last for ever, whatever the model is called."""
    survey = a_survey(a_pair("a"), a_pair("b", 2), a_pair("b", 1))
    survey.wants[a_pair("z")] = NOON - timedelta(minutes=5)

    assert survey.in_turn() == [a_pair("z"), a_pair("a"), a_pair("b", 1), a_pair("b", 2)]


@pytest.mark.parametrize(
    "error",
    [
        Failed(Failure(Kind.PLATFORM, "access", "403")),
        ServiceRequestError("nobody answers"),
        Refused("no"),
        KeyError("x"),
        AssertionError(),
        Exception("the engine's own"),
    ],
    ids=repr,
)
def test_whatever_a_model_raises_the_others_are_asked(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """RD-6: foreseen or not; three questions of it a pass, and in the next one it comes after all others."""
    months = [a_pair("broken", month) for month in range(1, 6)]
    survey = a_survey(*months, a_pair("good"))

    seen, spent = asked(survey, monkeypatch, {"broken": error})

    assert seen == [*months[:3], a_pair("good")]
    assert spent.settled == {a_pair("good")}
    assert set(survey.next.failing) == {f"broken/2013-0{month}" for month in (1, 2, 3)}
    assert set(survey.next.asks.values()) == {NOON + reconcile.LATER}


def test_failures_are_counted_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few broken periods do not take a model's good ones with them."""
    months = [a_pair("m", month) for month in range(1, 9)]
    broken = {f"m/2013-0{month}": KeyError() for month in (1, 2, 4, 5, 7, 8)}

    seen, spent = asked(a_survey(*months), monkeypatch, broken)

    assert seen == months
    assert spent.settled == {months[2], months[5]}


def test_who_was_wanted_and_not_asked_waits_for_no_other_time() -> None:
    """News of a period that had a time of its own to be asked at: left over, it is asked in the next pass."""
    survey = a_survey()
    survey.next.asks["m/2013-01"] = NOON + timedelta(hours=5)

    survey.want([a_pair("m")])

    assert survey.next.asks == {}
    assert survey.wants == {a_pair("m"): NOON}


@pytest.mark.parametrize(
    ("failure", "minutes", "expected"),
    [
        pytest.param(Failure(Kind.PLATFORM, "access", "403"), 0, True, id="for good: at once"),
        pytest.param(Failure(Kind.DATA, "too-many", "x"), 0, True, id="data, for good"),
        pytest.param(Failure(Kind.PLATFORM, "unavailable", "503", True), 59, False, id="it may pass"),
        pytest.param(Failure(Kind.PLATFORM, "unavailable", "503", True), 60, True, id="it did not"),
        pytest.param(Failure(Kind.DATA, "inputs-changing", "x", True), 600, False, id="data that do not rest"),
        pytest.param(reconcile.failure_from(KeyError("x")), 0, False, id="unforeseen: it may pass"),
        pytest.param(reconcile.failure_from(Exception("x")), 60, True, id="unforeseen, for an hour"),
    ],
)
def test_when_a_question_that_fails_is_a_persons_concern(failure: Failure, minutes: int, expected: bool) -> None:
    """At once where nothing else helps, after an hour where it might have passed."""
    assert reconcile.needs_person(failure, NOON, NOON + timedelta(minutes=minutes)) is expected


def test_a_bug_is_told_as_slipways_own() -> None:
    """With its type, since many have no text."""
    failure = reconcile.failure_from(AssertionError())

    assert (failure.kind, failure.code, failure.message) == (Kind.SLIPWAY, "unforeseen", "AssertionError: ")
