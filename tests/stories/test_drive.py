"""The driver is held against the engine it stands in for."""

from __future__ import annotations

import inspect

import azure.durable_functions as df
import pytest

from tests.stories.drive import Context


@pytest.mark.parametrize("name", [name for name in vars(Context) if not name.startswith("_")])
def test_the_driver_offers_nothing_that_the_real_context_does_not(name: str) -> None:
    """A story that can be driven here can be run there: same names, and the real ones take the same arguments."""
    real = getattr(df.DurableOrchestrationContext, name)
    ours = inspect.signature(getattr(Context, name))

    inspect.signature(real).bind(*ours.parameters)


@pytest.mark.parametrize("name", ["instance_id", "current_utc_datetime"])
def test_the_facts_of_the_driver_are_facts_of_the_real_context(name: str) -> None:
    """Read as properties, there as here."""
    assert isinstance(inspect.getattr_static(df.DurableOrchestrationContext, name), property)
