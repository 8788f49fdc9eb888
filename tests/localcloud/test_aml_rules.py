"""The rules of jobs, names and places: values to values, no server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from localcloud.aml import processes, rules, specification
from localcloud.aml.errors import ArmError
from localcloud.aml.names import Asset, Workspace, check_job_name
from localcloud.aml.node import Ending, Process, RunnerLostError
from localcloud.aml.rules import Job, Status
from localcloud.aml.runner import Specification
from localcloud.aml.uris import Datastores, Place, UriError

NOON = datetime(2013, 1, 1, 12, tzinfo=UTC)
WORKSPACE = Workspace("s", "rg", "w", "local")
DATASTORES = Datastores(WORKSPACE, "account", {"lake": "models"}, {"workspaceblobstore": "own-container"})


def job(timeout: str | None = None, declared: str | None = None) -> Job:
    """Make a job with a limit and a declared duration."""
    tags = {} if declared is None else {rules.DURATION_TAG: declared}
    sent = {"limits": {"timeout": timeout}} if timeout else {}
    return Job("j", sent, "j", None, tags, {}, archived=False, created=NOON, created_by="app")


class TestLife:
    """Where a status leads."""

    def test_the_usual_life(self) -> None:
        """Started when it runs, ended at its end."""
        one = job()
        for number, status in enumerate(["Starting", "Preparing", "Queued", "Running", "Finalizing", "Completed"]):
            one = rules.enter(one, Status(status), NOON + timedelta(minutes=number))

        assert one.started == NOON + timedelta(minutes=3)
        assert one.ended == NOON + timedelta(minutes=5)

    @pytest.mark.parametrize("end", sorted(rules.ENDED))
    def test_an_end_is_an_end(self, end: Status) -> None:
        """Nothing follows Completed, Failed or Canceled."""
        assert not any(rules.may_enter(end, status) for status in Status)

    def test_a_wish_to_cancel_leads_to_canceled_only(self) -> None:
        """A job that is being canceled neither fails nor completes."""
        assert [one for one in Status if rules.may_enter(Status.CANCEL_REQUESTED, one)] == [Status.CANCELED]

    def test_an_interrupted_job_starts_anew(self) -> None:
        """It is queued again and has not started."""
        one = rules.enter(replace(job(), status=Status.RUNNING, started=NOON), Status.QUEUED, NOON)

        assert one.started is None

    def test_a_leap_is_refused(self) -> None:
        """No state is left out."""
        with pytest.raises(rules.IllegalTransitionError, match="j is NotStarted and cannot become Running"):
            rules.enter(job(), Status.RUNNING, NOON)


class TestTime:
    """Durations and limits."""

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [("PT10M", 600), ("PT1M40S", 100), ("P1DT2H", 93_600), ("PT0.5S", 0.5), ("90", 90), ("1.5", 1.5)],
    )
    def test_a_duration_is_iso_8601_or_seconds(self, text: str, seconds: float) -> None:
        """As the SDK writes timeouts, and as people write seconds."""
        assert rules.parse_duration(text) == timedelta(seconds=seconds)

    @pytest.mark.parametrize("text", ["", "P", "PT", "10m", "-5", "PT-5M", "P1M", "soon"])
    def test_anything_else_is_refused(self, text: str) -> None:
        """Months have no length, negative times no meaning."""
        with pytest.raises(ValueError, match="is no duration"):
            rules.parse_duration(text)

    def test_a_job_without_a_limit_has_all_the_time(self) -> None:
        """It never times out, and need not last."""
        assert rules.times_out_at(job(), NOON) is None
        assert rules.earliest_end(job(), NOON) == NOON

    def test_a_limit_counts_from_running(self) -> None:
        """At the limit the job's time is over, not before."""
        limited = job(timeout="PT1H")

        assert rules.times_out_at(limited, NOON) == NOON + timedelta(hours=1)
        assert not rules.is_too_long(limited, NOON, NOON + timedelta(minutes=59))
        assert rules.is_too_long(limited, NOON, NOON + timedelta(hours=1))

    def test_a_declared_duration_decides_whether_the_limit_strikes(self) -> None:
        """However far the clock is moved at once."""
        assert rules.times_out_at(job(timeout="PT8H", declared="PT6H"), NOON) is None
        assert rules.times_out_at(job(timeout="PT5H", declared="PT6H"), NOON) == NOON + timedelta(hours=5)


