"""Conditional headers: what ``If-Match`` and its kin ask of a path before anything happens.

They hold together as ``If-Match and If-Unmodified-Since and (If-None-Match or If-Modified-Since)``.
Source: REST reference, "Specifying conditional headers for Blob service operations".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from localcloud.lake.errors import StorageError


def etag_text(etag: int) -> str:
    """Return an ETag as the service writes it, without its quotes."""
    return f"0x{etag:015X}"


@dataclass(frozen=True)
class Conditions:
    """The four conditions of one request; the dates in whole seconds since 1970."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: float | None = None
    if_unmodified_since: float | None = None
    failure: str = "ConditionNotMet"

    @classmethod
    def of(cls, headers: Mapping[str, str], *, source: bool = False) -> Conditions:
        """Read the conditions on the request's own path, or those on its copy or rename ``source``."""
        prefix = "x-ms-source-" if source else ""
        return cls(
            headers.get(prefix + "If-Match") or None,
            headers.get(prefix + "If-None-Match") or None,
            _date(headers.get(prefix + "If-Modified-Since")),
            _date(headers.get(prefix + "If-Unmodified-Since")),
            "SourceConditionNotMet" if source else "ConditionNotMet",
        )

    @property
    def create_only(self) -> bool:
        """Whether the request is to fail when the path exists."""
        return self.if_none_match == "*"

    def check_write(self, etag: int | None, modified: float = 0.0) -> None:
        """Refuse with 412 unless the conditions hold for a path (``etag`` None = it does not exist)."""
        if etag is None:
            if self.if_match:
                raise self._failed()
            return
        if not self._matches(etag, modified) or not self._changed(etag, modified):
            raise self._failed()

    def check_read(self, etag: int, modified: float) -> None:
        """Refuse with 412 when the path is not the expected one, with 304 when it has not changed."""
        if not self._matches(etag, modified):
            raise self._failed()
        if not self._changed(etag, modified):
            raise self._failed(304)

    def _matches(self, etag: int, modified: float) -> bool:
        if self.if_match and not _listed(self.if_match, etag):
            return False
        return self.if_unmodified_since is None or int(modified) <= self.if_unmodified_since

    def _changed(self, etag: int, modified: float) -> bool:
        if not self.if_none_match and self.if_modified_since is None:
            return True
        other = bool(self.if_none_match) and not _listed(self.if_none_match or "", etag)
        return other or (self.if_modified_since is not None and int(modified) > self.if_modified_since)

    def _failed(self, status: int = 412) -> StorageError:
        where = "source" if self.failure.startswith("Source") else "request's"
        return StorageError(
            self.failure, f"The condition specified using HTTP conditional header(s) on the {where} path is not met.",
            status=status,
        )  # fmt: skip


NONE = Conditions()


def _listed(header: str, etag: int) -> bool:
    text = etag_text(etag)
    return any(tag.strip().removeprefix("W/").strip('"') in ("*", text) for tag in header.split(","))


def _date(text: str | None) -> float | None:
    if not text:
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        raise StorageError("InvalidHeaderValue", f"'{text}' is not an HTTP date.") from None
