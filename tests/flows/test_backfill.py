"""Backfills on the local cloud: planned, started, watched, paused, canceled (BF-1, BF-3, BF-4).

What kills do to one that runs, and to one that is paused, is in `tests/faults`.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from slipway.cli import app
from tests.flows.backfills import REASON, a_quiet_model, day, ended, periods, planned, said
from tests.flows.conftest import RECONCILING
from tests.flows.sink import Sink
from tests.flows.yard import JOB_YAML, Yard
from tests.running import PROJECT, LocalCloud, eventually


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory, authority: Path, sink: Sink) -> Iterator[Yard]:
    """A yard of these flows' own, to be killed."""
    folder = tmp_path_factory.mktemp("backfill")
    cloud = LocalCloud(PROJECT, folder / "state", authority, variables=RECONCILING | sink.settings())
    yield Yard(cloud.start(), folder / "models")
    cloud.stop()


def shown(yard: Yard, page: str) -> str:
    """A page of the dashboard."""
    with urllib.request.urlopen(f"{yard.cloud.endpoints.functions}/dashboard/{page}", timeout=30) as answer:
        return str(answer.read().decode())


def test_what_is_good_is_left_what_runs_is_joined_and_the_report_adds_up(yard: Yard, sink: Sink) -> None:
    """BF-3: published ones are skipped, running ones awaited, the others run; and a failure among them is quiet."""
    model = yard.a_model("mixed", timeout=7200)
    yard.land(f"{model}/{day(6)}", {"a.txt": "hang"})
    yard.land(f"{model}/{day(1)}", {"a.txt": "one"})
    active = eventually(lambda: (yard.period(model, day(6))["active"] or {}).get("run"))
    good = yard.published(model, day(1))["run"]
    assert yard.call("POST", f"models/{model}/pause", REASON)[0] == 200
    for number, text in {2: "two", 3: "fail", 4: "four"}.items():
        yard.land(f"{model}/{day(number)}", {"a.txt": text})
    assert yard.call("POST", f"models/{model}/periods/{day(7)}/waive", REASON)[0] == 200

    plan = planned(yard, model, 7)

    assert plan["counts"] == {"pending": 3, "blocked": 1, "active": 1, "good": 1, "skipped": 1}
    assert periods(yard, plan["backfill"])[day(5)]["why"] == f"rows: landing/{model}/{day(5)}/ has no data"
    assert plan["estimate"]["runs"] == 3
    assert plan["estimate"]["based_on"]["runs"] == 1
    assert plan["estimate"]["money"] is None
    assert plan["estimate"]["unknown"] == ["no price of a node-hour is set for cpu-cluster"]
    assert yard.jobs(f"{model}--{day(2)}") == []

    assert said(yard, plan["backfill"], "start")[0] == 202
    eventually(lambda: periods(yard, plan["backfill"])[day(3)]["state"] == "failed")
    yard.land(f"{model}/{day(6)}", {"a.txt": "six"})
    assert said(yard, plan["backfill"], "pause")[0] == 202
    assert yard.call("POST", f"runs/{active}/cancel", REASON)[0] == 202
    yard.ended(model, day(6), "canceled")
    told = yard.get(f"backfills/{plan['backfill']}")
    assert (told["state"], told["paused"]["reason"]) == ("paused", REASON["reason"])
    assert said(yard, plan["backfill"], "resume")[0] == 202

    report = ended(yard, plan["backfill"])
    assert report["counts"] == {"good": 1, "published": 3, "failed": 1, "skipped": 2}
    rows = periods(yard, plan["backfill"])
    assert {rows[day(number)]["state"] for number in (2, 4, 6)} == {"published"}
    assert rows[day(6)]["run"] != active
    assert yard.period(model, day(1))["published"]["run"] == good
    assert yard.run(rows[day(2)]["run"])["cause"]["backfill"] == plan["backfill"]
    assert yard.period(model, day(3))["incident"] is None
    told = eventually(lambda: [one for one in sink.told(model) if one[0] == "Updated"] and sink.last(model))
    assert sink.told(model) == [("Opened", "job-failed"), ("Updated", "job-failed")]
    assert (told["backfill"], told["period"]) == (plan["backfill"], None)
    assert told["message"].startswith(f"1 of 7 periods failed: {day(3)}.")

    for page in ("backfills", f"backfills/{plan['backfill']}", f"backfills/{plan['backfill']}?state=failed"):
        assert plan["backfill"] in shown(yard, page)

    assert yard.call("POST", f"models/{model}/periods/{day(3)}/waive", REASON)[0] == 200
    eventually(lambda: sink.last(model)["status"] == "resolved")


