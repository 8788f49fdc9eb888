"""Backfills beside each other: no two with one period, and all within what the environment gives them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway import backfill
from slipway.backfill import State
from slipway.backfill_register import admitted, dismissed, is_stale, live_run, shares
from slipway.period import Period
from slipway.period_record import Record, Refused, Stage
from tests.unit.builders import NOON, by

FIRST = Period.parse("2013-01-01")


def started(id: str, *days: int, model: str = "shop", parallel: int = 4, first: Period = FIRST) -> Record:  # noqa: A002
    """Build a running backfill of these days, counted from the first."""
    periods = [first.shift(day) for day in days]
    facts = {"model": model, "periods": periods, "only": "all", "order": "oldest", "parallel": parallel}
    record = backfill.new(id, facts, by("ann"), NOON)
    record = backfill.planned(record, record["periods"], "0123456789ab", {}, NOON) or record
    return backfill.start(record, by("ann"), NOON)


@given(st.sets(st.integers(0, 12), min_size=1), st.sets(st.integers(0, 12), min_size=1))
def test_the_second_of_two_with_one_period_is_refused_with_the_first_ones_id(one: set[int], other: set[int]) -> None:
    """BF-4: exactly when they share one."""
    register = admitted(None, started("bf-0000000001", *sorted(one)))
    second = started("bf-0000000002", *sorted(other))
    if one & other:
        shared = FIRST.shift(min(one & other))
        with pytest.raises(Refused, match=f"bf-0000000001 is under way with {shared} of shop") as refused:
            admitted(register, second)
        assert refused.value.active == "bf-0000000001"
    else:
        assert len(admitted(register, second)["started"]) == 2


def test_others_are_no_obstacle() -> None:
    """Another model, another cadence, itself, and one that was dismissed."""
    register = admitted(None, started("bf-0000000001", 0, 1))
    for other in (
        started("bf-0000000001", 0, 1),
        started("bf-0000000002", 0, model="stock"),
        started("bf-0000000002", 0, first=Period.parse("2013-01")),
    ):
        assert other["backfill"] in admitted(register, other)["started"]
    assert dismissed(register, "bf-0000000001") == {"schema": 1, "started": {}}
    assert dismissed(register, "bf-0000000002") is None
    assert dismissed(None, "bf-0000000001") is None


def test_the_refusal_says_how_the_other_one_stands_and_what_to_do() -> None:
    """RR-5: also where it is paused, which may be long ago."""
    paused = admitted(None, backfill.pause(started("bf-0000000001", 0), by("ann"), NOON))
    with pytest.raises(Refused, match="bf-0000000001 is paused with 2013-01-01 of shop: let it end or cancel it"):
        admitted(paused, started("bf-0000000002", 0))


@pytest.mark.parametrize("stage", Stage)
def test_live_runs_go_ahead_from_their_claim_until_they_have_a_node(stage: Stage) -> None:
    """BF-1: they will need one in a moment; what has one, or needs none any more, holds nothing back."""
    row = {"state": str(stage), "run": "0123abcd-1"}
    ahead = stage in (Stage.CLAIMED, Stage.STAGING, Stage.QUEUED)

    assert live_run({"other": {"2013-01-01": row}}) == (f"other 2013-01-01 is {stage}" if ahead else None)
    assert live_run({"other": {"2013-01-01": {**row, "cause": "backfill"}}}) is None
    assert live_run({"other": {}}) is None


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 30))
def test_the_environment_is_shared_fairly(wanted: list[int], limit: int) -> None:
    """I14: never more than there is, none left over that somebody wants, and nobody far behind another."""
    register: dict[str, Any] | None = None
    for number, parallel in enumerate(wanted):
        register = admitted(register, started(f"bf-{number:010}", number, parallel=parallel))

    given_ = list(shares(register, limit).values())

    assert sum(given_) == min(limit, sum(wanted))
    assert all(share <= parallel for share, parallel in zip(given_, wanted, strict=True))
    unsated = [share for share, parallel in zip(given_, wanted, strict=True) if share < parallel]
    assert not unsated or max(given_) <= min(unsated) + 1


def test_one_that_is_paused_has_no_share_and_is_seen_to_be_noted_so() -> None:
    """What the register was not told, the reconciler finds."""
    running = started("bf-0000000001", 0)
    paused = backfill.pause(running, by("ann"), NOON)
    register = admitted(admitted(None, paused), started("bf-0000000002", 1))

    assert shares(register, 5) == {"bf-0000000001": 0, "bf-0000000002": 4}
    entry = admitted(None, running)["started"]["bf-0000000001"]
    assert not is_stale(entry, State.RUNNING)
    assert not is_stale(None, State.FINISHED)
    assert all(is_stale(entry, state) for state in (State.PAUSED, State.FINISHED, State.CANCELED, None))
