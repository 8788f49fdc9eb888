"""A fault rule: which points it is about, which of them it strikes, and what it does there.

A rule that could strike nowhere is refused.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from localcloud.clock import parse_duration
from localcloud.faults.points import INNER, ON_MANY, SERVICES, Point, kinds_at

_HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]
_HeaderValue = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")]


class FaultError(ValueError):
    """A fault rule is not well formed; the text says what is wrong and what is right."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Action(_Strict):
    """What a rule does where it strikes: one of the kinds, with its details beside it, or a ``delay`` alone.

    ``delay`` holds the point up: real seconds as a number, or of the cloud's clock as a text (``"1h"``). It is over at
    once when the rule is switched off, and may stand before any other kind. ``within`` lets what is done to a process
    or store happen later, at a moment by chance within so many real seconds; the point goes on.
    """

    status: int = Field(0, ge=200, le=599)  #: this answer; before the effect, there is none
    headers: dict[_HeaderName, _HeaderValue] = {}  #: of a ``status``
    code: str = ""  #: of a ``status``: the error code in the service's own shape
    body: str = ""  #: of a ``status``: this text in place of the service's own
    reset: Literal[True] = True  #: no answer
    truncate: int = Field(0, ge=0)  #: the answer's body breaks off after so many bytes
    flip: int = Field(0, ge=0)  #: one bit of the byte at this position of the answer's body is wrong
    empty: Literal[True] = True  #: the answer has no body
    drip: float = Field(1, gt=0)  #: the answer's body comes at so many bytes a second
    stale: float = Field(0, ge=0)  #: the answer that the same request got so many seconds ago, or the oldest known
    skew: float = 0  #: the answer is dated so many seconds ahead (negative: behind)
    touch: Literal[True] = True  #: somebody else changes the thing first, and so its ETag
    partial: int = Field(0, ge=0)  #: only the first so many entries, then a 500
    duplicate: Literal[True] = True  #: the effect twice
    drop: Literal[True] = True  #: a delivery is taken as made, and nobody got it
    batch: int = Field(2, ge=2, le=5000)  #: so many events in one delivery, once they are there
    #: The thing is damaged. Events and messages of the engine: true is no JSON any more, an object is merged into it
    #: (RFC 7396: null takes a field away). Content of the lake: the bit that is wrong, or where the bytes end.
    corrupt: Literal[True] | dict[str, Any] = True
    full: int = Field(0, ge=0)  #: the store takes so many bytes more, as long as the rule is on
    lock: Literal["cloud", "engine"] = "engine"  #: somebody else holds the database's write lock for ``seconds``
    crash: Literal[True, "functions", "slot", "job"] = True  #: SIGKILL; true: the process of the point
    terminate: Literal[True, "functions", "slot", "job"] = True  #: SIGTERM
    pause: Literal[True, "functions", "slot", "job"] = True  #: stands still for ``seconds``, as one that sleeps
    seconds: float = Field(5, gt=0, le=86400)  #: of ``pause`` and ``lock``, real ones
    within: float = Field(1, gt=0, le=86400)  #: of what is done to processes and stores
    delay: float | str = Field(1)

    @field_validator("delay")
    @classmethod
    def _is_a_time(cls, delay: float | str) -> float | str:
        seconds = parse_duration(delay) if isinstance(delay, str) else delay
        if not 0 <= seconds <= 10_000 * 86400:
            raise ValueError("a delay is 0 or longer")
        return delay

    @model_validator(mode="after")
    def _is_one_thing(self) -> Action:
        kinds = self.model_fields_set & KINDS
        if len(kinds) > 1 or not (kinds or "delay" in self.model_fields_set):
            raise ValueError(f"it names one of {', '.join(sorted(KINDS))}, or delay; this one names {sorted(kinds)}")
        details = {detail for kind in kinds for detail in _DETAILS.get(kind, ())}
        if strange := self.model_fields_set - kinds - details - {"delay"}:
            raise ValueError(f"{min(strange)} does not belong to {min(kinds, default='delay')}")
        return self


