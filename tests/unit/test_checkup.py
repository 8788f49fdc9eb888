"""What a check of an environment says of what was found."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from slipway import checkup
from slipway.checkup import Check, State, failed, ok
from slipway.failure import Failed, Failure, Kind
from slipway.settings import unresolved
from tests.unit.builders import NOON, a_definition
from triggers import doctor

MINUTE = timedelta(minutes=1)
WELL = {"at": NOON.isoformat(), "failed": 0, "left": 0, "unlisted": 0, "unannounced": 0}


def states(*checks: Check) -> list[str]:
    """How checks came out."""
    return [str(one.state) for one in checks]


@pytest.mark.parametrize(
    ("given", "cores", "expected"),
    [
        ("16", 1, "ok"),
        ("15", 64, "warning"),
        (None, 1, "warning"),
        (None, 12, "ok"),  # the worker's own number: the cores and four
        ("many", 2, "warning"),
        ("0", 2, "warning"),
        ("", 2, "warning"),
    ],
)
def test_threads_of_the_worker(given: str | None, cores: int, expected: str) -> None:
    """Each activity and each orchestrator that may run at a time needs one; the worker leaves out what is no number."""
    assert states(checkup.threads_enough(given, cores, 8, 8)) == [expected]


@pytest.mark.parametrize(
    ("beat", "minutes", "expected"),
    [
        (None, 0, ["failed"]),
        (WELL, 5, ["ok", "ok"]),
        (WELL, 16, ["failed", "ok"]),
        ({**WELL, "failed": 3}, 5, ["warning", "ok"]),
        ({**WELL, "unlisted": 1}, 5, ["warning", "ok"]),
        ({**WELL, "unannounced": 2}, 5, ["ok", "warning"]),
    ],
)
def test_the_reconciler_and_the_path_of_events(beat: Any, minutes: int, expected: list[str]) -> None:
    """A pass that is old has failed; one that started what no event had announced points at the subscription."""
    found = checkup.heartbeat(beat, NOON + minutes * MINUTE, 15 * MINUTE)
    assert states(*found) == expected
    assert all(one.remedy for one in found if one.state != State.OK)


def test_clocks_may_be_half_a_minute_apart() -> None:
    """In either direction."""
    seconds = (-31, -30, 0, 30, 31)
    found = [checkup.clocks("clock", NOON, NOON + timedelta(seconds=one), "two clocks") for one in seconds]
    assert states(*found) == ["warning", "ok", "ok", "ok", "warning"]


def test_what_models_need_and_the_environment_lacks_is_named() -> None:
    """Readers without a group, compute targets that are not there, prices; each with whose it is."""
    one = a_definition(readers=["analysts"], job={"command": "true", "compute": "azureml:big@latest"})
    assert checkup.readers_known([one], {"analysts"}).state == State.OK
    unknown = checkup.readers_known([one], {"others"})
    assert (unknown.state, "flight-delay: analysts" in unknown.found) == (State.FAILED, True)
    named = checkup.computes_named([one, a_definition()])
    assert named == {"big": {"flight-delay"}}, "a serverless job names none"
    assert checkup.computes_there(named, []).state == State.OK
    assert "no big, of flight-delay" in checkup.computes_there(named, ["big"]).found
    assert states(checkup.priced(named, ["big"]), checkup.priced(named, [])) == ["ok", "warning"]
    assert states(checkup.models_known(["a"], {}), checkup.models_known([], {})) == ["ok", "warning"]
    assert "b: torn" in checkup.models_known(["a"], {"b": "torn"}).found


def test_an_unresolved_secret_is_named_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference itself names a vault; the name of the setting is enough."""
    monkeypatch.setenv("SLIPWAY_SOME_SECRET", "@Microsoft.KeyVault(SecretUri=https://vault.example/secrets/key)")
    assert unresolved() == ["SLIPWAY_SOME_SECRET"]
    found = checkup.secrets_resolved(unresolved())
    assert (found.state, "SLIPWAY_SOME_SECRET" in found.found, "vault.example" in found.found) == (
        State.FAILED,
        True,
        False,
    )


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (None, "warning"),
        ({"at": NOON.isoformat(), "left": 4, "failed": 0}, "ok"),
        ({"at": NOON.isoformat(), "left": 0, "failed": 1}, "warning"),
        ({"at": (NOON - timedelta(days=3)).isoformat(), "left": 0, "failed": 0}, "warning"),
    ],
)
def test_retention_passes(last: Any, expected: str) -> None:
    """A pass a day; what it left is no worry, what failed is."""
    assert checkup.retention_passes(last, NOON).state == expected


def test_no_check_keeps_the_others_and_none_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not answer, one that is refused and one with a fault of its own are failed checks like others."""
    release = threading.Event()

    def refused() -> Check:
        raise Failed(Failure(Kind.PLATFORM, "access", "PUT host/path was answered 403 AuthorizationPermissionMismatch"))

    def faulty() -> Check:
        raise KeyError("secret-looking")

    def halfway() -> Iterator[Check]:
        yield ok("half", "the first")
        refused()

    checks = {
        "hangs": release.wait,
        "halfway": halfway,
        "models rights": refused,
        "faulty": faulty,
        "well": lambda: ok("well", "it is"),
    }
    monkeypatch.setattr(doctor, "CHECKS", checks)
    monkeypatch.setattr(doctor, "CHECK_SECONDS", 0.2)
    made = asyncio.run(doctor._all())
    release.set()
    assert [(one.name, str(one.state)) for one in made] == [
        ("hangs", "failed"),
        ("halfway", "failed"),
        ("models rights", "failed"),
        ("faulty", "failed"),
        ("well", "ok"),
    ]
    assert made[0].found == "no answer within 0 s"
    assert "Storage Blob Data Owner" in made[2].remedy
    assert "secret-looking" not in made[3].found
    assert failed("a", "b", "c").to_document() == {"name": "a", "state": "failed", "found": "b", "remedy": "c"}
