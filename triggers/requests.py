"""A person's request: who asks for what and why, and that the same request is carried out and answered once.

With an `Idempotency-Key` it has a record of its own, created once: the words that the key belongs to, and the answer.
What was changed before its answer could be noted, the changed record itself remembers: see `was_asked`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import azure.functions as func

from slipway import paths
from slipway.azure.lake import lake
from slipway.failure import redact
from triggers.api import Principal, Problem, Reasoned

#: The longest Idempotency-Key, in characters.
LONGEST_KEY = 200

Answer = dict[str, Any]


def idempotency_key(request: func.HttpRequest) -> str | None:
    """The request's Idempotency-Key as the name of its record, or None. Any text of up to 200 characters is one."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= LONGEST_KEY:
        raise Problem(400, "Malformed Idempotency-Key", f"An Idempotency-Key has 1 to {LONGEST_KEY} characters.")
    return hashlib.sha256(key.encode()).hexdigest()[:40]


def cause_of(kind: str, who: Principal, asked: Reasoned, key: str | None) -> dict[str, Any]:
    """Why something is changed, as records keep it: kind, by, reason (redacted), request."""
    return {"kind": kind, "by": who.name, "reason": redact(asked.reason), "request": key}


def once(cause: Mapping[str, Any], about: Mapping[str, Any], act: Callable[[], Answer]) -> Answer:
    """Do what is asked and return its answer; for a request that was answered before, that answer, and do nothing.

    `about` names what the request is about; with cause's kind, by and reason it makes the words that its key belongs
    to. Raises 422 for a key that belongs to other words. What `act` refuses is not noted, and may be asked again.
    """
    key = cause["request"]
    if key is None:
        return act()
    words = {**about, "what": cause["kind"], "by": cause["by"], "reason": cause["reason"]}
    if not lake().control.create(paths.request(key), words):
        known = lake().control.read(paths.request(key))
        if known is None or any(known.data.get(name) != value for name, value in words.items()):
            raise Problem(422, "Idempotency-Key used before", "This Idempotency-Key belongs to another request.")
        if "answer" in known.data:
            return dict(known.data["answer"])
    answer = act()
    noted = lake().control.update(paths.request(key), lambda seen, _: {**words, "answer": answer, **(seen or {})})
    return dict(noted["answer"])
