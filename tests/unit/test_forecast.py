"""What runs to come take: from the model's own past, and nothing that nobody knows."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from slipway.forecast import Price, cost, forecast
from slipway.settings import NodeHourPrice
from slipway.usage import Usage

PAST = [Usage(seconds, seconds / 2, 1, "cpu", 0, 0) for seconds in (100, 200, 7200)]


def test_the_median_of_past_runs_tells_time_hours_and_money() -> None:
    """One run that hung for hours changes nothing; nodes count each."""
    told = forecast(36, 4, PAST, "cpu", 2, Price.parse("0.5 EUR"))

    assert told["based_on"] == {"runs": 3, "job_seconds": 100, "run_seconds": 200, "nodes": 2}
    assert told["node_hours"] == 2.0
    assert told["money"] == {"amount": 1.0, "currency": "EUR"}
    assert told["seconds"] == 36 * 200 / 4
    assert told["unknown"] == []
    assert forecast(1, 4, PAST, "cpu", 1, None)["seconds"] == 200


def test_what_nobody_knows_is_not_invented() -> None:
    """And is said, with the compute whose price is missing."""
    told = forecast(36, 4, [], "gpu", 1, None)

    assert (told["node_hours"], told["money"], told["seconds"], told["based_on"]) == (None, None, None, None)
    assert told["unknown"] == [
        "no published run of this model tells how long one takes",
        "no price of a node-hour is set for gpu",
    ]
    priced = forecast(36, 4, [Usage(100, None, 1, "cpu", 0, 0)], "gpu", 1, Price(1, "EUR"))
    assert (priced["money"], len(priced["unknown"])) == (None, 1)
    assert forecast(0, 4, PAST, "cpu", 1, None)["seconds"] == 0


@pytest.mark.parametrize("price", ["0.5", "0.5 euro", "-1 EUR", "EUR 0.5", ""])
def test_a_price_is_an_amount_and_a_currency(price: str) -> None:
    """Anything else is refused when the app starts."""
    with pytest.raises(ValidationError):
        TypeAdapter(NodeHourPrice).validate_python(price)
    assert Price.parse(TypeAdapter(NodeHourPrice).validate_python("12.25 USD")) == Price(12.25, "USD")


def test_node_hours_cost_what_is_set_or_nobody_knows() -> None:
    """To the cent, half of one to the even one; nothing is invented."""
    assert cost(2.5, Price(0.25, "EUR")) == {"amount": 0.62, "currency": "EUR"}
    assert cost(None, Price(0.25, "EUR")) is None
    assert cost(2.5, None) is None
