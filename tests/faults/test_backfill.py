"""A backfill under kills (BF-2); `python -m bench.backfill_drill` drives one of two years through many more."""

from __future__ import annotations

from tests.faults.scene import Scene
from tests.flows.backfills import REASON, a_quiet_model, day, ended, periods, planned, said
from tests.running import eventually

#: A job that is met while it runs: what it reads is a number, and those below 4 wait until the gate is there.
WAITS = """
import pathlib, sys, time
number = int(next(pathlib.Path(sys.argv[1]).rglob("a.txt")).read_text())
while number < 4 and not pathlib.Path(GATE).exists():
    time.sleep(0.1)
(pathlib.Path(sys.argv[2]) / "all.txt").write_text("done")
"""


def test_killed_and_paused_it_goes_on_where_it_was_and_runs_each_period_once(scene: Scene) -> None:
    """BF-2: killed after a run is asked for, killed while paused, and goes on when it is resumed."""
    gate = scene.models / "backfill-gate"
    job, texts = WAITS.replace("GATE", repr(str(gate))), {number: str(number) for number in range(1, 6)}
    model = a_quiet_model(scene, "killed", texts, job=job, timeout=7200)
    backfill = planned(scene, model, 5, parallel=2, order="newest")["backfill"]
    name = f"control/periods/{model}/{day(4)}.json"
    scene.fault({"crash": True}, operation="PutBlob", name=name, phase="after", times=1)

    said(scene, backfill, "start")
    scene.cloud.wait()
    scene.cloud.start()
    eventually(lambda: scene.get(f"backfills/{backfill}")["counts"].get("published"))
    assert said(scene, backfill, "pause")[0] == 202
    scene.cloud.kill()
    gate.touch()
    scene.cloud.start()
    eventually(lambda: not {"active", "starting"} & set(scene.get(f"backfills/{backfill}")["counts"]))
    before = scene.get(f"backfills/{backfill}")
    scene.reconciled()

    told = scene.get(f"backfills/{backfill}")
    assert (told["state"], told["paused"]["reason"]) == ("paused", REASON["reason"])
    assert told["counts"] == before["counts"]
    assert set(told["counts"]) == {"published", "pending"}
    assert periods(scene, backfill)[day(5)]["state"] == "published"
    assert periods(scene, backfill)[day(1)]["state"] == "pending"
    assert said(scene, backfill, "resume")[0] == 202
    assert ended(scene, backfill)["counts"] == {"published": 5}
    runs = {row["run"] for row in periods(scene, backfill).values()}
    assert scene.jobs(f"{model}--") == sorted(f"{run}-a1" for run in runs)
