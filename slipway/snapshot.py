"""The snapshot of a run's inputs: the exact files, their fingerprint, and how their copying is cut into batches. Pure.

Files are staged as `inputs/<input>/<period>/<name>`, static inputs as `inputs/<input>/<name>`: the layout a job sees
depends on the input alone, never on the width of its window or on which period `max_age` chose.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from slipway.period import Period

MIB = 1 << 20
#: Put Blob From URL takes files up to this size. Source: REST reference, Put Blob From URL.
COPY_LIMIT = 5000 * MIB
#: Larger files are copied in blocks of this size: 50,000 blocks make 12 TiB. Source: REST reference, Put Block List.
BLOCK_SIZE = 256 * MIB
#: What one batch copies at most, unless a single file is larger.
BATCH_FILES, BATCH_BYTES = 200, 4096 * MIB


@dataclass(frozen=True)
class File:
    """One selected input file.

    `period` is the dataset's period, None for a static input; `name` the path below the dataset's folder; `source`
    is `<filesystem>/<path>`; `hash` the content's hash in hex, where the lake or a manifest has one; `modified` UTC.
    """

    input: str
    period: Period | None
    name: str
    source: str
    length: int
    etag: str
    hash: str | None
    modified: datetime

    @property
    def staged(self) -> str:
        """Where the file is staged, below `inputs/<input>/`."""
        return f"{self.period}/{self.name}" if self.period else self.name

    @property
    def md5(self) -> str | None:
        """The content's MD5 in hex, if that is the hash known: the service can check a copy against it."""
        return self.hash if self.hash and len(self.hash) == 32 else None

    def to_document(self) -> dict[str, Any]:
        """The file as plain JSON, as snapshots and manifests keep it."""
        return asdict(self) | {
            "period": str(self.period) if self.period else None,
            "modified": self.modified.astimezone(UTC).isoformat(),
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> File:
        """Read back what `to_document` wrote."""
        period = document["period"]
        return cls(
            **document
            | {
                "period": Period.parse(period) if period else None,
                "modified": datetime.fromisoformat(document["modified"]),
            }
        )


@dataclass(frozen=True)
class Copy:
    """A file that one server-side call copies whole."""

    file: File

    @property
    def size(self) -> int:
        """How many bytes this copies."""
        return self.file.length


@dataclass(frozen=True)
class Blocks:
    """A range of a large file's blocks, `first` to `last`, both included, counted from 0."""

    file: File
    first: int
    last: int
    block_size: int = BLOCK_SIZE

    @property
    def size(self) -> int:
        """How many bytes this copies."""
        return min(self.file.length, (self.last + 1) * self.block_size) - self.first * self.block_size

    def extents(self) -> list[tuple[int, int, int]]:
        """Number, offset and length in bytes of each block."""
        return [
            (number, number * self.block_size, min(self.block_size, self.file.length - number * self.block_size))
            for number in range(self.first, self.last + 1)
        ]


Item = Copy | Blocks


@dataclass(frozen=True)
class Part:
    """A batch of copies that one activity does."""

    items: tuple[Item, ...]

    @property
    def size(self) -> int:
        """How many bytes the batch copies."""
        return sum(item.size for item in self.items)

    def to_document(self) -> dict[str, Any]:
        """The batch as plain JSON."""
        return {"items": [_item_document(item) for item in self.items]}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Part:
        """Read back what `to_document` wrote."""
        return cls(tuple(_item(item) for item in document["items"]))


def fingerprint(files: Iterable[File]) -> str:
    """The hash over what was selected, 64 hex digits, whatever the files' order.

    What counts is input, dataset period, name, length and content hash; the ETag only where no hash is known, since
    it changes with metadata too, without any new byte. Neither the definition nor the place of the files counts.
    """
    lines = sorted(
        json.dumps(
            [
                file.input,
                str(file.period) if file.period else None,
                file.name,
                file.length,
                f"hash:{file.hash}" if file.hash else f"etag:{file.etag}",
            ]
        )
        for file in files
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def parts(files: Iterable[File], copy_limit: int = COPY_LIMIT, block_size: int = BLOCK_SIZE) -> list[Part]:
    """Cut the copying of these files into batches of about equal work; the same files always give the same batches.

    A batch holds at most 200 items and 4 GiB, or one larger file alone. Files above `copy_limit` bytes are copied in
    blocks: each range of blocks that fits a batch is an item of its own, so one file may span several batches.
    """
    ordered = sorted(files, key=_place)
    items = [item for file in ordered for item in _items(file, copy_limit, block_size)]
    batches = _balanced(sorted(items, key=lambda item: -_work(item)))
    return [Part(tuple(sorted(batch, key=lambda item: (*_place(item.file), _first(item))))) for batch in batches]


def block_count(file: File, block_size: int = BLOCK_SIZE) -> int:
    """How many blocks a large file is copied in."""
    return max(1, -(-file.length // block_size))


def _items(file: File, copy_limit: int, block_size: int) -> list[Item]:
    if file.length <= copy_limit:
        return [Copy(file)]
    count, step = block_count(file, block_size), max(1, BATCH_BYTES // block_size)
    return [Blocks(file, first, min(first + step, count) - 1, block_size) for first in range(0, count, step)]


def _balanced(items: Sequence[Item]) -> list[list[Item]]:
    """Give each item, largest first, to the batch with the least work, opening another where it would be too much."""
    count = -(-sum(_work(item) for item in items) // 1)
    batches: list[list[Item]] = [[] for _ in range(int(count))]
    loads = [(0.0, index) for index in range(len(batches))]
    for item in items:
        load, index = heapq.heappop(loads) if loads else (0.0, -1)
        if index < 0 or (batches[index] and load + _work(item) > 1):
            if index >= 0:
                heapq.heappush(loads, (load, index))
            batches.append([])
            load, index = 0.0, len(batches) - 1
        batches[index].append(item)
        heapq.heappush(loads, (load + _work(item), index))
    return [batch for batch in batches if batch]


def _work(item: Item) -> float:
    """The share of a batch's limits that an item takes; 1 is a full batch."""
    return item.size / BATCH_BYTES + 1 / BATCH_FILES


def _place(file: File) -> tuple[str, str, str]:
    return (file.input, str(file.period or ""), file.name)


def _first(item: Item) -> int:
    return item.first if isinstance(item, Blocks) else 0


def _item_document(item: Item) -> dict[str, Any]:
    document: dict[str, Any] = {"file": item.file.to_document()}
    if isinstance(item, Blocks):
        document["blocks"] = {"first": item.first, "last": item.last, "size": item.block_size}
    return document


def _item(document: dict[str, Any]) -> Item:
    file, blocks = File.from_document(document["file"]), document.get("blocks")
    return Blocks(file, blocks["first"], blocks["last"], blocks["size"]) if blocks else Copy(file)
