"""A backfill of two years of daily periods, driven to its end through everything that may come between.

    .venv/bin/python -m bench.backfill_drill                 half an hour or so
    .venv/bin/python -m bench.backfill_drill --days 60       the same story, shorter

It is planned and started twice at once, paused, killed (the host, and the whole cloud), resumed; periods fail, come
late, are waived, retracted, run by others; the model is released anew. Then every period must have its one right
outcome, nothing may have run twice, and one incident tells of it. Another is canceled half way, and must stay so.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from typer.testing import CliRunner

from localcloud.client import RefusedError
from localcloud.tls import Tls
from slipway.cli import app as slipway
from slipway.usage import Usage
from tests.flows.sink import Sink
from tests.flows.yard import JOB_YAML, MODEL, Yard, put, read
from tests.running import PROJECT, LocalCloud, eventually

FIRST, WRITERS, PARALLEL = date(2022, 1, 1), 8, 8
REASON = {"reason": "to be measured"}
SETTINGS = {"SLIPWAY_RECONCILE_SCHEDULE": "*/20 * * * * *", "SLIPWAY_NODE_HOUR_PRICES": '{"cpu-cluster": "0.23 EUR"}'}
#: Does as the first word of its input says.
JOB = """
import pathlib, sys, time
inputs, outputs = map(pathlib.Path, sys.argv[1:3])
words = next(inputs.rglob("a.txt")).read_text().split()
if words[0] == "fail":
    sys.exit("the input told me to fail")
if words[0] == "wait":
    time.sleep(float(words[1]))
