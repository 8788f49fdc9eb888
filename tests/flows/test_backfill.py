"""Backfills on the local cloud: planned, started, watched, paused, canceled, and killed in between (BF-1 to BF-4)."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from slipway.cli import app
from tests.flows.conftest import RECONCILING
from tests.flows.sink import Sink
from tests.flows.yard import JOB_YAML, Yard
from tests.running import PROJECT, LocalCloud, eventually

REASON = {"reason": "the shop list was wrong"}
#: A job that takes long enough to be met while it runs.
SLOW = """
import pathlib, sys, time
time.sleep(1)
(pathlib.Path(sys.argv[2]) / "all.txt").write_text("done")
"""


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory, authority: Path, sink: Sink) -> Iterator[Yard]:
    """A yard of these flows' own, to be killed."""
    folder = tmp_path_factory.mktemp("backfill")
    cloud = LocalCloud(PROJECT, folder / "state", authority, variables=RECONCILING | sink.settings())
    yield Yard(cloud.start(), folder / "models")
    cloud.stop()


def day(number: int) -> str:
    """A day of January."""
    return f"2024-01-{number:02}"


def a_quiet_model(yard: Yard, name: str, days: dict[int, str], **made: Any) -> str:
    """A model that starts nothing by itself, with what landed on these days of January."""
    model = yard.a_model(name, **made)
    assert yard.call("POST", f"models/{model}/pause", REASON)[0] == 200
    for number, text in days.items():
        yard.land(f"{model}/{day(number)}", {"a.txt": text})
    return model


def planned(yard: Yard, model: str, last: int, key: str | None = None, **asked: Any) -> dict[str, Any]:
    """Plan a backfill of the first days of January, and wait for its plan."""
    body = {**REASON, "from": day(1), "to": day(last), **asked}
    status, told = yard.call("POST", f"models/{model}/backfills", body, {"Idempotency-Key": key} if key else {})
    assert status == 202, told
    eventually(lambda: yard.get(f"backfills/{told['backfill']}")["state"] != "planning", 30)
    return yard.get(f"backfills/{told['backfill']}")


def said(yard: Yard, backfill: str, what: str, **more: Any) -> tuple[int, dict[str, Any]]:
    """Ask for a change of a backfill: status and answer."""
    return yard.call("POST", f"backfills/{backfill}/{what}", {**REASON, **more})


def periods(yard: Yard, backfill: str) -> dict[str, dict[str, Any]]:
    """Its periods, by name."""
    rows = yard.get(f"backfills/{backfill}/periods?limit=500")["periods"]
    return {row["period"]: row for row in rows}


def shown(yard: Yard, page: str) -> str:
    """A page of the dashboard."""
    with urllib.request.urlopen(f"{yard.cloud.endpoints.functions}/dashboard/{page}", timeout=30) as answer:
        return str(answer.read().decode())


def ended(yard: Yard, backfill: str, state: str = "finished", within: float = 90) -> dict[str, Any]:
    """Wait until nothing of it goes on any more."""

    def done() -> dict[str, Any] | None:
        told = yard.get(f"backfills/{backfill}")
        return told if told["state"] == state and not {"active", "starting"} & set(told["counts"]) else None

    found: dict[str, Any] = eventually(done, within)
    return found


def test_what_is_good_is_left_what_runs_is_joined_and_the_report_adds_up(yard: Yard, sink: Sink) -> None:
    """BF-3: published ones are skipped, running ones awaited, the others run; and a failure among them is quiet."""
    model = yard.a_model("mixed")
    yard.land(f"{model}/{day(1)}", {"a.txt": "one"})
    good = yard.published(model, day(1))["run"]
    yard.land(f"{model}/{day(6)}", {"a.txt": "hang"})
    active = eventually(lambda: (yard.period(model, day(6))["active"] or {}).get("run"))
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
    eventually(lambda: periods(yard, plan["backfill"])[day(3)]["state"] == "failed", 60)
    yard.land(f"{model}/{day(6)}", {"a.txt": "six"})
    assert yard.call("POST", f"runs/{active}/cancel", REASON)[0] == 202

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
    eventually(lambda: sink.last(model)["status"] == "resolved", 30)


def test_the_same_backfill_twice_is_one_and_canceled_half_way_it_stays_canceled(yard: Yard, sink: Sink) -> None:
    """BF-4: by key it is the same, and another with one of its periods is not started, whoever asks first.

    Canceled, its runs are canceled too, nothing starts any more, and nobody is called; also after a kill.
    """
    model = a_quiet_model(yard, "twice", {1: "one", 2: "hang", 3: "hang", 4: "four"})
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

    eventually(lambda: yard.get(f"backfills/{backfill}")["counts"] == {"published": 1, "active": 2, "pending": 1}, 60)
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


def test_killed_and_paused_it_goes_on_where_it_was_and_runs_each_period_once(yard: Yard) -> None:
    """BF-2: killed after a run is asked for, killed while paused, and goes on when it is resumed."""
    model = a_quiet_model(yard, "killed", {number: str(number) for number in range(1, 6)}, job=SLOW)
    backfill = planned(yard, model, 5, parallel=2, order="newest")["backfill"]
    name = f"control/periods/{model}/{day(4)}.json"
    yard.fault({"crash": True}, operation="PutBlob", name=name, phase="after", times=1)

    said(yard, backfill, "start")
    yard.cloud.wait(40)
    yard.cloud.start()
    eventually(lambda: yard.get(f"backfills/{backfill}")["counts"].get("published"), 60)
    assert said(yard, backfill, "pause")[0] == 202
    yard.cloud.kill()
    yard.cloud.start()
    eventually(lambda: not {"active", "starting"} & set(yard.get(f"backfills/{backfill}")["counts"]), 60)
    before = yard.get(f"backfills/{backfill}")
    yard.reconciled()

    told = yard.get(f"backfills/{backfill}")
    assert (told["state"], told["paused"]["reason"]) == ("paused", REASON["reason"])
    assert told["counts"] == before["counts"]
    assert set(told["counts"]) == {"published", "pending"}
    assert periods(yard, backfill)[day(5)]["state"] == "published"
    assert periods(yard, backfill)[day(1)]["state"] == "pending"
    assert said(yard, backfill, "resume")[0] == 202
    assert ended(yard, backfill, within=120)["counts"] == {"published": 5}
    runs = {row["run"] for row in periods(yard, backfill).values()}
    assert yard.jobs(f"{model}--") == sorted(f"{run}-a1" for run in runs)


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
    yard.fault({"delay": 8}, service="aml", operation="PutJob", name=f"{live}--*", times=1)
    yard.land(f"{live}/{day(31)}", {"a.txt": "live"})
    eventually(lambda: (yard.period(live, day(31))["active"] or {}).get("stage") == "queued", 30)

    assert said(yard, plan["backfill"], "start")[0] == 202

    held = eventually(lambda: yard.get(f"backfills/{plan['backfill']}")["held"], 30)
    assert held == f"{live} {day(31)} is queued and goes first"
    assert yard.get(f"backfills/{plan['backfill']}")["counts"] == {"pending": 2}
    assert ended(yard, plan["backfill"])["counts"] == {"published": 1, "failed": 1}
    yard.calm()
    assert "platform/access" in periods(yard, plan["backfill"])[day(2)]["why"]
    assert yard.period(live, day(31))["published"]


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
    model = "twice"
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
