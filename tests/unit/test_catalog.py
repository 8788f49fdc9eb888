"""The catalog: one pointer moves any number of models; what cannot be read does not stop the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from slipway import catalog, paths
from slipway.definition import Definition
from slipway.failure import Failed, Failure, Kind

AT = datetime(2013, 2, 1, 9, tzinfo=UTC)
LATER = AT + timedelta(days=1)
ONE, TWO = "1" * 12, "2" * 12


@dataclass(frozen=True)
class Record:
    """A record as the lake gives it."""

    data: dict[str, Any]
    etag: str


@dataclass(eq=False)
class Records:
    """The control filesystem, in memory: what was written, and how often each path was read."""

    written: dict[str, dict[str, Any]] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    fails: Failed | None = None

    def read(self, path: str) -> Record | None:
        """Read as the lake does."""
        self.reads.append(path)
        if self.fails:
            raise self.fails
        data = self.written.get(path)
        return None if data is None else Record(data, str(hash(repr(data))))

    def release(self, at: datetime = AT, **versions: str) -> None:
        """Release models as the command does; underscores stand for dashes."""
        named = {name.replace("_", "-"): version for name, version in versions.items()}
        for name, version in named.items():
            definition = a_definition(name, version)
            record = catalog.definition_record(definition, {**definition.job, "environment": "azureml:e:3"}, at)
            self.written[paths.catalog_definition(name, version)] = record
        pointer = self.written.get(paths.catalog_pointer())
        moved = catalog.released(pointer, named, pointer["generation"] if pointer else 0, at)
        if moved:
            self.written[paths.catalog_pointer()] = moved


def a_definition(name: str, version: str) -> Definition:
    """A daily model."""
    return Definition.from_document(
        {
            "name": name,
            "version": version,
            "description": "Counts.",
            "owner": "airline-operations",
            "cadence": "daily",
            "first_period": "2013-01-01",
            "inputs": {"rows": {"path": "landing/rows/{period:%Y-%m-%d}/", "complete": {"files": 1}}},
            "outputs": {"counts": {}},
            "job": {"type": "command", "environment": {"image": "python:3.11"}, "limits": {"timeout": 60}},
        }
    )


def test_before_the_first_release_there_is_no_model() -> None:
    """An empty installation is no error."""
    found = catalog.load(Records())

    assert (found.generation, dict(found.models)) == (0, {})


def test_a_released_model_is_found_with_its_resolved_job() -> None:
    """Its version and since when it is here, too."""
    records = Records()
    records.release(weather_daily=ONE)

    model = catalog.load(records).models["weather-daily"]

    assert (model.version, model.released_at, model.first_released_at) == (ONE, AT, AT)
    assert model.definition.job["environment"] == "azureml:e:3"


def test_a_release_moves_all_models_or_none() -> None:
    """One pointer, one generation; those that are not named stay."""
    first = catalog.released(None, {"a": ONE, "b": ONE}, 0, AT)
    assert first is not None

    second = catalog.released(first, {"b": TWO, "c": TWO}, 1, LATER)

    assert second is not None
    assert (first["generation"], second["generation"]) == (1, 2)
    assert {name: row["version"] for name, row in second["models"].items()} == {"a": ONE, "b": TWO, "c": TWO}
    assert second["models"]["a"] == first["models"]["a"]


def test_a_model_keeps_the_time_of_its_first_release() -> None:
    """A new version is newer; the model is not."""
    first = catalog.released(None, {"a": ONE}, 0, AT)
    second = catalog.released(first, {"a": TWO}, 1, LATER)

    assert second is not None
    assert second["models"]["a"] == {
        "version": TWO,
        "released_at": LATER.isoformat(),
        "first_released_at": AT.isoformat(),
    }


def test_releasing_what_is_released_changes_nothing() -> None:
    """The pointer is not written, so no generation passes."""
    first = catalog.released(None, {"a": ONE}, 0, AT)

    assert catalog.released(first, {"a": ONE}, 1, LATER) is None


def test_what_was_judged_against_an_earlier_catalog_is_not_released() -> None:
    """The others' models may not fit it."""
    first = catalog.released(None, {"a": ONE}, 0, AT)

    with pytest.raises(catalog.Overtaken, match="generation 1, and not at 0"):
        catalog.released(first, {"b": ONE}, 0, LATER)


def test_an_unmoved_pointer_costs_one_read() -> None:
    """An event looks at one small record, whatever the number of models."""
    records = Records()
    records.release(a=ONE, b=ONE)
    once = catalog.load(records)
    records.reads.clear()

    assert catalog.load(records) is once
    assert records.reads == [paths.catalog_pointer()]


def test_only_what_is_new_is_read_after_a_release() -> None:
    """A released version never changes, so it is read once for the process."""
    records = Records()
    records.release(a=ONE, b=ONE)
    catalog.load(records)
    records.release(LATER, b=TWO)
    records.reads.clear()

    assert catalog.load(records).models["b"].version == TWO
    assert records.reads == [paths.catalog_pointer(), paths.catalog_definition("b", TWO)]


@pytest.mark.parametrize("damage", [None, {"definition": {"name": "a"}}, {"definition": None}, {}])
def test_one_definition_that_cannot_be_read_stops_no_other(damage: dict[str, Any] | None) -> None:
    """CF-1: the model is left out, with the reason; asking for it says so."""
    records = Records()
    records.release(a=ONE, b=ONE)
    path = paths.catalog_definition("a", ONE)
    records.written.pop(path)
    if damage is not None:
        records.written[path] = damage

    found = catalog.load(records)

    assert (found.models.keys(), found.broken.keys()) == ({"b"}, {"a"})
    with pytest.raises(catalog.UnknownModel, match="cannot be read"):
        found.definition("a")


def test_a_damaged_pointer_leaves_the_last_good_one() -> None:
    """CF-1: no model disappears because a record was damaged."""
    records = Records()
    records.release(a=ONE)
    good = catalog.load(records)
    records.written[paths.catalog_pointer()] = {"models": {"a": "nonsense"}}

    assert catalog.load(records) is good


def test_a_process_that_never_saw_a_good_pointer_says_so() -> None:
    """It does not act as if nothing were released."""
    records = Records({paths.catalog_pointer(): {"models": []}})

    with pytest.raises(Failed) as caught:
        catalog.load(records)

    assert caught.value.failure.code == "catalog-damaged"


def test_a_lake_that_does_not_answer_breaks_no_model() -> None:
    """Asking again later is the answer; nothing is taken for missing."""
    records = Records(fails=Failed(Failure(Kind.PLATFORM, "unavailable", "503", transient=True)))

    with pytest.raises(Failed) as caught:
        catalog.load(records)

    assert caught.value.failure.transient


def test_a_run_keeps_the_version_it_was_claimed_with() -> None:
    """CF-2: whatever is released meanwhile."""
    records = Records()
    records.release(a=ONE)
    records.release(LATER, a=TWO)

    assert catalog.pinned(records, "a", ONE).version == ONE


def test_a_model_nobody_released_is_unknown() -> None:
    """The message says how to release it."""
    with pytest.raises(catalog.UnknownModel, match="slipway release 'a'"):
        catalog.load(Records()).definition("a")
