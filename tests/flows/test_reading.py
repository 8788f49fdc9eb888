"""What people read over HTTP: all models by period, searches, files, logs; each answer as the API describes it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobServiceClient, ExponentialRetry
from typer.testing import CliRunner

from slipway import rollup
from slipway.azure.blob_pages import BlobPages, Entry
from slipway.cli import app as slipway
from tests.flows.yard import SAYING_JOB, SAYING_MODEL, Yard, forget_clients, read
from tests.running import eventually
from triggers.operations import OPERATIONS

DAY, BROKEN, SILENT = "2024-01-05", "2024-01-06", "reading-silent"
SHAPES = {operation.name: operation.answer for operation in OPERATIONS}


def shown(yard: Yard, name: str, path: str) -> dict[str, Any]:
    """What an address answers; it has the form that its description promises."""
    found = yard.get(path)
    SHAPES[name].model_validate(found)
    return found


@pytest.fixture(scope="module")
def model(shared_yard: Yard) -> str:
    """A model with one period published, and one that failed. Beside it runs one whose metrics are none."""
    name = shared_yard.a_model("reading", SAYING_MODEL, SAYING_JOB)
    shared_yard.land(f"{name}/{DAY}", {"a.txt": "one", "b.txt": "two"})
    shared_yard.land(f"{name}/{BROKEN}", {"fail.txt": "fail"})
    shared_yard.a_model(SILENT, SAYING_MODEL, SAYING_JOB)
    shared_yard.land(f"{SILENT}/{DAY}", {"a.txt": "says nothing"})
    shared_yard.published(name, DAY)
    shared_yard.ended(name, BROKEN, "failed")
    return name


def test_the_board_shows_what_records_say(yard: Yard, model: str) -> None:
    """Some requests whatever the number of models; states, incidents and lateness."""
    board = shown(yard, "get_board", "board?periods=60")
    [row] = [one for one in board["models"] if one["model"] == model]
    cells = {cell["period"]: cell for cell in row["periods"]}
    assert all(cell["state"] == "none" for period, cell in cells.items() if period not in (DAY, BROKEN))
    listed = shown(yard, "get_periods", f"models/{model}/periods?limit=500")
    rows = {one["period"]: one for one in listed["periods"]}
    assert rows[DAY]["state"] == "succeeded"
    assert rows[DAY]["published"] == rows[DAY]["run"] == yard.period(model, DAY)["published"]["run"]
    assert (rows[BROKEN]["state"], rows[BROKEN]["incident"], rows[BROKEN]["published"]) == (
        "failed",
        "job-failed",
        None,
    )
    assert rows[BROKEN]["used"] is None
    used = rows[DAY]["used"]
    assert (used["compute"], used["nodes"], used["input_bytes"]) == ("cpu-cluster", 1, 6)
    assert 0 <= used["job_seconds"] < used["seconds"]  # a job of an instant may end before it was looked at


def test_a_model_says_how_good_its_work_was_or_nothing_is_published(yard: Yard, model: str) -> None:
    """PB-1: kept with the run, its attempt and the publication. One that says nothing usable publishes nothing."""
    said = yard.period(model, DAY)["published"]["metrics"]
    run = yard.period(model, DAY)["published"]["run"]
    assert (said["files"], set(said)) == (2, {"files", "letters.mean"})
    rows = {one["period"]: one for one in yard.get(f"models/{model}/periods?limit=500")["periods"]}
    assert rows[DAY]["metrics"] == yard.run(run)["metrics"] == said
    assert (rows[BROKEN]["metrics"], yard.run(yard.period(model, BROKEN)["last"]["run"])["metrics"]) == ({}, {})
    record = json.loads(read(yard.lake("app", "control"), f"runs/{model}/{DAY}/{run}/record-1.json"))
    assert record["metrics"] == said

    failed = yard.ended(SILENT, DAY, "failed")

    assert (failed["failure"]["kind"], failed["failure"]["code"]) == ("model", "metrics-unusable")
    assert failed["failed_step"] == "plan_verification"
    assert "all/metrics.json, which `metrics` of model.yaml names, is no JSON object" in failed["failure"]["message"]
    assert yard.period(SILENT, DAY)["published"] is None
    assert yard.get(f"runs/{failed['run']}/outputs")["files"] == []


def test_a_lost_board_is_made_good(yard: Yard, model: str) -> None:
    """By the next pass of the reconciler; nothing waits for it."""
    path = f"rollups/board/{rollup.shard(model):05d}.json"
    control = yard.lake("app", "control")
    before = read(control, path)
    control.get_file_client(path).delete_file()
    assert model.encode() in before

    def made_good() -> bool:
        """Whether it is there with the model: somebody's news of another model may be the first in it."""
        there = any(entry.name == path for entry in control.get_paths("rollups/board"))
        return there and model.encode() in read(control, path)

    eventually(made_good)


