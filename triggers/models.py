"""Models over HTTP: all of them at a glance, one of them, its periods."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

import azure.durable_functions as df
import azure.functions as func

from activities.assess_period import pause_of
from slipway import catalog, metrics, paths, rollup
from slipway.azure.lake import lake
from slipway.catalog import Catalog, Released
from slipway.due import due_at, expected_periods
from slipway.forecast import Price, cost
from slipway.invocation import Threads
from slipway.period import Cadence, Period
from slipway.period import count as periods_between
from slipway.settings import settings
from slipway.timing import Timing, expected, timing, usual
from slipway.usage import Usage
from triggers.api import Problem, answer, endpoint, reader
from triggers.paging import as_cursor, cursor, limit
from triggers.shapes.models import (
    Board,
    BoardRow,
    Model,
    ModelRow,
    Models,
    Money,
    PeriodDetail,
    PeriodRow,
    Periods,
    Source,
    Used,
)

bp = df.Blueprint()

Asked = TypeVar("Asked")
#: How many periods of each model the board shows, unless told.
COLUMNS = 14


@bp.function_name("get_board")
@bp.route("api/board", methods=["GET"], trigger_arg_name="request")
@endpoint("periods")
async def get_board(request: func.HttpRequest) -> func.HttpResponse:
    """All models by period: the newest periods of each, with states, incidents and lateness."""
    reader(request)
    text = request.params.get("periods", str(COLUMNS))
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= rollup.KEPT):
        raise Problem(400, "Malformed number", f"periods is a number from 1 to {rollup.KEPT}.")
    return answer(await _read(lambda seen: seen.board(int(text))))


@bp.function_name("get_models")
@bp.route("api/models", methods=["GET"], trigger_arg_name="request")
@endpoint("limit", "cursor")
async def get_models(request: func.HttpRequest) -> func.HttpResponse:
    """The released models, by name, a page at a time."""
    reader(request)
    after, count = cursor(request), limit(request)
    return answer(await _read(lambda seen: seen.models(after, count)))


@bp.function_name("get_model")
@bp.route("api/models/{model}", methods=["GET"], trigger_arg_name="request")
@endpoint()
async def get_model(request: func.HttpRequest) -> func.HttpResponse:
    """A released model: what it reads, what it gives, whose it is, how it stands."""
    reader(request)
    return answer(await _read(lambda seen: seen.model(request.route_params["model"])))


@bp.function_name("get_periods")
@bp.route("api/models/{model}/periods", methods=["GET"], trigger_arg_name="request")
@endpoint("limit", "cursor")
async def get_periods(request: func.HttpRequest) -> func.HttpResponse:
    """The periods of a model that have ended, the newest first, a page at a time."""
    reader(request)
    before, count = cursor(request), limit(request)
    found = await asyncio.to_thread(Listed, request.route_params["model"], before)
    return answer(found.page(count))


async def _read(show: Callable[[Fleet], dict[str, Any]]) -> dict[str, Any]:
    return await asyncio.to_thread(lambda: show(Fleet()))


class Fleet:
    """The catalog and the board, as they are now: all that the lists of models need, in a handful of requests."""

    def __init__(self) -> None:
        shards = [paths.board(number) for number in range(rollup.SHARDS)]
        with Threads(rollup.SHARDS) as pool:
            boards = pool.map(lake().control.read, shards)
            self.now = lake().control.read_at(paths.heartbeat())[1]
            self.catalog: Catalog = catalog.load(lake().control)
            self._rows: dict[str, Mapping[str, rollup.Facts]] = {}
            self._takes: dict[str, timedelta | None] = {}
            for board in boards:
                self._rows |= board.data["models"] if board else {}

    def board(self, columns: int) -> dict[str, Any]:
        """The grid. A cadence in whose newest periods nothing has happened is shown from the newest other one on."""
        about = {name: found.definition for name, found in sorted(self.catalog.models.items())}
        rows = {name: self.newest(self.catalog.models[name], columns) for name in about}
        for cadence in Cadence:
            names = [name for name in about if about[name].cadence is cadence]
            if all(is_quiet(row) for name in names for row in rows[name]):
                known = (period for found, period, _ in self.rows() if found.definition.cadence is cadence)
                if (last := max(known, default=None)) is not None:
                    rows |= {name: self._back_from(last, self.catalog.models[name], columns) for name in names}
        models = [
            BoardRow(model=name, owner=definition.owner, cadence=definition.cadence, periods=rows[name])
            for name, definition in about.items()
        ]
        return Board(now=self.now, models=models).model_dump(mode="json")

    def models(self, after: str | None, count: int) -> dict[str, Any]:
        """A page of models whose names follow `after`."""
        names = [name for name in sorted(self.catalog.models) if after is None or name > after]
        rows = [ModelRow(**self._model_row(name)) for name in names[:count]]
        more = as_cursor(names[count - 1]) if len(names) > count else None
        return Models(models=rows, next=more).model_dump(mode="json")

    def model(self, name: str) -> dict[str, Any]:
        """One model."""
        found = _released(self.catalog, name)
        definition = found.definition
        inputs = {
            one: Source(
                path=given.path,
                model=(definition.producer(one) or (None, None))[0],
                output=(definition.producer(one) or (None, None))[1],
                cadence=definition.input_cadence(one),
                optional=given.optional,
            )
            for one, given in definition.inputs.items()
        }
        consumers = sorted(
            other
            for other, one in self.catalog.models.items()
            if any((one.definition.producer(i) or (None,))[0] == name for i in one.definition.inputs)
        )
        return Model(
            **self._model_row(name),
            timezone=definition.timezone,
            first_period=str(definition.first),
            last_period=str(definition.last) if definition.last else None,
            on_new_data=definition.on_new_data,
            readers=list(definition.readers),
            inputs=inputs,
            outputs=list(definition.outputs),
            consumers=consumers,
            paused=pause_of(name),
        ).model_dump(mode="json")

    def newest(self, found: Released, count: int) -> list[PeriodRow]:
        """The newest periods of a model that have ended, the last one first."""
        return [self.row(found, period) for period in self._newest(found, count)]

    def rows(self) -> Iterator[tuple[Released, Period, rollup.Facts]]:
        """What the board keeps of each released model's periods."""
        for name, rows in self._rows.items():
            found = self.catalog.models.get(name)
            if found is None:
                continue
            for text, facts in rows.items():
                if (period := _own(found.definition, text)) is not None:
                    yield found, period, facts

    def _model_row(self, name: str) -> dict[str, Any]:
        found = self.catalog.models[name]
        latest = next(iter(self._newest(found, 1)), None)
        return {
            "model": name,
            "description": found.definition.description,
            "owner": found.definition.owner,
            "cadence": found.definition.cadence,
            "version": found.version,
            "released_at": found.released_at,
            "latest": self.row(found, latest) if latest else None,
            "incidents": sum("incident" in row for row in self._rows.get(name, {}).values()),
            "usual_seconds": takes.total_seconds() if (takes := self._usual(name)) else None,
        }

    def _usual(self, name: str) -> timedelta | None:
        """How long a model's runs usually take."""
        if name not in self._takes:
            self._takes[name] = usual(self._rows.get(name, {}).values())
        return self._takes[name]

    def _back_from(self, last: Period, found: Released, columns: int) -> list[PeriodRow]:
        """So many periods of a model up to this one, the newest first."""
        number = min(columns, periods_between(found.definition.first, last))
        return [self.row(found, last.shift(-back)) for back in range(number)]

    def _newest(self, found: Released, count: int) -> list[Period]:
        return list(islice(expected_periods(found.definition, self.now), count))

    def row(self, found: Released, period: Period) -> PeriodRow:
        """A period at a glance."""
        name = found.definition.name
        facts = self._rows.get(name, {}).get(str(period), {})
        return period_row(found, period, facts, self.now, self._usual(name))


