"""A backfill: runs of many periods that a person plans, starts, watches, pauses, and may cancel. Pure changes.

Its record is the wish and the report in one: the state that people asked for, and for each period what became of it.
Every function takes the record and returns the next one; each change is one compare-and-swap. What drives it (see
`activities.advance_backfill`) may be killed anywhere: a period is noted as `starting` before its run is asked for, and
the run is asked for by a request that is named after the backfill, so asking twice starts nothing twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from slipway.forecast import PAST
from slipway.period_record import End, Record, Refused, remember, said, was_asked
from slipway.selection import Only, Standing, Verdict, verdict
from slipway.usage import Usage

Entry = dict[str, Any]

#: How many runs one step starts: a step looks at the inputs of each, which may take a while.
ROUND = 4
#: How often the start of a period's run is tried, and how long it rests in between; reconcile's pass asks again.
TRIES, REST = 5, timedelta(minutes=1)
#: How much of a text a record keeps for each of a thousand periods.
LONGEST_WHY = 200


class State(StrEnum):
    """Where a backfill stands."""

    PLANNING = "planning"  #: the lake is being looked at
    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"  #: what runs goes on, nothing new starts
    FINISHED = "finished"
    CANCELED = "canceled"


class Of(StrEnum):
    """Where one of its periods stands."""

    PENDING = "pending"  #: will run
    BLOCKED = "blocked"  #: its inputs were missing when it was planned; looked at again in its turn
    STARTING = "starting"  #: its run is being asked for
    ACTIVE = "active"  #: its run, or one that was active anyway, goes on
    GOOD = "good"  #: needs nothing, by what the backfill is for
    PUBLISHED = "published"
    FAILED = "failed"
    CANCELED = "canceled"
    SKIPPED = "skipped"  #: not run: its inputs were missing, or a person decided otherwise


#: What waits for its turn; what is under way; what has come to its end.
WAITING, UNDER_WAY = (Of.PENDING, Of.BLOCKED), (Of.STARTING, Of.ACTIVE)
ENDED = (State.FINISHED, State.CANCELED)


# What people wish


def new(id: str, facts: Mapping[str, Any], cause: Mapping[str, Any], now: datetime) -> Record:  # noqa: A002
    """The record of a backfill that is still to be planned. `facts`: model, periods (earliest first), only, order,
    parallel; `cause` as of every change.
    """  # fmt: skip
    return {
        "schema": 1,
        "backfill": id,
        "model": facts["model"],
        "state": State.PLANNING,
        "only": str(facts["only"]),
        "order": facts["order"],
        "parallel": facts["parallel"],
        "periods": {str(period): {"state": Of.PENDING} for period in facts["periods"]},
        **said(cause, now),
        "request": cause["request"],
        "version": None,
        "estimate": None,
        "took": [],
        "held": None,
        "started": None,
        "paused": None,
        "canceled": None,
        "planned_at": None,
        "ended_at": None,
        "alarm": None,
        "asked": [],
    }


def planned(
    record: Record | None, entries: Mapping[str, Entry], version: str, estimate: Mapping[str, Any], now: datetime
) -> Record | None:
    """The plan is made. No change for a record that has one, or was canceled meanwhile."""
    if record is None or record["state"] != State.PLANNING:
        return record
    plan = {"state": State.PLANNED, "version": version, "estimate": dict(estimate), "planned_at": now.isoformat()}
    return {**record, **plan, "periods": {text: kept(entry) for text, entry in entries.items()}}


def start(record: Record, cause: Mapping[str, Any], now: datetime) -> Record:
    """Wish it to run. The first start stands; raises Refused while it is planned, paused, and after its end."""
    if was_asked(record, "start", cause["request"]) or record["state"] == State.RUNNING:
        return record
    _only_from(record, State.PLANNED)
    return remember({**record, "state": State.RUNNING, "started": said(cause, now)}, "start", cause, now)


def sent_back(record: Record | None, why: str) -> Record | None:
    """Take the start back: another backfill is under way with one of its periods. It may be started again later."""
    if record is None or record["state"] not in (State.RUNNING, State.PAUSED):
        return record
    asked = [one for one in record["asked"] if one["what"] != "start"]
    return {**record, "state": State.PLANNED, "started": None, "paused": None, "held": why, "asked": asked}


def pause(record: Record, cause: Mapping[str, Any], now: datetime) -> Record:
    """Let what runs end, and start nothing new. Raises Refused for one that does not run."""
    if was_asked(record, "pause", cause["request"]) or record["state"] == State.PAUSED:
        return record
    _only_from(record, State.RUNNING)
    return remember({**record, "state": State.PAUSED, "paused": said(cause, now)}, "pause", cause, now)


def resume(record: Record, cause: Mapping[str, Any], now: datetime) -> Record:
    """Go on after a pause. Raises Refused for one that was not started, or has ended."""
    if was_asked(record, "resume", cause["request"]) or record["state"] == State.RUNNING:
        return record
    _only_from(record, State.PAUSED)
    return remember({**record, "state": State.RUNNING, "paused": None}, "resume", cause, now)


def cancel(record: Record, runs: Literal["cancel", "finish"], cause: Mapping[str, Any], now: datetime) -> Record:
    """End it for good: nothing new starts, and its runs under way are canceled too, or left to `finish`.

    The first cancel stands, but runs that were left to finish may be canceled later. Raises Refused for one that has
    finished, and for runs that were canceled and are now to finish. Runs that were active anyway are left alone.
    """
    if was_asked(record, "cancel", cause["request"]):
        return record
    if record["state"] == State.CANCELED:
        return _canceled_again(record, runs, cause, now)
    if record["state"] == State.FINISHED:
        raise _refusal(record)
    told = {"state": State.CANCELED, "canceled": {**said(cause, now), "runs": runs}, "ended_at": now.isoformat()}
    periods = {text: _stopped(entry) for text, entry in record["periods"].items()}
    return remember({**record, **told, "held": None, "periods": periods}, "cancel", cause, now)


def _canceled_again(
    record: Record, runs: Literal["cancel", "finish"], cause: Mapping[str, Any], now: datetime
) -> Record:
    """What a second cancel is worth: it may end the runs that the first one left to finish, not the other way round."""
    if record["canceled"]["runs"] == runs or not own(record):
        return record
    if runs == "finish":
        raise Refused(f"{record['backfill']} was canceled with its runs: they cannot be left to finish any more")
    return remember({**record, "canceled": {**said(cause, now), "runs": runs}}, "cancel", cause, now)


def gave_up_planning(record: Record | None, why: str, now: datetime) -> Record | None:
    """The plan cannot be made: it ends as canceled, and says why."""
    if record is None or record["state"] != State.PLANNING:
        return record
    return cancel(record, "finish", {"by": "slipway", "reason": why[:LONGEST_WHY], "request": None}, now)


def _only_from(record: Record, state: State) -> None:
    if record["state"] != state:
        raise _refusal(record)


def _refusal(record: Record) -> Refused:
    remedies = {
        State.PLANNING: "its plan is still being made, ask again in a moment",
        State.PLANNED: "start it first",
        State.RUNNING: "pause or cancel it",
        State.PAUSED: "resume or cancel it",
        State.FINISHED: "nothing is left to do; for more, plan another one",
        State.CANCELED: "it stays so; for what is left, plan another one",
    }
    return Refused(f"{record['backfill']} is {record['state']}: {remedies[State(record['state'])]}")


def _stopped(entry: Entry) -> Entry:
    """A period of a backfill that is canceled: what waits is not run; of a run that others started nothing is known."""
    if entry["state"] in WAITING or (entry["state"] == Of.ACTIVE and entry.get("joined")):
        return kept({**entry, "state": Of.CANCELED, "why": "not started", "again_at": None})
    return entry


# What becomes of it


def progress(
    record: Record | None, outcomes: Mapping[str, Entry], share: int, held: str | None, now: datetime
) -> Record | None:
    """The record after a step of its driver; None if there is none.

    `outcomes`: what was found of periods that are under way. `share`: how many runs it may have under way, 0 while it
    is `held` for a reason. As many of the waiting periods as that allows, `ROUND` at most, are noted as starting; with
    nothing left to do it is finished.
    """
    if record is None:
        return None
    found = {text: entry for text, entry in outcomes.items() if record["periods"][text]["state"] in UNDER_WAY}
    periods = {**record["periods"], **{text: _without_seconds(entry) for text, entry in found.items()}}
    took = [entry["seconds"] for entry in found.values() if "seconds" in entry]
    record = {**record, "took": [*record.get("took", ()), *took][-PAST:]} if took else record
    if record["state"] == State.CANCELED:
        periods = {text: _stopped(entry) for text, entry in periods.items()}
    record = {**record, "periods": periods, "alarm": _alarm(record, periods)}
    if record["state"] not in (State.RUNNING, State.PAUSED):
        return record
    if record["state"] == State.RUNNING:
        room = min(ROUND, max(0, share - len(own({"periods": periods}))))
        for text in next_in_turn({**record, "periods": periods}, now)[:room]:
            periods[text] = kept({**periods[text], "state": Of.STARTING, "why": None, "again_at": None})
    if any(entry["state"] in (*WAITING, *UNDER_WAY) for entry in periods.values()):
        return {**record, "held": held}
    return {**record, "state": State.FINISHED, "held": None, "ended_at": now.isoformat()}


def _without_seconds(entry: Entry) -> Entry:
    return {name: value for name, value in entry.items() if name != "seconds"}


def _alarm(record: Record, periods: Mapping[str, Entry]) -> str | None:
    """The period whose failure was seen first: its incident is about that one, so that it is told once."""
    seen: str | None = record["alarm"]
    return seen or min(failed({"periods": periods}), default=None)


def next_in_turn(record: Record, now: datetime) -> list[str]:
    """The periods that wait, in the order in which they are started.

    By age, as it was wished; those whose inputs were missing come last, to give them time, and those that could not be
    started rest for a while.
    """
    ready = [
        text
        for text, entry in record["periods"].items()
        if entry["state"] in WAITING and ("again_at" not in entry or datetime.fromisoformat(entry["again_at"]) <= now)
    ]
    ready.sort(reverse=record["order"] == "newest")  # within a cadence, the order of texts is that of time
    return sorted(ready, key=lambda text: record["periods"][text]["state"] == Of.BLOCKED)


def own(record: Mapping[str, Any]) -> list[str]:
    """The periods whose run it has started, or is about to."""
    entries: Mapping[str, Entry] = record["periods"]
    return [text for text, entry in entries.items() if entry["state"] in UNDER_WAY and not entry.get("joined")]


def under_way(record: Mapping[str, Any]) -> list[str]:
    """The periods with a run that is awaited, its own or another's."""
    return [text for text, entry in record["periods"].items() if entry["state"] in UNDER_WAY]