def test_lost_lists_are_made_anew(yard: Yard, model: str) -> None:
    """By a command, from the records alone; done again, it changes nothing."""
    found = shown(yard, "get_runs", f"runs?model={model}")["attempts"]
    control = yard.lake("app", "control")
    for one in [one.name for one in control.get_paths("rollups/attempts")]:
        control.get_file_client(one).delete_file()
    assert shown(yard, "get_runs", f"runs?model={model}")["attempts"] == []
    for _ in range(2):
        with yard.cloud.acting_as("app"):
            forget_clients()
            result = CliRunner().invoke(slipway, ["rebuild", "--json"])
            forget_clients()
        assert result.exit_code == 0, result.output
        assert shown(yard, "get_runs", f"runs?model={model}")["attempts"] == found


def test_models_and_one_of_them(yard: Yard, model: str) -> None:
    """By name, a page at a time."""
    first = shown(yard, "get_models", "models?limit=1")
    assert len(first["models"]) == 1
    names = [one["model"] for one in shown(yard, "get_models", "models?limit=500")["models"]]
    assert names == sorted(names)
    if len(names) > 1:
        second = shown(yard, "get_models", f"models?limit=1&cursor={first['next']}")
        assert second["models"][0]["model"] == names[1]
    one = shown(yard, "get_model", f"models/{model}")
    assert one["incidents"] == 1
    assert [source["path"] for source in one["inputs"].values()]


def test_a_search_finds_attempts_by_what_is_known_of_them(yard: Yard, model: str) -> None:
    """Newest first, page by page, each once."""
    found = shown(yard, "get_runs", f"runs?model={model}")["attempts"]
    assert {(one["period"], one["state"]) for one in found} == {(DAY, "succeeded"), (BROKEN, "failed")}
    assert [one["began_at"] for one in found] == sorted((one["began_at"] for one in found), reverse=True)

    page = shown(yard, "get_runs", f"runs?model={model}&limit=1")
    rest = shown(yard, "get_runs", f"runs?model={model}&limit=1&cursor={page['next']}")
    assert page["attempts"] + rest["attempts"] == found

    [failed] = shown(yard, "get_runs", f"runs?model={model}&state=failed")["attempts"]
    assert (failed["code"], failed["cause"]) == ("job-failed", "data")
    assert shown(yard, "get_runs", f"runs?model={model}&by=nobody")["attempts"] == []
    later = (yard.now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert shown(yard, "get_runs", f"runs?model={model}&since={later}")["attempts"] == []


def test_files_and_log_of_a_run(yard: Yard, model: str) -> None:
    """What it read, what it gave, what it printed."""
    run = yard.period(model, DAY)["published"]["run"]
    shown(yard, "get_run", f"runs/{run}")
    inputs = shown(yard, "get_run_inputs", f"runs/{run}/inputs?limit=1")
    rest = shown(yard, "get_run_inputs", f"runs/{run}/inputs?limit=1&cursor={inputs['next']}")
    names = [file["name"].rpartition("/")[2] for page in (inputs, rest) for file in page["files"]]
    assert (names, rest["next"]) == (["a.txt", "b.txt"], None)
    outputs = shown(yard, "get_run_outputs", f"runs/{run}/outputs")
    read_ = {name: (file["length"], file["sha256"]) for file in outputs["files"] for name in [file["name"]]}
    assert read_ == yard.outputs(model, DAY)

    failed = yard.period(model, BROKEN)["last"]["run"]
    log = shown(yard, "get_run_log", f"runs/{failed}/log")
    assert (log["state"], log["first_line"]) == ("Failed", 1)
    assert log["lines"]
    assert (log["begins"], log["unfinished"], log["next"]) == (0, None, None)
    assert log["bytes"] > 0
    assert shown(yard, "get_run_outputs", f"runs/{failed}/outputs")["files"] == []


def test_a_history_tells_everything_that_was_tried(yard: Yard, model: str) -> None:
    """From the engine while it remembers, and what is kept beside the run says the same afterwards."""
    run = yard.period(model, BROKEN)["last"]["run"]
    history = shown(yard, "get_run_history", f"runs/{run}/history")["timeline"]
    told = {entry["what"]: entry for entry in history}
    assert {"claim_run", "plan_staging", "copy_batch", "submit_job", "read_job", "judge_failure"} <= set(told)
    assert told["read_job"]["outcome"] == "failure"
    assert "job-failed" in told["read_job"]["error"]
    assert [entry["began_at"] for entry in history] == sorted(entry["began_at"] for entry in history)
    kept = f"runs/{model}/{BROKEN}/{run}/history-1.json"
    eventually(lambda: any(one.name == kept for one in yard.lake("app", "control").get_paths(kept.rpartition("/")[0])))


def test_incidents(yard: Yard, model: str) -> None:
    """The open ones unless asked otherwise."""
    open_ = shown(yard, "get_incidents", "incidents?limit=500")["incidents"]
    assert [(one["period"], one["code"]) for one in open_ if one["model"] == model] == [(BROKEN, "job-failed")]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("board?periods=0", 400),
        ("models?limit=0", 400),
        ("models?limit=501", 400),
        ("models?cursor=%C3%A9", 400),
        ("models/no-such-model", 404),
        ("models/no-such-model/periods", 404),
        ("runs?since=yesterday", 400),
        ("runs?colour=red", 400),
        ("runs?cursor=bm90IGEgdGltZQ==", 400),
        ("runs/no-run/log", 404),
        ("runs/shop--2024-01-05--0a1b2c3d-1/log", 404),
        ("runs/no-run/log?colour=red", 400),
        ("runs/shop--2024-01-05--0a1b2c3d-1/inputs", 404),
        ("runs/shop--2024-01-05--0a1b2c3d-1/outputs", 404),
        ("incidents?status=odd", 400),
        ("incidents?cursor=LTE=", 400),
    ],
)
def test_what_cannot_be_answered_is_a_problem(yard: Yard, path: str, status: int) -> None:
    """Precise, and of no effect."""
    answered, problem = yard.call("GET", path)
    assert (answered, problem["status"]) == (status, status)
    assert problem["detail"]