def is_quiet(row: PeriodRow) -> bool:
    """Whether nothing has happened in a period, and nobody misses it."""
    return row.state == "none" and row.incident is None and row.timing not in ("at-risk", "late")


class Listed:
    """The periods of a model that ended before the one named `before`, the newest first, from one listing."""

    def __init__(self, model: str, before: str | None) -> None:
        self._found = _released(catalog.load(lake().control), model)
        definition = self._found.definition
        found_at, entries = lake().control.listing(f"{paths.period_records(model)}/")
        self._states = {entry.name.rpartition("/")[2].removesuffix(".json"): entry.metadata for entry in entries}
        self._told = _open_incidents(model)
        self._now, self._takes = found_at(), usual(self._states.values())
        known = {period for text in self._states if (period := _own(definition, text)) is not None}
        self._ordered = sorted({*expected_periods(definition, self._now), *known}, reverse=True)
        if before is not None:
            place = definition.period(before)
            self._ordered = [period for period in self._ordered if period < place]

    def page(self, count: int) -> dict[str, Any]:
        """The first of them."""
        rows = self._rows(self._ordered[:count])
        more = as_cursor(rows[-1].period) if len(self._ordered) > count else None
        return Periods(model=self._found.definition.name, periods=rows, next=more).model_dump(mode="json")

    def pictured(self, count: int) -> list[dict[str, Any]]:
        """As many, from the newest published one on: a picture of periods that nobody has run yet would be empty."""
        published = (place for place, one in enumerate(self._ordered) if "published" in self._states.get(str(one), {}))
        begin = next(published, 0)
        return [row.model_dump(mode="json") for row in self._rows(self._ordered[begin : begin + count])]

    def _rows(self, periods: list[Period]) -> list[PeriodDetail]:
        facts = {one: {**self._states.get(str(one), {}), **self._told.get(str(one), {})} for one in periods}
        return [_detail(self._found, one, facts[one], self._now, self._takes) for one in periods]


