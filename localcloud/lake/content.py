"""The bytes of files: immutable parts on disk, and contents made of pieces of them.

A content is a list of extents (a part, where in it, how long). Joining appended ranges or blocks, copying and copying a
range therefore move no bytes. A content only ever grows at its end, so who opened it with a length keeps seeing just
that. Parts are named by generated ids and written before the row that names them commits; a kill leaves at worst parts
that nothing names, which are collected at start-up.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import uuid
from collections import Counter
from collections.abc import AsyncIterable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from localcloud.database import Database
from localcloud.faults.disk import Disk
from localcloud.lake.errors import StorageError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lake_content (id INTEGER PRIMARY KEY AUTOINCREMENT, length INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS lake_extent (
    content INTEGER NOT NULL, position INTEGER NOT NULL,
    part TEXT NOT NULL, start INTEGER NOT NULL, length INTEGER NOT NULL,
    PRIMARY KEY (content, position)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lake_extent_part ON lake_extent (part);
CREATE TABLE IF NOT EXISTS lake_committed_block (
    content INTEGER NOT NULL, ordinal INTEGER NOT NULL, id TEXT NOT NULL, length INTEGER NOT NULL,
    PRIMARY KEY (content, ordinal)
) WITHOUT ROWID;
"""
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Extent:
    """``length`` bytes from ``start`` of a part, at ``position`` of a content."""

    position: int
    part: str
    start: int
    length: int


@dataclass(frozen=True)
class Written:
    """A part that was written: its length in bytes and the MD5 of its bytes."""

    part: str
    length: int
    md5: bytes


