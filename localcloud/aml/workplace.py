"""The folder a job works in, and what its command sees of the world."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from localcloud.aml import specification
from localcloud.aml.names import Workspace, check_job_name
from localcloud.aml.rules import Job
from localcloud.aml.runner import Specification

LOG = "user_logs/std_log.txt"
_CACHE = ".cache"
_PLAIN = re.compile(r"[A-Za-z0-9_./@+,-]+")
#: Characters that the service keeps of an error's message.
LONGEST_MESSAGE = 3000
_LOG_TAIL = 16_384


def jobs_folder(state: Path) -> Path:
    """Return the folder of all jobs, by a path that a shell takes for one word.

    Commands hold paths as plain text, and on Azure those have no spaces. Where the state folder's path has some, the
    jobs are reached through a link in the folder for temporary files; raises ``PermissionError`` if that is another's.
    """
    jobs = (state / "jobs").absolute()
    jobs.mkdir(parents=True, exist_ok=True)
    if _PLAIN.fullmatch(str(jobs)):
        return jobs
    link = Path(tempfile.gettempdir()) / f"localcloud-{hashlib.sha256(str(jobs).encode()).hexdigest()[:16]}"
    if not link.is_symlink():
        link.symlink_to(jobs)
    if link.lstat().st_uid != os.getuid() or link.readlink() != jobs:
        raise PermissionError(
            f"{link} should be a link of yours to {jobs}; remove it, or choose a --state without spaces"
        )
    return link


@dataclass(frozen=True)
class Limits:
    """How many jobs run at once, and what each may take (bytes; ``memory`` 0 is no limit)."""

    nodes: int
    memory: int
    outputs: int
    log: int


@dataclass(frozen=True)
class Workplace:
    """One job's folder. ``work`` is there while the job runs, ``log`` until it is deleted."""

    folder: Path

    @classmethod
    def of(cls, jobs: Path, name: str) -> Workplace:
        """Return the place of the job ``name`` below ``jobs``; raises 400 for a name that could lead elsewhere."""
        return cls(jobs / check_job_name(name))

    @property
    def work(self) -> Path:
        """What is deleted when the job has ended."""
        return self.folder / "work"

    @property
    def code(self) -> Path:
        """The code, and the folder the command starts in."""
        return self.work / "code"

    @property
    def outputs(self) -> Path:
        """Holds one folder an output."""
        return self.work / "outputs"

    @property
    def home(self) -> Path:
        """The command's ``HOME``, which tells its processes from all others."""
        return self.work / "home"

    @property
    def log(self) -> Path:
        """Standard output and error of the command."""
        return self.folder / LOG

    def log_if_own(self) -> Path | None:
        """Return :attr:`log` once it is there; None, too, if the command put a link in its place."""
        is_linked = any(path.is_symlink() for path in (self.folder, self.log.parent, self.log))
        return self.log if self.log.is_file() and not is_linked else None

    def cut_links(self) -> list[str]:
        """Delete what links the command put in place of folders of its own, once it has ended; return their names.

        Whatever reads, uploads or tidies up afterwards then stays in this folder.
        """
        cut = []
        for path in (self.folder, self.work, self.outputs, self.log.parent, self.log):  # the outer before the inner
            if path.is_symlink():
                path.unlink()
                cut.append(path.name)
        return cut

    def input(self, name: str) -> Path:
        """Return where an input's copy lies (a folder, or the parent of a file)."""
        return self.work / "inputs" / name

    def output(self, name: str) -> Path:
        """Return the folder of an output."""
        return self.outputs / name

    def make(self, job: Job) -> None:
        """Make the folders that the command finds beforehand."""
        for folder in (
            self.home,
            self.work / "tmp",
            self.work / "inputs",
            self.log.parent,
            self.folder.parent / _CACHE,
        ):
            folder.mkdir(parents=True, exist_ok=True)
        for name in job.sent["outputs"]:
            self.output(name).mkdir(parents=True)

    def environment(self, job: Job, workspace: Workspace, endpoint: str, inputs: dict[str, str]) -> dict[str, str]:
        """Return the command's environment: the service's variables and the job's own, none of the host's but PATH.

        ``endpoint`` is the service's address, ``inputs`` what stands for each input in the command.
        """
        outputs = {name: str(self.output(name)) for name in job.sent["outputs"]}
        return {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "HOME": str(self.home),
            "TMPDIR": str(self.work / "tmp"),
            "XDG_CACHE_HOME": str(self.folder.parent / _CACHE),  # shared: some libraries take seconds to fill it
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "AZUREML_RUN_ID": job.name,
            "AZUREML_ROOT_RUN_ID": job.name,
            "AZUREML_EXPERIMENT_ID": workspace.experiment_id(job.experiment),
            "AZUREML_ARM_SUBSCRIPTION": workspace.subscription,
            "AZUREML_ARM_RESOURCEGROUP": workspace.group,
            "AZUREML_ARM_WORKSPACE_NAME": workspace.name,
            "AZUREML_ARM_PROJECT_NAME": job.experiment,
            "AZUREML_SERVICE_ENDPOINT": endpoint,
            "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{endpoint}/discovery",
            **{f"AZURE_ML_INPUT_{name}": value for name, value in inputs.items()},
            **{f"AZURE_ML_OUTPUT_{name}": value for name, value in outputs.items()},
            **job.sent["environmentVariables"],
        }

    def specification(
        self,
        job: Job,
        workspace: Workspace,
        endpoint: str,
        inputs: dict[str, str],
        limits: Limits,
        largest_file: int | None,
    ) -> Specification:
        """Return what the runner of this job has to know (see :meth:`environment`)."""
        return Specification(
            command=self.command(job, inputs),
            folder=str(self.code),
            environment=self.environment(job, workspace, endpoint, inputs),
            log=str(self.log),
            log_bytes=limits.log,
            outputs=str(self.outputs),
            output_bytes=limits.outputs,
            memory_bytes=limits.memory,
            file_bytes=largest_file,
        )

    def command(self, job: Job, inputs: dict[str, str]) -> str:
        """Return the command with paths and literals in place of its references."""
        outputs = {name: str(self.output(name)) for name in job.sent["outputs"]}
        return specification.substitute(job.sent["command"], inputs, outputs)

    def complaint(self, job: Job, code: int) -> str:
        """Say why the command failed, with the end of what it wrote, as the service words it."""
        program = Path(job.sent["command"].split()[0]).name
        how = f"exited with status code {code}" if code >= 0 else f"was ended by signal {-code}"
        said = f"Execution failed. User process '{program}' {how}. Please check log file '{LOG}' for error details."
        return f"{said} Error: {_last_words(self.log)}"[:LONGEST_MESSAGE]


def _last_words(log: Path) -> str:
    """Return the last traceback of a log, else its last twenty lines."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LOG_TAIL))
        text = file.read().decode(errors="replace").strip()
    start = text.rfind("Traceback (most recent call last)")
    words = text[start:] if start >= 0 else "\n".join(text.splitlines()[-20:])
    return words[-(LONGEST_MESSAGE - 300) :]
