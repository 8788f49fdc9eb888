"""Named fault points: which request fails, when and how. Seeded, logged, off unless a rule is added."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import random
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

log = logging.getLogger(__name__)

PHASES = ("before", "after")
SERVICES = ("functions", "storage", "aml", "eventgrid", "identity", "control")
#: What an ``action`` may be: one of these, with its details beside it, or a ``delay`` alone. A ``delay`` (in real
#: seconds, over at once when its rule is switched off) may stand before any of them.
ACTIONS: dict[str, tuple[str, ...]] = {
    "status": ("headers", "code", "body"),  #: this answer; before the effect, there is none
    "reset": (),  #: no answer
    "truncate": (),  #: the answer's body breaks off after so many bytes
    "flip": (),  #: one bit of the byte at this position of the answer's body is wrong
    "empty": (),  #: the answer has no body
    "drip": (),  #: the answer's body comes at so many bytes a second
    "stale": (),  #: the answer that the same request got so many seconds ago, or the oldest that is known
    "skew": (),  #: the answer is dated so many seconds ahead (negative: behind)
    "touch": (),  #: somebody else changes the thing first, and so its ETag
    "partial": (),  #: only the first so many entries, then a 500
    "duplicate": (),  #: the effect twice
    "crash": (),  #: SIGKILL; true: the process of the point, "functions": the functions host
    "terminate": (),  #: SIGTERM: the functions host ends in order, and is started again
    "pause": ("seconds",),  #: the process stands still for so many real seconds, as one that sleeps
}
#: What changes the answer of an effect that happens, and is so decided before it.
ALTERS = ("truncate", "flip", "empty", "drip", "stale", "skew")
#: The operations on many entries that can be left half done.
_PARTIAL = ("SetAccessControlRecursive", "PublishEvents")


class FaultError(ValueError):
    """A fault rule is not well formed; the text says what is wrong and what is right."""


@dataclass(frozen=True)
class Point:
    """A moment a rule can match: which service does what to which thing for whom."""

    service: str
    operation: str
    name: str = ""
    caller: str = ""


@dataclass
class Rule:
    """Which points fail and how; texts are shell patterns (``*``, ``?``, ``[ab]``), case matters.

    ``nth`` picks one match (counted from 1), ``every`` each n-th, ``probability`` some by the seeded generator,
    ``times`` ends the rule after so many faults; ``since`` and ``until`` (ISO 8601 with a zone) are moments of the
    cloud's clock. ``before`` acts instead of the effect, ``after`` when it is done.
    """

    action: dict[str, Any]
    service: str = "*"
    operation: str = "*"
    name: str = "*"
    caller: str = "*"
    phase: str = "before"
    nth: int | None = None
    every: int | None = None
    times: int | None = None
    probability: float | None = None
    since: str | None = None
    until: str | None = None
    id: int = 0
    matched: int = field(default=0)
    fired: int = field(default=0)

    @classmethod
    def parse(cls, document: object) -> Rule:
        """Read a rule from JSON; raises :class:`FaultError`."""
        if not isinstance(document, dict) or "action" not in document:
            raise FaultError('a fault rule has an "action", e.g. {"operation": "PutBlob", "action": {"status": 503}}')
        known = {f.name for f in fields(cls)} - {"id", "matched", "fired"}
        if unknown := set(document) - known:
            raise FaultError(f"unknown key {sorted(unknown)[0]!r} in a fault rule; known: {', '.join(sorted(known))}")
        rule = cls(**document)
        rule.check()
        return rule

    def check(self) -> None:
        """Raise :class:`FaultError` unless the rule can be carried out."""
        kinds = [kind for kind in ACTIONS if kind in self.action]
        if len(kinds) > 1 or not (kinds or "delay" in self.action):
            raise FaultError(
                f"a fault's action names one of {', '.join(ACTIONS)}, or delay; this one names {kinds or 'none'}"
            )
        known = {*kinds, "delay", *(ACTIONS[kinds[0]] if kinds else ())}
        if unknown := set(self.action) - known:
            raise FaultError(f"unknown key {sorted(unknown)[0]!r} in a fault's action")
        if not any(fnmatchcase(service, self.service) for service in SERVICES):
            raise FaultError(f"no service fits {self.service!r}; there are {', '.join(SERVICES)}")
        self._check_values()
        if self.phase not in PHASES:
            raise FaultError(f"a fault's phase is 'before' or 'after', not {self.phase!r}")
        decided_before = (*ALTERS, "duplicate", "touch", "partial")
        if self.phase == "after" and kinds and kinds[0] in decided_before:
            raise FaultError(f"{kinds[0]} is decided before the effect: leave phase out")
        if "touch" in kinds and self.service != "storage":
            raise FaultError('touch is for the service "storage"; name it')
        if "partial" in kinds and self.operation not in _PARTIAL:
            raise FaultError(f"partial is for the operation {' or '.join(_PARTIAL)}; name it")

    def _check_values(self) -> None:
        for name in ("status", "truncate", "flip", "drip", "partial", "stale", "skew", "delay", "seconds"):
            value = self.action.get(name, 1)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise FaultError(f"{name} of a fault's action is a number, not {value!r}")
        for name in ("since", "until"):
            text = getattr(self, name)
            if text is not None and datetime.fromisoformat(text).tzinfo is None:
                raise FaultError(f"{name} of a fault rule needs a time zone, e.g. a final Z")

    def matches(self, phase: str, point: Point, now: datetime) -> bool:
        """Say whether the rule is about ``point`` in ``phase`` at this moment; counting comes later."""
        return (
            phase == self.phase
            and self.concerns(point)
            and (self.since is None or now >= datetime.fromisoformat(self.since))
            and (self.until is None or now < datetime.fromisoformat(self.until))
        )

    def concerns(self, point: Point) -> bool:
        """Say whether the rule's patterns fit ``point``."""
        parts = ("service", "operation", "name", "caller")
        return all(fnmatchcase(getattr(point, part), getattr(self, part)) for part in parts)

    def fires(self, chance: random.Random) -> bool:
        """Count one match and say whether this one fails."""
        self.matched += 1
        if self.times is not None and self.fired >= self.times:
            return False
        if self.nth is not None and self.matched != self.nth:
            return False
        if self.every is not None and self.matched % self.every != 0:
            return False
        if self.probability is not None and chance.random() >= self.probability:
            return False
        self.fired += 1
        return True


