"""Shared access signatures of an account, a container, directory, blob or queue: checked on requests, made for others.

Source: REST reference, "Create a service SAS" and "Create an account SAS" (version 2020-12-06 and later).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlencode

from localcloud.lake import shared_key
from localcloud.lake.errors import StorageError, unsupported
from localcloud.lake.target import Place

VERSION = "2022-11-02"
_OLDEST = "2020-12-06"
_ORDER = "racwdxyltmeopi"
_FORMATS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S.%fZ")
_REFUSED = {
    "si": "stored access policies",
    "skoid": "user delegation SAS",
    "sip": "IP ranges in a SAS",
    "ses": "encryption scopes",
}
#: The letters a service SAS for a queue knows.
_OF_QUEUES = frozenset("raup")
#: What a signature sets in the answers to its holder, by the parameter that says so.
OVERRIDES = {
    "rscc": "Cache-Control",
    "rscd": "Content-Disposition",
    "rsce": "Content-Encoding",
    "rscl": "Content-Language",
    "rsct": "Content-Type",
}


class Kind(StrEnum):
    """What a request is about: a path or message, the paths of a filesystem as a list, a filesystem or queue, all."""

    OBJECT = "o"
    LISTING = "l"
    CONTAINER = "c"
    SERVICE = "s"


@dataclass(frozen=True)
class SharedAccess:
    """What a signature that was found good allows: its permission letters, on some kinds of things.

    ``mismatch`` is the code of the refusal when a request is about another kind.
    """

    letters: frozenset[str]
    kinds: frozenset[Kind]
    mismatch: str = "AuthorizationFailure"

    def allows(self, kind: Kind, letters: Sequence[str]) -> bool:
        """Tell whether all letters of any one of the alternatives ``letters`` are there; raises for a wrong kind."""
        if kind not in self.kinds:
            raise StorageError(self.mismatch, "This request is not authorized to perform this operation.")
        return any(self.letters.issuperset(alternative) for alternative in letters)


def present(query: Mapping[str, str]) -> bool:
    """Tell whether a query carries a signature."""
    return "sig" in query


def verify(
    query: Mapping[str, str], place: Place, account: str, key: str, now: datetime, *, secure: bool, queue: bool = False
) -> SharedAccess:
    """Check the signature of ``query`` for ``place`` at ``now``; raises AuthenticationFailed.

    ``secure`` tells whether the request came over TLS, which ``spr=https`` insists on; ``queue`` whether ``place`` is a
    queue's, so that only signatures for queues count.
    """
    for name, feature in _REFUSED.items():
        if query.get(name):
            raise unsupported(f"{feature} ('{name}')")
    if query.get("sv", "") < _OLDEST:
        raise unsupported(f"a SAS of the version '{query.get('sv', '')}'; {_OLDEST} and later are signed as here")
    text, access = (_of_account if query.get("srt") else _of_queue if queue else _of_service)(query, place, account)
    if not hmac.compare_digest(query["sig"].encode(), shared_key.sign(key, text).encode()):
        raise _failed("Signature did not match.")
    if not query.get("se") or _moment(query["se"]) <= now:
        raise _failed(f"Signature not valid in the specified time frame: it expired at {query.get('se', '(no se)')}.")
    if query.get("st") and _moment(query["st"]) > now:
        raise _failed(f"Signature not valid in the specified time frame: it starts at {query['st']}.")
    if query.get("spr") == "https" and not secure:
        raise StorageError(
            "AuthorizationProtocolMismatch",
            "This request is not authorized to perform this operation using this protocol.",
        )
    if query.get("srt") and ("q" if queue else "b") not in query.get("ss", ""):
        raise StorageError(
            "AuthorizationServiceMismatch",
            "This request is not authorized to perform this operation using this service.",
        )
    return access


def container(account: str, key: str, filesystem: str, permissions: str, expiry: datetime) -> str:
    """Return the query of a signature over a filesystem, with ``permissions`` letters, until ``expiry`` (aware)."""
    query = {
        "sv": VERSION,
        "se": expiry.astimezone(UTC).strftime(_FORMATS[0]),
        "sr": "c",
        "sp": "".join(sorted(permissions, key=_ORDER.index)),
    }
    query["sig"] = shared_key.sign(key, _string_to_sign(query, f"/blob/{account}/{filesystem}"))
    return urlencode(query)


def _of_account(query: Mapping[str, str], _: Place, account: str) -> tuple[str, SharedAccess]:
    kinds = {Kind(letter) for letter in query["srt"] if letter in "sco"}
    if Kind.CONTAINER in kinds:
        kinds.add(Kind.LISTING)
    names = ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv", "ses")
    text = "".join(f"{value}\n" for value in (account, *(query.get(name, "") for name in names)))
    access = SharedAccess(frozenset(query.get("sp", "")), frozenset(kinds), "AuthorizationResourceTypeMismatch")
    return text, access


def _of_queue(query: Mapping[str, str], place: Place, account: str) -> tuple[str, SharedAccess]:
    before, after = (_values(query, *names.split()) for names in ("sp st se", "si sip spr sv"))
    text = "\n".join([*before, f"/queue/{account}/{place.filesystem}", *after])
    return text, SharedAccess(_OF_QUEUES & set(query.get("sp", "")), frozenset({Kind.OBJECT, Kind.CONTAINER}))


def _of_service(query: Mapping[str, str], place: Place, account: str) -> tuple[str, SharedAccess]:
    text = _string_to_sign(query, f"/blob/{account}/{_signed_resource(query, place)}")
    return text, SharedAccess(frozenset(query.get("sp", "")), frozenset({Kind.OBJECT, Kind.LISTING}))


def _values(query: Mapping[str, str], *names: str) -> list[str]:
    return [query.get(name, "") for name in names]


def _signed_resource(query: Mapping[str, str], place: Place) -> str:
    match query.get("sr"):
        case "c":
            return place.filesystem
        case "b":
            return str(place)
        case "d":
            text = query.get("sdd", "")
            if not re.fullmatch(r"\d{1,2}", text) or len(place.parts) < int(text):
                raise _failed("The path does not lie below the signed directory, whose depth is sdd.")
            depth = int(text)
            return "/".join([place.filesystem, *place.parts[:depth]])
    raise _failed(f"The signed resource sr is c, b or d, not '{query.get('sr', '')}'.")


def _string_to_sign(query: Mapping[str, str], resource: str) -> str:
    before = _values(query, "sp", "st", "se")
    between = _values(query, "si", "sip", "spr", "sv", "sr")
    after = _values(query, "ses", *OVERRIDES)
    return "\n".join([*before, resource, *between, "", *after])  # the empty line is the snapshot's


def _moment(text: str) -> datetime:
    for form in _FORMATS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise _failed(f"'{text}' is no ISO 8601 time in UTC.")


def _failed(detail: str) -> StorageError:
    return StorageError(
        "AuthenticationFailed",
        f"Server failed to authenticate the request. {detail}",
    )
