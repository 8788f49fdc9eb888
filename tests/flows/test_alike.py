"""Many models that fail of one cause call people once, and each that is left afterwards by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.flows.sink import Sink
from tests.flows.yard import Yard
from tests.running import eventually

DAY = "2024-01-01"


@pytest.fixture(scope="module")
def own_sink() -> Iterator[Sink]:
    """Where this yard's incidents go."""
    one = Sink()
    yield one
    one.stop()


def test_many_models_that_fail_alike_are_one_incident(own_yard: Callable[..., Yard], own_sink: Sink) -> None:
    """IN-9: the destinations are down as well; what has recovered ends the common one, and who is left is told."""
    yard = own_yard(SLIPWAY_ALIKE_MODELS="3", **own_sink.settings())
    own_sink.answers = "down"
    models = [yard.a_model(f"alike-{number}") for number in range(4)]
    for model in models:
        yard.land(f"{model}/{DAY}", {"a.txt": "fail"})
    for model in models:
        yard.ended(model, DAY, "failed")
    eventually(lambda: yard.call("GET", "incidents/platform--many-model-job-failed")[1].get("models") == models)

    own_sink.answers = "ok"

    eventually(lambda: [type_ for type_, _ in own_sink.told(None)] == ["Opened"])
    yard.reconciled()
    assert [own_sink.told(model) for model in models] == [[], [], [], []]
    last = own_sink.last(None)
    assert (last["key"], last["severity"]) == ("platform--many-model-job-failed", "critical")
    assert last["models"] == models
    for model in models[1:]:
        yard.land(f"{model}/{DAY}", {"a.txt": "good"})
        yard.published(model, DAY)

    eventually(lambda: own_sink.told(None)[-1] == ("Resolved", "job-failed"))
    eventually(lambda: own_sink.told(models[0]) == [("Opened", "job-failed")])
    assert all("Opened" not in dict(own_sink.told(model)) for model in models[1:])
