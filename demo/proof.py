"""What is proved at the end: everything ran once, granted readers read it whole, and nobody else reads anything."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from azure.storage.filedatalake import FileSystemClient

from demo.api import Api
from demo.checks import Checks
from demo.cloud import Cloud
from demo.plan import DAILY, Plan
from demo.reading import Reading, download, pointer_path, read, refused
from demo.sink import Sink
from demo.story import Told
from demo.table import Row
from demo.watch import Pair, failed, settled

View = dict[str, Any]


class Proof:
    """Looks at a told story from outside: over HTTP, and in the lake with the rights of different principals."""

    def __init__(self, cloud: Cloud, plan: Plan, told: Told, checks: Checks) -> None:
        self._plan = plan
        self._told = told
        self._checks = checks
        self._models = partial(cloud.filesystem, "models")
        api = Api(cloud.endpoints.functions)
        cards = {pair: card for pair, card in told.cards.items() if card["published"]}
        self._views = {pair: api.run(card["published"]["run"]) for pair, card in cards.items()}
        self._failed = api.run(told.opened["data"]["run"]) if told.opened else None
        self.readings: dict[Pair, Reading] = {}

    def rows(self) -> list[Row]:
        """Return a row for each run, in the order of the plan; the failed one before the one that followed it."""
        rows = [Row.of(view, self.readings.get(pair)) for pair, view in self._views.items()]
        failed_rows = [Row.of(self._failed, None)] if self._failed else []
        place = {model: number for number, (model, _) in enumerate(reversed(self._plan.expected))}
        return sorted([*failed_rows, *rows], key=lambda row: (place[row.model], row.period, row.state))

    def check_runs(self) -> None:
        """Everything expected is published, by runs that each succeeded at the first attempt."""
        problems = [why for pair in self._plan.expected if (why := self._unpublished(pair))]
        self._checks.add("every model's period is published", f"{len(self._plan.expected)} periods", problems)
        odd = [view["run"] for view in self._views.values() if (view["state"], view["attempt"]) != ("succeeded", 1)]
        self._checks.add("each run succeeded at its first attempt", f"{len(self._views)} runs", odd)

    def check_failure(self, sink: Sink) -> None:
        """The broken delivery became an incident, the corrected one a run that nobody asked for, which resolved it."""
        opened, resolved = self._told.opened, self._told.resolved
        after = self._views.get((DAILY, self._plan.broken))
        self._checks.add(
            "the broken delivery became an incident, received and its signature right",
            f"{opened['data']['run']} failed" if opened else "",
            [*sink.rejected, *([] if opened else ["no incident was received"])],
        )
        unasked = after and opened and after["run"] != opened["data"]["run"] and after["cause"]["kind"] == "data"
        self._checks.add(
            "the corrected delivery started a new run unasked",
            f"{after['run']}: {after['cause']['reason']}" if after else "",
            [] if unasked else ["no run of another snapshot was published"],
        )
        same = resolved and opened and resolved["data"]["key"] == opened["data"]["key"]
        by = resolved["data"]["resolved_by"] if resolved else ""
        problems = [] if same and after and by == after["run"] else ["no resolution by that run was received"]
        self._checks.add("the incident was resolved by it, received and its signature right", by, problems)

    def check_reader(self, who: str) -> None:
        """A granted reader follows every pointer, and finds what the manifests say."""
        models = self._models(who)
        self.readings = {pair: read(models, *pair) for pair in self._views}
        found = self.readings.values()
        size = sum(one.bytes for one in found) / 1e6
        self._checks.add(
            f"{who}, a granted reader, reads all published outputs: names, lengths and SHA-256 as the manifests say",
            f"{sum(len(one.paths) for one in found)} files, {size:.1f} MB",
            [problem for one in found for problem in one.problems] or ([] if found else ["nothing is published"]),
        )
        staged = [partial(_list, models, self._views[pair]["links"]["inputs"]) for pair in self._samples()]
        self._refused(f"{who} is refused what was staged for the runs", staged)
        if self._failed:
            outputs = partial(_list, models, self._failed["links"]["outputs"])
            self._refused(f"{who} is refused what the failed run left", [outputs])

    def check_stranger(self, who: str) -> None:
        """Somebody without rights reads neither pointer nor manifest nor file."""
        models = self._models(who)
        tries: list[Callable[[], object]] = []
        for pair, reading in self._samples().items():
            paths = (pointer_path(*pair), reading.pointer["manifest"], reading.paths[0])
            tries += [partial(download, models, path) for path in paths]
        self._refused(f"{who} is refused pointers, manifests and outputs", tries)

    def check_job(self, who: str) -> None:
        """The identity that jobs run as has lost its way to the outputs it wrote: to read them and to write more."""
        models = self._models(who)
        tries: list[Callable[[], object]] = []
        for reading in self._samples().values():
            late = f"{reading.paths[0].rpartition('/')[0]}/late.txt"
            tries += [partial(download, models, reading.paths[0]), models.get_file_client(late).create_file]
        self._refused(f"{who}, whom the finished jobs ran as, is refused the outputs: to read, and to write", tries)

    def _samples(self) -> dict[Pair, Reading]:
        """One published period of each model, as the granted reader found it."""
        last = {model: (model, period) for model, period in self._views}
        return {pair: self.readings[pair] for pair in last.values() if self.readings[pair].paths}

    def _unpublished(self, pair: Pair) -> str | None:
        card = self._told.cards.get(pair)
        if settled(card):
            return None
        name = " ".join(pair)
        if card is None:
            return f"{name}: the API never answered"
        if failed(card):
            return f"{name}: {card['last']['run']} failed; {card['incident'] and card['incident']['message']}"
        return f"{name}: {card['decision']['why']}"

    def _refused(self, name: str, tries: list[Callable[[], object]]) -> None:
        answers = [why for attempt in tries if (why := refused(attempt))]
        self._checks.add(
            name, f"403 to each of {len(tries)} requests", answers or ([] if tries else ["there was nothing to try"])
        )


def _list(models: FileSystemClient, folder: str) -> list[Any]:
    return list(models.get_paths(folder))