def test_the_same_backfill_twice_is_one_and_canceled_half_way_it_stays_canceled(yard: Yard, sink: Sink) -> None:
    """BF-4: by key it is the same, and another with one of its periods is not started, whoever asks first.

    Canceled, its runs are canceled too, nothing starts any more, and nobody is called; also after a kill.
    """
    model = a_quiet_model(yard, "twice", {1: "one", 2: "hang", 3: "hang", 4: "four"}, timeout=7200)
    first = planned(yard, model, 4, key="bf-twice", parallel=2)
    assert planned(yard, model, 4, key="bf-twice", parallel=2)["backfill"] == first["backfill"]
    second = planned(yard, model, 4, parallel=2)
    assert second["backfill"] != first["backfill"]

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda number: said(yard, (first, second)[number % 2]["backfill"], "start"), range(6)))

    assert sorted({status for status, _ in answers}) == [202, 409]
    one = {told["backfill"] for status, told in answers if status == 202}
    assert len(one) == 1
    assert {told["other"] for status, told in answers if status == 409} == one
    [backfill] = one
    status, problem = yard.call("POST", f"models/{model}/backfills", {**REASON, "from": day(2), "to": day(9)})
    assert (status, problem["title"], problem["backfill"]) == (409, "Another backfill is under way", backfill)

    eventually(lambda: yard.get(f"backfills/{backfill}")["counts"] == {"published": 1, "active": 2, "pending": 1})
    assert said(yard, backfill, "cancel")[0] == 202
    yard.cloud.kill()
    yard.cloud.start()
    report = ended(yard, backfill, "canceled")
    yard.reconciled()

    assert report["counts"] == {"published": 1, "canceled": 3}
    assert ended(yard, backfill, "canceled")["counts"] == report["counts"]
    assert set(yard.job_states(f"{model}--").values()) <= {"Canceled", "Completed"}
    assert yard.jobs(f"{model}--{day(4)}") == []
    assert sink.told(model) == []
    for what in ("start", "pause", "resume"):
        assert said(yard, backfill, what)[0] == 409
    assert said(yard, backfill, "cancel")[0] == 202


