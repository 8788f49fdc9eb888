"""The bar of a backfill: its parts add up, and each says in words what its colour says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slipway.backfill import Of
from triggers.backfill_pages import SHOWN, WIDTH, WORDS, bar


@given(st.dictionaries(st.sampled_from(Of), st.integers(1, 1000), min_size=1))
def test_the_parts_of_the_bar_follow_each_other_from_end_to_end(counts: dict[Of, int]) -> None:
    """As wide as there are periods in each state."""
    told = bar({str(state): number for state, number in counts.items()})

    begin = 0.0
    for part in told["parts"]:
        assert abs(part["x"] - begin) < 0.11
        assert abs(part["width"] - WIDTH * part["number"] / told["whole"]) < 0.11
        begin = part["x"] + part["width"]
    assert abs(begin - WIDTH) < 0.11
    assert {part["state"] for part in told["parts"]} == set(counts)


def test_every_state_has_a_place_in_the_bar_and_words_of_its_own() -> None:
    """Nobody has to see colours."""
    assert set(SHOWN) == set(Of)
    assert len(set(WORDS.values())) == len(Of)
    assert bar({})["parts"] == []
