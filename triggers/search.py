"""Runs and incidents over HTTP, as lists: which attempts there were, and what people are to see to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from slipway import paths, rollup
from slipway.azure.lake import lake
from slipway.invocation import Threads
from slipway.period import Period
from slipway.run import RunId
from triggers.api import Problem, answer, endpoint, reader
from triggers.paging import as_cursor, cursor, cut, limit
from triggers.shapes.incidents import IncidentRow, Incidents
from triggers.shapes.runs import AttemptRow, Attempts

bp = df.Blueprint()

#: How far back a search looks unless it is told.
LOOK_BACK = timedelta(days=31)
#: How many hours with attempts one page looks into; the next page goes on from there.
HOURS = 100
#: Up to so many months are listed one by one; where more are asked for, one list of all says which there are.
FEW_MONTHS = 3
#: How many records are read at a time.
READERS = 8
FILTERS = ("model", "period", "state", "cause", "by", "since", "until", "limit", "cursor")


@bp.function_name("get_runs")
@bp.route("api/runs", methods=["GET"], trigger_arg_name="request")
@endpoint(*FILTERS)
async def get_runs(request: func.HttpRequest) -> func.HttpResponse:
    """The attempts that began in a span of time, the newest first: by model, period, state, cause or person."""
    reader(request)
    return answer(await asyncio.to_thread(search_of, request))


@bp.function_name("get_incidents")
@bp.route("api/incidents", methods=["GET"], trigger_arg_name="request")
@endpoint("status", "limit", "cursor")
async def get_incidents(request: func.HttpRequest) -> func.HttpResponse:
    """The open incidents, by model and period; with status=all those that were resolved, too."""
    reader(request)
    status = request.params.get("status", "open")
    if status not in ("open", "resolved", "all"):
        raise Problem(400, "Malformed status", "status is open, resolved or all.")
    return answer(await asyncio.to_thread(incidents, status, limit(request), cursor(request)))


@dataclass(frozen=True)
class Wanted:
    """What a search is for. `since` and `until` bound when attempts began; the filters compare whole words."""

    since: datetime
    until: datetime
    filters: Mapping[str, str]

    @classmethod
    def of(cls, request: func.HttpRequest) -> Wanted:
        """Read the query. Raises 400 for what is no time."""
        now = lake().control.read_at(paths.heartbeat())[1]
        until = _time(request, "until") or now + timedelta(hours=1)
        since = _time(request, "since") or now - LOOK_BACK
        filters = {name: request.params[name] for name in FILTERS[:5] if request.params.get(name)}
        return cls(since, until, filters)

    def fits(self, row: AttemptRow) -> bool:
        """Whether the attempt is one of those."""
        return all(getattr(row, name) == value for name, value in self.filters.items())


def _time(request: func.HttpRequest, name: str) -> datetime | None:
    text = request.params.get(name)
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Problem(400, "Malformed time", f"{name} is a time such as 2026-11-22T06:00:00Z.") from error
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def search_of(request: func.HttpRequest) -> dict[str, Any]:
    """The page of attempts that a query asks for. Raises 400 for one that is malformed."""
    return search(Wanted.of(request), limit(request), cursor(request))


def search(wanted: Wanted, count: int, place: str | None) -> dict[str, Any]:
    """One page: what fits of the hours that it looks into, from the newest that the cursor leaves."""
    found: list[AttemptRow] = []
    boards = _Boards()
    for number, (hour, attempts) in enumerate(_read_ahead(_hours(wanted, place))):
        if number == HOURS:
            return _page(found, f"{hour}~")
        for row in sorted(attempts.values(), key=_order, reverse=True):
            began = datetime.fromisoformat(row["began_at"])
            if not wanted.since <= began < wanted.until or (place is not None and _order(row) >= _after(place)):
                continue
            shown = boards.settled(row)
            if wanted.fits(shown):
                if len(found) == count:
                    return _page(found, _last(found[-1]))
                found.append(shown)
    return _page(found, None)


def _page(found: list[AttemptRow], place: str | None) -> dict[str, Any]:
    return Attempts(attempts=found, next=as_cursor(place)).model_dump(mode="json")


def _order(row: Mapping[str, Any]) -> str:
    return f"{row['began_at']}~{row['run']}-a{row['attempt']}"


def _last(row: AttemptRow) -> str:
    return f"{row.began_at.isoformat()}~{row.run}-a{row.attempt}"


def _after(place: str) -> str:
    """What every attempt of the page comes before; an hour's own place comes after all that began in it."""
    return place if not place.endswith("Z~") else "~"