(outputs / "all.txt").write_text(" ".join(words))
"""
#: The longest any one thing may take, in seconds: the whole, and a step of it.
WHOLE, STEP = 7200, 600


@dataclass
class Figures:
    """What was measured, printed as it is known."""

    began: float = field(default_factory=time.monotonic)
    longest_history: int = 0
    forecasts: list[tuple[datetime, datetime]] = field(default_factory=list)  #: when it was told, and what

    def say(self, text: str) -> None:
        """A line, with the seconds since the beginning."""
        print(f"{time.monotonic() - self.began:7.1f} s  {text}", flush=True)


class Drill:
    """One model, its backfill, and what is to become of each period."""

    def __init__(self, yard: Yard, sink: Sink, days: int, figures: Figures) -> None:
        self.yard, self.sink, self.figures = yard, sink, figures
        self.days = [str(FIRST + timedelta(number)) for number in range(days)]
        self.model = self.backfill = ""
        self.landing = yard.lake("upstream", "landing")

    @property
    def late_days(self) -> int:
        """How many of the last days have no data when it is planned."""
        return max(4, len(self.days) // 36)

    def day(self, share: float) -> str:
        """The day at this share of the whole."""
        return self.days[int(share * len(self.days))]

    # What people and others do

    def call(self, path: str, refused: int | None = None, key: str | None = None, **body: Any) -> dict[str, Any]:
        """A POST of the API that must be carried out, or refused with this status."""
        answered, told = self.yard.call("POST", path, {**REASON, **body}, {"Idempotency-Key": key} if key else None)
        assert answered == refused or (refused is None and answered < 300), (path, answered, told)
        return told

    def land(self, day: str, text: str = "row", model: str | None = None) -> None:
        """Land a day's data, the marker last."""
        folder = f"{model or self.model}/{day}"
        put(self.landing, f"{folder}/a.txt", text.encode())
        put(self.landing, f"{folder}/_SUCCESS", b"")

    def counts(self) -> Counter[str]:
        """How many periods stand where, as the API says; and the forecast and the driver's history are noted."""
        told = self.yard.get(f"backfills/{self.backfill}")
        if told["state"] == "running" and told["finishes_at"]:
            self.figures.forecasts.append((self.yard.now(), datetime.fromisoformat(told["finishes_at"])))
        with suppress(RefusedError):  # its driver lives for moments
            driver = self.yard.cloud.control.get(f"/instances/backfill--{self.backfill}")
            self.figures.longest_history = max(self.figures.longest_history, len(driver.get("historyEvents", ())))
        return Counter({**told["counts"], f"is {told['state']}": 1})

    def rows(self) -> dict[str, dict[str, Any]]:
        """Its periods, by name."""
        found, cursor = {}, ""
        while cursor is not None:
            page = self.yard.get(f"backfills/{self.backfill}/periods?limit=500{cursor and '&cursor=' + cursor}")
            found |= {row["period"]: row for row in page["periods"]}
            cursor = page["next"]
        return found

    def done(self, share: float) -> None:
        """Wait until so much of it has been published, watching."""
        wanted, said = int(share * len(self.days)), -100
        until = time.monotonic() + WHOLE
        while (now := self.counts())["published"] < wanted and not now["is finished"]:
            assert time.monotonic() < until, dict(now)
            if now["published"] >= said + 50:
                said = now["published"]
                self.figures.say(f"{dict(now)}")
            time.sleep(1)

    def resting(self) -> None:
        """Wait until none of its own runs goes on."""
        eventually(lambda: not [row for row in self.rows().values() if self.goes_on(row)], STEP)

    @staticmethod
    def goes_on(row: dict[str, Any]) -> bool:
        """Whether a run of the backfill's own is under way."""
        return row["state"] in ("active", "starting") and not row["joined"]

    def by_terminal(self, *words: str) -> tuple[int, str]:
        """A command of the command line: exit code, and what it prints."""
        result = CliRunner().invoke(slipway, ["backfill", *words], env={"SLIPWAY_ENV": "bench"})
        return result.exit_code, result.output

    # The story

    def prepare(self) -> None:
        """Release and land: the last days come late, two fail; one is published, one retracted, one waived."""
        text = MODEL.replace("2024-01-01", self.days[0]).replace("2024-03-31", self.days[-1])
        self.model = self.yard.a_model("wide", text, job=JOB, timeout=WHOLE)
        self.yard.a_model("other", text, job=JOB)
        for model in ("wide", "other"):
            self.call(f"models/{model}/pause")
        late = self.late_days
        self.good, self.back, self.gone = self.days[2], self.days[3], self.days[8]
        self.bad = [self.day(0.12), self.day(0.5)]
        self.waived = [self.day(0.06), self.day(0.6)]
        self.own = self.day(0.2)
        self.late, self.live = self.days[-late : -late // 2], self.days[-late // 2 : -late // 4]
        self.never = self.days[-late // 4 :]
        texts = dict.fromkeys(self.days[:-late], "row") | dict.fromkeys(self.bad, "fail") | {self.own: "wait 3000"}
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(lambda day: self.land(day, texts[day]), texts))
        for day in (self.good, self.back):
            self.call(f"models/{self.model}/runs", period=day)
            self.yard.published(self.model, day, STEP)
        self.call(f"models/{self.model}/periods/{self.back}/retract")
        self.call(f"models/{self.model}/periods/{self.waived[0]}/waive")
        self.figures.say(f"landed: {len(texts)} of {len(self.days)} days")

    def plan(self) -> None:
        """Plan it, and the same again by its key; by another key it is another plan."""
        began, asked = time.monotonic(), {"from": self.days[0], "to": self.days[-1], "parallel": PARALLEL}
        way = f"models/{self.model}/backfills"
        self.backfill = self.call(way, key="drill", **asked)["backfill"]
        assert self.call(way, key="drill", **asked)["backfill"] == self.backfill
        second = self.call(way, **asked)["backfill"]
        assert second != self.backfill
        eventually(lambda: self.yard.get(f"backfills/{self.backfill}")["state"] == "planned", STEP)
        self.figures.say(f"planned {time.monotonic() - began:.1f} s after it was asked for: {dict(self.counts())}")
        estimate = self.yard.get(f"backfills/{self.backfill}")["estimate"]
        self.figures.say(f"estimate: {json.dumps(estimate)}")
        code, told = self.by_terminal("watch", self.backfill)
        self.figures.say(f"watched before it is started: exit code {code}, {told.strip().splitlines()[-1]!r}")
        self.start_at_once(second)
        self.began = self.yard.now()

    def start_at_once(self, second: str) -> None:
        """Two people by the API, two on a terminal, by one key and by others, and the other plan: one starts."""

        def api(number: int) -> int:
            which = second if number % 3 == 2 else self.backfill
            key = {"Idempotency-Key": "start" if number < 3 else f"start-{number}"} if which != second else {}
            return self.yard.call("POST", f"backfills/{which}/start", REASON, key)[0]

        with ThreadPoolExecutor(8) as pool:
            # The first is surely before all others, so that the story is always about the same one.
            answers = [api(0), *pool.map(api, range(1, 8))]
        code, _ = self.by_terminal("start", self.backfill, "--reason", "to be measured")
        assert code == 0
        assert Counter(answers) == {202: 6, 409: 2}, answers
        assert self.call(f"models/{self.model}/backfills", 409, periods=[self.days[0]])["backfill"] == self.backfill
        self.call(f"models/{self.model}/runs", period=self.own)
        self.call(f"models/{self.model}/periods/{self.waived[1]}/waive")
        self.figures.say("started once, by eight people at once")

    def disturb(self) -> None:
        """What comes between, until all that was there has been run."""
        self.done(0.05)
        self.yard.published(self.model, self.gone, STEP)
        self.call(f"models/{self.model}/periods/{self.gone}/retract")
        self.done(0.1)
        self.paused_and_killed()
        self.done(0.18)
        self.live_of_another()
        eventually(lambda: self.counts() and self.rows()[self.own]["joined"], WHOLE)
        self.land(self.own)
        run = self.rows()[self.own]["run"]
        self.call(f"runs/{run}/cancel")
        self.figures.say(f"a person's own run was joined, and is canceled: {run}")
        self.done(0.3)
        self.yard.a_model(self.model, self.text(), job=JOB, timeout=WHOLE, job_yaml=JOB_YAML + "tags: {made: second}\n")
        self.figures.say("released anew")
        self.measure_requests()
        self.done(0.45)
        self.kill("functions")
        for day in self.late:
            self.land(day)
        self.done(0.7)
        self.kill("cloud")
        self.done(1 - (self.late_days + 5 + 2 * PARALLEL) / len(self.days))

    def text(self) -> str:
        """The model's definition."""
        return (self.yard.models / self.model / "model.yaml").read_text()

    def paused_and_killed(self) -> None:
        """Paused it starts nothing, also after a kill of the cloud; then it goes on."""
        self.call(f"backfills/{self.backfill}/pause")
        self.kill("cloud")
        self.resting()
        before = self.counts()
        self.yard.reconciled()
        self.yard.reconciled()
        assert self.counts() == before, (before, self.counts())
        code, told = self.by_terminal("start", self.backfill, "--reason", "to go on")
        self.figures.say(f"paused, killed, and it rests: {dict(before)}; start says {code}: {told.strip()!r}")
        self.call(f"backfills/{self.backfill}/resume")

    def kill(self, what: str) -> None:
        """`kill -9` of the host of functions in the middle of a write, or of the whole cloud; it is started again."""
        if what == "functions":
            self.yard.fault({"crash": "functions"}, service="storage", operation="PutBlob", name="control/periods/*")
            eventually(lambda: self.yard.cloud.control.get("/faults")["rules"][0]["fired"], STEP)
            eventually(self.answers, STEP)
        else:
            self.yard.cloud.kill()
            self.yard.cloud.start()
        self.figures.say(f"killed: {what}")

    def answers(self) -> bool:
        """Whether the app is there."""
        with suppress(OSError):
            return bool(self.yard.get("models"))
        return False

    def live_of_another(self) -> None:
        """Data of another model on the same compute: how long its run waits for a node."""
        self.call("models/other/unpause")
        waits = []
        for day in self.days[-5:]:
            began = time.monotonic()
            self.land(day, model="other")
            self.yard.published("other", day, STEP)
            waits.append(time.monotonic() - began)
        self.figures.say(f"live runs of another model, from landing to published: {[round(one, 1) for one in waits]} s")

    def measure_requests(self) -> None:
        """How many requests the app makes of storage and of Azure ML for each period, all passes of reconcile in."""
        for service in ("storage", "aml"):
            self.yard.fault({"delay": 0}, service=service, caller="app")
        before = self.counts()["published"]
        eventually(lambda: self.counts()["published"] >= before + len(self.days) // 20, WHOLE)
        made = self.counts()["published"] - before
        rules = self.yard.cloud.control.get("/faults")["rules"]
        told = ", ".join(f"{rule['service']} {rule['matched'] / made:.0f}" for rule in rules)
        self.yard.calm()
        self.figures.say(f"requests for each of {made} periods: {told}")

    def last_days(self) -> None:
        """Paused, the model runs by itself again and late data come live; resumed, the backfill finds them run."""
        self.call(f"backfills/{self.backfill}/pause")
        self.call(f"models/{self.model}/unpause")
        for day in self.live:
            self.land(day)
        self.yard.published(self.model, self.live[0], STEP)
        self.call(f"backfills/{self.backfill}/resume")
        eventually(lambda: self.counts()["is finished"], WHOLE)
        ended = datetime.fromisoformat(self.yard.get(f"backfills/{self.backfill}")["ended_at"])
        seconds = (ended - self.began).total_seconds()
        self.figures.say(f"finished: {dict(self.counts())}, {seconds:.0f} s after its start")
        for at, told in self.figures.forecasts[:: max(1, len(self.figures.forecasts) // 10)]:
            left, said = (ended - at).total_seconds(), (told - at).total_seconds()
            self.figures.say(f"forecast with {left:.0f} s left: {said:.0f} s")

    # What must hold in the end

    def check(self) -> None:
        """Every period has its one right outcome, nothing ran twice, and one incident told of it."""
        rows = self.rows()
        expected = dict.fromkeys(self.days, "published") | dict.fromkeys(self.bad, "failed")
        expected |= dict.fromkeys([*self.waived, *self.never], "skipped")
        # Once the model runs by itself again, its own runs publish some of the last days: good without the backfill.
        stand = {day: "published" if row["state"] == "good" else row["state"] for day, row in rows.items()}
        wrong = {day: rows.get(day) for day in self.days if stand.get(day) != expected[day]}
        assert not wrong, wrong
        jobs = Counter(name.split("--")[1] for name in self.yard.jobs(f"{self.model}--"))
        wanted = Counter(self.days) + Counter([self.own, self.back]) - Counter([*self.waived, *self.never])
        assert jobs == wanted, (jobs - wanted, wanted - jobs)
        assert self.yard.period(self.model, self.gone)["published"] is None
        told = self.sink.told(self.model)
        assert told == [("Opened", "job-failed"), ("Updated", "job-failed")], told
        self.figures.say(f"all {len(rows)} periods as they should be, {jobs.total()} jobs; incident: {told}")
        self.cost([day for day in self.days if expected[day] == "published" and day != self.gone])

    def cost(self, days: list[str]) -> None:
        """What it took, beside what was planned, and by which versions."""
        control = self.yard.lake("app", "control")
        found = [json.loads(read(control, f"periods/{self.model}/{day}.json"))["published"] for day in days]
        used = [usage for one in found if (usage := Usage.parse(one.get("used")))]
        hours, seconds = sum(one.node_hours or 0 for one in used), median(one.seconds for one in used)
        versions = Counter(one["version"] for one in found)
        self.figures.say(f"node-hours {hours:.3f}; a run took {seconds:.1f} s; runs by version: {dict(versions)}")

    def sizes(self) -> None:
        """The record, the page, the command line, the processes."""
        record = read(self.yard.lake("app", "control"), f"backfills/{self.backfill}.json")
        self.figures.say(
            f"its record: {len(record)} bytes; longest history of its driver: {self.figures.longest_history} events"
        )
        for page in (f"dashboard/backfills/{self.backfill}", "dashboard/backfills", f"api/backfills/{self.backfill}"):
            times = []
            for _ in range(9):
                began, address = time.monotonic(), f"{self.yard.cloud.endpoints.functions}/{page}"
                with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - loopback
                    body = answer.read()
                times.append(time.monotonic() - began)
            self.figures.say(f"/{page}: {len(body)} bytes, {sorted(times)[4] * 1000:.0f} ms")
        began = time.monotonic()
        code, told = self.by_terminal("watch", self.backfill)
        self.figures.say(
            f"slipway backfill watch: {time.monotonic() - began:.2f} s, {len(told.splitlines())} lines, exit {code}"
        )
        self.figures.say(f"resident memory: {memory(self.yard.cloud.pid)}")

    def canceled_half_way(self) -> None:
        """A second one, of all days: canceled, killed, looked at by the reconciler: nothing starts any more."""
        self.call(f"models/{self.model}/pause")
        asked = {"from": self.days[0], "to": self.days[59], "only": "all", "parallel": PARALLEL}
        self.backfill = self.call(f"models/{self.model}/backfills", **asked)["backfill"]
        eventually(lambda: self.counts()["is planned"], STEP)
        self.call(f"backfills/{self.backfill}/start")
        eventually(lambda: self.counts()["published"] >= 20, WHOLE)
        self.call(f"backfills/{self.backfill}/cancel")
        self.yard.cloud.kill()
        self.yard.cloud.start()
        self.resting()
        before, jobs = self.counts(), self.yard.job_states(f"{self.model}--")
        self.yard.reconciled()
        self.yard.cloud.kill()
        self.yard.cloud.start()
        self.yard.reconciled()
        self.yard.reconciled()
        assert self.counts() == before, (before, self.counts())
        assert self.yard.job_states(f"{self.model}--") == jobs
        assert set(jobs.values()) <= {"Completed", "Failed", "Canceled"}, Counter(jobs.values())
        self.figures.say(f"canceled half way, it stays so: {dict(before)}")


def memory(cloud: int) -> str:
    """What the cloud's processes hold, in MiB."""
    told = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            if str(cloud) in (lines["PPid"], lines["Pid"]):
                command = (status.parent / "cmdline").read_text().split("\0")
                told.append(f"{command[2] if len(command) > 2 else '?'} {int(lines['VmRSS'].split()[0]) // 1024}")
        except (OSError, KeyError, ValueError):
            continue
    return ", ".join(sorted(told)) + " MiB"


def story(drill: Drill) -> None:
    """All of it, in order."""
    acts: list[Callable[[], None]] = [drill.prepare, drill.plan, drill.disturb, drill.last_days, drill.sizes]
    for act in [*acts, drill.check, drill.canceled_half_way]:
        act()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=731)
    parser.add_argument("--keep", type=Path, help="a folder for the cloud's state, to be looked at afterwards")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = given.keep or Path(temporary)
        tls = Tls.load(folder / "tls")
        os.environ.update(dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), str(tls.bundle)))
        sink = Sink()
        cloud = LocalCloud(PROJECT, folder / "state", tls.folder, variables=SETTINGS | sink.settings())
        try:
            yard = Yard(cloud.start(), folder / "models")
            (folder / "environments.yaml").write_text(f"bench: {{url: '{cloud.endpoints.functions}'}}\n")
            os.chdir(folder)
            story(Drill(yard, sink, given.days, Figures()))
        finally:
            cloud.stop()
            sink.stop()
