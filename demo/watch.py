"""Watching Slipway work, over its HTTP API alone: how far is each period?"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from demo.api import Api

Pair = tuple[str, str]  #: model and period
Card = dict[str, Any]

#: What a period passes, in order.
STAGES = ("landed", "ready", "staged", "job", "published")
#: How many stages a period has passed while its run stands here.
_PASSED = {"claimed": 2, "staging": 2, "queued": 3, "running": 3, "verifying": 4, "publishing": 4, "published": 5}
#: Seconds between two looks: watching costs the app time that it could spend on running models.
_PAUSE = 0.05


def passed(card: Card | None) -> int:
    """How many of the stages a period has passed, as its card says; 0 without a card."""
    if card is None:
        return 0
    if card["active"]:
        return _PASSED[card["active"]["stage"]]
    if card["published"]:
        return len(STAGES)
    readiness = card["readiness"]
    return 2 if readiness["ready"] else int(all(one["files"] for one in readiness["inputs"].values()))


def failed(card: Card | None) -> bool:
    """Whether the period's last run failed and nothing has come after it."""
    return bool(card and not card["active"] and card["last"] and card["last"]["state"] == "failed")


def settled(card: Card | None) -> bool:
    """Whether the period is published and its run has ended."""
    return bool(card and card["published"] and not card["active"] and card["last"]["state"] == "succeeded")


class Watch:
    """Asks for the cards of the periods it was told of, over and over, in a thread of its own, until they are settled.

    From `with` to its end. `changed` is called (in that thread) with each pair whose card is another than before.
    """

    def __init__(self, api: Api, changed: Callable[[Pair], None]) -> None:
        self.cards: dict[Pair, Card] = {}
        self._api = api
        self._changed = changed
        self._open: dict[Pair, int] = {}
        self._looked: defaultdict[Pair, float] = defaultdict(float)
        self._news = threading.Condition()
        self._ended = threading.Event()
        self._last_change = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def add(self, *pairs: Pair, weight: int = 1) -> None:
        """Look at these from now on; so many times as often as at others."""
        with self._news:
            self._open.update(dict.fromkeys(pairs, weight))

    def wait_until(self, condition: Callable[[], bool], patience: float) -> bool:
        """Wait until the condition holds; False when no card has changed for `patience` seconds before it did."""
        with self._news:
            self._last_change = time.monotonic()
            while not condition():
                left = self._last_change + patience - time.monotonic()
                if left <= 0:
                    return False
                self._news.wait(left)
        return True

    def counts(self, model: str) -> list[int]:
        """Return how many periods of a model have passed each stage."""
        reached = Counter(passed(card) for (name, _), card in list(self.cards.items()) if name == model)
        return [sum(reached[n] for n in range(stage, len(STAGES) + 1)) for stage in range(1, len(STAGES) + 1)]

    def _work(self) -> None:
        while not self._ended.wait(_PAUSE):
            pair = self._next()
            if pair is not None:
                self._looked[pair] = time.monotonic()
                self._look(pair)

    def _next(self) -> Pair | None:
        """Return the period whose turn it is: not looked at for long; those nearer to their end come more often."""
        now = time.monotonic()

        def urgency(pair: Pair) -> float:
            return (now - self._looked[pair]) * self._open[pair] * (1 + passed(self.cards.get(pair)))

        with self._news:
            return max(self._open, key=urgency, default=None)

    def _look(self, pair: Pair) -> None:
        try:
            card = self._api.period(*pair)
        except OSError:
            self._ended.wait(0.5)  # busy, or gone: then the demonstration hears of it otherwise
            return
        with self._news:
            if card == self.cards.get(pair):
                return
            self.cards[pair] = card
            self._last_change = time.monotonic()
            if settled(card):
                self._open.pop(pair)
            self._news.notify_all()
        self._changed(pair)