def _read_ahead(hours: Iterator[Period]) -> Iterator[tuple[Period, dict[str, Any]]]:
    """Each hour with its attempts, in order, some of them read at a time."""
    with Threads(READERS) as pool:
        while some := list(islice(hours, READERS)):
            records = pool.map(lambda hour: lake().control.read(paths.attempts(hour)), some)
            yield from (
                (hour, record.data["attempts"] if record else {}) for hour, record in zip(some, records, strict=True)
            )


def _hours(wanted: Wanted, place: str | None) -> Iterator[Period]:
    """The hours with attempts between the bounds, the newest first; listed month by month, as far as somebody asks."""
    until = min(wanted.until, datetime(2199, 12, 31, tzinfo=UTC))
    newest = _hour_of(place) if place is not None else str(rollup.hour_of(until.isoformat()))
    oldest = str(rollup.hour_of(wanted.since.isoformat()))
    for month in _months(oldest, newest):
        listed = (entry.name for entry in lake().control.list(f"rollups/attempts/{month}-"))
        hours = [name.rpartition("/")[2].removesuffix(".json") for name in listed]
        yield from (Period.parse(hour) for hour in sorted(hours, reverse=True) if oldest <= hour <= newest)


def _months(oldest: str, newest: str) -> Iterator[str]:
    """The months with attempts, the newest first. Where few are asked for, they need not be looked up."""
    first, last = (int(hour[:4]) * 12 + int(hour[5:7]) - 1 for hour in (oldest, newest))
    wanted = [f"{number // 12:04}-{number % 12 + 1:02}" for number in range(last, first - 1, -1)]
    if len(wanted) <= FEW_MONTHS:
        yield from wanted
        return
    listed = (entry.name.rpartition("/")[2][:7] for entry in lake().control.list("rollups/attempts/"))
    known = set(listed)
    yield from (month for month in wanted if month in known)


def _hour_of(place: str) -> str:
    text = place.partition("~")[0]
    try:
        return text if text.endswith("Z") else str(rollup.hour_of(text))
    except ValueError as error:
        raise Problem(400, "Malformed cursor", "The cursor is not one that a page has named.") from error


class _Boards:
    """The shards of the board, each read once where an attempt is still active in its list."""

    def __init__(self) -> None:
        self._known: dict[int, Any] = {}

    def settled(self, row: Mapping[str, Any]) -> AttemptRow:
        """The attempt as it stands: an active one by its stage, or by its record where the list was not told."""
        run = RunId.parse(row["run"])
        shown = AttemptRow(**row, model=run.model, period=str(run.period))
        if row["state"] != "active":
            return shown
        facts = self._facts(run)
        if (facts.get("run"), facts.get("attempt")) == (f"{run.key8}-{run.r}", str(row["attempt"])):
            return shown.model_copy(update={"state": facts["state"]})
        end = lake().control.read(paths.attempt_record(run, row["attempt"]))
        if end is None:
            return shown
        ended = rollup.attempt_row({**row, "cause": end.data["cause"], "since": row["began_at"]}, end.data)
        lake().list_attempt(ended)
        return AttemptRow(**ended, model=run.model, period=str(run.period))

    def _facts(self, run: RunId) -> Mapping[str, str]:
        number = rollup.shard(run.model)
        if number not in self._known:
            self._known[number] = lake().control.read(paths.board(number))
        board = self._known[number]
        found: Mapping[str, str] = board.data["models"].get(run.model, {}).get(str(run.period), {}) if board else {}
        return found


def incidents(status: str, count: int, place: str | None) -> dict[str, Any]:
    """A page of incidents of a status: open, resolved or all."""
    entries = [entry for entry in lake().control.list("incidents/") if not entry.is_directory]
    listed = [entry.name for entry in entries if status in (entry.metadata.get("status"), "all")]
    names, more = cut(sorted(listed), count, place)
    with Threads(READERS) as pool:
        read = [record.data for record in pool.map(lake().control.read, names) if record]
    rows = [IncidentRow(**{name: incident.get(name) for name in IncidentRow.model_fields}) for incident in read]
    return Incidents(incidents=rows, next=more).model_dump(mode="json")
