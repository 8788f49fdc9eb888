"""A week on call over 200 models and two years of history, on a local cloud: what goes wrong, what people do.

    make week                                   over two years; half an hour, two minutes of it to lay the records down
    python -m bench.week --days 40              over forty days, in some minutes
    python -m bench.week --state DIR            keeps the estate that was laid down in DIR, and plays on a copy of it

Everything goes through the command line and the API, as `docs/how-to/on-call.md` says. Each outcome is checked; the
exit code is 1 when one is wrong. The reconciler passes every five minutes of the cloud's clock, which is moved.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.desk import Desk
from bench.estate import DAYS, MODELS, Estate, lay_down
from localcloud.tls import Tls
from slipway.period import Period
from tests.flows.sink import Sink
from tests.flows.yard import JOB, JOB_YAML, MODEL, Yard
from tests.running import PROJECT, LocalCloud

#: So many models go on; the first ones have due times.
LIVE, WITH_DUE = 31, 3
#: How many runs the backfills have, of a quarter's periods: the others' inputs are not there.
RUNS = 16
SETTINGS = {
    "SLIPWAY_RECONCILE_SCHEDULE": "0 */5 * * * *",
    "SLIPWAY_RETENTION_SCHEDULE": "0 0 3 * * 0",
    "SLIPWAY_NODE_HOUR_PRICES": json.dumps({"cpu-cluster": "0.23 EUR", "large-cluster": "0.92 EUR"}),
}
MARKER = "_SUCCESS"


class Week:
    """Seven days, one after the other. `monday` is the first period of the week's runs: the day before it began."""

    def __init__(self, desk: Desk, first: Period, last: Period) -> None:
        self.desk, self.yard, self.sink = desk, desk.yard, desk.sink
        self.first, self.last = first, last
        self.days = [str(last.shift(number)) for number in range(1, 8)]
        self._begins = datetime.combine(date.fromisoformat(self.days[0]), time(), UTC) + timedelta(days=1)

    def at(self, day: int, hour: int, minute: int = 0) -> datetime:
        """A moment of the week; day 0 is the first."""
        return self._begins + timedelta(days=day, hours=hour, minutes=minute)

    def play(self) -> None:
        """The whole week."""
        for name, day in (
            ("before", self.prepare),
            ("Mon", self.monday),
            ("Tue", self.tuesday),
            ("Wed", self.wednesday),
            ("Thu", self.thursday),
            ("Fri", self.friday),
            ("Sat", self.saturday),
            ("Sun", self.sunday),
        ):
            self.desk.day = name
            day()

    # The estate

    def prepare(self) -> None:
        """The models that go on are released with code that runs; the reconciler has seen all."""
        with self.desk.step(f"{LIVE} models are released"):
            text = MODEL.replace('"2024-01-01"', f'"{self.first}"')
            text = text.replace('last_period: "2024-03-31"', "corrections: 7")
            for number in range(LIVE):
                due = 'due: {day: 1, at: "09:00"}\n' if number < WITH_DUE else ""
                self.write(number, text + due)
            self.yard.release()
        with self.desk.step("the reconciler passes for the first time"):
            self.desk.check("no question is left", self.desk.a_pass()["left"] == 0)

    def write(self, number: int, text: str | None = None, job: str = JOB) -> str:
        """A model's folder, or its code alone; its name."""
        name = model(number)
        folder = self.yard.models / name
        (folder / "src").mkdir(parents=True, exist_ok=True)
        if text is not None:
            (folder / "model.yaml").write_text(text.replace("NAME", name))
        # Longer than any move of the clock: else it would end jobs that nothing is wrong with.
        (folder / "job.yaml").write_text(JOB_YAML.replace("TIMEOUT", "86400"))
        (folder / "src" / "main.py").write_text(job)
        return name

    # The days

    def monday(self) -> None:
        """03:00: a model fails by its own code."""
        desk, name, day = self.desk, model(0), self.days[0]
        desk.until(self.at(0, 3))
        with desk.step("a model fails by its own code, and calls"):
            desk.land(name, day, "fail")
            desk.awaited("one message", lambda: self.sink.told(name) == [("Opened", "job-failed")])
            told = self.sink.last(name)
            commands = [one["command"] for one in told["commands"]]
            desk.check("it has the commands", f"slipway rerun {name} {day}" in commands)
            desk.check("its link is a page", "<h1" in desk.page(told["links"]["incident"]))
        with desk.step("it is read by the runbook"):
            desk.decide("acknowledge", name, day, why="looking")
            desk.check("it says who is on it", desk.incident(name, day)["acknowledged"])
            desk.check("why names it", "job-failed" in desk.slipway("why", name, day, "--check", exit_code=4))
            desk.check("show begins with it", "model/job-failed" in desk.slipway("show", told["run"]))
            desk.check("the log says why", "told me to fail" in desk.slipway("logs", told["run"]))
        with desk.step("the code is mended, released and run again"):
            self.write(0, job=JOB.replace('startswith("fail")', 'startswith("never")'))
            self.yard.release(name)
            desk.decide("rerun", name, day, why="the code was mended")
            self.yard.published(name, day)
            desk.awaited("resolved, and told so", lambda: self.sink.told(name)[-1] == ("Resolved", "job-failed"))

    def tuesday(self) -> None:
        """An upstream is late."""
        desk, day = self.desk, self.days[0]
        late, dropped = model(1), model(2)
        with desk.step("08:45: what is forecast late"):
            desk.until(self.at(0, 8, 45))
            risks = {row["model"]: row["timing"] for row in self.yard.get("overview")["late"]}
            desk.check(f"both are at risk: {risks}", {late, dropped} <= set(risks))
        with desk.step("09:00: they are late, and call"):
            desk.until(self.at(0, 9, 1))
            for name in (late, dropped):
                desk.awaited("told late", lambda name=name: self.sink.told(name) == [("Opened", "late")])
        with desk.step("one is waived, and opened again"):
            desk.decide("waive", dropped, day, why="nobody needs it")
            desk.awaited("resolved", lambda: self.sink.told(dropped)[-1] == ("Resolved", "late"))
            desk.decide("reopen", dropped, day, why="they do")
            desk.a_pass()
            desk.awaited("told again", lambda: self.sink.told(dropped)[-1] == ("Opened", "late"))
        with desk.step("the data come"):
            for name in (late, dropped):
                desk.land(name, day)
                self.yard.published(name, day)
                desk.awaited("resolved", lambda name=name: self.sink.told(name)[-1] == ("Resolved", "late"))

    def wednesday(self) -> None:
        """The receiver is unplugged for an hour, with 30 failures meanwhile."""
        desk = self.desk
        desk.until(self.at(2, 3))
        failing = [model(number) for number in range(3, 12)]
        pairs = [(name, day) for day in self.days[:3] for name in failing] + [(model(12), day) for day in self.days[:3]]
        with desk.step("the receiver is down; 30 runs of ten models fail"):
            self.sink.answers, self.sink.pager_is_down = "down", True
            for name, day in pairs:
                desk.land(name, day, "nothing" if name == model(12) else "fail")
            for name, day in pairs:
                desk.awaited("recorded", lambda name=name, day=day: desk.incident(name, day).get("status") == "open")
            desk.check("nobody was told", not any(self.sink.told(name) for name, _ in pairs))
        mended, day = pairs[0]
        with desk.step("one is mended before anybody heard"):
            desk.land(mended, day)
            self.yard.published(mended, day)
            desk.awaited("resolved", lambda: desk.incident(mended, day)["status"] == "resolved")
        with desk.step("an hour later it is back"):
            self.yard.cloud.advance("1h")
            self.sink.answers, self.sink.pager_is_down = "ok", False
            desk.a_pass()
            heard = {pair: ["Opened"] for pair in pairs[1:]}
            desk.awaited("all are told", lambda: all(desk.told(*pair) == told for pair, told in heard.items()))
            desk.a_pass()
            desk.check("each once", all(desk.told(*pair) == told for pair, told in heard.items()))
            desk.check("what was mended calls nobody", "Opened" not in desk.told(mended, day))
            desk.check("every signature is right", not self.sink.refused)

    def thursday(self) -> None:
        """No node comes: 25 models fail alike."""
        desk, day = self.desk, self.days[3]
        names = [model(number) for number in range(6, 31)]
        desk.until(self.at(3, 3))
        known = {name: len(self.sink.told(name)) for name in names}
        key = "platform--many-platform-queued-too-long"
        with desk.step("no node comes, and 25 jobs wait for two hours"):
            self.yard.fault({"delay": "9h"}, operation="JobRunning")
            for name in names:
                desk.land(name, day)
            for name in names:
                desk.awaited("queued", lambda name=name: (self.active(name, day)).get("stage") == "queued")
            self.sink.answers = "down"
            self.yard.cloud.advance("125m")
            for name in names:
                desk.awaited("failed", lambda name=name: desk.incident(name, day).get("status") == "open")
            desk.a_pass()
            self.sink.answers = "ok"
            desk.a_pass()
        with desk.step("one incident of the platform calls, the others are quiet"):
            desk.awaited("told once", lambda: self.sink.told(None) == [("Opened", "queued-too-long")])
            desk.check("it names all", self.sink.last(None)["models"] == names)
            desk.check("theirs are quiet", all(len(self.sink.told(name)) == known[name] for name in names))
            desk.decide("acknowledge", key, why="looking at the quota")
            desk.check("the remedy is there", "resume --incident" in desk.slipway("incidents", key))
        with desk.step("the nodes are back; all go on in one command"):
            self.yard.calm()
            answered = desk.answered("resume", "--incident", key, "--reason", "the quota was raised")
            desk.check(f"25 go on: {len(answered['resumed'])}", len(answered["resumed"]) == len(names))
            for name in names:
                self.yard.published(name, day, within=300)
            desk.a_pass()
            desk.awaited("it is over", lambda: self.sink.told(None)[-1] == ("Resolved", "queued-too-long"))

    def friday(self) -> None:
        """Bad outputs are published; a quarter is backfilled."""
        desk, name, day = self.desk, model(1), self.days[0]
        desk.until(self.at(4, 10))
        before = self.yard.period(name, day)["published"]
        with desk.step("bad outputs: retracted, made again, the earlier ones published again"):
            desk.decide("retract", name, day, why="half of the rows are missing")
            desk.awaited("nothing is published", lambda: not self.yard.period(name, day)["published"])
            inputs = ("--inputs", before["run"], "--definition", "same", "--compute", "large-cluster")
            desk.decide("rerun", name, day, *inputs, why="as it was, on a larger node")
            second = self.yard.published(name, day, other_than=before["run"])
            job = self.yard.job(f"{second['run']}-a1")
            desk.check("on the other compute", job["properties"]["computeId"].endswith("/large-cluster"))
            desk.decide("publish", name, day, before["run"], why="it was right")
            desk.awaited(
                "the earlier one is back", lambda: self.yard.period(name, day)["published"]["run"] == before["run"]
            )
        self.backfills()

    def backfills(self) -> None:
        """One is started twice, paused, killed and resumed; another is canceled half way."""
        desk, until = self.desk, self.last
        begin = max(self.first, until.shift(-89))
        some = [str(day) for number in range(RUNS) if (day := until.shift(-number)) >= begin]
        for number in (28, 29):
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda day, number=number: desk.land(model(number), day), some))
        plan = ("--from", str(begin), "--to", str(until), "--only", "all", "--parallel", "2")
        with desk.step("a quarter is planned, started twice, paused, killed, resumed"):
            one = desk.answered("backfill", "plan", model(28), *plan, "--reason", "a new price list")["backfill"]
            desk.decide("backfill", "start", one, why="looks right")
            desk.decide("backfill", "start", one, why="looks right")
            desk.awaited("it runs", lambda: self.counts(one).get("published", 0) >= 2)
            desk.decide("backfill", "pause", one, why="the cluster is needed")
            self.yard.cloud.kill()
            self.yard.cloud.start()
            desk.awaited("what ran has ended", lambda: not {"active", "starting"} & set(self.counts(one)))
            desk.check("it is paused", self.yard.get(f"backfills/{one}")["state"] == "paused")
            desk.decide("backfill", "resume", one, why="it is free")
            desk.passes_until("it has finished", lambda: self.yard.get(f"backfills/{one}")["state"] == "finished")
            desk.check(f"all with inputs are published: {self.counts(one)}", self.counts(one)["published"] == len(some))
        with desk.step("another is canceled half way, and stays so"):
            two = desk.answered("backfill", "plan", model(29), *plan, "--reason", "a new price list")["backfill"]
            desk.decide("backfill", "start", two, why="looks right")
            desk.awaited("it runs", lambda: self.counts(two).get("published", 0) >= 1)
            desk.decide("backfill", "cancel", two, why="the wrong list")
            desk.a_pass()
            desk.awaited("nothing runs", lambda: not {"active", "starting"} & set(self.counts(two)))
            desk.check("it stays canceled", self.yard.get(f"backfills/{two}")["state"] == "canceled")
            desk.slipway("backfill", "resume", two, "--reason", "no", exit_code=1)

    def saturday(self) -> None:
        """No event comes; then the engine's storage is lost."""
        desk, name = self.desk, model(3)
        desk.until(self.at(5, 3))
        with desk.step("events stop; runs start late, and that is told"):
            self.yard.events(off=True)
            for day in self.days[3:6]:
                desk.land(name, day)
                desk.a_pass()
                self.yard.published(name, day)
            desk.passes_until("told", lambda: self.sink.told(None)[-1] == ("Opened", "events-silent"))
            self.yard.events(off=False)
            desk.land(model(4), self.days[5])
            self.yard.published(model(4), self.days[5])
            desk.a_pass()
            desk.awaited("and that they are back", lambda: self.sink.told(None)[-1] == ("Resolved", "events-silent"))
        with desk.step("the engine's storage is lost; a run is taken over"):
            self.yard.fault({"delay": 600}, operation="PutBlobFromURL", name=f"models/{model(5)}/*")
            desk.land(model(5), self.days[5])
            desk.awaited("staging", lambda: self.active(model(5), self.days[5]).get("stage") == "staging")
            run = self.active(model(5), self.days[5])["run"]
            self.yard.cloud.kill()
            for file in self.yard.cloud.state.glob("functions.db*"):
                file.unlink()
            self.yard.cloud.start()
            self.yard.calm()
            desk.decide("take-over", run, why="the task hub was lost")
            self.yard.published(model(5), self.days[5])
            desk.check("as its next attempt", self.yard.run(run)["attempt"] == 2)

    def sunday(self) -> None:
        """Retention, and a last look."""
        desk = self.desk
        with desk.step("what retention would delete"):
            desk.check("it answers", "would go" in desk.slipway("retention", "--dry-run"))
        with desk.step("the pages"):
            for path in ("", "/now", "/runs", "/incidents", "/backfills", f"/models/{model(0)}"):
                began = perf_counter()
                size = len(desk.page(f"{self.yard.cloud.endpoints.functions}/dashboard{path}"))
                print(f"              /dashboard{path}: {perf_counter() - began:.2f} s, {size / 1000:.0f} KB")
                desk.check(f"/dashboard{path} is below 200 KB: {size}", size < 200_000)
        with desk.step("the environment is checked"):
            found = {one["name"]: one["state"] for one in desk.answered("doctor")["checks"]}
            desk.check(f"no check fails: {found}", "failed" not in found.values())

    def active(self, name: str, day: str) -> dict[str, Any]:
        """The period's active run; empty where there is none."""
        return self.yard.period(name, day)["active"] or {}

    def counts(self, backfill: str) -> dict[str, int]:
        """How many periods of a backfill stand where."""
        found: dict[str, int] = self.yard.get(f"backfills/{backfill}")["counts"]
        return found


