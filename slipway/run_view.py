"""A run as people are shown it: state, steps with their times, attempts, failure, links. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from slipway import paths
from slipway.run import RunId, job_name, parse_job_name

#: The steps of a run in the order of its story; batches of one step are shown as one.
STEPS = (
    "inherit_job",
    "plan_staging",
    "copy_batch",
    "finish_staging",
    "submit_job",
    "await_job",
    "seal_outputs",
    "plan_verification",
    "verify_batch",
    "write_manifest",
    "grant_readers",
    "publish_outputs",
)

#: How many batches a step of an attempt has come to, by attempt and step.
Batches = Mapping[tuple[int, str], int]


def worth_reading(run: RunId, listed: Mapping[str, datetime]) -> tuple[list[str], Batches]:
    """The paths of the run's control folder that its view is made of, and the counts of batches.

    `listed` are all that lie there, with when they were written. Of the receipts of a step's batches, a thousand for
    200,000 files, only that of the first batch is read and the one that was written last: between them lies the rest.
    """
    folder = f"{paths.control_folder(run)}/"
    wanted, batches = [], defaultdict[tuple[int, str], list[tuple[datetime, int, str]]](list)
    for path, written in listed.items():
        name = path.removeprefix(folder)
        if name.startswith("receipts/"):
            place = paths.parse("control", path)
            if place.step is not None and place.attempt is not None and place.number is not None:
                batches[place.attempt, place.step].append((written, place.number, path))
            else:
                wanted.append(path)
        elif name == "run.json" or name.startswith("record-"):
            wanted.append(path)
    for some in batches.values():
        wanted += sorted({min(some, key=lambda one: one[1])[2], max(some)[2]})
    return wanted, {step: len(some) for step, some in batches.items()}


def run_view(
    run: RunId,
    record: Mapping[str, Any] | None,
    records: Mapping[str, Mapping[str, Any]],
    incident: Mapping[str, Any] | None,
    batches: Batches,
) -> dict[str, Any] | None:
    """The run as one document, or None if nothing is known of it.

    `record` is its period's record, `incident` the period's; `records` are those of the run's control folder that are
    `worth_reading`, by path, and `batches` the counts.
    """
    facts = records.get(paths.run_file(run))
    claim = record["claim"] if record and record["claim"] and record["claim"]["run"] == run.text else None
    known = facts or claim
    if known is None:
        return None
    ends = sorted(_below(run, "record-", records), key=lambda end: int(end["attempt"]))
    attempt = claim["attempt"] if claim else ends[-1]["attempt"] if ends else 1
    failure = ends[-1]["failure"] if ends and not claim else None
    holder = claim or (ends[-1] if ends else {})
    own = incident if incident and incident["run"] == run.text else None
    return {
        "run": run.text,
        "model": run.model,
        "period": str(run.period),
        "state": claim["stage"] if claim else ends[-1]["state"] if ends else "claimed",
        "attempt": attempt,
        "cause": known["cause"],
        "version": known["version"],
        "fingerprint": known["fingerprint"],
        "since": known["since"],
        "deadline": claim["deadline"] if claim else None,
        "canceling": bool(claim and record and record["cancel"]),
        "failure": failure,
        "failed_step": ends[-1]["step"] if ends and not claim else None,
        "metrics": metrics(run, attempt, holder, records),
        "steps": steps(run, records, batches),
        "attempts": [{key: end.get(key) for key in ("attempt", "state", "job", "ended_at", "failure")} for end in ends],
        "gone": dict(((record or {}).get("gone") or {}).get(run.text) or {}),
        "incident": own and {key: own[key] for key in ("key", "status", "code", "opened_at", "resolved_at")},
        "links": links(run, attempt, records, holder.get("job")),
    }


def metrics(
    run: RunId, attempt: int, holder: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]]
) -> dict[str, float]:
    """What the model says of the attempt's outputs, since they were verified; nothing where it says nothing.

    `holder` is the attempt's claim or record, which has them since its publication.
    """
    verified = records.get(paths.receipt(run, "plan_verification", attempt))
    return dict(holder.get("metrics") or (verified["result"].get("metrics") if verified else None) or {})


def steps(run: RunId, records: Mapping[str, Mapping[str, Any]], batches: Batches) -> list[dict[str, Any]]:
    """The steps taken, attempt by attempt in the order of the story; times ISO 8601 UTC, durations in seconds."""
    taken: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for receipt in _below(run, "receipts/", records):
        taken.setdefault((receipt["attempt"], receipt["step"]), []).append(receipt)
    ordered = sorted(taken.items(), key=lambda item: (item[0][0], _place(item[0][1])))
    return [_step(step, attempt, receipts, batches.get((attempt, step))) for (attempt, step), receipts in ordered]


def _below(run: RunId, name: str, records: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What lies in the run's control folder under names that begin so; a model may be called `receipts` itself."""
    prefix = f"{paths.control_folder(run)}/{name}"
    return [data for path, data in records.items() if path.startswith(prefix)]


def _step(step: str, attempt: int, receipts: list[Mapping[str, Any]], batches: int | None) -> dict[str, Any]:
    started, ended = min(r["started_at"] for r in receipts), max(r["ended_at"] for r in receipts)
    seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds()
    shown = {"step": step, "attempt": attempt, "started_at": started, "ended_at": ended, "seconds": round(seconds, 3)}
    return {**shown, "batches": batches} if batches is not None else {**shown, "result": receipts[0]["result"]}


def _place(step: str) -> int:
    return STEPS.index(step) if step in STEPS else len(STEPS)


def links(
    run: RunId, attempt: int, records: Mapping[str, Mapping[str, Any]], job: str | None = None
) -> dict[str, str | None]:
    """Where a person reads on: the job in Azure ML's studio, and the run's folders in the lake.

    `job` is the attempt's where it is known: that of an earlier attempt, if it was taken over.
    """
    job = job or job_name(run, attempt)
    submitted = records.get(paths.receipt(run, "submit_job", parse_job_name(job)[1]))
    inherited = records.get(paths.receipt(run, "inherit_job", attempt))
    steps_there = (paths.receipt(run, step, attempt) in records for step in ("seal_outputs", "publish_outputs"))
    sealed = any(steps_there) or bool(inherited and inherited["result"]["took_over"])
    return {
        "job": job,
        "studio": submitted["result"].get("studio") if submitted else None,
        "inputs": paths.inputs_folder(run),
        "outputs": paths.outputs_folder(run, attempt) if sealed else paths.work_folder(run, attempt),
        "published": paths.pointer(run.model, run.period),
    }
