"""What was published, told to an Event Grid topic."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from slipway.azure import topic
from slipway.failure import Failed
from slipway.settings import settings
from tests.flows.conftest import ActAs
from tests.running import LocalCloud

EVENT = {
    "specversion": "1.0",
    "type": "Slipway.Output.Published",
    "source": "slipway/weather-daily",
    "id": "weather-daily--2013-01-31--0123abcd-1-g1",
    "time": "2013-02-01T09:00:00+00:00",
    "subject": "weather-daily/2013-01-31",
    "data": {"model": "weather-daily", "period": "2013-01-31", "generation": 1},
}


@pytest.fixture(autouse=True)
def app(act_as: ActAs) -> Iterator[None]:
    """Every test acts as the app."""
    with act_as("app"):
        yield


def test_a_publication_is_announced() -> None:
    """Sending it again is allowed: source and id are the same, and tell subscribers so."""
    assert topic.publish(EVENT)
    assert topic.publish(EVENT)


def test_a_topic_that_is_busy_is_told_later(services: LocalCloud) -> None:
    """One request, and the wait it asked for."""
    action = {"status": 503, "headers": {"Retry-After": "9"}}
    services.control.post("/faults", {"service": "eventgrid", "action": action, "times": 1})

    with pytest.raises(Failed) as caught:
        topic.publish(EVENT)

    failure = caught.value.failure
    assert (failure.code, failure.transient, failure.retry_after) == ("unavailable", True, 9.0)
    assert topic.publish(EVENT)


def test_without_a_topic_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation may have no subscribers."""
    monkeypatch.delenv("SLIPWAY_TOPIC_URL")
    settings.cache_clear()

    assert not topic.publish(EVENT)