class Faults:
    """The rules that are on. ``seed`` drives what is left to chance; the same seed gives the same faults."""

    def __init__(self, seed: int = 0, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.seed = seed
        self._now = now
        self.rules: list[Rule] = []
        self._chance = random.Random(seed)  # noqa: S311 (not for secrets)
        self._last_id = 0
        self._listeners: list[Callable[[], None]] = []
        self._processes: dict[str, Callable[[], int | None]] = {}
        self._touch: dict[str, Callable[[str], None]] = {}
        self._asleep: dict[asyncio.Event, Rule] = {}
        self._crashed: list[Rule] = []  #: rules that crashed another process, whose end was not yet taken note of

    def add(self, rule: Rule) -> int:
        """Switch a rule on and return its id."""
        rule.check()
        self._last_id += 1
        rule.id = self._last_id
        self.rules.append(rule)
        log.warning("fault %d on (seed %d): %s", rule.id, self.seed, asdict(rule))
        self._changed()
        return rule.id

    def clear(self) -> None:
        """Switch all rules off and start the seeded chances anew."""
        self.rules.clear()
        self._wake()
        self._chance = random.Random(self.seed)  # noqa: S311
        self._changed()

    def replace(self, documents: list[dict[str, Any]]) -> None:
        """Take over another process's rules (see :meth:`documents`); counts of rules that stay are kept."""
        kept = {rule.id: rule for rule in self.rules}
        self.rules = [kept.get(document["id"]) or Rule(**document) for document in documents]
        self._wake()

    def documents(self) -> list[dict[str, Any]]:
        """Return the rules with their counts as plain JSON."""
        return [asdict(rule) for rule in self.rules]

    def take_crash(self, process: str) -> bool:
        """Say whether a rule may have crashed ``process``, and count that one as done: it crashes once."""
        known = [rule for rule in self._crashed if rule in self.rules]
        self._crashed.clear()
        if not known:  # it met a rule of its own, and took the count of that with it
            own = (rule for rule in self.rules if fnmatchcase(process, rule.service))
            ends = (rule for rule in own if {True, process} & {rule.action.get("crash"), rule.action.get("terminate")})
            known = list(itertools.islice(ends, 1))
        self.rules = [rule for rule in self.rules if rule not in known]
        return bool(known)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after rules were added or cleared."""
        self._listeners.append(listener)

    def on_process(self, process: str, pid: Callable[[], int | None]) -> None:
        """Let ``{"crash": process}`` and its like end what ``pid`` names; true is the process of the point itself."""
        self._processes[process] = pid

    def on_touch(self, service: str, touch: Callable[[str], None]) -> None:
        """Let ``{"touch": true}`` at a point of ``service`` call ``touch`` with the point's name."""
        self._touch[service] = touch

    def is_on(self, kind: str, point: Point) -> bool:
        """Say whether a rule with an action of this kind is about ``point``, now or later."""
        return any(kind in rule.action and rule.concerns(point) for rule in self.rules)

    async def before(self, point: Point) -> dict[str, Any] | None:
        """Act before the effect of ``point``; return the action that the HTTP layer has to carry out, if any."""
        return await self._act("before", point)

    async def after(self, point: Point) -> dict[str, Any] | None:
        """Act when the effect is done and its answer not yet sent."""
        return await self._act("after", point)

    async def _act(self, phase: str, point: Point) -> dict[str, Any] | None:
        for rule in self.rules:
            if not rule.matches(phase, point, self._now()) or not rule.fires(self._chance):
                continue
            log.warning("fault %d (seed %d) %s %s: %s", rule.id, self.seed, phase, point, rule.action)
            if "delay" in rule.action:
                await self._sleep(rule)
            if "touch" in rule.action:
                self._touch[point.service](point.name)
            elif "crash" in rule.action or "terminate" in rule.action:
                self._end(rule)
                return {"reset": True}  # whoever asked is no more: before the effect, there is none
            elif "pause" in rule.action:
                _pause(self._pid(rule.action["pause"]), float(rule.action.get("seconds", 5)))
            elif set(rule.action) != {"delay"}:
                return rule.action
        return None

    async def _sleep(self, rule: Rule) -> None:
        awake = asyncio.Event()
        self._asleep[awake] = rule
        with suppress(TimeoutError):
            async with asyncio.timeout(float(rule.action["delay"])):
                await awake.wait()
        del self._asleep[awake]

    def _wake(self) -> None:
        """End the delays of rules that are off."""
        for awake, rule in self._asleep.items():
            if rule not in self.rules:
                awake.set()

    def _end(self, rule: Rule) -> None:
        process, sign = rule.action.get("crash"), signal.SIGKILL
        if process is None:
            process, sign = rule.action["terminate"], signal.SIGTERM
        if isinstance(process, str) and process in self._processes:
            self._crashed.append(rule)
        os.kill(self._pid(process), sign)

    def _pid(self, process: object) -> int:
        """The process that an action names; the own one where it names none that is known here."""
        known = self._processes.get(process) if isinstance(process, str) else None
        return (known() if known else None) or os.getpid()

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()


def _pause(pid: int, seconds: float) -> None:
    """Stop a process as it stands; another one, which does not sleep, lets it go on."""
    subprocess.Popen(["/bin/sh", "-c", f"sleep {seconds}; kill -CONT {pid}"], start_new_session=True)
    os.kill(pid, signal.SIGSTOP)