def _detail(
    found: Released, period: Period, facts: rollup.Facts, now: datetime, takes: timedelta | None
) -> PeriodDetail:
    usage = Usage.parse(facts.get("used"))
    used = Used(**asdict(usage), node_hours=usage.node_hours, cost=_cost(usage)) if usage else None
    row = period_row(found, period, facts, now, takes)
    return PeriodDetail(**row.model_dump(), used=used, metrics=metrics.parse(facts.get("metrics")))


def _cost(usage: Usage) -> Money | None:
    price = settings().node_hour_prices.get(usage.compute)
    money = cost(usage.node_hours, Price.parse(price) if price else None)
    return Money(**money) if money else None


def _own(definition: Any, text: str) -> Period | None:
    try:
        period: Period = definition.period(text)
    except ValueError:
        return None
    return period


def _open_incidents(model: str) -> dict[str, rollup.Facts]:
    """What the listing shows of the model's open incidents, by period."""
    entries = lake().control.list(f"incidents/{model}/")
    return {entry.name.rpartition("/")[2].removesuffix(".json"): entry.metadata for entry in entries}


def period_row(
    found: Released, period: Period, facts: rollup.Facts, now: datetime, takes: timedelta | None
) -> PeriodRow:
    """A period at a glance, from what a listing or the board shows of it. `takes`: how long the model usually does."""
    name, definition = found.definition.name, found.definition
    published = facts.get("published")
    expected_at = expected(facts, period.interval(definition.zone).end, now, takes)
    standing = timing(definition, period, facts, now, found.first_released_at, expected_at)
    return PeriodRow(
        period=str(period),
        state=facts.get("state", "none"),
        run=_whole(name, period, facts.get("run")),
        attempt=int(facts["attempt"]) if "attempt" in facts else None,
        at=datetime.fromisoformat(facts["at"]) if "at" in facts else None,
        published=_whole(name, period, published),
        incident=facts.get("incident"),
        due=due_at(definition, period),
        late=standing is Timing.LATE,
        timing=standing,
        expected=expected_at,
    )


def _whole(model: str, period: Period, tail: str | None) -> str | None:
    """The id of a run whose end a list holds: not read back from text, of which a board has thousands."""
    return f"{model}--{period}--{tail}" if tail else None


def _released(known: Catalog, model: str) -> Released:
    if model not in known.models:
        raise Problem(404, "Unknown model", f"No model named {model[:60]!r} is released here.")
    return known.models[model]