def test_the_description_of_the_api_is_there(yard: Yard) -> None:
    """As clients fetch it."""
    assert yard.get("openapi.json")["openapi"] == "3.1.0"


def test_a_name_with_a_line_break_in_it_is_no_model(yard: Yard) -> None:
    """The app answers, and not the host: every text in an address reaches it."""
    status, problem = yard.call("GET", "models/shop%0Arevenue")
    assert (status, problem["title"]) == (404, "Unknown model")


def test_a_listing_is_read_as_the_sdk_reads_it(yard: Yard) -> None:
    """Names, times, hashes, metadata and folders, of files written over both endpoints."""
    landing = yard.lake("upstream", "landing")
    for name in ("a b&.csv", "ä+%25.csv", "deep/er/f"):
        landing.get_file_client(f"listed/{name}").upload_data(name.encode(), overwrite=True)
    landing.get_file_client("listed/empty").create_file(metadata={"why": "nothing", "open": "no"})
    url = yard.cloud.endpoints.storage_tls
    blobs = BlobServiceClient(url, credential=yard.cloud.credential("upstream")).get_container_client("landing")
    blobs.upload_blob("listed/put", b"1", metadata={"a": "b"}).start_copy_from_url(
        blobs.get_blob_client("listed/empty").url
    )
    pages = BlobPages(url, yard.cloud.credential("upstream"), ExponentialRetry(), RequestsTransport())

    mine = [entry for _, page in pages.of("landing", "listed/") for entry in page]

    assert [entry.name for entry in mine if entry.is_directory] == ["listed/deep", "listed/deep/er"]
    assert mine == [
        Entry(
            name=blob.name,
            length=blob.size,
            etag=blob.etag.strip('"'),
            hash=bytes(blob.content_settings.content_md5 or b"").hex() or None,
            modified=blob.last_modified,
            copy_status=blob.copy.status,
            is_directory=(blob.metadata or {}).get("hdi_isfolder") == "true",
            metadata=blob.metadata or {},
        )
        for blob in blobs.list_blobs("listed/", include=["metadata", "copy"])
    ]
    assert len(mine) == 7
