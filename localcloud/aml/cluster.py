"""The compute: takes each job from its submission to its end, a bounded number of them at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from localcloud.aml import artifacts, processes, rules, staging
from localcloud.aml.catalog import Catalog
from localcloud.aml.journal import Journal
from localcloud.aml.names import Workspace
from localcloud.aml.node import Ending, Process
from localcloud.aml.rules import Job, Status
from localcloud.aml.runner import Specification
from localcloud.aml.staging import Carrier, DataError
from localcloud.aml.store import JobStore
from localcloud.aml.uris import UriError
from localcloud.aml.workplace import LONGEST_MESSAGE, Workplace
from localcloud.clock import Clock

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """How many jobs run at once, and what each may take (bytes; ``memory`` 0 is no limit)."""

    nodes: int
    memory: int
    outputs: int
    log: int


class JobError(Exception):
    """The job's command failed; the text is what the service tells of it."""


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
    ) -> None:
        self._folder = folder
        self._workspace = workspace
        self._journal = journal
        self._store = store
        self._catalog = catalog
        self._artifacts = artifacts
        self._carrier = carrier
        self._clock = clock
        self._limits = limits
        self._endpoint = endpoint
        self._nodes = asyncio.Semaphore(limits.nodes)
        self._tasks: dict[str, asyncio.Task[None]] = {}
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
            self._journal.move(name, Status.CANCELED, processes=[])
        if not task.cancelled() and (bug := task.exception()):
            log.error("job %s was left behind", name, exc_info=bug)

    async def _carry(self, name: str) -> None:
        try:
            await self._recover(self._journal.get(name))
            await self._live(name)
        except (JobError, DataError, UriError) as problem:
            self._fail(name, "UserError", str(problem))
        except Exception as bug:
            log.exception("job %s could not be carried out", name)
            self._fail(name, "ServiceError", f"{type(bug).__name__}: {bug}")

    def _fail(self, name: str, code: str, message: str) -> None:
        if rules.may_enter(self._journal.get(name).status, Status.FAILED):
            error = {"code": code, "message": message[:LONGEST_MESSAGE]}
            self._journal.move(name, Status.FAILED, error=error, processes=[])

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
            self._journal.move(job.name, Status.QUEUED, processes=[])

    async def _live(self, name: str) -> None:
        """Take a job from where it stands to its end."""
        if self._journal.get(name).has_ended:
            return
        for status in (Status.STARTING, Status.PREPARING, Status.QUEUED):
            if rules.may_enter(self._journal.get(name).status, status):
                self._journal.move(name, status)
                await asyncio.sleep(0)
        async with self._nodes:
            place, job = Workplace.of(self._folder, name), self._journal.move(name, Status.RUNNING)
            try:
                await self._on_node(job, place)
            finally:
                await staging.whole(self._leave(job, place))
            self._journal.complete(name)

    async def _leave(self, job: Job, place: Workplace) -> None:
        """Keep what an execution that has ended leaves behind, unless the job will run again, and tidy up."""
        if self._runs:
            target, note = artifacts.place_of(job.name, self._artifacts), partial(self._store.note_upload, job.name)
            try:
                await artifacts.keep(self._carrier, place, target, self._limits.outputs, note)
            except (DataError, OSError) as problem:
                log.warning("artifacts of job %s are missing: %s", job.name, problem)
        await asyncio.to_thread(staging.remove_folder, place.work)

    async def _on_node(self, job: Job, place: Workplace) -> None:
        """Run a job's command and bring its outputs to the lake."""
        limit = asyncio.create_task(self._cancel_when_too_long(job))
        try:
            ending = await self._run(job, place)
        finally:
            limit.cancel()
        used = {"cpu_seconds": ending.cpu_seconds, "peak_memory": ending.peak_memory, "processes": []}
        self._journal.move(job.name, Status.FINALIZING, **used)
        if ending.problem:
            raise JobError(f"Execution failed. The job was ended because {ending.problem}.")
        if ending.code != 0:
            with contextlib.suppress(DataError):  # the command's own failure is the one to tell
                await self._upload(job, place, modes={"ReadWriteMount"})
            raise JobError(place.complaint(job, ending.code))
        await self._upload(job, place, modes={"ReadWriteMount", "Upload"})

    async def _run(self, job: Job, place: Workplace) -> Ending:
        """Run the command to its end, and on until the cloud's clock says that the job's declared duration is over."""
        assert job.started is not None
        inputs = await self._download(job, place)
        process = await Process.make(str(place.home))
        try:
            self._journal.note(job.name, processes=process.identities)
            ending = await process.run(
                self._specification(job, place, inputs),
                started=lambda: self._journal.note(job.name, processes=process.identities),
                sampled=lambda cpu, memory: self._store.add_sample(job.name, self._clock.now(), cpu, memory),
            )
        finally:
            await staging.whole(process.end())
            links = place.cut_links()
        if links:
            raise JobError(f"Execution failed. The command put a link in place of its own {links[0]}.")
        await self._clock.sleep_until(rules.earliest_end(job, job.started))
        if rules.is_too_long(job, job.started, self._clock.now()):
            await asyncio.Future()  # the clock passed both moments at once: the limit's timer cancels this task
        return ending

    def _specification(self, job: Job, place: Workplace, inputs: dict[str, str]) -> Specification:
        return Specification(
            command=place.command(job, inputs),
            folder=str(place.code),
            environment=place.environment(job, self._workspace, self._endpoint, inputs),
            log=str(place.log),
            log_bytes=self._limits.log,
            outputs=str(place.outputs),
            output_bytes=self._limits.outputs,
            memory_bytes=self._limits.memory,
        )

    async def _download(self, job: Job, place: Workplace) -> dict[str, str]:
        """Bring code and inputs to the job's folder; return what stands for each input in the command."""
        place.make(job)
        if code := job.sent.get("codeId"):
            await self._carrier.download_folder("code", code, self._catalog.code(code), place.code)
        else:
            place.code.mkdir()
        texts = {}
        for name, one in job.sent["inputs"].items():
            if one["jobInputType"] == "literal":
                texts[name] = one["value"]
            elif one["mode"] == "Direct":
                texts[name] = one["uri"]
            else:
                texts[name] = await self._download_input(name, one, place)
        return texts

    async def _download_input(self, name: str, one: dict[str, str], place: Workplace) -> str:
        source, target = self._catalog.input(one["uri"]), place.input(name)
        if one["jobInputType"] == "uri_folder":
            await self._carrier.download_folder(name, one["uri"], source, target)
            staging.make_read_only(target)
            return str(target)
        target.mkdir()
        file = target / Path(source.path).name
        await self._carrier.download_file(name, one["uri"], source, file)
        return str(file)

    async def _upload(self, job: Job, place: Workplace, modes: set[str]) -> None:
        """Write the outputs of these modes; a failed command's "mounted" ones too, which Azure writes as they come."""
        for name, one in job.sent["outputs"].items():
            if one["mode"] in modes:
                target = self._catalog.output(one["uri"])
                note = partial(self._store.note_upload, job.name)
                await self._carrier.upload_folder(name, place.output(name), target, note)

    async def _cancel_when_too_long(self, job: Job) -> None:
        assert job.started is not None
        limit = rules.times_out_at(job, job.started)
        if limit is not None:
            await self._clock.sleep_until(limit)
            self.cancel(
                job.name, warning=f"The job was canceled because it exceeded its timeout of {rules.time_limit(job)}."
            )