def test_periods_of_an_older_version_are_run_by_the_released_one(
    yard: Yard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And then are of that version: planned, started and watched on a terminal."""
    model = yard.a_model("outdated")
    for number in (1, 2):
        yard.land(f"{model}/{day(number)}", {"a.txt": str(number)})
    for number in (1, 2):
        yard.published(model, day(number))
    assert yard.call("POST", f"models/{model}/pause", REASON)[0] == 200
    assert planned(yard, model, 2, only="outdated")["counts"] == {"good": 2}
    yard.a_model(model, job_yaml=JOB_YAML + "tags: {made: second}\n")
    (tmp_path / "environments.yaml").write_text(f"local: {{url: '{yard.cloud.endpoints.functions}'}}\n")
    monkeypatch.chdir(tmp_path)

    def slipway(*words: str) -> str:
        result = CliRunner().invoke(app, ["backfill", *words])
        assert result.exit_code == 0, result.output
        return result.stdout

    asked = ("--from", day(1), "--to", day(3), "--only", "outdated", "--reason", "a new price list")
    told = slipway("plan", model, *asked)
    assert "2 will run, 1 already good" in told
    assert "by the median of 2 published runs" in told
    plan = told.split()[0]
    watched = CliRunner().invoke(app, ["backfill", "watch", plan])
    assert (watched.exit_code, watched.stderr) == (
        4,
        f"{plan} is planned and not started: slipway backfill start {plan}\n",
    )
    document = json.loads(slipway("plan", model, *asked, "--start", "--json"))
    backfill = document.pop("backfill")
    assert (document["state"], len(document["periods"])) == ("running", 3)
    told = slipway("watch", backfill, "--check")
    assert "1 already good, 2 published" in told
    assert f"{day(1)} to {day(2)}" in told
    assert backfill in slipway("list", "--model", model, "--state", "finished")
    assert yard.period(model, day(1))["published"]["version"] == yard.get(f"models/{model}")["version"]
    assert planned(yard, model, 2, only="outdated")["counts"] == {"good": 2}


def test_live_runs_go_ahead(yard: Yard) -> None:
    """BF-1: while a run that data started waits for the same compute, a backfill starts nothing new.

    And a period whose record cannot be read keeps no other from being run.
    """
    model = a_quiet_model(yard, "behind", {1: "one", 2: "two"})
    live = yard.a_model("ahead")
    plan = planned(yard, model, 2)
    denied = {"status": 403, "code": "AuthorizationPermissionMismatch"}
    yard.fault(denied, operation="GetBlob", name=f"control/periods/{model}/{day(2)}.json")
    until = (yard.now() + timedelta(minutes=5)).isoformat()  # by then no request is held up any more
    yard.fault({"delay": "10m"}, service="aml", operation="PutJob", name=f"{live}--*", until=until)
    yard.land(f"{live}/{day(31)}", {"a.txt": "live"})
    eventually(lambda: (yard.period(live, day(31))["active"] or {}).get("stage") == "queued")

    assert said(yard, plan["backfill"], "start")[0] == 202

    held = eventually(lambda: yard.get(f"backfills/{plan['backfill']}")["held"])
    assert held == f"{live} {day(31)} is queued and goes first"
    assert yard.get(f"backfills/{plan['backfill']}")["counts"] == {"pending": 2}
    eventually(lambda: yard.cloud.control.get("/faults")["rules"][-1]["fired"])
    yard.cloud.advance("10m")
    assert ended(yard, plan["backfill"])["counts"] == {"published": 1, "failed": 1}
    yard.calm()
    assert "platform/access" in periods(yard, plan["backfill"])[day(2)]["why"]
    assert yard.published(live, day(31))


@pytest.mark.parametrize(
    ("asked", "status", "title"),
    [
        ({"from": day(1), "to": "2024-13-01"}, 400, "Malformed name"),
        ({"from": day(1), "to": "2024-01"}, 400, "Malformed name"),
        ({"from": day(9), "to": day(1)}, 400, "The range ends before it begins"),
        ({"from": "2023-12-31", "to": day(1)}, 400, "Before the first period"),
        ({"from": day(1), "to": "2024-04-01"}, 400, "After the last period"),
        ({"from": day(1)}, 400, "Malformed body"),
        ({"periods": [day(1)], "from": day(1), "to": day(2)}, 400, "Malformed body"),
        ({"periods": [day(1), day(1)]}, 400, "A period stands twice"),
        ({"periods": []}, 400, "Malformed body"),
        ({"from": day(1), "to": day(2), "only": "some"}, 400, "Malformed body"),
        ({"from": day(1), "to": day(2), "parallel": 0}, 400, "Malformed body"),
        ({"from_": day(1), "to": day(2)}, 400, "Malformed body"),
    ],
)
def test_what_cannot_be_planned_is_told_and_leaves_no_trace(
    yard: Yard, asked: dict[str, Any], status: int, title: str
) -> None:
    """RR-5: which rule, and what to do."""
    model = "unplannable"
    if not (yard.models / model).exists():
        yard.a_model(model)
    before = yard.get(f"backfills?model={model}")

    answered, problem = yard.call("POST", f"models/{model}/backfills", {**REASON, **asked})

    assert (answered, problem["title"]) == (status, title)
    assert yard.get(f"backfills?model={model}") == before


def test_a_plan_that_cannot_be_made_says_why(yard: Yard) -> None:
    """Nobody waits for it."""
    model = a_quiet_model(yard, "unplanned", {})
    yard.fault({"status": 403, "code": "AuthorizationFailure"}, operation="ListBlobs", name="landing")

    told = planned(yard, model, 2)

    yard.calm()
    assert (told["state"], told["canceled"]["by"]) == ("canceled", "slipway")
    assert told["canceled"]["reason"].startswith("it cannot be planned: platform/access")


def test_lists_and_strangers(yard: Yard) -> None:
    """Searches by model and state, pages, ETags; what is not there is told."""
    assert yard.call("POST", "models/nobody/backfills", {**REASON, "from": day(1), "to": day(2)})[0] == 404
    for way in ("backfills/bf-0000000000", "backfills/what", "backfills/bf-0000000000/periods"):
        assert yard.call("GET", way)[0] == 404
    assert said(yard, "bf-0000000000", "start")[0] == 404
    assert yard.call("GET", "backfills?state=what")[0] == 400
    found = yard.get("backfills?model=twice&state=canceled")["backfills"]
    assert [row["counts"] for row in found] == [{"published": 1, "canceled": 3}]
    page = yard.get("backfills?model=outdated&limit=1")
    rest = yard.get(f"backfills?model=outdated&limit=10&cursor={page['next']}")
    whole = yard.get("backfills?model=outdated")
    assert page["backfills"] + rest["backfills"] == whole["backfills"]
    backfill = whole["backfills"][0]["backfill"]
    assert [row["period"] for row in yard.get(f"backfills/{backfill}/periods?state=good")["periods"]] == [
        day(1),
        day(2),
    ]
    status, problem = yard.call("POST", f"backfills/{backfill}/cancel", REASON, {"If-Match": '"0123"'})
    assert (status, problem["title"]) == (412, "The backfill has changed")
    assert yard.call("POST", f"backfills/{backfill}/cancel", REASON, {"If-Match": problem["etag"]})[0] == 202
