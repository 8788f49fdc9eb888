"""Surveying: what a pass of the reconciler remembers, what it sees now, and of whom the question must so be asked.

All models are looked at together: each folder is listed once, whoever reads it. Only what changed leads on, through the
index of datasets that landing events use, to models and periods.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from slipway import catalog, paths, rollup
from slipway.azure.lake import lake
from slipway.catalog import Catalog, Released
from slipway.failure import Failed
from slipway.incident import at_odds
from slipway.invocation import Threads
from slipway.listing import Entry, Folder
from slipway.period import Period, PeriodError
from slipway.sweep import (
    NOTHING,
    State,
    digests,
    ended_since,
    must_ask,
    open_periods,
    overdue,
    places_read,
    prefixes,
)

log = logging.getLogger("slipway")

Pair = tuple[str, Period]
#: What a listing shows of each record, by model and the period's text.
_Indexed = Mapping[str, Mapping[str, State]]
#: A folder that is read, or the model and period of a publication that is.
Place = Folder | Pair

#: How many listings are under way at a time: a slow one does not hold up the others.
LISTINGS = 8


class Memory(BaseModel):
    """What one pass leaves to the next. Forgetting it costs questions that need not have been asked, and no more."""

    form: Literal[2] = Field(2, alias="schema")
    at: AwareDatetime | None = None  #: when the pass looked, by the lake's clock
    digests: dict[str, str] = {}  #: of each place with anything in it, and each open record
    versions: dict[str, str] = {}  #: of each model, as it was released, and of what people decided of it
    asks: dict[str, AwareDatetime] = {}  #: pair to when time alone calls for the question
    failing: dict[str, AwareDatetime] = {}  #: pair to since when its question fails
    sent: str = ""  #: the last incident that was offered to the sink
    silent: int = 0  #: passes that started runs unannounced since an event came last

    @classmethod
    def recall(cls) -> Memory:
        """What the last pass left. What cannot be read is forgotten; a lake that does not answer is another matter."""
        try:
            record = lake().control.read(paths.listings())
            return cls.model_validate(record.data) if record else cls()
        except (Failed, ValidationError) as error:  # no JSON, or of another form
            log.warning("forgot the last pass: %.300s", error, extra={"action": "memory_forgotten"})
            return cls()

    def keep(self) -> None:
        """Leave this to the next pass, over whatever is there: no decision rests on it, so no compare-and-swap."""
        lake().control.write(paths.listings(), self.model_dump_json(by_alias=True).encode())


@dataclass
class Survey:
    """What a pass has seen: whom to ask, since when each of them waits, and what to remember."""

    catalog: Catalog
    now: datetime  #: the lake's own
    last: Memory
    next: Memory
    wants: dict[Pair, datetime] = field(default_factory=dict)
    open: dict[str, list[Period]] = field(default_factory=dict)  #: by model, earliest first
    at_odds: set[Pair] = field(default_factory=set)  #: whose incident may not fit their record
    changed: set[Pair] = field(default_factory=set)  #: who reads a place that changed since the last pass
    unlisted: int = 0  #: places that could not be looked at
    boards: list[dict[str, Any] | None] = field(default_factory=list)  #: as they were before the records were listed
    rows: dict[str, dict[str, rollup.Facts]] = field(default_factory=dict)  #: of each model, what its records show

    def in_turn(self) -> list[Pair]:
        """All to ask, the one that has waited longest first: a pass that is cut short leaves nobody out for good."""
        return sorted(self.wants, key=lambda pair: (self.wants[pair], pair[0], str(pair[1])))

    def want(self, pairs: Iterable[Pair]) -> None:
        """Ask about these, if they do not wait already."""
        for model, period in pairs:
            self.wants.setdefault((model, period), self.now)
            self.next.asks.pop(f"{model}/{period}", None)  # what is left unasked is asked next, whatever it waited for


def look_around() -> Survey:
    """Look at all records and at each place that an open period reads. Raises Failed without the control filesystem."""
    last, now = Memory.recall(), lake().control.read_at(paths.heartbeat())[1]
    survey = Survey(catalog.load(lake().control), now, last, Memory(at=now, sent=last.sent))
    _look_at_asks(survey)
    survey.boards = [_data(paths.board(number)) for number in range(rollup.SHARDS)]
    _look_at_records(survey)
    _look_at_places(survey)
    return survey


def _look_at_asks(survey: Survey) -> None:
    """Find the pairs whose time has come; the others are kept in mind."""
    for text, at in survey.last.asks.items():
        model, _, period = text.partition("/")
        known = survey.catalog.models.get(model)
        if at > survey.now:
            survey.next.asks[text] = at
        elif known is not None:
            with suppress(PeriodError):  # from before the model's cadence was changed
                survey.wants[model, known.definition.period(period)] = at


def _look_at_records(survey: Survey) -> None:
    """Find what records call for, whosever they are, and what happened to open periods."""
    states: dict[str, dict[str, State]] = defaultdict(dict)
    etags: dict[str, str] = {}
    for model, text, entry in _indexed("periods/"):
        states[model][text] = entry.metadata
        etags[f"{model}/{text}"] = entry.etag
        if must_ask(entry.metadata, survey.now):
            survey.want(_pair(model, text))
    incidents: dict[str, dict[str, State]] = defaultdict(dict)
    for model, text, entry in _indexed("incidents/"):
        incidents[model][text] = entry.metadata
    _compare(survey, states, incidents)
    survey.rows = {name: _rows(states.get(name, {}), incidents.get(name, {})) for name in survey.catalog.models}
    decided = {entry.name: entry.etag for entry in lake().control.list("models/")}
    for name, found in survey.catalog.models.items():
        survey.next.versions[name] = f"{found.version} {decided.get(paths.model_state(name), '')}".rstrip()
        survey.open[name] = open_periods(found.definition, states[name], survey.now)
        survey.want((name, period) for period in _called_by_time(survey, found, states[name], incidents[name]))
        for period in survey.open[name]:
            if etag := etags.get(f"{name}/{period}"):
                place = f"{lake().control.name}/{paths.period_record(name, period)}"
                survey.next.digests[place] = etag
                if survey.last.digests.get(place) != etag:
                    survey.want([(name, period)])


def _data(path: str) -> dict[str, Any] | None:
    record = lake().control.read(path)
    return record.data if record else None


def _rows(states: Mapping[str, State], incidents: Mapping[str, State]) -> dict[str, rollup.Facts]:
    """What the board has to show of a model's periods."""
    names = {*rollup.FACTS, *rollup.INCIDENT_FACTS}
    known = {text: {**states.get(text, {}), **incidents.get(text, {})} for text in {*states, *incidents}}
    return {text: {name: row[name] for name in names if name in row} for text, row in known.items()}


