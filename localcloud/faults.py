"""Named fault points: which request fails, when and how. Seeded, logged, off unless a rule is added."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any

log = logging.getLogger(__name__)

PHASES = ("before", "after")
#: What an ``action`` may be, exactly one of them; ``headers``, ``code`` and ``body`` may stand beside ``status``.
ACTIONS = ("status", "reset", "delay", "crash", "truncate", "duplicate")
_DETAILS = ("headers", "code", "body")


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
    ``times`` ends the rule after so many faults. ``before`` acts instead of the effect, ``after`` when it is done.
    A ``delay`` is in real seconds, and over at once when its rule is switched off.
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
        if len(kinds) != 1:
            raise FaultError(
                f"a fault's action names exactly one of {', '.join(ACTIONS)}; this one names {kinds or 'none'}"
            )
        if unknown := set(self.action) - set(ACTIONS) - set(_DETAILS):
            raise FaultError(f"unknown key {sorted(unknown)[0]!r} in a fault's action")
        if self.phase not in PHASES:
            raise FaultError(f"a fault's phase is 'before' or 'after', not {self.phase!r}")
        if self.phase == "after" and kinds[0] in ("truncate", "duplicate"):
            raise FaultError(f"{kinds[0]} is decided before the effect: leave phase out")

    def matches(self, phase: str, point: Point) -> bool:
        """Say whether the rule is about ``point`` in ``phase``; counting comes later."""
        return phase == self.phase and all(
            fnmatchcase(getattr(point, part), getattr(self, part))
            for part in ("service", "operation", "name", "caller")
        )

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

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.rules: list[Rule] = []
        self._chance = random.Random(seed)  # noqa: S311 (not for secrets)
        self._last_id = 0
        self._listeners: list[Callable[[], None]] = []
        self._crash: dict[str, Callable[[], None]] = {}
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
        known = [rule for rule in self._crashed if rule.action["crash"] == process and rule in self.rules]
        self._crashed = [rule for rule in self._crashed if rule.action["crash"] != process]
        if not known:  # it met a rule of its own, and took the count of that with it
            own = (rule for rule in self.rules if fnmatchcase(process, rule.service))
            known = list(itertools.islice((rule for rule in own if rule.action.get("crash") in (True, process)), 1))
        self.rules = [rule for rule in self.rules if rule not in known]
        return bool(known)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after rules were added or cleared."""
        self._listeners.append(listener)

    def on_crash(self, process: str, kill: Callable[[], None]) -> None:
        """Let ``{"crash": process}`` call ``kill``; ``{"crash": true}`` kills the process of the point itself."""
        self._crash[process] = kill

    async def before(self, point: Point) -> dict[str, Any] | None:
        """Act before the effect of ``point``; return the action that the HTTP layer has to carry out, if any."""
        return await self._act("before", point)

    async def after(self, point: Point) -> dict[str, Any] | None:
        """Act when the effect is done and its answer not yet sent."""
        return await self._act("after", point)

    async def _act(self, phase: str, point: Point) -> dict[str, Any] | None:
        for rule in self.rules:
            if not rule.matches(phase, point) or not rule.fires(self._chance):
                continue
            log.warning("fault %d (seed %d) %s %s: %s", rule.id, self.seed, phase, point, rule.action)
            if "delay" in rule.action:
                await self._sleep(rule)
            elif "crash" in rule.action:
                self._kill(rule)
                return {"reset": True}  # whoever asked is no more: before the effect, there is none
            else:
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

    def _kill(self, rule: Rule) -> None:
        process = rule.action["crash"]
        if isinstance(process, str) and process in self._crash:
            self._crashed.append(rule)
            self._crash[process]()
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()
