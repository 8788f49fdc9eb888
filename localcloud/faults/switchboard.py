"""The fault rules that are on in one process: where a point is met, what is done there. None is on unless added."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from localcloud.clock import Clock, parse_duration
from localcloud.faults import processes
from localcloud.faults.ledger import COUNTERS, MOST_RULES, Ledger
from localcloud.faults.points import INNER, STORES, Point
from localcloud.faults.rules import FaultError, Rule

log = logging.getLogger(__name__)

#: How long whoever switches waits for the hosts to go by it, in seconds.
TAKEN_WITHIN = 10.0
#: Returns the running processes that a name stands for at a point; none while there are none.
Pids = Callable[[Point], list[int]]


@dataclass(frozen=True)
class Struck:
    """A rule that strikes a point: its number, which match of it this is, and when, by the cloud's clock."""

    number: int
    rule: Rule
    match: int
    point: Point
    when: datetime


class Faults:
    """The rules that are on. ``seed`` drives what is left to chance; the same seed gives the same faults.

    ``clock`` is the cloud's (real time without one), ``ledger`` what all its processes share.
    """

    def __init__(self, seed: int = 0, clock: Clock | None = None, ledger: Ledger | None = None) -> None:
        self.seed = seed
        self.rules: dict[int, Rule] = {}
        self.ledger = ledger or Ledger()
        self._clock = clock
        self._last_number = 0
        self._version = 0  #: of the rules, counted on with each change
        self._listeners: list[Callable[[], None]] = []
        self._processes: dict[str, Pids] = {}
        self._databases: dict[str, Path] = {}
        self._deeds: dict[tuple[str, str], Callable[[str, Any], None]] = {}
        self._switched = asyncio.Event()
        self._later: set[asyncio.Task[None]] = set()
        self._lasting: list[tuple[int, processes.Pause | processes.Lock]] = []

    # Switching

    def add(self, rule: Rule) -> int:
        """Switch a rule on and return its number; raises :class:`FaultError` if what it names is not here."""
        self._check_target(rule)
        if self._last_number + 1 >= MOST_RULES:
            raise FaultError(f"a run of the cloud counts {MOST_RULES - 1} rules; start it again for more")
        self._last_number += 1
        self.rules[self._last_number] = rule
        log.warning("fault %d on (seed %d): %s", self._last_number, self.seed, rule.document())
        self._changed()
        return self._last_number

    def clear(self) -> None:
        """Switch all rules off: what they delay or hold up goes on."""
        if self.rules:
            log.warning("faults off (seed %d)", self.seed)
        self.rules.clear()
        self._changed()

    def replace(self, told: dict[str, Any]) -> None:
        """Take over the rules of the cloud's own process (see :meth:`told`)."""
        self.rules = {document["number"]: Rule.parse(document["rule"]) for document in told["rules"]}
        self._changed()
        self.ledger.hear(told["version"])

    def told(self) -> dict[str, Any]:
        """Return the rules as :meth:`replace` takes them in another process."""
        rules = [{"number": number, "rule": rule.document()} for number, rule in self.rules.items()]
        return {"version": self._version, "rules": rules}

    async def taken(self) -> None:
        """Wait until every host that runs goes by the rules as they are now; not for long, one may stand still."""
        until = asyncio.get_running_loop().time() + TAKEN_WITHIN
        while self._is_behind() and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.002)  # it says so in memory that it shares, which wakes nobody

    def _is_behind(self) -> bool:
        here = Point("control", "Faults")
        hosts = (name for name in COUNTERS if name in self._processes and self._processes[name](here))
        return any(self.ledger.heard(name) < self._version for name in hosts)

    def documents(self) -> list[dict[str, Any]]:
        """Return the rules with how often each matched and struck, in all processes, as plain JSON."""
        shown = []
        for number, rule in self.rules.items():
            matched, fired = self.ledger.counts(number)
            shown.append({"id": number, **rule.document(), "matched": matched, "fired": fired})
        return shown

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after rules were switched on or off."""
        self._listeners.append(listener)

    def on_itself(self) -> None:
        """Let ``{"crash": name}`` reach this process by the name that it counts as."""
        self._processes[self.ledger.process] = lambda _: [os.getpid()]

    def on_process(self, name: str, pids: Pids) -> None:
        """Let ``{"crash": name}`` and its like reach the processes that ``pids`` returns."""
        self._processes[name] = pids

    def on_database(self, name: str, path: Path) -> None:
        """Let ``{"lock": name}`` hold the lock of the database at ``path``."""
        self._databases[name] = path

    def on(self, service: str, kind: str, do: Callable[[str, Any], None]) -> None:
        """Let an action of this kind at a point of ``service`` call ``do`` with the point's name and its value."""
        self._deeds[service, kind] = do

    def is_on(self, kind: str, point: Point) -> bool:
        """Say whether a rule with an action of this kind is about ``point``, now or later."""
        point = self._seen(point)
        return any(kind in rule.action and rule.concerns(point) for rule in self.rules.values())

    @property
    def has_rules(self) -> bool:
        """Whether any rule is on: who has much to say of a point asks first."""
        return bool(self.rules)

    # Points

    async def before(self, point: Point) -> dict[str, Any] | None:
        """Act before the effect of ``point``; return the action that its service has to carry out, if any."""
        return await self._act("before", point)

    async def after(self, point: Point) -> dict[str, Any] | None:
        """Act when the effect is done and its answer not yet sent."""
        return await self._act("after", point)

    def at_once(self, point: Point) -> dict[str, Any] | None:
        """Act before the effect of a point that cannot wait; as :meth:`before`, without delays."""
        for struck in self.strikes("before", point):
            action = self._do(struck)
            if action is not None:
                return action
        return None

    def strikes(self, phase: str, point: Point) -> Iterator[Struck]:
        """Count the matches of a point, one rule after the other, and yield each rule that strikes it now."""
        point = self._seen(point)
        for number, rule in list(self.rules.items()):
            if number not in self.rules or not self._reaches(rule) or not rule.matches(phase, point, self._now()):
                continue
            match = self.ledger.match(number)
            if rule.kind != "full" and rule.strikes(match, self.ledger.counts(number)[1], self.seed):
                struck = Struck(number, rule, match, point, self._now())
                self._note(struck)
                yield struck

    async def carry_out(self, struck: Struck) -> dict[str, Any] | None:
        """Do what a rule does where it strikes; return the action that its service has to carry out, if any."""
        if "delay" in struck.rule.action and not await self._sleep(struck, struck.rule.action["delay"]):
            return None
        return self._do(struck)

    def room(self, store: str) -> tuple[int, int] | None:
        """Return number and bytes of the rule that lets a store grow least, or None while it may grow."""
        full = [(number, rule) for number, rule in self.rules.items() if rule.kind == "full"]
        caps = [(r.action["full"], number) for number, r in full if r.matches("before", _write(store), self._now())]
        return min(caps)[::-1] if caps else None

    def refused(self, number: int, store: str) -> None:
        """Note that a store could not grow because of a rule."""
        if number in self.rules:
            self._note(Struck(number, self.rules[number], 0, _write(store), self._now()))

    async def _act(self, phase: str, point: Point) -> dict[str, Any] | None:
        for struck in self.strikes(phase, point):
            action = await self.carry_out(struck)
            if action is not None:
                return action
        return None

    def _do(self, struck: Struck) -> dict[str, Any] | None:
        """Do what can be done from here; return the rest to the point's service."""
        action, kind = struck.rule.action, struck.rule.kind
        deed = self._deeds.get((struck.point.service, kind))
        if deed is not None:
            deed(struck.point.name, action[kind])
        elif "within" in action:
            task = asyncio.create_task(self._do_later(struck))
            self._later.add(task)
            task.add_done_callback(self._later.discard)
        elif kind in ("crash", "terminate", "pause", "lock"):
            return self._disturb(struck)
        elif kind != "delay":
            return action
        return None

    async def _do_later(self, struck: Struck) -> None:
        """Disturb at a moment by chance, unless the rule is switched off meanwhile."""
        action = struck.rule.action
        seconds = action["within"] * struck.rule.chance(-struck.match, self.seed)
        if await self._sleep(struck, seconds):
            log.warning("fault %d (seed %d) strikes %.3f s later", struck.number, self.seed, seconds)
            self._disturb(struck)

    def _disturb(self, struck: Struck) -> dict[str, Any] | None:
        """End, stop or lock; return the action where the service has to know that it was struck itself."""
        action, kind = struck.rule.action, struck.rule.kind
        seconds = float(action.get("seconds", 5))
        if kind == "lock":
            self._lasting.append((struck.number, processes.Lock(self._databases[action[kind]], seconds)))
            return None
        target = action[kind]
        pids = [os.getpid()] if target is True else self._processes[target](struck.point)
        if not pids:
            log.warning("fault %d: nothing of %s runs that could be ended or stopped", struck.number, target)
        elif kind == "pause":
            self._lasting.append((struck.number, processes.Pause(pids, seconds)))
        else:
            self.ledger.tell_end(struck.number, self.ledger.process if target is True else target)
        if kind == "pause":
            return None
        processes.end(pids, signal.SIGKILL if kind == "crash" else signal.SIGTERM)
        if target == "job" and (struck.point.service, struck.point.operation) not in INNER:
            return None  # no job asked for this
        return action  # whoever asked is no more: before the effect, there is none

    def _reaches(self, rule: Rule) -> bool:
        """Say whether this process can do to another, or to a database, what a rule wants."""
        if rule.kind == "lock":
            return rule.action["lock"] in self._databases
        return rule.target is True or rule.target in self._processes

    def _check_target(self, rule: Rule) -> None:
        """Refuse what could never be done, because there is no such process or database in this cloud."""
        if not self._reaches(rule):
            here = ", ".join(self._databases if rule.kind == "lock" else self._processes) or "none"
            raise FaultError(f"{rule.kind} {rule.action[rule.kind]}: this cloud has no such thing; it has {here}")
        if rule.service in ("functions", "slot") and rule.target not in (True, rule.service):
            raise FaultError(
                f"at a point of {rule.service} its own process alone can be ended or stopped: {rule.kind} true"
            )
        if rule.service == "disk" and rule.name != "*" and not any(map(rule.concerns, map(_write, STORES))):
            raise FaultError(f"no store is called {rule.name}; there are {', '.join(STORES)}")

    async def _sleep(self, struck: Struck, delay: float | str) -> bool:
        """Wait so long (a text: by the cloud's clock); False when the rule was switched off meanwhile.

        The cloud's clock may be moved as soon as the strike is told of, so the time counts from then.
        """
        wait = asyncio.create_task(self._wait(delay, struck.when))
        try:
            while not wait.done() and struck.number in self.rules:
                switched = asyncio.create_task(self._switched.wait())
                await asyncio.wait([wait, switched], return_when=asyncio.FIRST_COMPLETED)
                switched.cancel()
        finally:
            wait.cancel()
        return struck.number in self.rules

    async def _wait(self, delay: float | str, since: datetime) -> None:
        if isinstance(delay, str) and self._clock is not None:
            await self._clock.sleep_until(since + timedelta(seconds=parse_duration(delay)))
        else:
            await asyncio.sleep(parse_duration(delay) if isinstance(delay, str) else delay)

    def _seen(self, point: Point) -> Point:
        """Return a point as rules see it: in the process of the slot's host, ``functions`` are the slot's."""
        is_slot = point.service == "functions" and self.ledger.process == "slot"
        return replace(point, service="slot") if is_slot else point

    def _note(self, struck: Struck) -> None:
        number, rule, point = struck.number, struck.rule, struck.point
        log.warning("fault %d (seed %d) %s %s: %s", number, self.seed, rule.phase, point, rule.action)
        facts = {"fault": number, "seed": self.seed, "match": struck.match, "phase": rule.phase, **asdict(point)}
        when = struck.when.isoformat(timespec="milliseconds")
        self.ledger.note(number, {"when": when, **facts, "action": rule.action})

    def _now(self) -> datetime:
        return self._clock.now() if self._clock is not None else datetime.now(UTC)

    def _changed(self) -> None:
        self._version += 1
        switched, self._switched = self._switched, asyncio.Event()
        switched.set()
        for number, lasting in self._lasting:
            if number not in self.rules:
                lasting.end()
        self._lasting = [one for one in self._lasting if one[0] in self.rules]
        for listener in self._listeners:
            listener()


def _write(store: str) -> Point:
    return Point("disk", "Write", store)
