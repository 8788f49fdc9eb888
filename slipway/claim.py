"""The period's record: who runs, what is published, what people asked. Pure changes, each one compare-and-swap.

The record of (model, period) is the fence of the whole system. Every function here takes the record (None where none
was written yet) and returns the next one; `Store.update` loops it on the ETag. Times are aware UTC, stored as ISO 8601.

An owner is an orchestration's execution, known by its token. It is dead when the deadline that it stored for its stage
has passed, whatever the engine says of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from slipway.failure import Failed, Failure, Kind
from slipway.period import Period
from slipway.run import RunId

Record = dict[str, Any]

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
#: A reserved claim whose instance has not reported by then is started again; the start is idempotent.
START_AGAIN = timedelta(seconds=30)
#: How long superseded outputs stay open to readers that still hold their path.
GRACE = timedelta(hours=24)
#: What a person may choose for a run, beside the inputs and the definition that its id stands for.
CHOSEN = ("compute", "chosen")
#: How many answered requests a record remembers.
REMEMBERED_REQUESTS = 50
#: A person who asks twice within this time, in the same words and without a key, asked once.
SAME_REQUEST = timedelta(minutes=1)


class Stage(StrEnum):
    """Where a claimed run stands; also the words in which people are told."""

    CLAIMED = "claimed"
    STAGING = "staging"
    QUEUED = "queued"
    RUNNING = "running"
    VERIFYING = "verifying"
    PUBLISHING = "publishing"
    PUBLISHED = "published"


class End(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    SUPERSEDED = "superseded"


_ORDER = tuple(Stage)
#: From here on the outputs are on their way to readers: a cancel is refused, and whoever finds it finishes it.
DELIVERING = (Stage.PUBLISHING, Stage.PUBLISHED)


class Refused(Exception):
    """The record does not allow the change. `active` is the run in the way, where one is."""

    def __init__(self, why: str, active: str | None = None) -> None:
        super().__init__(why)
        self.active = active


def new_record(model: str, period: Period) -> Record:
    """The record of a period of which nobody has written one yet."""
    return {
        "schema": 1,
        "model": model,
        "period": str(period),
        "claim": None,
        "published": None,
        "last": None,
        "generation": 0,
        "numbers": {},
        "asked": [],
        "cancel": None,
        "waived": None,
        "retracted": None,
        "declined": {},
        "retired": [],
        "orphans": [],
    }


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
    _not_waived(record)
    if plan["cause"]["kind"] == "data" and (why := declined(record, plan["fingerprint"])):
        raise Refused(why)
    if attempt == 1 and record["numbers"].get(run.key8, 0) >= run.r:
        raise Refused(f"{plan['run']} was started before")
    if attempt > 1 and (last is None or (last["run"], last["attempt"]) != (plan["run"], attempt - 1)):
        raise Refused(f"attempt {attempt} of {plan['run']} does not follow the attempt that ended last")
    if attempt > 1:
        _still_has(record, plan["run"], "inputs")
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
    claim = _claim(record)
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


def resume(
    record: Record | None, run: str, cause: Mapping[str, Any], now: datetime, compute: str | None = None
) -> Record:
    """Give the period back to its last run, as its next attempt. Raises Refused unless it failed or was canceled.

    `cause` of a command holds kind, by, reason and request: the same request twice is no change. `compute`: where its
    job is to run from now on; None where it ran before.
    """
    claim, last = _claim(record), record and record["last"]
    if record is not None and was_asked(record, "resume", cause["request"]):
        return record
    if claim is not None:
        raise Refused(f"{claim['run']} is active", claim["run"])
    if record is None or not last or last["run"] != run:
        raise Refused(f"{run} is not the last run of its period; ask for a new one")
    if last["state"] not in (End.FAILED, End.CANCELED):
        raise Refused(f"{run} {last['state']}: nothing is left to resume")
    plan = {
        **last,
        "model": record["model"],
        "period": record["period"],
        "attempt": last["attempt"] + 1,
        "cause": dict(cause),
        "compute": compute or last.get("compute"),
    }
    return remember(reserve(record, plan, now), "resume", cause, now, run=run)


def ask(record: Record | None, request: str, plan: Mapping[str, Any], now: datetime) -> Record:
    """Give the period to the run a person asks for, and remember by which request. `plan` is as in `reserve`.

    Raises Refused beside an active run. Whether the request was answered before is asked first: see `answered`. From
    the inputs of what is published or ended now nothing is run unasked, if a person chose others (`chosen`).
    """
    claim = _claim(record)
    if claim is not None and claim["run"] != plan["run"]:
        raise Refused(f"{claim['run']} is active", claim["run"])
    if source := plan["cause"].get("inputs"):
        _still_has(record, source, "inputs")
    reserved = reserve(record, plan, now)
    if claim is None and plan.get("chosen"):
        reserved["declined"] = {**reserved.get("declined", {}), **_passed_over(reserved, plan, plan["chosen"])}
    told = {"choices": plan["choices"]} if plan.get("choices") else {}
    return remember(reserved, "start", {**plan["cause"], "request": request}, now, run=plan["run"], **told)


def answered(
    record: Record | None, request: str | None, by: str, reason: str, now: datetime, choices: Mapping[str, Any]
) -> str | None:
    """The run that an equal request was given before: by its id, or without one the same words within a minute."""
    for known in record["asked"] if record else ():
        if known.get("what", "start") != "start":
            continue
        same_words = (known["by"], known["reason"], known.get("choices", {})) == (by, reason, choices)
        recent = now - datetime.fromisoformat(known["at"]) < SAME_REQUEST
        if known["request"] == request or (request is None and same_words and recent):
            return str(known["run"])
    return None


def take(record: Record | None, run: str, attempt: int, token: str, now: datetime) -> Record:
    """Become the owner: won by the first execution of the reserved attempt. Raises Refused for every other."""
    claim = _claim(record)
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
    claim = _claim(record)
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
    claim = _claim(record)
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


def wish_cancel(record: Record | None, run: str, cause: Mapping[str, Any], now: datetime) -> Record:
    """Note that a person wants the active run ended. Raises Refused when it is not active or is being published.

    The first wish stands, and the same request twice is no change, also when the run has ended by it.
    """
    claim = _claim(record)
    if record is not None and was_asked(record, "cancel", cause["request"]):
        return record
    if record is None or claim is None or claim["run"] != run:
        raise Refused(f"{run} is not active", claim["run"] if claim else None)
    if claim["stage"] in DELIVERING:
        raise Refused(f"{run} is being published and can no longer be canceled; publish another run over it", run)
    if record["cancel"] is not None:
        return record
    return remember({**record, "cancel": {"run": run, **said(cause, now)}}, "cancel", cause, now, run=run)


def disown(record: Record | None, run: str, cause: Mapping[str, Any], now: datetime) -> Record:
    """Note that a person knows the active run's owner to be gone: it is dead now, and the run goes on without it.

    Its next attempts are counted anew. Raises Refused when the run is not active; the same request twice is no change.
    An owner that lives after all has lost its claim when the next attempt has taken it, as any that slept too long.
    """
    claim = _claim(record)
    if record is not None and was_asked(record, "take-over", cause["request"]):
        return record
    if record is None or claim is None or claim["run"] != run:
        raise Refused(f"{run} is not active", claim["run"] if claim else None)
    gone = {**claim, "automatic": 0, "deadline": min(now, datetime.fromisoformat(claim["deadline"])).isoformat()}
    return remember({**record, "claim": gone}, "take-over", cause, now, run=run)


def waive(record: Record | None, model: str, period: Period, cause: Mapping[str, Any], now: datetime) -> Record:
    """Note that the period needs no run: none starts until it is reopened. The first waiver stands.

    Raises Refused beside an active run, and for what is published.
    """
    record = record or new_record(model, period)
    if record["waived"] or was_asked(record, "waive", cause["request"]):
        return record
    _not_active(record)
    if record["published"]:
        raise Refused(f"{record['published']['run']} is published: retract it before {period} is waived")
    return remember({**record, "waived": said(cause, now)}, "waive", cause, now)


def reopen(record: Record | None, cause: Mapping[str, Any], now: datetime) -> Record | None:
    """Take a waiver back; no change for a period that is not waived."""
    if record is None or not record["waived"] or was_asked(record, "reopen", cause["request"]):
        return record
    return remember({**record, "waived": None}, "reopen", cause, now)


def judge(record: Record | None, token: str, code: str) -> str:
    """How a run stands after one of its steps failed with `code`: the record decides, the exception only hints.

    `delivering`: the outputs are on their way, so the run goes on; `lost`: another attempt has the claim; `canceled`;
    `superseded`: its inputs changed while they were staged; else `failed`.
    """
    claim = _claim(record)
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
    claim = _claim(record)
    if record is None or claim is None or (claim["run"], claim["attempt"]) != (run, attempt):
        raise Refused(f"attempt {attempt} of {run} does not hold the claim")
    if claim["stage"] in DELIVERING:
        raise Refused(f"{run} is being published: it is rolled forward", run)
    if not is_dead(claim, now):
        raise Refused(f"the owner of {run} is alive until {claim['deadline']}", run)
    ending = claim["ending"] or (End.CANCELED if record["cancel"] else End.FAILED)
    return {**record, "claim": {**claim, "ending": ending}}


def closed(record: Record | None, run: str, attempt: int) -> Record:
    """A retired set is closed for good."""
    assert record is not None
    kept = [set_ for set_ in record["retired"] if (set_["run"], set_["attempt"]) != (run, attempt)]
    return {**record, "retired": kept}


def orphan_ended(record: Record | None, job: str) -> Record:
    """A job without a run was seen ended."""
    assert record is not None
    return {**record, "orphans": [name for name in record["orphans"] if name != job]}


def retract(record: Record | None, cause: Mapping[str, Any], now: datetime) -> Record:
    """Take what is published away from readers: a new generation that names nothing, and its set is to be closed.

    From the same inputs nothing is run again unasked: see `declined`. Raises Refused beside an active run, which may
    be publishing, and where nothing was ever published; what is retracted already stays so.
    """
    if record is not None and was_asked(record, "retract", cause["request"]):
        return record
    if record is not None:
        _not_active(record)
        if record.get("retracted"):
            return record
    published = record and record["published"]
    if record is None or not published:
        raise Refused("nothing is published")
    generation, run = record["generation"] + 1, published["run"]
    gone = {key: published[key] for key in ("run", "attempt", "fingerprint", "version")}
    why = f"{run} was retracted by {cause['by']}"
    to_close = {"run": run, "attempt": published["attempt"], "close_after": now.isoformat(), "why": why}
    changed = {
        **record,
        "generation": generation,
        "published": None,
        "retracted": {**gone, **said(cause, now), "generation": generation},
        "declined": {**record.get("declined", {}), published["fingerprint"]: why},
        "retired": [*record["retired"], to_close],
    }
    return remember(changed, "retract", cause, now, run=run)


def publish_again(record: Record | None, plan: Mapping[str, Any], now: datetime) -> Record:
    """Take an earlier attempt's verified set to readers again, as the next attempt of its run; no job runs.

    `plan` is as in `reserve`, with the attempt whose outputs they are, its job and metrics, and the generation that the
    record had when they were looked for: a plan of before another publication or retraction is refused. The claim is in
    `publishing` and has no owner, so whoever finds it rolls it forward. From the inputs of what is published or ended
    now nothing is run unasked: a person prefers the earlier set. What is published already is no change.
    """
    run, cause = plan["run"], plan["cause"]
    if record is None:
        raise Refused("nothing was ever published")
    published = record["published"]
    if was_asked(record, "publish", cause["request"]):
        return record
    _not_active(record)
    _not_waived(record)
    if published and published["run"] == run:
        return record
    _still_has(record, run, "outputs")
    if record["generation"] != plan["generation"]:
        raise Refused("something was published or retracted at this moment: look, and ask again")
    generation = record["generation"] + 1
    over = _passed_over(record, plan, f"{run} was published in place of what came of them by {cause['by']}")
    claim = {
        **{key: plan[key] for key in ("run", "job", "fingerprint", "version", "cause", "installation")},
        **({"metrics": plan["metrics"]} if plan.get("metrics") else {}),
        "attempt": plan["attempt"] + 1,
        "again": plan["attempt"],
        "automatic": 1,
        "stage": Stage.PUBLISHING,
        "ending": None,
        "token": f"nobody, for generation {generation}",
        "generation": generation,
        "since": now.isoformat(),
        "deadline": now.isoformat(),
    }
    changed = {
        **closed(record, run, plan["attempt"]),
        "generation": generation,
        "claim": claim,
        "declined": {
            **over,
            **{key: why for key, why in record.get("declined", {}).items() if key != plan["fingerprint"]},
        },
    }
    return remember(changed, "publish", cause, now, run=run)


def _passed_over(record: Record, plan: Mapping[str, Any], why: str) -> dict[str, str]:
    """The inputs of what is published or ended last, other than the plan's, each with why a person passed them over."""
    published, last = record["published"], record["last"]
    passed = [published] if published else []
    passed += [last] if last and last["state"] != End.SUPERSEDED else []
    return {one["fingerprint"]: why for one in passed if one["fingerprint"] != plan["fingerprint"]}


