"""The story of the demonstration: models are released, data land, one delivery is broken and then corrected."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from demo import landing
from demo.api import Api
from demo.cloud import Cloud
from demo.plan import DAILY, MONTHLY, Plan, cut_off
from demo.screen import Screen
from demo.sink import Event, Sink
from demo.upstream import Upstream
from demo.watch import STAGES, Card, Pair, Watch, settled

OPENED, RESOLVED = "Slipway.Incident.Opened", "Slipway.Incident.Resolved"
#: Seconds in which something must become visible; after so many without news the story goes on as it is.
PATIENCE = 120.0
#: flight-delay believes landing/planes/ once it has been quiet for 30 minutes.
QUIET = "31m"


@dataclass(frozen=True)
class Told:
    """What came of it: the last card of each period, and what the sink was told of the broken day (None: nothing)."""

    cards: Mapping[Pair, Card]
    opened: Event | None
    resolved: Event | None


class Story:
    """One telling, on a fresh cloud. Whoever looks over HTTP sees the same as its bars show."""

    def __init__(self, cloud: Cloud, sink: Sink, plan: Plan, screen: Screen) -> None:
        self._cloud = cloud
        self._sink = sink
        self._plan = plan
        self._screen = screen
        self._upstream = Upstream(cloud.filesystem("landing", "upstream"), self._written)
        self._watch = Watch(Api(cloud.endpoints.functions), self._changed)
        self._files = 0

    def tell(self) -> Told:
        """Tell it until everything is published, or nothing has changed for too long."""
        self._release()
        with self._screen.bars(), self._watch:
            self._written(0)
            for model in dict(self._plan.expected):
                self._draw(model)
            if self._plan.whole:
                self._watch.add(*self._plan.monthly, weight=5)  # few, and all wait for them
                self._land_planes()
            opened = None
            for month in self._plan.months:
                self._land_days(month)
                if month == self._plan.months[0]:
                    opened = self._hear(OPENED)
                    self._correct()
                if self._plan.whole:
                    self._land_flights(month)
            cards = self._watch.cards
            self._watch.wait_until(lambda: all(settled(cards.get(pair)) for pair in self._plan.expected), PATIENCE)
            resolved = self._hear(RESOLVED)
        return Told(cards, opened, resolved)

    def _release(self) -> None:
        """Release the models as the pipeline does."""
        outcome = json.loads(self._cloud.run_as("deployer", "-m", "slipway.cli", "release", "--json"))
        versions = ", ".join(f"{one['model']} {one['version']}" for one in outcome["models"])
        self._screen.say(f"released by deployer: {versions}")

    def _land_planes(self) -> None:
        """Land the data that have no marker, and let the time pass after which they are believed."""
        first = (MONTHLY[0], self._plan.months[0])
        self._upstream.land(landing.planes())
        self._watch.wait_until(lambda: self._planes(first).get("files") == 1, PATIENCE)
        self._screen.say(f"landed planes/, which has no marker: {first[0]} waits. {self._planes(first).get('blocks')}")
        self._cloud.advance(QUIET)
        self._watch.wait_until(lambda: self._planes(first).get("state") == "arrived", PATIENCE)
        self._screen.say(f"the cloud's clock is moved forward by {QUIET}: planes/ is believed to be complete")

    def _planes(self, pair: Pair) -> dict[str, Any]:
        card = self._watch.cards.get(pair)
        return card["readiness"]["inputs"]["planes"] if card else {}

    def _land_days(self, month: str) -> None:
        """Land the weather of a month, day by day."""
        days = self._plan.days_of(month)
        for day in days:
            files = landing.weather(day)
            if day == self._plan.broken:
                files = {path: cut_off(content) for path, content in files.items()}
                self._screen.say(f"the transfer of {' '.join(files)} breaks off in the middle of a row", "yellow")
            self._upstream.land(files)
            self._watch.add((DAILY, day))
        self._screen.say(f"landed weather/ from {days[0]} to {days[-1]}")

    def _land_flights(self, month: str) -> None:
        self._upstream.land(landing.flights(month))
        self._screen.say(f"landed flights/{month}/, its marker last")

    def _correct(self) -> None:
        """Land the broken day again, whole this time. Nobody asks for a run."""
        files = landing.weather(self._plan.broken)
        self._upstream.land(files)
        self._screen.say(f"landed {' '.join(files)} again, whole", "green")

    def _hear(self, kind: str) -> Event | None:
        """Wait for what the sink is told of the broken day."""
        return self._sink.wait_for(kind, f"{DAILY}/{self._plan.broken}", PATIENCE)

    def _written(self, files: int = 1) -> None:
        """Show how much has landed."""
        self._files += files
        self._screen.bar("landing", self._files, self._plan.files, f"{self._files} of {self._plan.files} files")

    def _changed(self, pair: Pair) -> None:
        """Show that one of the periods has a new card."""
        model, period = pair
        self._draw(model)
        if model in MONTHLY and settled(self._watch.cards[pair]):
            self._screen.say(f"{model} {period} is published")

    def _draw(self, model: str) -> None:
        """Show how far a model's periods are."""
        periods = sum(name == model for name, _ in self._plan.expected)
        counts = self._watch.counts(model)
        text = " → ".join(f"{stage} {count}" for stage, count in zip(STAGES, counts, strict=True))
        self._screen.bar(model, sum(counts), periods * len(STAGES), f"{text} of {periods}")