class TestPlaces:
    """Names and addresses from outside."""

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "-a", "_a", "a.b", "a b", "ä", "a\n", "x" * 256])
    def test_a_job_name_is_checked(self, name: str) -> None:
        """Letters, digits, underscores and hyphens; it becomes a folder's name."""
        with pytest.raises(ArmError, match="is not valid"):
            check_job_name(name)

    def test_ids_are_read_whatever_their_case(self) -> None:
        """Azure ignores the case of ids, and the SDK relies on it."""
        text = WORKSPACE.id.replace("resourceGroups", "resourcegroups").upper() + "/Environments/e/versions/1"

        assert WORKSPACE.parse(text) == Asset("environments", "e", "1")
        assert WORKSPACE.parse(WORKSPACE.id.replace("/w", "/other") + "/environments/e/versions/1") is None

    @pytest.mark.parametrize(
        ("uri", "place"),
        [
            ("azureml://datastores/lake/paths/runs/1/out/", Place("models", "runs/1/out")),
            (
                "azureml://subscriptions/s/resourcegroups/rg/workspaces/w/datastores/lake/paths/a",
                Place("models", "a"),
            ),
            ("abfss://models@account.dfs.core.windows.net/a/b", Place("models", "a/b")),
            ("azureml://datastores/workspaceblobstore/paths/x", Place("own-container", "x", credentialed=True)),
        ],
    )
    def test_forms_of_data_addresses(self, uri: str, place: Place) -> None:
        """Short and long form of a datastore, and abfss; the workspace's own datastore has its own credential."""
        assert DATASTORES.place(uri) == place

    @pytest.mark.parametrize(
        "uri",
        [
            "azureml://datastores/none/paths/x",
            "azureml://datastores/lake/paths/../x",
            "azureml://subscriptions/s/resourcegroups/rg/workspaces/other/datastores/lake/paths/a",
            "abfss://models@another.dfs.core.windows.net/a",
            "https://example.org/x",
            "file:///etc/passwd",
            "/etc/passwd",
        ],
    )
    def test_other_addresses_are_refused(self, uri: str) -> None:
        """The refusal names the address."""
        with pytest.raises(UriError, match=uri.rsplit("/", maxsplit=1)[-1]):
            DATASTORES.place(uri)

    def test_substitution(self) -> None:
        """References are replaced as text, however they are spaced."""
        command = "run ${{inputs.x}} ${{ inputs.n }} > ${{outputs.y}}/f; echo $HOME"

        assert specification.substitute(command, {"x": "/in", "n": "3"}, {"y": "/out"}) == (
            "run /in 3 > /out/f; echo $HOME"
        )


class TestNode:
    """The runner of a command."""

    def test_memory_is_limited(self, tmp_path: Path) -> None:
        """A process that asks for more than its job may have is refused it."""
        ending = asyncio.run(self._run(tmp_path, "python -c 'bytearray(400 * 2**20)'", memory=256 * 2**20))

        assert ending.code == 1
        assert "MemoryError" in (tmp_path / "log").read_text()

    def test_use_is_added_up_over_all_processes(self, tmp_path: Path) -> None:
        """Short ones that have ended count as well as those that run."""
        busy = "import time; e = time.process_time() + 0.3\nwhile time.process_time() < e: pass"
        ending = asyncio.run(self._run(tmp_path, f"python -c '{busy}'; python -c '{busy}'"))

        assert ending.code == 0
        assert 0.6 < ending.cpu_seconds < 2

    def test_a_command_ends_with_its_runner(self, tmp_path: Path) -> None:
        """If the runner is killed, the service notices and ends the command itself."""

        async def lose() -> int:
            process = await Process.make(str(tmp_path))

            def kill() -> None:
                os.kill(int(process.identities[0][0]), 9)

            with pytest.raises(RunnerLostError):
                await process.run(self._specification(tmp_path, "sleep 970"), kill, lambda *_: None)
            command = process.identities[1]
            assert processes.find(command)
            await process.end()
            return processes.find(command) is None

        assert asyncio.run(lose())

    def test_a_number_alone_does_not_identify_a_process(self) -> None:
        """Numbers are used again; a process with another start time is another one."""
        with subprocess.Popen(["sleep", "971"]) as other:
            who = processes.identity(other.pid)
            assert who is not None
            assert processes.find([who[0], who[1] - 60]) is None
            processes.end_leftovers([[who[0], who[1] - 60]], "/nowhere")
            assert other.poll() is None
            processes.end_leftovers([who], "/nowhere")
            assert processes.find(who) is None

    async def _run(self, folder: Path, command: str, memory: int = 0) -> Ending:
        process = await Process.make(str(folder))
        try:
            specified = self._specification(folder, command, memory)
            return await process.run(specified, lambda: None, lambda *_: None)
        finally:
            await process.end()

    def _specification(self, folder: Path, command: str, memory: int = 0) -> Specification:
        return Specification(
            command=command,
            folder=str(folder),
            environment={"HOME": str(folder), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
            log=str(folder / "log"),
            log_bytes=10_000,
            outputs=str(folder / "outputs"),
            output_bytes=10_000,
            memory_bytes=memory,
        )
