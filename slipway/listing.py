"""What the lake shows in a folder, and the one rule that says which of its files are data.

Readiness, fingerprint and staging all see files through `Listing.data`, so they agree on the exact set:

- directories are never data;
- a file is no data if its name, or a folder on the way to it, begins with `_` or `.`, or if its name ends in `.tmp`
  or `.crc`: markers, temporary files, checksums, rejects;
- a file that a server-side copy has not completed (pending, failed, aborted) is absent;
- empty files are data.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

_NEVER_DATA = (".tmp", ".crc")


@dataclass(frozen=True, order=True)
class Folder:
    """A folder of the lake: the filesystem's name and the path in it, without leading or trailing slash."""

    filesystem: str
    path: str

    def __str__(self) -> str:
        return f"{self.filesystem}/{self.path}/"

    @property
    def prefix(self) -> str:
        """What names of files in this folder begin with, in its filesystem's listing."""
        return f"{self.path}/"

    def covers(self, other: Folder) -> bool:
        """Whether `other` is this folder or lies below it."""
        return self.filesystem == other.filesystem and other.prefix.startswith(self.prefix)


@dataclass(frozen=True)
class Entry:
    """One path of a listing, or one file of a manifest.

    `name` is the path in its filesystem, and relative to the folder in a `Listing` of one; `hash` the content's hash in
    hex as the lake stores it (MD5) or a manifest states it (SHA-256), None where there is none; `modified` aware UTC.
    """

    name: str
    length: int
    etag: str
    hash: str | None
    modified: datetime
    copy_status: str | None = None
    is_directory: bool = False
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """A folder as it was seen: `found_at` is the lake's own time (its Date header), aware UTC.

    A folder that does not exist is a listing without entries.
    """

    found_at: datetime
    entries: tuple[Entry, ...] = ()

    def data(self, marker: str | None = None) -> tuple[Entry, ...]:
        """The files that are data, by the rule above, in the order of their names; a dataset's marker is none."""
        files = (entry for entry in self.entries if is_data(entry) and entry.name != marker)
        return tuple(sorted(files, key=lambda entry: entry.name))

    def marker(self, name: str) -> Entry | None:
        """The marker file of this name, directly in the folder, if it is there and whole."""
        return next((e for e in self.entries if e.name == name and not e.is_directory and _is_whole(e)), None)

    def below(self, folder: str) -> Listing:
        """The listing of a folder inside this one, cut out of it; `folder` is relative, without slashes at its ends."""
        prefix, entries = f"{folder}/", self._by_name
        begin = bisect_left(entries, prefix, key=_name)
        end = bisect_left(entries, f"{folder}0", begin, key=_name)  # 0 is the character after the slash
        return Listing(
            self.found_at, tuple(replace(entry, name=entry.name.removeprefix(prefix)) for entry in entries[begin:end])
        )

    @cached_property
    def _by_name(self) -> list[Entry]:
        # The service walks a hierarchical account folder by folder, which is not quite the order of the names.
        return sorted(self.entries, key=_name)


def _name(entry: Entry) -> str:
    return entry.name


def is_data(entry: Entry) -> bool:
    """Whether this path is a file that models read, by the rule above."""
    hidden = any(segment.startswith(("_", ".")) for segment in entry.name.split("/"))
    return not (entry.is_directory or hidden or entry.name.endswith(_NEVER_DATA)) and _is_whole(entry)


def _is_whole(entry: Entry) -> bool:
    # On a hierarchical account a copy is announced, and listed, when it begins.
    # Source: "Azure Blob Storage as an Event Grid source", note on Copy Blob.
    return entry.copy_status in (None, "", "success")
