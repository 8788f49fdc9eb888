"""The claim of a period: who runs, how far it is, how it ends. Pure changes of its record, each one compare-and-swap.

The record of (model, period) is the fence of the whole system. Every function here takes the record (None where none
was written yet) and returns the next one; `Store.update` loops it on the ETag. Times are aware UTC, stored as ISO 8601.

An owner is an orchestration's execution, known by its token. It is dead when the deadline that it stored for its stage
has passed, whatever the engine says of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from slipway.failure import Failed, Failure, Kind
from slipway.period_record import (
    DELIVERING,
    End,
    Record,
    Refused,
    Stage,
    check_has,
    check_open,
    claim_in,
    declined,
    is_dead,
    new_record,
)
from slipway.run import RunId

#: How long a stage may go without a sign of life: longer than a step keeps trying, and than a job takes to be ended.
#: Queued and running have limits of their own, from the definition.
STAGE_LIMITS = {
    "claimed": timedelta(minutes=60),
    "staging": timedelta(minutes=75),
    "verifying": timedelta(minutes=75),
    "publishing": timedelta(minutes=30),
    "published": timedelta(minutes=60),
}
#: How long an attempt may take to end without outputs: its job is asked for half an hour, and every step around that
#: keeps trying for a quarter.
ENDING_LIMIT = timedelta(hours=2)
#: How long superseded outputs stay open to readers that still hold their path.
GRACE = timedelta(hours=24)
#: What a person may choose for a run, beside the inputs and the definition that its id stands for.
CHOSEN = ("compute", "chosen")
_ORDER = tuple(Stage)


def reserve(record: Record | None, plan: Mapping[str, Any], now: datetime) -> Record:
    """Give the period to a planned run, before its instance is started.

    `plan` holds run, attempt, fingerprint, version, cause, installation, and where a person chose them `compute` (where
    its job runs) and `chosen` (why what stands is not run again unasked: see `declined`). Raises Refused when another
    run or attempt has the claim, when this attempt is not the next one, and where a person decided otherwise since the
    plan was made; the same plan twice is no change.
    """
    run, attempt = RunId.parse(plan["run"]), plan["attempt"]
    record = record or new_record(run.model, run.period)
    claim, last = record["claim"], record["last"]
    if claim is not None:
        if (claim["run"], claim["attempt"]) == (plan["run"], attempt):
            return record
        raise Refused(f"{claim['run']} is active", claim["run"])
    check_open(record)
    if plan["cause"]["kind"] == "data" and (why := declined(record, plan["fingerprint"])):
        raise Refused(why)
    if attempt == 1 and record["numbers"].get(run.key8, 0) >= run.r:
        raise Refused(f"{plan['run']} was started before")
    if attempt > 1 and (last is None or (last["run"], last["attempt"]) != (plan["run"], attempt - 1)):
        raise Refused(f"attempt {attempt} of {plan['run']} does not follow the attempt that ended last")
    if attempt > 1:
        check_has(record, plan["run"], "inputs")
    return {
        **record,
        "numbers": {**record["numbers"], run.key8: max(run.r, record["numbers"].get(run.key8, 0))},
        "claim": {
            **{key: plan[key] for key in CHOSEN if plan.get(key)},
            "run": plan["run"],
            "attempt": attempt,
            "automatic": plan.get("automatic", 1),
            "stage": Stage.CLAIMED,
            "ending": None,
            "token": "",
            "job": None,
            "fingerprint": plan["fingerprint"],
            "version": plan["version"],
            "cause": plan["cause"],
            "installation": plan["installation"],
            "since": now.isoformat(),
            "deadline": (now + STAGE_LIMITS["claimed"]).isoformat(),
        },
    }


def succeed_dead_owner(record: Record | None, run: str, attempt: int, now: datetime) -> Record:
    """Give a dead owner's run to its next attempt. Raises Refused unless this attempt holds the claim, dead.

    What is on its way to readers is rolled forward and never begun anew, however long ago this was decided.
    """
    claim = claim_in(record)
    if record is None or claim is None or (claim["run"], claim["attempt"]) != (run, attempt):
        raise Refused(f"attempt {attempt} of {run} does not hold the claim")
    if claim["stage"] in DELIVERING:
        raise Refused(f"{run} is being published: it is rolled forward", run)
    if claim["ending"] is not None:
        raise Refused(f"{run} is ending: {claim['ending']}", run)
    if not is_dead(claim, now):
        raise Refused(f"the owner of {run} is alive until {claim['deadline']}", run)
    return {
        **record,
        "claim": {
            **claim,
            "attempt": attempt + 1,
            "automatic": claim["automatic"] + 1,
            "stage": Stage.CLAIMED,
            "token": "",
            "job": None,
            "since": now.isoformat(),
            "deadline": (now + STAGE_LIMITS["claimed"]).isoformat(),
        },
    }


def take(record: Record | None, run: str, attempt: int, token: str, now: datetime) -> Record:
    """Become the owner: won by the first execution of the reserved attempt. Raises Refused for every other."""
    claim = claim_in(record)
    if record is None or claim is None:
        raise Refused(f"nobody holds the claim that {run} attempt {attempt} was started for")
    if (claim["run"], claim["attempt"]) != (run, attempt):
        raise Refused(f"{claim['run']} attempt {claim['attempt']} holds the claim", claim["run"])
    if claim["token"] == token:
        return record
    if claim["token"]:
        raise Refused(f"another execution of {run} attempt {attempt} holds the claim", run)
    deadline = (now + STAGE_LIMITS["claimed"]).isoformat()
    return {**record, "claim": {**claim, "token": token, "deadline": deadline}}


def owned(record: Record | None, token: str) -> Record:
    """The claim, if `token` holds it. Raises Failed: `claim-lost` for any other, `canceled` when a person wished so."""
    claim = claim_in(record)
    if record is None or claim is None or claim["token"] != token:
        holder = f"{claim['run']} attempt {claim['attempt']} holds it" if claim else "nobody holds it"
        raise Failed(Failure(Kind.SLIPWAY, "claim-lost", f"This execution no longer holds the claim: {holder}."))
    if claim["ending"] is not None:
        raise Failed(Failure(Kind.SLIPWAY, "ending", f"{claim['run']} is ending: {claim['ending']}."))
    if record["cancel"] is not None and claim["stage"] not in DELIVERING:
        cancel = record["cancel"]
        raise Failed(Failure(Kind.SLIPWAY, "canceled", f"Canceled by {cancel['by']}: {cancel['reason']}"))
    return claim


def move(record: Record | None, token: str, stage: Stage, deadline: datetime, **facts: Any) -> Record:
    """The owner enters a stage (or shows life in it) and says until when it will show life again.

    Stages never go back: a late repetition of an earlier step changes nothing, above all no deadline.
    """
    claim = owned(record, token)
    assert record is not None
    if _ORDER.index(stage) < _ORDER.index(claim["stage"]):
        return record
    return {**record, "claim": {**claim, **facts, "stage": stage, "deadline": deadline.isoformat()}}


def begin_delivery(
    record: Record | None,
    token: str,
    now: datetime,
    used: str | None = None,
    metrics: Mapping[str, float] | None = None,
) -> Record:
    """All is verified and granted below the closed top: enter `publishing`, a new generation. No way back from here.

    Kept with the publication: `used`, what the run took, as `slipway.usage` writes it; `metrics`, what the model says
    of itself.
    """
    claim = owned(record, token)
    assert record is not None
    if claim["stage"] in DELIVERING:
        return record
    if claim["stage"] != Stage.VERIFYING:
        raise Failed(Failure(Kind.SLIPWAY, "not-verified", f"{claim['run']} is {claim['stage']}, not verified."))
    generation = record["generation"] + 1
    deadline = (now + STAGE_LIMITS["publishing"]).isoformat()
    delivering = {**claim, "stage": Stage.PUBLISHING, "generation": generation, "deadline": deadline}
    if used:
        delivering["used"] = used
    if metrics:
        delivering["metrics"] = dict(metrics)
    return {**record, "generation": generation, "claim": delivering}


def delivered(record: Record | None, run: str, attempt: int, folder: str, now: datetime) -> Record:
    """The gate is open and the pointer written: what was published before is retired, to be closed after its grace.

    Anyone may say so (owner or not): it is only said of the claim that is in `publishing`.
    """
    claim = claim_in(record)
    if record is None or claim is None or (claim["run"], claim["attempt"]) != (run, attempt):
        raise Refused(f"attempt {attempt} of {run} does not hold the claim")
    if claim["stage"] != Stage.PUBLISHING:
        return record
    before, retired = record["published"], record["retired"]
    if before is not None and before["folder"] != folder:
        close_after = (now + GRACE).isoformat()
        retired = [*retired, {"run": before["run"], "attempt": before["attempt"], "close_after": close_after}]
    kept = ("run", "attempt", "generation", "fingerprint", "version", "used", "metrics")
    published = {key: claim[key] for key in kept if key in claim}
    deadline = (now + STAGE_LIMITS["published"]).isoformat()
    return {
        **record,
        "published": {**published, "folder": folder, "at": now.isoformat()},
        "retracted": None,
        "declined": record.get("declined", {}) if claim.get("again") or claim.get("chosen") else {},
        "retired": retired,
        "claim": {**claim, "stage": Stage.PUBLISHED, "deadline": deadline},
    }


def finish(
    record: Record | None, run: str, attempt: int, state: End, now: datetime, orphans: tuple[str, ...] = ()
) -> Record:
    """The attempt has ended and its record is written: the period is free. `orphans` are jobs still to be seen ended.

    Said twice, or of an attempt that no longer holds the claim, it only adds the orphans. Raises Refused for an end
    that the claim's stage does not allow: see `check_end`.
    """
    assert record is not None, "an attempt without a period record cannot end"
    record = {**record, "orphans": sorted({*record["orphans"], *orphans})}
    claim = record["claim"]
    if claim is None or (claim["run"], claim["attempt"]) != (run, attempt):
        return record
    check_end(claim, state)
    kept = ("run", "attempt", "job", "fingerprint", "version", "installation", "cause")
    facts = {key: claim[key] for key in (*kept, *CHOSEN) if key in claim}
    last = {**facts, "state": state, "at": now.isoformat()}
    return {**record, "claim": None, "cancel": None, "last": last}


def check_end(claim: Mapping[str, Any], state: End) -> None:
    """Raise Refused unless an attempt may end so: what was published succeeds, and what is on its way never fails.

    A step's failure may hide that it worked, so the stage in the lake decides, not whoever reports the failure.
    """
    if state == End.SUCCEEDED and claim["stage"] != Stage.PUBLISHED:
        raise Refused(f"{claim['run']} is {claim['stage']}, not published: it cannot have succeeded", claim["run"])
    if claim["ending"] is not None and state != claim["ending"]:
        raise Refused(f"{claim['run']} is ending as {claim['ending']}, not as {state}", claim["run"])
    if state != End.SUCCEEDED and claim["stage"] in DELIVERING:
        raise Refused(f"{claim['run']} is {claim['stage']}: it is rolled forward and cannot be {state}", claim["run"])


def judge(record: Record | None, token: str, code: str) -> str:
    """How a run stands after one of its steps failed with `code`: the record decides, the exception only hints.

    `delivering`: the outputs are on their way, so the run goes on; `lost`: another attempt has the claim; `canceled`;
    `superseded`: its inputs changed while they were staged; else `failed`.
    """
    claim = claim_in(record)
    if record is None or claim is None or claim["token"] != token:
        return "lost"
    if claim["ending"] is not None:
        return str(claim["ending"])
    if claim["stage"] in DELIVERING:
        return "delivering"
    if record["cancel"] is not None:
        return End.CANCELED
    return End.SUPERSEDED if code == "source-changed" else End.FAILED


def condemn(record: Record | None, token: str, code: str, now: datetime) -> Record | None:
    """Settle how the owner's attempt ends without outputs, before anything is told of it: no way forward from here.

    The owner then has the time that this may take, whatever the stage had left.
    """
    ending = judge(record, token, code)
    if record is None or ending not in tuple(End):
        return record
    if record["claim"]["ending"] is not None:
        return record
    return {**record, "claim": {**record["claim"], "ending": ending, "deadline": (now + ENDING_LIMIT).isoformat()}}


def give_up(record: Record | None, run: str, attempt: int, now: datetime) -> Record:
    """Settle that a dead owner's attempt ends: canceled if a person wished so, else failed. Raises Refused."""
    claim = claim_in(record)
    if record is None or claim is None or (claim["run"], claim["attempt"]) != (run, attempt):
        raise Refused(f"attempt {attempt} of {run} does not hold the claim")
    if claim["stage"] in DELIVERING:
        raise Refused(f"{run} is being published: it is rolled forward", run)
    if not is_dead(claim, now):
        raise Refused(f"the owner of {run} is alive until {claim['deadline']}", run)
    ending = claim["ending"] or (End.CANCELED if record["cancel"] else End.FAILED)
    return {**record, "claim": {**claim, "ending": ending}}
