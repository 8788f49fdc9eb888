"""Reading what was published as any consumer does: the pointer, the manifest it names, the files that lists."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow.parquet as pq
from azure.core.exceptions import HttpResponseError
from azure.storage.filedatalake import FileSystemClient

#: Slipway's own files beside the outputs; the manifest does not list them.
_OWN = {"manifest.json", "_SUCCESS"}


@dataclass
class Reading:
    """What a consumer found of one published period; `problems` is empty if all agrees with the manifest."""

    pointer: dict[str, Any] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)  #: of the files, as the manifest lists them
    bytes: int = 0
    rows: int = 0
    problems: list[str] = field(default_factory=list)


def pointer_path(model: str, period: str) -> str:
    """Return the file in the models filesystem that consumers of a period follow."""
    return f"{model}/published/{period}.json"


def download(models: FileSystemClient, path: str) -> bytes:
    """Return a file's bytes; raises HttpResponseError."""
    content: bytes = models.get_file_client(path).download_file().readall()
    return content


def read(models: FileSystemClient, model: str, period: str) -> Reading:
    """Read a published period whole, with the rights that `models` was made with."""
    reading = Reading()
    try:
        reading.pointer = json.loads(download(models, pointer_path(model, period)))
        manifest = json.loads(download(models, reading.pointer["manifest"]))
        _check_names(models, reading, manifest)
        for file in manifest["files"]:
            _read_file(models, reading, file)
    except HttpResponseError as refusal:
        reading.problems.append(f"{model} {period}: {refusal.status_code} {refusal.error_code}")
    return reading


def refused(action: Callable[[], object]) -> str | None:
    """Try what must not be allowed: None if it was refused for lack of rights (403), else what happened instead."""
    try:
        action()
    except HttpResponseError as refusal:
        return None if refusal.status_code == 403 else f"answered {refusal.status_code} {refusal.error_code}"
    return "was allowed"


def _check_names(models: FileSystemClient, reading: Reading, manifest: dict[str, Any]) -> None:
    """Compare what lies in the published folder with what the manifest lists."""
    folder = reading.pointer["folder"]
    there = {path.name.removeprefix(f"{folder}/") for path in models.get_paths(folder) if not path.is_directory}
    for name in sorted((there - _OWN) ^ {file["name"] for file in manifest["files"]}):
        reading.problems.append(f"{folder}/{name} is {'not listed' if name in there else 'missing'}")


def _read_file(models: FileSystemClient, reading: Reading, file: dict[str, Any]) -> None:
    path = f"{reading.pointer['folder']}/{file['name']}"
    content = download(models, path)
    if len(content) != file["length"] or hashlib.sha256(content).hexdigest() != file["sha256"]:
        reading.problems.append(f"{path} differs from the manifest's length and SHA-256")
    reading.paths.append(path)
    reading.bytes += len(content)
    if path.endswith(".parquet"):
        reading.rows += pq.read_metadata(io.BytesIO(content)).num_rows
    elif path.endswith(".csv"):
        reading.rows += content.count(b"\n") - 1