class Contents:
    """All contents of the lake; ``folder`` holds the parts. ``disk`` is asked before any byte is written."""

    def __init__(self, database: Database, folder: Path, disk: Disk | None = None) -> None:
        self._disk = disk
        self._database = database
        self._folder = folder
        self._held: Counter[int] = Counter()
        self._unnamed: set[int] = set()
        database.script(_SCHEMA)
        folder.mkdir(parents=True, exist_ok=True)

    async def receive(self, body: AsyncIterable[bytes]) -> Written:
        """Write a stream as a new part, chunk by chunk; raises StorageError when the disk is full."""
        part, md5, length = uuid.uuid4().hex, hashlib.md5(usedforsecurity=False), 0
        with self._new(part) as file:
            async for chunk in body:
                self._write(file, chunk)
                md5.update(chunk)
                length += len(chunk)
        return Written(part, length, md5.digest())

    def take(self, source: Path) -> Written:
        """Copy a local file as a new part; raises StorageError when the disk is full."""
        with source.open("rb") as origin:
            return self.keep(iter(lambda: origin.read(_CHUNK), b""))

    def keep(self, chunks: Iterable[bytes]) -> Written:
        """Write chunks as a new part; raises StorageError when the disk is full."""
        part, md5, length = uuid.uuid4().hex, hashlib.md5(usedforsecurity=False), 0
        with self._new(part) as file:
            for chunk in chunks:
                self._write(file, chunk)
                md5.update(chunk)
                length += len(chunk)
        return Written(part, length, md5.digest())

    def discard(self, written: Written) -> None:
        """Remove a part that no content came to name."""
        self._path(written.part).unlink(missing_ok=True)

    def names_part(self, written: Written) -> bool:
        """Tell whether any content names a part."""
        return self._database.one("SELECT 1 FROM lake_extent WHERE part = ? LIMIT 1", written.part) is not None

    def of_part(self, written: Written) -> int:
        """Return a new content that is one whole part; an empty part is not kept."""
        if not written.length:
            self.discard(written)
        return self.join([Extent(0, written.part, 0, written.length)] if written.length else [])

    def join(self, extents: list[Extent]) -> int:
        """Return a new content of these extents, one after the other, whatever their positions were."""
        content = self._database.run(
            "INSERT INTO lake_content (length) VALUES (?)", sum(extent.length for extent in extents)
        ).lastrowid
        assert content is not None
        self._add(content, 0, extents)
        return content

    def extend(self, content: int, length: int, extents: list[Extent]) -> int:
        """Return ``content``, of which ``length`` bytes count, with extents added at its end.

        The content itself grows unless it already is longer: then another path shares it and went on first.
        """
        row = self._database.one("SELECT length FROM lake_content WHERE id = ?", content)
        if row is None or row["length"] != length:
            return self.join([*self.slice(content, 0, length), *extents])
        self._add(content, length, extents)
        added = sum(extent.length for extent in extents)
        self._database.run("UPDATE lake_content SET length = ? WHERE id = ?", length + added, content)
        return content

    def _add(self, content: int, position: int, extents: list[Extent]) -> None:
        for extent in extents:
            self._database.run(
                "INSERT INTO lake_extent VALUES (?, ?, ?, ?, ?)",
                content, position, extent.part, extent.start, extent.length,
            )  # fmt: skip
            position += extent.length

    def slice(self, content: int | None, start: int, end: int) -> list[Extent]:
        """Return the extents that make up the bytes from ``start`` to before ``end``, cut to them."""
        if content is None or end <= start:
            return []
        rows = self._database.all(
            "SELECT position, part, start, length FROM lake_extent WHERE content = ? AND position < ?"
            " AND position >= coalesce((SELECT max(position) FROM lake_extent WHERE content = ? AND position <= ?), 0)"
            " ORDER BY position",
            content, end, content, start,
        )  # fmt: skip
        cut = []
        for position, part, offset, length in rows:
            skip = max(0, start - position)
            left = min(length, end - position) - skip
            cut.append(Extent(position + skip, part, offset + skip, left))
        return cut

    def set_blocks(self, content: int, blocks: list[tuple[str, int]]) -> None:
        """Remember of which committed blocks (id, length) a content is made."""
        for ordinal, (identity, length) in enumerate(blocks):
            self._database.run(
                "INSERT INTO lake_committed_block VALUES (?, ?, ?, ?)", content, ordinal, identity, length
            )

    def blocks(self, content: int | None) -> list[tuple[str, int]]:
        """Return the committed blocks (id, length) of a content, in order."""
        rows = self._database.all(
            "SELECT id, length FROM lake_committed_block WHERE content = ? ORDER BY ordinal", content
        )
        return [(row["id"], row["length"]) for row in rows]

    def read(self, content: int | None, start: int, end: int) -> Generator[bytes, None, None]:
        """Yield the bytes from ``start`` to before ``end``; once begun they stay, whatever becomes of the path."""
        extents = self.hold(content, start, end)
        try:
            yield from self.read_extents(extents)
        finally:
            self.let_go(content)

    def hold(self, content: int | None, start: int, end: int) -> list[Extent]:
        """Return the extents of some bytes and keep their parts on disk until :meth:`let_go`."""
        if content is None:
            return []
        self._held[content] += 1
        return self.slice(content, start, end)

    def let_go(self, content: int | None) -> None:
        """Allow a held content to be removed, and remove it if nothing names it any more."""
        if content is None:
            return
        self._held[content] -= 1
        if self._held[content] <= 0:
            del self._held[content]
            if content in self._unnamed:
                self._unnamed.discard(content)
                with self._database.transaction():
                    self.drop(content)

    def read_extents(self, extents: list[Extent]) -> Generator[bytes, None, None]:
        """Yield the bytes of held extents; touches only files, so any thread may do it."""
        for extent in extents:
            yield from self._read_extent(extent)

    def _read_extent(self, extent: Extent) -> Generator[bytes, None, None]:
        left = extent.length
        with self._path(extent.part).open("rb") as file:
            file.seek(extent.start)
            while left:
                chunk = file.read(min(left, _CHUNK))
                left -= len(chunk)
                yield chunk

    def md5(self, content: int | None, start: int, end: int) -> str:
        """Return the base64 MD5 of the bytes from ``start`` to before ``end``."""
        digest = hashlib.md5(usedforsecurity=False)
        for chunk in self.read(content, start, end):
            digest.update(chunk)
        return base64.b64encode(digest.digest()).decode()

    def open(self, content: int | None, length: int) -> BinaryIO:
        """Open the whole content for reading in this process; it stays readable until closed."""
        return io.BufferedReader(_Reader(self, content, length), _CHUNK)

    def drop(self, content: int | None) -> None:
        """Forget a content that no path, append or block names any more; its parts go once the change has committed."""
        if content is None:
            return
        if content in self._held:
            self._unnamed.add(content)
            return
        parts = {row["part"] for row in self._database.all("SELECT part FROM lake_extent WHERE content = ?", content)}
        self._database.run("DELETE FROM lake_extent WHERE content = ?", content)
        self._database.run("DELETE FROM lake_committed_block WHERE content = ?", content)
        self._database.run("DELETE FROM lake_content WHERE id = ?", content)
        for part in parts:
            if self._database.one("SELECT 1 FROM lake_extent WHERE part = ? LIMIT 1", part) is None:
                self._database.after_commit(partial(self._path(part).unlink, missing_ok=True))

    def collect(self, named: str) -> None:
        """Remove contents that are not in the query ``named`` and parts without content: what a kill left behind."""
        with self._database.transaction():
            for row in self._database.all(f"SELECT id FROM lake_content WHERE id NOT IN ({named})"):  # noqa: S608
                self.drop(row["id"])
        known = {row["part"] for row in self._database.all("SELECT DISTINCT part FROM lake_extent")}
        for path in self._folder.glob("??/*"):
            if path.name not in known:
                path.unlink(missing_ok=True)

    @contextmanager
    def _new(self, part: str) -> Iterator[BinaryIO]:
        """Open a new part for writing; nothing is left of one that could not be written whole."""
        path = self._path(part)
        try:
            path.parent.mkdir(exist_ok=True)
            with path.open("xb", buffering=_CHUNK) as file:
                yield file
        except BaseException as problem:
            path.unlink(missing_ok=True)
            if isinstance(problem, OSError) and problem.errno == errno.ENOSPC:
                raise StorageError("InternalError", "The server's disk is full. Try again.") from problem
            raise

    def _write(self, file: BinaryIO, chunk: bytes) -> None:
        if self._disk is not None:
            self._disk.write(len(chunk))
        file.write(chunk)

    def _path(self, part: str) -> Path:
        return self._folder / part[:2] / part


class _Reader(io.RawIOBase):
    """A content as a raw stream: opened and closed in the database's thread, read in any."""

    def __init__(self, contents: Contents, content: int | None, length: int) -> None:
        self._contents = contents
        self._content = content
        self._chunks = contents.read_extents(contents.hold(content, 0, length))
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._left:
            self._left = next(self._chunks, b"")
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def close(self) -> None:
        if not self.closed:
            self._chunks.close()
            self._contents.let_go(self._content)
        super().close()