def tend_board(survey: Survey) -> None:
    """Make good what the board's writers have lost: it then shows what the records showed, or what is newer."""
    for number, before in enumerate(survey.boards):
        mine = {model: rows for model, rows in survey.rows.items() if rollup.shard(model) == number}
        if mine or before:
            _mend(number, before, mine)


def _mend(number: int, before: dict[str, Any] | None, mine: dict[str, Any]) -> None:
    lake().control.update(paths.board(number), lambda seen, _: rollup.mended(seen, before, mine))


def _indexed(folder: str) -> Iterator[tuple[str, str, Entry]]:
    """Of each record in `<folder>/<model>/<period>.json`: the model, the period's text, what the listing shows.

    No model's name begins with the low line that folders of other subjects begin with.
    """
    for entry in lake().control.list(folder):
        if entry.name.endswith(".json") and entry.name.count("/") == 2 and not entry.name.startswith(f"{folder}_"):
            model, file = entry.name.removeprefix(folder).split("/")
            yield model, file.removesuffix(".json"), entry


def _pair(model: str, text: str) -> list[Pair]:
    """The pair, of whatever cadence; none for a text that names no period, since no record of ours is called so."""
    try:
        return [(model, Period.parse(text))]
    except PeriodError:
        return []


def _compare(survey: Survey, states: _Indexed, incidents: _Indexed) -> None:
    """Find the incidents that do not fit their records, and the records whose incident is not there."""
    for model in {*states, *incidents}:
        known, told = states.get(model, {}), incidents.get(model, {})
        for text in {*known, *told}:
            if at_odds(told.get(text), known.get(text)):
                survey.at_odds.update(_pair(model, text))
    survey.want(survey.at_odds)


