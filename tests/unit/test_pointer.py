"""Pointers: the newest stands, what is retracted leaves one that names no run, and the latest is a latest one."""

from __future__ import annotations

from typing import Any

import pytest

from slipway.period_record import End, Stage
from slipway.pointer import over_earlier, over_smaller, same, to_nothing, to_outputs
from slipway.wishes import retract
from tests.unit.builders import NOON, by
from tests.unit.test_claim import RUN, a_record, an_ended

OUTPUTS = to_outputs(a_record(Stage.PUBLISHING)["claim"])
NOTHING = to_nothing(retract(an_ended(End.SUCCEEDED), by("ann"), NOON))


def a_pointer(period: str, generation: int, run: str | None = RUN) -> dict[str, Any]:
    """Build a pointer; without a run it is what a retraction leaves."""
    return {**OUTPUTS, "period": period, "generation": generation, "run": run}


def test_a_pointer_leads_to_the_outputs_and_their_manifest() -> None:
    """All that a reader needs, and the generation that orders them."""
    assert (OUTPUTS["run"], OUTPUTS["attempt"], OUTPUTS["generation"]) == (RUN, 1, 1)
    assert OUTPUTS["folder"] == f"flight-delay/2013-01/{RUN}/outputs-1"
    assert OUTPUTS["manifest"] == f"{OUTPUTS['folder']}/manifest.json"


def test_a_retraction_leaves_a_pointer_of_the_same_form_that_names_no_run() -> None:
    """With a generation of its own, and who retracted it when; why is nobody's concern but ours."""
    assert set(NOTHING) == {*OUTPUTS, "retracted"}
    assert {NOTHING[key] for key in ("run", "attempt", "folder", "manifest", "fingerprint", "version")} == {None}
    assert (NOTHING["period"], NOTHING["generation"]) == ("2013-01", 2)
    assert NOTHING["retracted"] == {"by": "ann", "at": NOON.isoformat()}


def test_a_late_writer_finds_a_greater_generation_and_leaves_it() -> None:
    """PB-5: also when what stands names no run; a retraction that comes late leaves what was published since."""
    assert over_smaller(None, OUTPUTS) == OUTPUTS
    assert over_smaller(OUTPUTS, NOTHING) == NOTHING
    assert over_smaller(NOTHING, OUTPUTS) is None
    assert over_smaller(a_pointer("2013-01", 3), NOTHING) is None


@pytest.mark.parametrize(
    ("seen", "pointer", "taken"),
    [
        pytest.param(None, a_pointer("2013-01", 1), True, id="the first"),
        pytest.param(a_pointer("2013-01", 7), a_pointer("2013-02", 1), True, id="a later period"),
        pytest.param(a_pointer("2013-02", 1), a_pointer("2013-01", 7), False, id="an earlier period"),
        pytest.param(a_pointer("2013-01-31", 7), a_pointer("2013-W06", 1), True, id="later, of another cadence"),
        pytest.param(a_pointer("2013-02-01", 1), a_pointer("2013-01", 7), False, id="earlier, of another cadence"),
        pytest.param(a_pointer("2013-01-31", 7), a_pointer("2013-01", 1), True, id="of another cadence, ends together"),
        pytest.param(a_pointer("2013-01", 1), a_pointer("2013-01", 2), True, id="newer, of the same period"),
        pytest.param(a_pointer("2013-01", 2), a_pointer("2013-01", 1), False, id="older, of the same period"),
        pytest.param(a_pointer("2013-02", 2, None), a_pointer("2013-01", 1), True, id="over one that names no run"),
        pytest.param(a_pointer("2013-01", 2, None), a_pointer("2013-01", 1), False, id="what was retracted"),
    ],
)
def test_the_latest_pointer_is_that_of_the_latest_period(seen: Any, pointer: dict[str, Any], taken: bool) -> None:
    """Backfills of earlier periods leave it."""
    assert over_earlier(seen, pointer) == (pointer if taken else None)


def test_two_pointers_are_the_same_when_they_are_one_publication() -> None:
    """Whoever wrote them."""
    assert same({**OUTPUTS, "writer": "w"}, OUTPUTS)
    assert not same({**OUTPUTS, "generation": 2}, OUTPUTS)
    assert not same(None, OUTPUTS)
