"""What people decide about a period, noted in its record: to start, end, resume, waive, retract. Pure changes.

As in `slipway.claim`, each takes the record and returns the next one, for one compare-and-swap. A cause holds kind, by,
reason and request; what was asked by the same request before is no change.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from slipway.claim import reserve
from slipway.period import Period
from slipway.period_record import (
    DELIVERING,
    End,
    Record,
    Refused,
    Stage,
    check_has,
    check_idle,
    check_open,
    claim_in,
    closed,
    new_record,
    remember,
    said,
    was_asked,
)

#: A person who asks twice within this time, in the same words and without a key, asked once.
SAME_REQUEST = timedelta(minutes=1)


def resume(
    record: Record | None, run: str, cause: Mapping[str, Any], now: datetime, compute: str | None = None
) -> Record:
    """Give the period back to its last run, as its next attempt. Raises Refused unless it failed or was canceled.

    `cause` of a command holds kind, by, reason and request: the same request twice is no change. `compute`: where its
    job is to run from now on; None where it ran before.
    """
    claim, last = claim_in(record), record and record["last"]
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
    claim = claim_in(record)
    if claim is not None and claim["run"] != plan["run"]:
        raise Refused(f"{claim['run']} is active", claim["run"])
    if source := plan["cause"].get("inputs"):
        check_has(record, source, "inputs")
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


def wish_cancel(record: Record | None, run: str, cause: Mapping[str, Any], now: datetime) -> Record:
    """Note that a person wants the active run ended. Raises Refused when it is not active or is being published.

    The first wish stands, and the same request twice is no change, also when the run has ended by it.
    """
    claim = claim_in(record)
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
    claim = claim_in(record)
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
    check_idle(record)
    if record["published"]:
        raise Refused(f"{record['published']['run']} is published: retract it before {period} is waived")
    return remember({**record, "waived": said(cause, now)}, "waive", cause, now)


def reopen(record: Record | None, cause: Mapping[str, Any], now: datetime) -> Record | None:
    """Take a waiver back; no change for a period that is not waived."""
    if record is None or not record["waived"] or was_asked(record, "reopen", cause["request"]):
        return record
    return remember({**record, "waived": None}, "reopen", cause, now)


def retract(record: Record | None, cause: Mapping[str, Any], now: datetime) -> Record:
    """Take what is published away from readers: a new generation that names nothing, and its set is to be closed.

    From the same inputs nothing is run again unasked: see `declined`. Raises Refused beside an active run, which may
    be publishing, and where nothing was ever published; what is retracted already stays so.
    """
    if record is not None and was_asked(record, "retract", cause["request"]):
        return record
    if record is not None:
        check_idle(record)
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
    check_idle(record)
    check_open(record)
    if published and published["run"] == run:
        return record
    check_has(record, run, "outputs")
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