def declined(record: Mapping[str, Any], fingerprint: str) -> str | None:
    """Why nothing is run unasked from these inputs, if a person decided against what came of them.

    It holds until a run of other inputs, or one that a person starts, is published.
    """
    why: str | None = record.get("declined", {}).get(fingerprint)
    return why


def lost(record: Mapping[str, Any] | None, run: str, what: str) -> str | None:
    """Since when a run's `inputs` or `outputs` are gone by retention (see `slipway.retention.mark`), if they are."""
    since: str | None = (record or {}).get("gone", {}).get(run, {}).get(what)
    return since


def said(cause: Mapping[str, Any], now: datetime) -> Record:
    """Who decided, why, and when."""
    return {"by": cause["by"], "reason": cause["reason"], "at": now.isoformat()}


def remember(record: Record, what: str, cause: Mapping[str, Any], now: datetime, **facts: Any) -> Record:
    """The record that remembers what a person asked of it: who, why, when, and by which request."""
    known = {"what": what, "request": cause["request"] or "", **said(cause, now), **facts}
    return {**record, "asked": [*record["asked"], known][-REMEMBERED_REQUESTS:]}


def was_asked(record: Record, what: str, request: str | None) -> bool:
    """Whether this very request was carried out before, whatever others have changed since."""
    return bool(request) and any(
        (known.get("what", "start"), known["request"]) == (what, request) for known in record["asked"]
    )


