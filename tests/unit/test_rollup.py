"""What lists show: the board's rows and the lists of attempts, which repeat what records say."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from slipway import rollup
from slipway.period import Period
from slipway.rollup import attempt_row, facts, hour_of, incident_facts, mended, with_attempt, with_facts

DAY = Period.parse("2024-01-05")
RUN = "shop--2024-01-05--0a1b2c3d-1"
CLAIM = {"run": RUN, "attempt": 2, "stage": "running", "ending": None, "since": "2024-01-06T03:00:00+00:00"}
LAST = {"run": RUN, "attempt": 1, "state": "failed", "at": "2024-01-06T02:00:00+00:00"}


def a_record(**known: Any) -> dict[str, Any]:
    """A period's record, as far as it is shown."""
    return {"claim": None, "last": None, "published": None, "waived": None, "retracted": None, **known}


def test_a_period_nobody_has_run_shows_nothing() -> None:
    """An absent record, or one without any run."""
    assert facts(None) == facts(a_record()) == {}


def test_an_active_run_is_shown_by_its_stage_and_one_that_ended_by_its_end() -> None:
    """The run's id without what the place says already."""
    assert facts(a_record(claim=CLAIM, last=LAST)) == {
        "state": "running", "run": "0a1b2c3d-1", "attempt": "2", "at": "2024-01-06T03:00:00+00:00"
    }  # fmt: skip
    assert facts(a_record(claim={**CLAIM, "ending": "failed"}))["state"] == "failed"
    assert facts(a_record(last=LAST, published={"run": RUN})) == {
        "state": "failed", "run": "0a1b2c3d-1", "attempt": "1", "at": "2024-01-06T02:00:00+00:00",
        "published": "0a1b2c3d-1",
    }  # fmt: skip
    for decided in ("waived", "retracted"):
        assert facts(a_record(last=LAST, **{decided: {"at": "2024-01-07T00:00:00+00:00"}}))["state"] == decided


def test_facts_fit_into_metadata() -> None:
    """Names and values are short ASCII, none of which a listing would change."""
    shown = facts(a_record(claim=CLAIM, published={"run": RUN}))
    assert set(shown) <= set(rollup.FACTS)
    assert all(value.isascii() and value == value.strip() for value in shown.values())


def test_record_and_incident_share_a_row() -> None:
    """Each replaces its own facts and leaves the other's; the same again is no change."""
    board = with_facts(None, "shop", DAY, {"state": "failed"}, rollup.FACTS)
    incident = incident_facts({"status": "open", "code": "late", "opened_at": "x"})
    board = with_facts(board, "shop", DAY, incident, rollup.INCIDENT_FACTS)
    assert board is not None
    assert board["models"] == {"shop": {"2024-01-05": {"state": "failed", "incident": "late", "incident_at": "x"}}}
    assert with_facts(board, "shop", DAY, incident, rollup.INCIDENT_FACTS) is None
    over = with_facts(board, "shop", DAY, incident_facts({"status": "resolved"}), rollup.INCIDENT_FACTS)
    assert over is not None
    assert over["models"] == {"shop": {"2024-01-05": {"state": "failed"}}}


def test_only_the_newest_periods_are_kept() -> None:
    """A backfill of old periods does not push them out, and leaves no trace."""
    board: dict[str, Any] | None = None
    for number in range(rollup.KEPT + 5):
        board = with_facts(board, "shop", DAY.shift(number), {"state": "succeeded"}, rollup.FACTS) or board
    assert board is not None
    kept = [str(DAY.shift(number)) for number in range(5, rollup.KEPT + 5)]
    assert list(board["models"]["shop"]) == kept
    assert with_facts(board, "shop", DAY, {"state": "running"}, rollup.FACTS) is None


def test_after_a_change_of_cadence_the_one_in_use_is_kept() -> None:
    """Periods of two cadences are not ordered; who was run last is."""
    rows = {str(DAY.shift(n)): {"state": "succeeded", "at": "2024-02-01"} for n in range(rollup.KEPT)}
    listed = {"shop": {**rows, "2023-05": {"state": "succeeded", "at": "2023-06-01"}}}
    board = mended(None, None, listed)
    assert board is not None
    assert list(board["models"]["shop"]) == sorted(rows)


ROWS = st.dictionaries(
    st.sampled_from(["2024-01-05", "2024-01-06"]), st.fixed_dictionaries({"state": st.text("ab", min_size=1)})
)


@given(before=ROWS, now=ROWS, listed=ROWS)
def test_mending_brings_what_the_listing_shows_and_spares_what_is_newer(
    before: dict[str, Any], now: dict[str, Any], listed: dict[str, Any]
) -> None:
    """Of each period: the listing's row where nobody wrote since the board was read, else what stands."""
    first, second = ({"models": {"shop": rows}} for rows in (before, now))
    board = mended(second, first, {"shop": listed}) or second
    for text in {*before, *now, *listed}:
        right = listed if now.get(text) == before.get(text) else now
        assert board["models"]["shop"].get(text) == right.get(text)
    assert mended(board, board, {"shop": board["models"]["shop"]}) is None


def test_an_attempt_is_listed_when_it_begins_and_when_it_has_ended() -> None:
    """Whatever comes late, what has ended stays so."""
    cause = {"kind": "request", "by": "ada", "reason": "why not"}
    holder = {"run": RUN, "attempt": 1, "cause": cause, "version": "v", "since": "2024-01-06T03:59:59+00:00"}
    end = {"state": "failed", "ended_at": "2024-01-06T05:00:00+00:00", "failure": {"code": "job-failed"}}
    active, ended = attempt_row(holder), attempt_row(holder, end)
    assert str(hour_of(active["began_at"])) == "2024-01-06T03Z"
    listed = with_attempt(with_attempt(None, active), ended)
    assert listed is not None
    assert listed["attempts"] == {f"{RUN}-a1": ended}
    assert (ended["state"], ended["code"]) == ("failed", "job-failed")
    assert with_attempt(listed, active) is with_attempt(listed, ended) is None
