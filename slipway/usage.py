"""What a published run took: time, compute and bytes. Kept with the publication, as text in what lists show. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Usage:
    """What one attempt took from its claim to its publication.

    `seconds` in all; `job_seconds` is how long its job ran, by the job's own times, None where nobody saw them; `nodes`
    and `compute` where it ran; `input_bytes` were staged, `output_bytes` published.
    """

    seconds: float
    job_seconds: float | None
    nodes: int
    compute: str
    input_bytes: int
    output_bytes: int

    @property
    def node_hours(self) -> float | None:
        """How many hours of nodes the job took."""
        return None if self.job_seconds is None else self.job_seconds * self.nodes / 3600

    @property
    def text(self) -> str:
        """As metadata and lists hold it: a few words of ASCII, always in this order."""
        job = "-" if self.job_seconds is None else f"{self.job_seconds:.1f}"
        return f"{self.seconds:.1f} {job} {self.nodes} {self.compute} {self.input_bytes} {self.output_bytes}"

    @classmethod
    def parse(cls, text: str | None) -> Usage | None:
        """Read back what `text` gave; None for what it has not written."""
        words = (text or "").split(" ")
        if len(words) != 6:
            return None
        seconds, job, nodes, compute, read, written = words
        try:
            ran = None if job == "-" else float(job)
            return cls(float(seconds), ran, int(nodes), compute, int(read), int(written))
        except ValueError:
            return None


def used(
    claim: Mapping[str, Any],
    job: Mapping[str, Any],
    awaited: Mapping[str, Any] | None,
    snapshot: Mapping[str, Any] | None,
    written: Mapping[str, Any] | None,
    now: datetime,
) -> Usage:
    """What the attempt that holds the claim has taken by `now`.

    `job` is its definition's job, `snapshot` the index of its snapshot; `awaited` and `written` are its receipts of
    await_job and write_manifest. What is not there counts nothing.
    """
    return Usage(
        seconds=(now - datetime.fromisoformat(claim["since"])).total_seconds(),
        job_seconds=_ran(awaited) if awaited else None,
        nodes=nodes_of(job),
        compute=compute_of(job, claim.get("compute")),
        input_bytes=snapshot["bytes"] if snapshot else 0,
        output_bytes=written["result"]["bytes"] if written else 0,
    )


def compute_of(job: Mapping[str, Any], chosen: str | None = None) -> str:
    """Where a job runs: the name of the compute target, or of the size of a serverless one; `chosen` in its place."""
    return _name(str(chosen or job.get("compute") or (job.get("resources") or {}).get("instance_type")))


def nodes_of(job: Mapping[str, Any]) -> int:
    """How many nodes a job takes at once."""
    return int((job.get("resources") or {}).get("instance_count") or 1)


def _ran(awaited: Mapping[str, Any]) -> float:
    """How long the job ran, in seconds; from when it was submitted, in workspaces that do not tell its start."""
    began = awaited["result"]["started_at"] or awaited["started_at"]
    lasted = datetime.fromisoformat(awaited["ended_at"]) - datetime.fromisoformat(began)
    return max(0.0, lasted.total_seconds())


def _name(compute: str) -> str:
    """The name of a compute target: `azureml:<name>` as people write it, an ARM id as it may be resolved."""
    return compute.rpartition("/")[2].rpartition(":")[2].replace(" ", "-")