def settled(entry: Entry, record: Mapping[str, Any] | None, only: Only) -> Entry:
    """What became of an active run, by its period's record; the entry as it is while the run goes on.

    A run that others started is judged anew when it has ended, unless every period was to be run: then it counts.
    What was superseded, since its inputs changed, has its turn again. `seconds`: how long a run took that published.
    """
    run = entry["run"]
    claim, last, published = (record[name] if record else None for name in ("claim", "last", "published"))
    if claim and claim["run"] == run:
        return entry
    if (entry.get("joined") and only is not Only.ALL) or not (claim or last):
        return kept({**entry, "state": Of.PENDING, "joined": None})
    if published and published["run"] == run:
        used = Usage.parse(published.get("used"))
        return kept({**entry, "state": Of.PUBLISHED, "joined": None, "seconds": used and used.seconds})
    if claim:  # another came after it
        return {**entry, "run": claim["run"], "joined": True}
    assert last is not None, "there was a run"
    if last["state"] == End.SUPERSEDED:
        return tried({**entry, "run": None}, "its inputs changed while they were staged")
    ends = {End.SUCCEEDED: Of.PUBLISHED, End.FAILED: Of.FAILED, End.CANCELED: Of.CANCELED}
    return kept({**entry, "state": ends[End(last["state"])], "run": last["run"]})