def _called_by_time(
    survey: Survey, found: Released, states: Mapping[str, State], incidents: Mapping[str, State]
) -> Iterator[Period]:
    """The model's open periods that ended since the last pass, or are overdue and not reported."""
    opened, new = survey.open[found.definition.name], _is_new(survey, found.definition.name)
    ended = set(ended_since(found.definition, None if new else survey.last.at, survey.now))
    yield from (period for period in opened if period in ended)
    unpublished = [period for period in opened if _awaited(states.get(str(period), {}))]
    for period in overdue(found.definition, unpublished, survey.now, found.first_released_at):
        if incidents.get(str(period), {}).get("status") != "open":
            yield period


def _awaited(state: State) -> bool:
    """Whether somebody may wait for the period's outputs: nobody has waived it, and nothing is published."""
    return state.get("open", "yes") != "no" and "published" not in state


def _is_new(survey: Survey, model: str) -> bool:
    """Whether the model was released, paused or unpaused since the last pass.

    Nothing it reads has been looked at with its eyes; and while it was paused, whatever it saw came to nothing.
    """
    return survey.last.versions.get(model) != survey.next.versions[model]


def _look_at_places(survey: Survey) -> None:
    """List the folders and publications that open periods read, and find the readers of those that changed.

    What a model reads is news to it, too, when the model itself was released since. What cannot be listed is taken to
    be as it was, and the latest of each model's periods there is asked about: its own look tells what is wrong.
    """
    folders, publications = places_read(
        (survey.catalog.models[name].definition, periods) for name, periods in survey.open.items()
    )
    new = {name for name in survey.open if _is_new(survey, name)}
    open_ = {name: set(periods) for name, periods in survey.open.items()}
    for places, found in _listings(folders, publications):
        for place in places:
            name = _name(place)
            known = survey.last.digests.get(name, NOTHING)
            now = known if found is None else found.get(place, NOTHING)
            if now != NOTHING:
                survey.next.digests[name] = now
            if found is not None and now != known:
                survey.changed.update(_readers(survey, place, open_))
            elif new and now != NOTHING:
                survey.want(pair for pair in _readers(survey, place, open_) if pair[0] in new)
        if found is None:
            survey.unlisted += len(places)
            survey.want(_latest(pair for place in places for pair in _readers(survey, place, open_)))
    survey.want(survey.changed)


def _listings(
    folders: set[Folder], publications: set[Pair]
) -> Iterator[tuple[list[Folder] | list[Pair], Mapping[Any, str] | None]]:
    """Places that were looked at together, with the digest of each that has anything in it; None if it failed."""
    producers: dict[str, list[Pair]] = defaultdict(list)
    for model, period in publications:
        producers[model].append((model, period))
    looks: list[tuple[Any, Callable[[], Mapping[Any, str]]]] = [
        (inside, partial(_digests, root, inside)) for root, inside in prefixes(folders).items()
    ]
    looks += [(read, partial(_pointers, model)) for model, read in producers.items()]
    with Threads(LISTINGS) as pool:
        found = pool.map(_tried, (look for _, look in looks))
        yield from zip((places for places, _ in looks), found, strict=True)


def _tried(look: Callable[[], Mapping[Any, str]]) -> Mapping[Any, str] | None:
    try:
        return look()
    except Exception:  # whatever it is, it costs the other places nothing
        log.warning("a place could not be listed", exc_info=True, extra={"action": "listing_failed"})
        return None


def _digests(root: Folder, inside: list[Folder]) -> Mapping[Folder, str]:
    return digests(lake().store(root.filesystem).list(root.prefix), inside)


def _pointers(model: str) -> Mapping[Pair, str]:
    found: dict[Pair, str] = {}
    for entry in lake().models.list(f"{paths.published_folder(model)}/"):
        with suppress(PeriodError):  # latest.json names no period
            found[model, Period.parse(entry.name.rpartition("/")[2].removesuffix(".json"))] = entry.etag
    return found


def _name(place: Place) -> str:
    return str(place) if isinstance(place, Folder) else f"{lake().models.name}/{paths.pointer(*place)}"


def _readers(survey: Survey, place: Place, open_: Mapping[str, set[Period]]) -> Iterator[Pair]:
    """The open pairs that read a place."""
    index = survey.catalog.index
    found = (
        index.readers(place, survey.now)
        if isinstance(place, Folder)
        else index.consumers(*place, survey.now, bounded=False)
    )
    return ((model, period) for model, period in found if period in open_[model])


def _latest(pairs: Iterable[Pair]) -> Iterable[Pair]:
    latest: dict[str, Period] = {}
    for model, period in pairs:
        latest[model] = max(period, latest.get(model, period))
    return latest.items()
