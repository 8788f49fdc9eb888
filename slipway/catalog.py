"""The catalog: which version of which model is released here.

`catalog/<model>/<version>/definition.json` is written once and never changed: the definition, with its job resolved to
exact versions. `catalog/current.json` is the one pointer: moving it releases any number of models, all or none.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from slipway import paths
from slipway.dataset import DatasetIndex
from slipway.definition import Definition, DefinitionError
from slipway.failure import Failed, Failure, Kind
from slipway.invocation import Threads
from slipway.settings import settings

#: How many definitions are read at a time when the process reads the catalog for the first time.
READERS = 16

#: Pinned versions kept in memory: all that open runs may hold, in an installation of a few hundred models.
PINNED = 1024

logger = logging.getLogger(__name__)


class Record(Protocol):
    """A JSON record of the control filesystem, as it was read."""

    @property
    def data(self) -> dict[str, Any]:
        """Its content."""

    @property
    def etag(self) -> str:
        """What changes whenever the content does."""


class Records(Protocol):
    """The control filesystem, as far as the catalog reads it. One object for the process: memory goes by it."""

    def __hash__(self) -> int: ...

    def read(self, path: str) -> Record | None:
        """Return the record at `path`, None where there is none."""


@dataclass(frozen=True)
class Released:
    """A model as it is released: the version, and since when it and the model are (aware UTC)."""

    definition: Definition
    version: str
    released_at: datetime
    first_released_at: datetime


@dataclass(frozen=True)
class Catalog:
    """All released models at one generation of the pointer.

    `broken` holds the models whose released definition this app cannot read, each with the reason: they are not run,
    and do not stop the others.
    """

    generation: int
    models: Mapping[str, Released]
    broken: Mapping[str, str]
    etag: str = ""

    @cached_property
    def index(self) -> DatasetIndex:
        """The way from folders of the landing filesystems to models and periods, made once a generation."""
        return DatasetIndex((one.definition for one in self.models.values()), settings().landing_filesystems)

    def definition(self, model: str) -> Definition:
        """Return the released definition of `model`. Raises UnknownModel."""
        if model in self.models:
            return self.models[model].definition
        if model in self.broken:
            raise UnknownModel(f"the released definition of {model} cannot be read: {self.broken[model]}")
        raise UnknownModel(f"no model {model!a} is released here; `slipway release {model!a}` releases it")


class UnknownModel(LookupError):
    """No model of this name is released, or its definition cannot be read; the message says which."""


def load(control: Records) -> Catalog:
    """Read the catalog: one small record when nothing was released since the last call, else what is new in it.

    Raises:
        Failed: The lake does not answer, or the pointer is damaged and this process never saw a good one.
    """
    pointer, last = control.read(paths.catalog_pointer()), _loaded.get(control)
    if pointer is None:
        return last or Catalog(0, {}, {})
    if last is not None and last.etag == pointer.etag:
        return last
    try:
        generation, rows = int(pointer.data["generation"]), {n: _row(row) for n, row in pointer.data["models"].items()}
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return _last_good(last, error)
    _loaded[control] = _read(control, generation, rows, pointer.etag)
    return _loaded[control]


@lru_cache(maxsize=PINNED)
def pinned(control: Records, model: str, version: str) -> Definition:
    """Return one released version of a definition, with its job resolved; read once for the process.

    Raises:
        Failed: `definition-missing` or `definition-unreadable` (slipway, permanent), or the lake does not answer.
    """
    path = paths.catalog_definition(model, version)
    record = control.read(path)
    if record is None:
        raise Failed(Failure(Kind.SLIPWAY, "definition-missing", f"{path} is not there; release {model} again."))
    try:
        return Definition.from_document(record.data["definition"])
    except (DefinitionError, LookupError, TypeError, AttributeError) as error:
        message = f"{path} cannot be read by this version of the app: {error}"
        raise Failed(Failure(Kind.SLIPWAY, "definition-unreadable", message)) from error


def definition_record(definition: Definition, job: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """Return what is stored, once, of a released version: the definition with its resolved job, and when it was."""
    document = {**definition.to_document(), "job": dict(job)}
    return {
        "model": definition.name,
        "version": definition.version,
        "stored_at": at.isoformat(),
        "definition": document,
    }


class Overtaken(Exception):
    """Another release came first: what was judged against the catalog before it has to be judged again."""


def released(
    current: Mapping[str, Any] | None, versions: Mapping[str, str], judged: int, at: datetime
) -> dict[str, Any] | None:
    """Return the pointer with these models at these versions, all at once; None if it says so already.

    Models that are not named stay as they are. `first_released_at` is kept for ever: a model's periods count from it.
    `judged` is the generation against which the models were found to fit. Raises Overtaken unless it is the present.
    """
    if (generation := (current or {}).get("generation", 0)) != judged:
        raise Overtaken(f"the catalog is at generation {generation}, and not at {judged} any more")
    models = dict((current or {}).get("models", {}))
    moved = {name: version for name, version in versions.items() if models.get(name, {}).get("version") != version}
    if not moved:
        return None
    now = at.isoformat()
    for name, version in moved.items():
        first = models.get(name, {}).get("first_released_at", now)
        models[name] = {"version": version, "released_at": now, "first_released_at": first}
    return {"generation": generation + 1, "models": dict(sorted(models.items()))}


#: Of a model in the pointer: its version, released at, first released at.
_Row = tuple[str, datetime, datetime]

_loaded: WeakKeyDictionary[Records, Catalog] = WeakKeyDictionary()


def _read(control: Records, generation: int, rows: Mapping[str, _Row], etag: str) -> Catalog:
    with Threads(READERS) as pool:
        found = pool.map(lambda name: _definition(control, name, rows[name][0]), rows)
        definitions = dict(zip(rows, found, strict=True))
    models = {name: Released(one, *rows[name]) for name, one in definitions.items() if isinstance(one, Definition)}
    broken = {name: one for name, one in definitions.items() if isinstance(one, str)}
    for name, reason in broken.items():
        logger.error("model %s is left out: %s", name, reason, extra={"action": "definition_unreadable", "model": name})
    return Catalog(generation, models, broken, etag)


def _row(row: Mapping[str, str]) -> _Row:
    at, first = datetime.fromisoformat(row["released_at"]), datetime.fromisoformat(row["first_released_at"])
    return row["version"], at, first


def _definition(control: Records, model: str, version: str) -> Definition | str:
    """The definition, or why it cannot be read; a lake that does not answer is no reason."""
    try:
        return pinned(control, model, version)
    except Failed as error:
        if error.failure.transient:
            raise
        return error.failure.message


def _last_good(last: Catalog | None, error: Exception) -> Catalog:
    message = f"{paths.catalog_pointer()} is damaged ({type(error).__name__}: {error}); release again to mend it"
    if last is None:
        raise Failed(Failure(Kind.SLIPWAY, "catalog-damaged", message)) from error
    logger.error("%s; the last good one stays", message, extra={"action": "catalog_damaged"})
    return last
