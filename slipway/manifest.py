"""The outputs of a run: what the definition demands of them, and the manifest that says what they are. Pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.names import InvalidName, relative_path, shown

#: Files of the output folder that Slipway writes itself; a job that writes them breaks the contract.
MANIFEST, MARKER = "manifest.json", "_SUCCESS"
#: How many bytes and files are read in one batch of the verification.
BATCH_BYTES, BATCH_FILES = 1 << 30, 200
#: The most bytes of one file: it is hashed in one go, which at 20 MB a second takes the half hour of functionTimeout.
LARGEST_FILE = 32 << 30
#: How many violations are told; the rest is counted.
TOLD = 20
DEEPEST = 20


@dataclass(frozen=True)
class OutputFile:
    """A file below `outputs-<n>/`, as the lake lists it. `name` begins with the output's name."""

    name: str
    length: int
    etag: str


def violations(files: Sequence[OutputFile], must_have: Mapping[str, Sequence[str]]) -> list[str]:
    """What the outputs break: a sentence each, none if all is well.

    `must_have` maps each declared output to the patterns of which it must hold at least one file each. A pattern
    speaks of the path below the output's folder.
    """
    told = [why for file in files if (why := _misplaced(file.name, must_have) or _too_large(file))]
    for output, patterns in must_have.items():
        names = [file.name.removeprefix(f"{output}/") for file in files if file.name.startswith(f"{output}/")]
        if not names:
            told.append(f"output {output!r} is empty: the job wrote no file to it")
        else:
            told += [
                f"output {output!r} has no file {pattern!r}, which must_have demands"
                for pattern in patterns
                if not any(fnmatch.fnmatchcase(name, pattern) for name in names)
            ]
    return told if len(told) <= TOLD else [*told[:TOLD], f"and {len(told) - TOLD} more"]


def _misplaced(name: str, outputs: Mapping[str, Sequence[str]]) -> str | None:
    segments = name.split("/")
    if segments[0] not in outputs or len(segments) == 1:
        return f"{shown(name)} lies outside the declared outputs ({', '.join(sorted(outputs))})"
    if len(segments) > DEEPEST:
        return f"{shown(name)} lies deeper than {DEEPEST} levels"
    try:
        relative_path(name)
    except InvalidName as error:
        return str(error)
    return None


def _too_large(file: OutputFile) -> str | None:
    if file.length <= LARGEST_FILE:
        return None
    return f"{shown(file.name)} has {file.length:,} bytes; at most {LARGEST_FILE:,} are published in one file: split it"


def batches(files: Sequence[OutputFile]) -> list[list[OutputFile]]:
    """The files in batches of bounded bytes and count, in order. A larger file is a batch of its own."""
    made: list[list[OutputFile]] = []
    size = 0
    for file in files:
        if not made or size + file.length > BATCH_BYTES or len(made[-1]) >= BATCH_FILES:
            made.append([])
            size = 0
        made[-1].append(file)
        size += file.length
    return made


def manifest(facts: Mapping[str, Any], files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The manifest of an output set: who made it, and each file's name, length, ETag and SHA-256, by name.

    No time stands in it, so that writing it twice writes the same bytes.
    """
    listed = sorted(files, key=lambda file: str(file["name"]))
    return {
        "schema": 1,
        **facts,
        "files": listed,
        "total_files": len(listed),
        "total_bytes": sum(int(file["length"]) for file in listed),
    }
