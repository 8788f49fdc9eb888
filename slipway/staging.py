"""Staging: what the snapshot's index says, and how the staged files compare with it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from slipway.snapshot import Blocks, File, Part, block_count, fingerprint

#: How many differences are told; the rest is counted.
TOLD = 10


def target(file: File) -> str:
    """Where a file is staged, below the run's `inputs/`."""
    return f"{file.input}/{file.staged}"


def index(files: Sequence[File], parts: Sequence[Part]) -> dict[str, Any]:
    """The head of a snapshot: its fingerprint, what it counts, and how many blocks each large file is copied in."""
    blocks = {item.file: item.block_size for part in parts for item in part.items if isinstance(item, Blocks)}
    return {
        "schema": 1,
        "fingerprint": fingerprint(files),
        "files": len(files),
        "bytes": sum(file.length for file in files),
        "parts": len(parts),
        "large": {target(file): block_count(file, size) for file, size in blocks.items()},
        "inputs": _by_input(files),
    }


def _by_input(files: Iterable[File]) -> dict[str, dict[str, int]]:
    counted: dict[str, dict[str, int]] = {}
    for file in files:
        counts = counted.setdefault(file.input, {"files": 0, "bytes": 0})
        counts["files"] += 1
        counts["bytes"] += file.length
    return counted


def differences(parts: Iterable[Part], staged: Mapping[str, tuple[int, str | None]]) -> list[str]:
    """How the staged files (place below `inputs/` to length and MD5) differ from the snapshot's parts.

    A sentence each, none if they are equal. A file copied in blocks has no MD5 of its own to compare.
    """
    wanted = {target(item.file): (item.file, isinstance(item, Blocks)) for part in parts for item in part.items}
    told = [f"{name} was staged and is not in the snapshot" for name in sorted(set(staged) - set(wanted))]
    for name, (file, in_blocks) in sorted(wanted.items()):
        length, md5 = staged.get(name, (None, None))
        if length is None:
            told.append(f"{name} is missing")
        elif length != file.length:
            told.append(f"{name} has {length} bytes of {file.length}")
        elif file.md5 and md5 and md5 != file.md5 and not in_blocks:
            told.append(f"{name} has other bytes than its source")
    return told if len(told) <= TOLD else [*told[:TOLD], f"and {len(told) - TOLD} more"]
