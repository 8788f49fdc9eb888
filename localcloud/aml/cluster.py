"""The compute: takes each job from its submission to its end, a bounded number of them at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

from localcloud.aml import processes, rules, staging
from localcloud.aml.baggage import Baggage
from localcloud.aml.catalog import Catalog
from localcloud.aml.journal import Journal
from localcloud.aml.names import Workspace
from localcloud.aml.node import Ending, Process
from localcloud.aml.rules import Job, Status
from localcloud.aml.staging import Carrier, DataError
from localcloud.aml.store import JobStore
from localcloud.aml.uris import UriError
from localcloud.aml.workplace import LONGEST_MESSAGE, Limits, Workplace
from localcloud.clock import Clock
from localcloud.database import AGAIN, until_stored
from localcloud.faults.disk import Disk
from localcloud.faults.points import Point
from localcloud.faults.switchboard import Faults

log = logging.getLogger(__name__)


class JobError(Exception):
    """The job's command failed; the text is what the service tells of it."""


class NodeLostError(Exception):
    """The node of a job is no more, before its command runs or after it."""


class Cluster:
    """Runs jobs below ``folder``; ``artifacts`` is the filesystem that keeps what they leave beside their outputs.

    ``endpoint`` is the service's own address.
    """

    def __init__(
        self,
        *,
        folder: Path,
        workspace: Workspace,
        journal: Journal,
        store: JobStore,
        catalog: Catalog,
        artifacts: str,
        carrier: Carrier,
        clock: Clock,
        limits: Limits,
        endpoint: str,
        faults: Faults,
        disk: Disk,
    ) -> None:
        self._folder = folder
        self._workspace = workspace
        self._journal = journal
        self._store = store
        self._carrier = carrier
        self._baggage = Baggage(catalog, carrier, store, artifacts, limits.outputs)
        self._clock = clock
        self._limits = limits
        self._endpoint = endpoint
        self._nodes = asyncio.Semaphore(limits.nodes)
        self._faults = faults
        self._disk = disk
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._processes: dict[str, Process] = {}
        self._runs = False

    def resume(self) -> None:
        """Go on with every job that has not ended; those that were interrupted are run again from the beginning."""
        self._runs = True
        for job in self._store.unfinished():
            self.submit(job.name)

    async def stop(self) -> None:
        """End the commands that run. Their jobs are run again at the next start, as after a crash."""
        self._runs = False
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def submit(self, name: str) -> None:
        """Begin to carry a stored job through its life; while the cloud is stopping it is left to the next start."""
        if not self._runs:
            return
        task = asyncio.create_task(self._carry(name), name=f"aml job {name}")
        self._tasks[name] = task
        task.add_done_callback(partial(self._left, name))

    def cancel(self, name: str, warning: str | None = None) -> None:
        """Ask for a job's end; it is Canceled once its processes are gone. A job that has ended stays as it is."""
        if not rules.may_enter(self._journal.get(name).status, Status.CANCEL_REQUESTED):
            return
        self._journal.move(name, Status.CANCEL_REQUESTED, warning=warning)
        if task := self._tasks.get(name):
            task.cancel()

    def log_of(self, name: str) -> Path | None:
        """Return the path of a job's log, None while there is none."""
        return Workplace.of(self._folder, name).log_if_own()

    async def delete_files_of(self, name: str) -> None:
        """Delete what is left of an ended job on this machine."""
        if task := self._tasks.get(name):
            await asyncio.wait([task])  # it is tidying up
        await asyncio.to_thread(staging.remove_folder, Workplace.of(self._folder, name).folder)

    def _left(self, name: str, task: asyncio.Task[None]) -> None:
        """Complete a cancellation; this runs even when the job was canceled before its first step."""
        del self._tasks[name]
        job = self._store.get(name)
        if job is not None and job.status is Status.CANCEL_REQUESTED:
            self._complete_cancellation(name)
        if not task.cancelled() and (bug := task.exception()):
            log.error("job %s was left behind", name, exc_info=bug)

    def _complete_cancellation(self, name: str) -> None:
        try:
            self._journal.move(name, Status.CANCELED, processes=[])
        except sqlite3.OperationalError as problem:
            log.error("job %s is canceled; it cannot be stored now: %s", name, problem)
            asyncio.get_running_loop().call_later(AGAIN, self._complete_cancellation, name)

    def pids(self, point: Point) -> list[int]:
        """Return the processes of the job that ``point`` is about; of all jobs' commands if it is about none."""
        if point.service == "aml":
            running = [self._processes[point.name]] if point.name in self._processes else []
        else:
            running = list(self._processes.values())
        return [pid for process in running for pid in process.command]

    async def _carry(self, name: str) -> None:
        try:
            while not await self._is_carried(name):  # noqa: ASYNC110 (nobody says when the database is writable)
                await asyncio.sleep(AGAIN)
        except (JobError, DataError, UriError) as problem:
            await self._fail(name, "UserError", str(problem))
        except NodeLostError as problem:
            await self._fail(name, "ServiceError", str(problem))
        except Exception as bug:
            log.exception("job %s could not be carried out", name)
            await self._fail(name, "ServiceError", f"{type(bug).__name__}: {bug}")

    async def _is_carried(self, name: str) -> bool:
        """Carry a job to its end; False where a full or locked database interrupted it."""
        try:
            await staging.whole(self._recover(self._journal.get(name)))
            await self._live(name)
        except sqlite3.OperationalError as problem:
            log.error("job %s is interrupted: %s", name, problem)
            return False
        return True

    async def _fail(self, name: str, code: str, message: str) -> None:
        if rules.may_enter(self._journal.get(name).status, Status.FAILED):
            error = {"code": code, "message": message[:LONGEST_MESSAGE]}
            await until_stored(
                f"job {name}", lambda: self._journal.move(name, Status.FAILED, error=error, processes=[])
            )

    async def _enter(self, name: str, status: Status, **facts: Any) -> Job:
        """Bring a job into its next status; the fault points around that, e.g. ``JobRunning``."""
        await self._meet("before", f"Job{status}", name)
        job = await until_stored(f"job {name}", lambda: self._journal.move(name, status, **facts))
        await self._meet("after", f"Job{status}", name)
        return job

    async def _meet(self, phase: str, step: str, name: str) -> None:
        """Meet a fault point of a job's life; one that ends the job while it has no process has taken its node."""
        meet = self._faults.before if phase == "before" else self._faults.after
        fault = await meet(Point("aml", step, name))
        if fault and "job" in fault.values() and name not in self._processes:
            raise NodeLostError("The node of the job was lost.")

    async def _recover(self, job: Job) -> None:
        """Wipe out what an interrupted execution of this job left: processes, local files, files in the lake."""
        place = Workplace.of(self._folder, job.name)
        if job.processes:
            ended = await asyncio.to_thread(processes.end_leftovers, job.processes, str(place.home))
            log.warning(
                "job %s was interrupted; %d processes of it were still running and have been ended", job.name, ended
            )
        place.cut_links()
        if job.status is Status.CANCEL_REQUESTED:
            await asyncio.to_thread(staging.remove_folder, place.work)
            self._journal.move(job.name, Status.CANCELED, processes=[])
        elif job.status in (Status.RUNNING, Status.FINALIZING):
            for upload in self._store.uploads(job.name):
                self._carrier.remove(upload)
            self._store.forget_uploads(job.name)
            await asyncio.to_thread(staging.remove_folder, place.folder)
            if rules.may_enter(self._journal.get(job.name).status, Status.QUEUED):  # unless canceled meanwhile
                self._journal.move(job.name, Status.QUEUED, processes=[])

    async def _live(self, name: str) -> None:
        """Take a job from where it stands to its end."""
        if self._journal.get(name).has_ended:
            return
        for status in (Status.STARTING, Status.PREPARING, Status.QUEUED):
            if rules.may_enter(self._journal.get(name).status, status):
                await self._enter(name, status)
                await asyncio.sleep(0)
        async with self._nodes:
            place, job = Workplace.of(self._folder, name), await self._enter(name, Status.RUNNING)
            try:
                await self._on_node(job, place)
            finally:
                await staging.whole(self._leave(job, place))
            await self._enter(name, Status.COMPLETED)

    async def _leave(self, job: Job, place: Workplace) -> None:
        """Keep what an execution that has ended leaves behind, unless the job will run again, and tidy up."""
        if self._runs:
            await self._baggage.keep(job, place)
        await asyncio.to_thread(staging.remove_folder, place.work)

    async def _on_node(self, job: Job, place: Workplace) -> None:
        """Run a job's command and bring its outputs to the lake."""
        limit = asyncio.create_task(self._cancel_when_too_long(job))
        try:
            ending = await self._run(job, place)
        finally:
            limit.cancel()
        used = {"cpu_seconds": ending.cpu_seconds, "peak_memory": ending.peak_memory, "processes": []}
        await self._enter(job.name, Status.FINALIZING, **used)
        if ending.problem:
            raise JobError(f"Execution failed. The job was ended because {ending.problem}.")
        if ending.code != 0:
            with contextlib.suppress(DataError):  # the command's own failure is the one to tell
                await self._baggage.unload(job, place, modes={"ReadWriteMount"})
            raise JobError(place.complaint(job, ending.code))
        await self._baggage.unload(job, place, modes={"ReadWriteMount", "Upload"})

    async def _run(self, job: Job, place: Workplace) -> Ending:
        """Run the command to its end, and on until the cloud's clock says that the job's declared duration is over."""
        assert job.started is not None
        inputs = await self._baggage.load(job, place)
        await self._meet("before", "JobCommand", job.name)
        process = await Process.make(str(place.home))
        runs: list[asyncio.Task[None]] = []

        def started() -> None:
            self._journal.note(job.name, processes=process.identities)
            self._processes[job.name] = process
            runs.append(asyncio.create_task(self._meet("after", "JobCommand", job.name)))

        try:
            self._journal.note(job.name, processes=process.identities)
            ending = await process.run(
                place.specification(job, self._workspace, self._endpoint, inputs, self._limits, self._disk.left),
                started,
                partial(self._sampled, job.name),
            )
        finally:
            self._processes.pop(job.name, None)
            for task in runs:
                task.cancel()
            await staging.whole(process.end())
            links = place.cut_links()
        if links:
            raise JobError(f"Execution failed. The command put a link in place of its own {links[0]}.")
        await self._clock.sleep_until(rules.earliest_end(job, job.started))
        if rules.is_too_long(job, job.started, self._clock.now()):
            await asyncio.Future()  # the clock passed both moments at once: the limit's timer cancels this task
        return ending

    def _sampled(self, name: str, cpu: float, memory: float) -> None:
        with contextlib.suppress(sqlite3.OperationalError):  # a measurement is not worth a job
            self._store.add_sample(name, self._clock.now(), cpu, memory)

    async def _cancel_when_too_long(self, job: Job) -> None:
        assert job.started is not None
        limit = rules.times_out_at(job, job.started)
        if limit is not None:
            await self._clock.sleep_until(limit)
            warning = f"The job was canceled because it exceeded its timeout of {rules.time_limit(job)}."
            await until_stored(f"job {job.name}", lambda: self.cancel(job.name, warning))
