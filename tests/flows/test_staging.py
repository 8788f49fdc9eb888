"""Staging: what a run reads is exactly its snapshot, however many files, whatever befalls sources and copies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from slipway.snapshot import BLOCK_SIZE
from tests.flows.sink import Sink
from tests.flows.yard import Yard, put, read
from tests.running import eventually

#: Three batches and a bit.
MANY = 650
#: How often the app's client asks for one copy before its batch has failed.
TRIES = 3
#: Each file's name, length and hash instead of its content: for inputs too large to be put together.
HASHES = """
import hashlib, pathlib, sys

inputs, outputs = map(pathlib.Path, sys.argv[1:3])
files = [path for path in sorted(inputs.rglob("*")) if path.is_file()]
told = [f"{p.relative_to(inputs)} {p.stat().st_size} {hashlib.sha256(p.read_bytes()).hexdigest()}" for p in files]
(outputs / "all.txt").write_text("\\n".join(told))
"""
DAY = "2024-01-01"


@pytest.fixture
def wide_yard(own_yard: Callable[..., Yard]) -> Yard:
    """A yard where files above 1 MiB are copied in blocks, and which looks around less often than the shared one."""
    return own_yard(SLIPWAY_COPY_BLOCK_THRESHOLD_MIB="1", SLIPWAY_RECONCILE_SCHEDULE="*/15 * * * * *")


def test_many_small_files_and_a_large_one_are_staged_byte_for_byte(wide_yard: Yard) -> None:
    """Hundreds of files are copied in batches, a large one in blocks; a block that is refused is tried again."""
    yard = wide_yard
    model = yard.a_model("stage-many", job=HASHES, timeout=120)
    large = bytes(range(256)) * (BLOCK_SIZE // 256) + b"and a second block"
    small = {f"part-{n:04}.txt": b"x" * (n % 7) for n in range(MANY)}
    url, credential = yard.cloud.endpoints.storage_tls, yard.cloud.credential("upstream")
    landing = ContainerClient(url, "landing", credential=credential)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: landing.upload_blob(f"{model}/{DAY}/{name}", small[name]), small))
    put(yard.lake("upstream", "landing"), f"{model}/{DAY}/large.bin", large)
    yard.fault({"status": 500}, service="storage", operation="PutBlobFromURL", name="*large.bin")
    yard.fault({"status": 503, "code": "ServerBusy"}, service="storage", operation="PutBlockFromURL", nth=2)
    yard.land(f"{model}/{DAY}", {})

    models = yard.lake("app", "models")
    eventually(models.get_file_client(f"{model}/published/{DAY}.json").exists)
    run = yard.run(json.loads(read(models, f"{model}/published/{DAY}.json"))["run"])

    files = {"large.bin": large, **small}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert text_of(yard, model).splitlines() == [f"{DAY}/{name} {len(files[name])} {hashes[name]}" for name in files]
    staged = json.loads(read(models, f"{run['links']['inputs']}/manifest.json"))
    assert (staged["files"], staged["bytes"]) == (len(files), sum(map(len, files.values())))
    copies = next(step for step in run["steps"] if step["step"] == "copy_batch")
    assert copies["batches"] >= MANY / 200


def a_copy(model: str, name: str) -> dict[str, str]:
    """Where a fault meets the copy of one file of a model."""
    return {"service": "storage", "operation": "PutBlobFromURL", "name": f"models/{model}/*/{name}"}


def test_an_input_overwritten_while_it_is_copied_is_read_anew(yard: Yard) -> None:
    """ST-1: the snapshot is abandoned; a new run publishes the new bytes; nobody is called for that."""
    model = yard.a_model("stage-overwritten")
    with yard.held_up(**a_copy(model, "b.txt")):
        yard.land(f"{model}/{DAY}", {"a.txt": "a", "b.txt": "old", "c.txt": "c"})
        first = being_staged(yard, model)

        yard.land(f"{model}/{DAY}", {"b.txt": "new"})

    second = yard.published(model, DAY)
    assert second["run"] != first
    assert yard.run(first)["state"] == "superseded"
    assert text_of(yard, model) == f"{DAY}/a.txt: a\n{DAY}/b.txt: new\n{DAY}/c.txt: c"
    assert yard.period(model, DAY)["incident"] is None
    assert yard.jobs(first) == []


def test_an_input_deleted_while_it_is_copied_is_left_out_or_waited_for(yard: Yard) -> None:
    """ST-2: superseded by what is there now; without the marker nothing is complete, and it waits, without incident."""
    model = yard.a_model("stage-deleted")
    landing = yard.lake("upstream", "landing")
    with yard.held_up(**a_copy(model, "b.txt")):
        yard.land(f"{model}/{DAY}", {"a.txt": "a", "b.txt": "b"})
        first = being_staged(yard, model)

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
    """ST-7: every third copy is refused for being too many, one file's so often that its batch is tried again."""
    model = yard.a_model("stage-throttled")
    busy = {"status": 503, "code": "ServerBusy", "headers": {"Retry-After": "1"}}
    refused = {"service": "storage", "operation": "PutBlobFromURL"}
    yard.fault(busy, **refused, name=f"models/{model}/*/05.txt", times=TRIES)
    yard.fault(busy, **refused, name=f"models/{model}/*", every=3)
    yard.land(f"{model}/{DAY}", {f"{n:02}.txt": str(n) for n in range(8)})

    yard.published(model, DAY)

    assert text_of(yard, model) == "\n".join(f"{DAY}/{n:02}.txt: {n}" for n in range(8))
    one, any_ = (rule["fired"] for rule in yard.cloud.control.get("/faults")["rules"])
    assert (one, any_ > 1) == (TRIES, True)


def test_copies_that_are_not_their_source_are_never_run_on(yard: Yard) -> None:
    """ST-4: a copy that said it worked and left other bytes is found out before the manifest is written."""
    model = yard.a_model("stage-damaged")
    with yard.held_up(**a_copy(model, "b.txt")):
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