_DETAILS = {
    "status": ("headers", "code", "body"),
    "crash": ("within",),
    "terminate": ("within",),
    "pause": ("seconds", "within"),
    "lock": ("seconds", "within"),
}
KINDS = frozenset(Action.model_fields) - {"delay", "headers", "code", "body", "seconds", "within"}


class Rule(_Strict):
    """Which points fail and how; texts are shell patterns (``*``, ``?``, ``[ab]``), case matters.

    ``nth`` picks one match (counted from 1), ``every`` each n-th, ``probability`` some by the cloud's seed, ``times``
    ends the rule after so many faults (what ends a process: once, unless said otherwise); ``since`` and ``until``
    (ISO 8601 with a zone) are moments of the cloud's clock. ``before`` acts instead of the effect or ahead of it,
    ``after`` when it is done.
    """

    action: dict[str, Any]
    service: str = "*"
    operation: str = "*"
    name: str = "*"
    caller: str = "*"
    phase: Literal["before", "after"] = "before"
    nth: Annotated[int, Field(ge=1)] | None = None
    every: Annotated[int, Field(ge=1)] | None = None
    times: Annotated[int, Field(ge=1)] | None = None
    probability: Annotated[float, Field(gt=0, le=1)] | None = None
    since: str | None = None
    until: str | None = None

    @classmethod
    def parse(cls, document: object) -> Rule:
        """Read a rule from JSON; raises :class:`FaultError`."""
        if not isinstance(document, dict) or "action" not in document:
            raise FaultError('a fault rule has an "action", e.g. {"operation": "PutBlob", "action": {"status": 503}}')
        try:
            Action.model_validate(document["action"])
            rule = cls.model_validate(document)
        except ValidationError as refused:
            raise FaultError(_told(refused, document)) from refused
        rule._check_that_it_can_strike()
        return rule

    @field_validator("since", "until")
    @classmethod
    def _has_a_zone(cls, text: str | None) -> str | None:
        if text is not None and datetime.fromisoformat(text).tzinfo is None:
            raise ValueError("it needs a time zone, e.g. a final Z")
        return text

    @property
    def kind(self) -> str:
        """What the action is: one of :data:`KINDS`, or ``delay``."""
        return next((kind for kind in self.action if kind in KINDS), "delay")

    @property
    def target(self) -> Literal[True] | str:
        """The process that is ended or stopped: a name, or true for that of the point, and where there is none."""
        target: Literal[True] | str = self.action[self.kind] if self.kind in ("crash", "terminate", "pause") else True
        return target

    def document(self) -> dict[str, Any]:
        """Return the rule as it may be given again."""
        return self.model_dump(exclude_unset=True)

    def matches(self, phase: str, point: Point, now: datetime) -> bool:
        """Say whether the rule is about ``point`` in ``phase`` at this moment; counting comes later."""
        return phase == self.phase and self.concerns(point) and self.is_on_at(now)

    def concerns(self, point: Point) -> bool:
        """Say whether the rule's patterns fit ``point``, and its action can be done there.

        The control endpoint is struck by who names it: otherwise a rule for all services could not be switched off.
        """
        if point.service == "control" and self.service != "control":
            return False
        parts = ("service", "operation", "name", "caller")
        return all(fnmatchcase(getattr(point, part), getattr(self, part)) for part in parts) and self._can_be_done(
            point.service, point.operation
        )

    def is_on_at(self, now: datetime) -> bool:
        """Say whether ``now`` is within the rule's window of time."""
        return (self.since is None or now >= datetime.fromisoformat(self.since)) and (
            self.until is None or now < datetime.fromisoformat(self.until)
        )

    def strikes(self, match: int, struck: int, seed: int) -> bool:
        """Say whether the rule strikes on its ``match``-th match, having struck so often before.

        Chance depends on seed, rule and match alone, so that it falls the same however busy the cloud is.
        """
        times = 1 if self.times is None and self.nth is None and self.every is None and self._ends else self.times
        return (
            (times is None or struck < times)
            and (self.nth is None or match == self.nth)
            and (self.every is None or match % self.every == 0)
            and (self.probability is None or self.chance(match, seed) < self.probability)
        )

    def chance(self, match: int, seed: int) -> float:
        """Return a number from 0 to 1, the same for the same seed, rule and match."""
        about = json.dumps(self.document(), sort_keys=True)
        return random.Random(f"{seed} {match} {about}").random()  # noqa: S311 (not for secrets)

    @property
    def _ends(self) -> bool:
        return self.kind in ("crash", "terminate") and self.probability is None

    def _can_be_done(self, service: str, operation: str) -> bool:
        wanted = {self.kind, "delay"} if "delay" in self.action else {self.kind}
        return wanted <= kinds_at(service, operation, self.phase)

    def _check_that_it_can_strike(self) -> None:
        if self.kind == "full" and (strange := self.model_fields_set & {"nth", "every", "times", "probability"}):
            raise FaultError(f"a full store is full as long as the rule is on; {min(strange)} does not belong there")
        if self.kind in ("touch", "corrupt") and self.service == "*":
            raise FaultError(f"{self.kind} is for {'one service' if self.kind == 'corrupt' else 'storage'}; name it")
        named = self.operation != "*" and any(fnmatchcase(one, self.operation) for one in ON_MANY)
        if self.kind == "partial" and not named:
            raise FaultError(f"partial is for the operation {' or '.join(ON_MANY)}; name it")
        damage = self.action.get("corrupt")
        if self.kind == "corrupt" and fnmatchcase("storage", self.service) and not _is_damage_to_bytes(damage):
            raise FaultError(f'a file is corrupted by true, {{"flip": byte}} or {{"truncate": bytes}}, not by {damage}')
        places = list(self._places())
        if not places:
            services = (*SERVICES, "disk")
            raise FaultError(
                f"no service does {self.service} {self.operation}; services are {', '.join(services)}, and the points "
                f"that are no requests: {', '.join(sorted({f'{s} {o}' for s, o in INNER if s != 'slot'}))}"
            )
        if not any(self._can_be_done(*place) for place in places):
            there = sorted({kind for place in places for kind in kinds_at(*place, self.phase)})
            raise FaultError(
                f"{self.kind} cannot be done at {self.service} {self.operation} in the phase {self.phase}; what can "
                f"be done there: {', '.join(there)}"
            )

    def _places(self) -> Iterator[tuple[str, str]]:
        """Yield a place of each kind that the rule's service and operation fit."""
        inner = [place for place in INNER if all(map(fnmatchcase, place, (self.service, self.operation)))]
        yield from inner
        names_inner_only = any(operation == self.operation for _, operation in INNER)
        for service in SERVICES:
            if fnmatchcase(service, self.service) and not names_inner_only:
                many = [one for one in ON_MANY if fnmatchcase(one, self.operation)]
                yield service, many[0] if many else self.operation


def _is_damage_to_bytes(how: Any) -> bool:
    if not isinstance(how, dict):
        return how is True
    positions = list(how.values())
    return list(how) in (["flip"], ["truncate"]) and type(positions[0]) is int and positions[0] >= 0


def _told(refused: ValidationError, document: dict[str, Any]) -> str:
    """Say what a rule lacks or has too much: the first problem of it."""
    first = refused.errors()[0]
    place = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        known = Rule.model_fields if len(place) == 1 and place[0] in document else Action.model_fields
        return f"unknown key {place[-1]!r} in a fault rule; known: {', '.join(known)}"
    said = str(first["msg"]).removeprefix("Value error, ")
    return f"{' '.join(place) or 'action'} of a fault rule: {said}"