def model(number: int) -> str:
    """The name of one of the estate's models."""
    return f"model-{number:03}"


@contextmanager
def cloud_with(root: Path, sink: Sink, days: int) -> Iterator[tuple[LocalCloud, Estate]]:
    """A running cloud with the estate, laid down below `root` unless it is there, on a copy of it."""
    laid = root / f"laid-{days}"
    tls = Tls.load(root / "tls")
    os.environ.update(REQUESTS_CA_BUNDLE=str(tls.bundle), SSL_CERT_FILE=str(tls.bundle))
    if not (laid / "whole").exists():
        shutil.rmtree(laid, ignore_errors=True)
        store = LocalCloud(PROJECT, laid, tls.folder, "--only", "storage,identity").start()
        now = datetime.now(UTC)
        asyncio.run(lay_down(store.endpoints.storage, Estate(now, days, LIVE).records(), MODELS * days))
        store.stop()
        (laid / "whole").write_text(now.isoformat())
    estate = Estate(datetime.fromisoformat((laid / "whole").read_text()), days, LIVE)
    shutil.rmtree(root / "week", ignore_errors=True)
    shutil.copytree(laid, root / "week")
    cloud = LocalCloud(PROJECT, root / "week", tls.folder, variables=SETTINGS | sink.settings()).start()
    try:
        yield cloud, estate
    finally:
        cloud.stop()


def main() -> int:
    """Play the week. 0 when every outcome is right."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--days", type=int, default=DAYS, help="how many periods each model has")
    options.add_argument("--state", type=Path, help="keep the estate here, and use the one that is there")
    given = options.parse_args()
    sink = Sink()
    with tempfile.TemporaryDirectory(prefix="week-", ignore_cleanup_errors=True) as folder:
        root = (given.state or Path(folder)).resolve()
        root.mkdir(parents=True, exist_ok=True)
        with cloud_with(root, sink, given.days) as (cloud, estate):
            desk = Desk(Yard(cloud, Path(folder, "models")), sink, Path(folder))
            Week(desk, estate.first, estate.last).play()
            return 0 if desk.report() else 1


if __name__ == "__main__":
    raise SystemExit(main())