def turn(entry: Entry, record: Mapping[str, Any] | None, only: Only, version: str) -> Entry | None:
    """What comes of a period whose turn it is, by its record, without a run of its own; None if it needs one."""
    standing = Standing.of_record(record)
    judged, why = verdict(only, standing, version)
    if judged is Verdict.WANTED:
        return None
    if judged is Verdict.ACTIVE:
        return kept({**entry, "state": Of.ACTIVE, "run": standing.active, "joined": True})
    if judged is Verdict.SKIPPED:
        return kept({**entry, "state": Of.SKIPPED, "why": why})
    awaited = record and record["published"] and record["published"]["run"] == entry.get("run")
    return kept({**entry, "state": Of.PUBLISHED if awaited else Of.GOOD, "why": None if awaited else why})


def tried(entry: Entry, why: str, again_at: datetime | None = None) -> Entry:
    """A period whose run could not be started: it has its turn again, after a rest, a few times."""
    tries = entry.get("tries", 0) + 1
    state = Of.PENDING if tries < TRIES else Of.FAILED
    rest = again_at.isoformat() if again_at and state == Of.PENDING else None
    return kept({**entry, "state": state, "why": why, "tries": tries, "again_at": rest, "joined": None})


def request_of(record: Mapping[str, Any], entry: Entry) -> str:
    """The request by which the run of a period is asked for: the same for every try that may have been made before."""
    tries = entry.get("tries", 0)
    return f"backfill:{record['backfill']}" + (f":{tries + 1}" if tries else "")


def cause_of(record: Mapping[str, Any], entry: Entry) -> dict[str, Any]:
    """Why the run of a period is started: by whom, why, for which backfill, by which request."""
    who = record["started"] or record
    told = {"kind": "backfill", "by": who["by"], "reason": who["reason"], "backfill": record["backfill"]}
    return {**told, "request": request_of(record, entry)}


def kept(entry: Entry) -> Entry:
    """An entry without what it does not say, and no longer than a thousand of them may be."""
    told = {name: value for name, value in entry.items() if value is not None and value is not False and value != ""}
    return {**told, "why": told["why"][:LONGEST_WHY]} if "why" in told else told


def is_open(record: Mapping[str, Any]) -> bool:
    """Whether it is still to be driven: planned, run, or seen to its end."""
    if record["state"] in (State.PLANNING, State.RUNNING) or (record["state"] == State.CANCELED and record["alarm"]):
        return True
    return any(entry["state"] in UNDER_WAY for entry in record["periods"].values())


def failed(record: Mapping[str, Any]) -> list[str]:
    """The periods that failed, but for those of runs that others started, which have incidents of their own."""
    entries: Mapping[str, Entry] = record["periods"]
    return [text for text, entry in entries.items() if entry["state"] == Of.FAILED and not entry.get("joined")]
