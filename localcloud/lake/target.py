"""What a request is for: the service it speaks to, the filesystem or queue and the path, and its query, as sent.

One port answers for the DFS, Blob and Queue endpoints, path-style (``/account/filesystem/path``), so the kind of
request has to be read off what the clients really send.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from localcloud.lake.errors import StorageError, Surface, unsupported

_DFS_QUERY = {"resource", "action", "recursive", "paginated", "mode"}
_BLOB_QUERY = {"restype", "comp"}
_BLOB_HEADERS = ("x-ms-blob-type", "x-ms-copy-source")
_QUEUE_QUERY = {"numofmessages", "peekonly", "visibilitytimeout", "messagettl", "popreceipt"}
_CONTAINER_NAME = re.compile(r"\$root|\$web|\$logs|(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_MAXIMUM_PATH = 1024
_MAXIMUM_COMPONENT = 255
_MAXIMUM_DEPTH = 63


class Place(NamedTuple):
    """A path in a filesystem, components joined by single slashes; an empty path is the root directory."""

    filesystem: str
    path: str = ""

    @property
    def parts(self) -> list[str]:
        """The components of the path."""
        return self.path.split("/") if self.path else []

    @property
    def parent(self) -> Place:
        """The directory the path lies in."""
        return Place(self.filesystem, self.path.rpartition("/")[0])

    def __str__(self) -> str:
        return f"{self.filesystem}/{self.path}" if self.path else self.filesystem


@dataclass(frozen=True)
class Target:
    """One request's address: ``raw_path`` as sent (for its signature), ``query`` decoded once."""

    method: str
    raw_path: str
    query: Mapping[str, str]
    filesystem: str
    path: str
    surface: Surface
    parts: list[str] = field(default_factory=list)

    @property
    def place(self) -> Place:
        """The filesystem and path."""
        return Place(self.filesystem, self.path)


def parse_query(text: str) -> dict[str, str]:
    """Return the query's parameters, names in lower case, values decoded once; a plus is a plus."""
    pairs = (part.partition("=") for part in text.split("&") if part)
    return {unquote(name).lower(): unquote(value) for name, _, value in pairs}


def parse(method: str, raw: str, headers: Mapping[str, str], account: str) -> Target:
    """Read the request line ``raw`` (path and query as sent) of an account's storage."""
    raw_path, _, query_text = raw.partition("?")
    query = parse_query(query_text)
    segments = raw_path.lstrip("/").split("/", 1) if not raw_path.startswith("//") else ["", raw_path[1:]]
    if segments[0] == account:
        rest = segments[1] if len(segments) > 1 else ""
    elif headers.get("x-ms-rename-source", "").startswith(f"/{account}/"):
        rest = raw_path.lstrip("/")  # the C++ SDK loses the account of a path-style URL here
    else:
        raise StorageError("ResourceNotFound", f"There is no account '{segments[0]}' here, only '{account}'.")
    filesystem, _, path = rest.partition("/")
    parts = [unquote(part) for part in path.strip("/").split("/")] if path.strip("/") else []
    return Target(method, raw_path, query, unquote(filesystem), clean(path), _surface(method, query, headers), parts)


def parse_within(method: str, raw: str, headers: Mapping[str, str], account: str) -> Target:
    """As :func:`parse`, for a request in the body of another.

    The SDKs leave the account of a path-style URL out there; Python's signs what it sent, without it. Source:
    azure-storage-blob, ``_container_client_helpers.py``.
    """
    address = parse(method, raw if raw.startswith(f"/{account}/") else f"/{account}{raw}", headers, account)
    return replace(address, raw_path=raw.partition("?")[0])


def _surface(method: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Surface:
    if method == "PATCH" or _DFS_QUERY & set(query) or "x-ms-rename-source" in headers:
        return Surface.DFS
    if _BLOB_QUERY & set(query) or any(name in headers for name in _BLOB_HEADERS):
        return Surface.BLOB
    accept = headers.get("Accept", "")
    if "application/json" in accept:
        return Surface.DFS
    if "application/xml" not in accept and "azsdk-cpp-storage-files-datalake/" in headers.get("User-Agent", ""):
        return Surface.DFS
    return Surface.BLOB


def speaks_queue(target: Target, headers: Mapping[str, str]) -> bool | None:
    """Tell whether the request's form is one only queues have; None when the name has to decide."""
    if "storage-queue" in headers.get("User-Agent", ""):
        return True
    if not target.filesystem or target.surface is Surface.DFS or "restype" in target.query:
        return False
    if not target.parts:
        return target.query.get("comp") in (None, "metadata", "acl")
    if target.parts[0] != "messages" or len(target.parts) > 2:
        return False
    return True if _QUEUE_QUERY & set(target.query) else None


def clean(raw: str) -> str:
    """Return a path decoded once, without the slashes at its ends; refuse names that no path may have."""
    try:
        path = unquote(raw, errors="strict").strip("/")
    except UnicodeDecodeError:
        raise StorageError("InvalidUri", f"A path is UTF-8, percent-encoded, not {raw!r}.") from None
    if not path:
        return ""
    parts = [part for part in path.split("/") if part]
    if len(path) > _MAXIMUM_PATH or len(parts) > _MAXIMUM_DEPTH or max(map(len, parts)) > _MAXIMUM_COMPONENT:
        raise StorageError(
            "InvalidUri",
            f"A path has at most {_MAXIMUM_PATH} characters in {_MAXIMUM_DEPTH} components of {_MAXIMUM_COMPONENT}.",
        )
    if "." in parts or ".." in parts or any(ord(letter) < 32 for letter in path):
        raise StorageError("InvalidUri", f"A path has no components '.' and '..' and no control characters: {path!r}.")
    return "/".join(parts)


def check_filesystem_name(name: str) -> None:
    """Refuse what is no name of a filesystem or queue."""
    if not _CONTAINER_NAME.fullmatch(name):
        raise StorageError(
            "InvalidResourceName",
            f"'{name}' is no name of a filesystem or queue: 3 to 63 of a-z, 0-9 and single hyphens, none at the ends.",
        )


class Source(NamedTuple):
    """The source of a copy or rename: where it is, and the query of its address (a SAS, or empty)."""

    place: Place
    query: dict[str, str]
    raw_path: str


def parse_source(text: str, account: str, *, code: str, url: bool) -> Source:
    """Read ``x-ms-copy-source`` (a ``url`` of this account) or ``x-ms-rename-source``; ``code`` is for refusing."""
    try:
        split = urlsplit(text)
    except ValueError as problem:
        raise StorageError(code, f"The source '{text}' is not valid: {problem}.", status=400) from problem
    raw_path = split.path
    if url:
        if split.scheme not in ("http", "https"):
            raise StorageError(code, f"The source has to be a URL, not '{text}'.", status=400)
        if not raw_path.startswith(f"/{account}/"):
            raise unsupported("copies from other accounts")
        raw_path = raw_path.removeprefix(f"/{account}")
    elif raw_path.startswith(f"/{account}/") and raw_path.count("/") > 2:
        raw_path = raw_path.removeprefix(f"/{account}")
    filesystem, _, path = raw_path.lstrip("/").partition("/")
    if not filesystem or not path.strip("/"):
        raise StorageError(code, f"The source names no filesystem and path: '{text}'.", status=400)
    return Source(Place(unquote(filesystem), clean(path)), parse_query(split.query), split.path)
