"""Staging: what a run reads is exactly its snapshot, however many files, whatever befalls sources and copies."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from tests.flows.sink import Sink
from tests.flows.yard import Yard, put, read
from tests.running import eventually

MANY = 3000
#: Each file's name and length instead of its content: for inputs too large to be put together.
LENGTHS = """
import pathlib, sys

inputs, outputs = map(pathlib.Path, sys.argv[1:3])
found = {str(p.relative_to(inputs)): p.stat().st_size for p in sorted(inputs.rglob("*")) if p.is_file()}
(outputs / "all.txt").write_text("\\n".join(f"{name}: {size}" for name, size in found.items()))
"""
MIB = 1 << 20
DAY = "2024-01-01"


def test_three_thousand_small_files_are_staged_and_run(yard: Yard) -> None:
    """Each arrives under its own name; they are copied in batches, of which history holds the numbers alone."""
    model = yard.a_model("stage-many", job=LENGTHS, timeout=120)
    landing = ContainerClient(yard.cloud.endpoints.storage_tls, "landing", credential=yard.cloud.credential("upstream"))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: landing.upload_blob(f"{model}/{DAY}/part-{n:04}.txt", b"x" * (n % 7)), range(MANY)))
    yard.land(f"{model}/{DAY}", {})

    run = yard.run(yard.published(model, DAY, within=120)["run"])

    told = text_of(yard, model).splitlines()
    assert told == [f"{DAY}/part-{n:04}.txt: {n % 7}" for n in range(MANY)]
    staged = json.loads(read(yard.lake("app", "models"), f"{run['links']['inputs']}/manifest.json"))
    assert (staged["files"], staged["bytes"]) == (MANY, sum(n % 7 for n in range(MANY)))
    copies = next(step for step in run["steps"] if step["step"] == "copy_batch")
    assert copies["batches"] >= MANY / 200


def test_large_files_are_copied_in_blocks(own_yard: Callable[..., Yard]) -> None:
    """Above the threshold a file is made of blocks, each one server-side; below it, of one copy."""
    yard = own_yard(SLIPWAY_COPY_BLOCK_THRESHOLD_MIB="1")
    model = yard.a_model("stage-blocks", job=LENGTHS)
    landing = yard.lake("upstream", "landing")
    large = bytes(range(256)) * (260 * MIB // 256) + b"the rest"
    put(landing, f"{model}/{DAY}/large.bin", large)
    put(landing, f"{model}/{DAY}/small.bin", b"small")
    yard.fault({"status": 500}, service="storage", operation="PutBlobFromURL", name="*large.bin")
    yard.fault({"status": 503, "code": "ServerBusy"}, service="storage", operation="PutBlockFromURL", nth=2)
    yard.land(f"{model}/{DAY}", {})

    run = yard.run(yard.published(model, DAY, within=90)["run"])

    assert text_of(yard, model) == f"{DAY}/large.bin: {len(large)}\n{DAY}/small.bin: 5"
    staged = read(yard.lake("app", "models"), f"{run['links']['inputs']}/rows/{DAY}/large.bin")
    assert staged == large


@pytest.fixture
def slow_copies(yard: Yard) -> Callable[[str, str], None]:
    """Hold back the copy of one file of a model, so that things can happen to it meanwhile; the others are made."""

    def slow(model: str, name: str) -> None:
        yard.fault(
            {"delay": 3}, service="storage", operation="PutBlobFromURL", name=f"models/{model}/*/{name}", times=1
        )

    return slow


def test_an_input_overwritten_while_it_is_copied_is_read_anew(
    yard: Yard, slow_copies: Callable[[str, str], None]
) -> None:
    """ST-1: the snapshot is abandoned; a new run publishes the new bytes; nobody is called for that."""
    model = yard.a_model("stage-overwritten")
    slow_copies(model, "b.txt")
    yard.land(f"{model}/{DAY}", {"a.txt": "a", "b.txt": "old", "c.txt": "c"})
    first = being_staged(yard, model)

    yard.land(f"{model}/{DAY}", {"b.txt": "new"}, marker=None)

    second = yard.published(model, DAY)
    assert second["run"] != first
    assert yard.run(first)["state"] == "superseded"
    assert text_of(yard, model) == f"{DAY}/a.txt: a\n{DAY}/b.txt: new\n{DAY}/c.txt: c"
    assert yard.period(model, DAY)["incident"] is None
    assert yard.jobs(first) == []


def test_an_input_deleted_while_it_is_copied_is_left_out_or_waited_for(
    yard: Yard, slow_copies: Callable[[str, str], None]
) -> None:
    """ST-2: superseded by what is there now; without the marker nothing is complete, and it waits, without incident."""
    model = yard.a_model("stage-deleted")
    slow_copies(model, "b.txt")
    yard.land(f"{model}/{DAY}", {"a.txt": "a", "b.txt": "b"})
    first = being_staged(yard, model)
    landing = yard.lake("upstream", "landing")

    landing.get_file_client(f"{model}/{DAY}/_SUCCESS").delete_file()
    landing.get_file_client(f"{model}/{DAY}/b.txt").delete_file()

    assert yard.ended(model, DAY, "superseded")["run"] == first
    card = yard.period(model, DAY)
    assert card["incident"] is None
    assert "no _SUCCESS" in card["readiness"]["blocks"]
    yard.land(f"{model}/{DAY}", {})
    yard.published(model, DAY)
    assert text_of(yard, model) == f"{DAY}/a.txt: a"


def test_rights_on_the_source_taken_away_are_an_incident_of_the_platform(yard: Yard, sink: Sink) -> None:
    """The incident says access and names the path; given the rights again, the run is resumed and resolves it."""
    model = yard.a_model("stage-access")
    yard.fault(
        {"status": 403, "code": "AuthorizationPermissionMismatch"},
        service="storage", operation="PutBlobFromURL", name=f"models/{model}/*",
    )  # fmt: skip
    yard.land(f"{model}/{DAY}", {"a.txt": "a"})

    failed = yard.ended(model, DAY, "failed")

    assert (failed["failure"]["kind"], failed["failure"]["code"]) == ("platform", "access")
    assert "a.txt" in failed["failure"]["message"]
    assert failed["failed_step"] == "copy_batch"
    assert yard.jobs(failed["run"]) == []
    eventually(lambda: sink.told(model) == [("Opened", "access")])
    yard.calm()
    assert resume(yard, failed["run"]) == 202
    assert yard.published(model, DAY)["run"] == failed["run"]
    assert yard.run(failed["run"])["attempt"] == 2
    eventually(lambda: sink.told(model) == [("Opened", "access"), ("Resolved", "access")])


def test_throttled_copies_succeed_in_the_end(yard: Yard) -> None:
    """ST-7: a third of the copies is refused for being too many."""
    model = yard.a_model("stage-throttled")
    yard.fault(
        {"status": 503, "code": "ServerBusy", "headers": {"Retry-After": "1"}},
        service="storage", operation="PutBlobFromURL", name=f"models/{model}/*", probability=0.3,
    )  # fmt: skip
    yard.land(f"{model}/{DAY}", {f"{n:02}.txt": str(n) for n in range(20)})

    yard.published(model, DAY, within=90)

    assert text_of(yard, model) == "\n".join(f"{DAY}/{n:02}.txt: {n}" for n in range(20))


def test_copies_that_are_not_their_source_are_never_run_on(yard: Yard) -> None:
    """ST-4: a copy that said it worked and left other bytes is found out before the manifest is written."""
    model = yard.a_model("stage-damaged")
    yard.fault({"delay": 4}, service="storage", operation="PutBlobFromURL", name=f"models/{model}/*/b.txt", times=1)
    yard.land(f"{model}/{DAY}", {"a.txt": "four", "b.txt": "b"})
    run = being_staged(yard, model)
    inputs = f"{model}/{DAY}/{run}/inputs/rows/{DAY}"
    eventually(lambda: yard.lake("app", "models").get_file_client(f"{inputs}/a.txt").exists())

    put(yard.lake("app", "models"), f"{inputs}/a.txt", b"fo")

    failed = yard.ended(model, DAY, "failed")
    assert (failed["failure"]["kind"], failed["failure"]["code"]) == ("platform", "staged-differs")
    assert "a.txt has 2 bytes of 4" in failed["failure"]["message"]
    assert yard.jobs(run) == []
    assert resume(yard, run) == 202
    yard.published(model, DAY)
    assert text_of(yard, model) == f"{DAY}/a.txt: four\n{DAY}/b.txt: b"


def being_staged(yard: Yard, model: str) -> str:
    """Wait until the period's run copies its inputs; returns its id."""

    def staging() -> str | None:
        active = yard.period(model, DAY)["active"]
        return active["run"] if active and active["stage"] == "staging" else None

    run: str = eventually(staging)
    return run


def resume(yard: Yard, run: str) -> int:
    """Resume a run; returns the status."""
    status: int = yard.call("POST", f"runs/{run}/resume", {"reason": "mended"})[0]
    return status


def text_of(yard: Yard, model: str) -> Any:
    """The text a model has published."""
    assert set(yard.outputs(model, DAY)) == {"all/all.txt"}
    pointer = json.loads(read(yard.lake("analyst", "models"), f"{model}/published/{DAY}.json"))
    return read(yard.lake("analyst", "models"), f"{pointer['folder']}/all/all.txt").decode()