def is_quiet(cause: Mapping[str, Any] | None) -> bool:
    """Whether a run that was started for this cause opens no incident when it fails: its backfill's incident lists it.

    A failure of the same run that a person resumed is that person's, and no longer quiet.
    """
    return cause is not None and cause["kind"] == "backfill"


def is_dead(claim: Mapping[str, Any], now: datetime) -> bool:
    """Whether the owner failed to show life by the deadline it set itself."""
    return now >= datetime.fromisoformat(claim["deadline"])


def index(record: Record) -> dict[str, str]:
    """What a listing of the records shows, so that the reconciler need not read each: ASCII, a few dozen bytes.

    `open`: 'claim' while a run is active, 'no' when there is nothing to do, else 'yes'. `ask`: when to ask again.
    `failed`: 'yes' if the attempt that ended last failed, so that an incident is open; 'quiet' if none is needed.
    `kept`: when retention looked, when it must look again ('-' for never), and a digest of the ages it went by.
    """
    claim = record["claim"]
    asks = [] if claim is None else [claim["deadline"]] if claim["token"] else [_unheard(claim).isoformat()]
    asks += [set_["close_after"] for set_ in record["retired"]]
    if record["orphans"]:
        asks.append(record["last"]["at"] if record["last"] else "")
    done = record["waived"] or (record["published"] and not claim)
    facts = {"open": "claim" if claim else "no" if done else "yes"}
    if record["last"] and record["last"]["state"] == End.FAILED and not record["waived"]:
        facts["failed"] = "quiet" if is_quiet(record["last"].get("cause")) else "yes"
    if looked := record.get("retention"):
        facts["kept"] = f"{looked['at']} {looked['again'] or '-'} {looked['ages']}"
    return {**facts, "ask": min(asks)} if asks else facts


def unheard(claim: Mapping[str, Any], now: datetime) -> bool:
    """Whether the claim was reserved and its instance has not reported in time."""
    return claim["token"] == "" and now >= _unheard(claim)


def _unheard(claim: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(claim["since"]) + START_AGAIN


def _claim(record: Record | None) -> Record | None:
    return record["claim"] if record else None


def _not_active(record: Record) -> None:
    if claim := record["claim"]:
        raise Refused(f"{claim['run']} is active", claim["run"])


def _still_has(record: Record | None, run: str, what: str) -> None:
    if since := lost(record, run, what):
        raise Refused(f"the {what} of {run} were deleted on {since[:10]}, by their age: ask for a new run")


def _not_waived(record: Record) -> None:
    if waived := record["waived"]:
        raise Refused(f"{record['period']} is waived by {waived['by']}: reopen it first")
