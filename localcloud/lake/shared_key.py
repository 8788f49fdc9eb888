"""The SharedKey signature of a request.

Source: REST reference, "Authorize with Shared Key"; the order of headers: azure-storage-blob,
``_shared/authentication.py``. With a path-style address the account stands twice in the canonical resource, because the
path as sent begins with it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime

from localcloud.lake.errors import StorageError

_SIGNED = (
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-MD5",
    "Content-Type",
    "Date",
    "If-Modified-Since",
    "If-Match",
    "If-None-Match",
    "If-Unmodified-Since",
    "Range",
)

#: The service's order of what header names are made of, letters in any case.
_WEIGHTS = {letter: weight for weight, letter in enumerate("!#$%&*.^_`|~+0123456789abcdefghijklmnopqrstuvwxyz")}
#: What decides only between names that are equal without it.
_LIGHT = "'-"
#: Seconds. Source: REST reference, "Authorize with Shared Key": no older than 15 minutes.
_SKEW = 15 * 60


def sign(key: str, text: str) -> str:
    """Return the base64 HMAC-SHA256 of ``text`` under the base64 ``key``."""
    return base64.b64encode(hmac.digest(base64.b64decode(key), text.encode(), hashlib.sha256)).decode()


def string_to_sign(
    method: str,
    raw_path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    header_items: Iterable[tuple[str, str]],
    account: str,
) -> str:
    """Return the text a client signs; ``raw_path`` as sent, ``query`` decoded, ``header_items`` all headers."""
    values = {name: headers.get(name, "") for name in _SIGNED}
    if values["Content-Length"] == "0":
        values["Content-Length"] = ""
    if "x-ms-date" in headers:
        values["Date"] = ""
    extension = [(name.lower(), value) for name, value in header_items if name.lower().startswith("x-ms-")]
    extension.sort(key=lambda item: _order(item[0]))
    lines = [method, *values.values(), *(f"{name}:{value}" for name, value in extension)]
    lines.append(f"/{account}{raw_path}")
    lines += [f"{name}:{query[name]}" for name in sorted(query)]
    return "\n".join(lines)


def _order(name: str) -> tuple[list[int], list[int]]:
    """Return what header names are sorted by; hyphens weigh nothing, unless two names differ by them alone."""
    heavy = [_WEIGHTS.get(letter, -1) for letter in name if letter not in _LIGHT]
    return heavy, [_LIGHT.find(letter) for letter in name]


def check_age(text: str, machine: float, cloud: float) -> None:
    """Refuse a signature whose date ``text`` lies 15 minutes or more beside the present; times in seconds since 1970.

    The cloud's clock can be moved and a client's may follow it or the machine's, so the present is all between the two.
    """
    try:
        signed = parsedate_to_datetime(text).timestamp()
    except ValueError:
        signed = 0.0
    if not min(machine, cloud) - _SKEW < signed < max(machine, cloud) + _SKEW:
        raise StorageError(
            "AuthenticationFailed",
            f"Server failed to authenticate the request. The date of its signature is too old or too new: '{text}'.",
        )


def verify(authorization: str, account: str, key: str, text: str) -> None:
    """Refuse an ``Authorization: SharedKey account:signature`` that is not the account's over ``text``."""
    name, _, signature = authorization.removeprefix("SharedKey ").partition(":")
    if name != account or not hmac.compare_digest(signature.encode(), sign(key, text).encode()):
        raise StorageError(
            "AuthenticationFailed",
            "Server failed to authenticate the request. Make sure the value of Authorization header is formed "
            f"correctly including the signature; the key of account '{account}' gives another one.",
        )
