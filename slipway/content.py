"""What of a model's folder is released, and the version that follows from it alone.

Released is every file of the folder, except hidden ones, `__pycache__`, and the `tests` folder at its top. The same
files with the same bytes have the same version on every machine.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from slipway.names import InvalidName, relative_path, shown
from slipway.problems import DefinitionError, Problem

#: Code and settings are small; more than this is data that slipped into the folder.
MOST_FILES, MOST_BYTES = 2000, 100 << 20


def released_files(folder: Path) -> list[str]:
    """The names of all released files, relative to the folder, with `/`, sorted.

    Raises DefinitionError where a name is a symbolic link, no regular file, or could not be a path in the lake; or
    where there are more than 2,000 files.
    """
    names = sorted(_walk(folder, folder))
    if len(names) > MOST_FILES:
        raise _refused(folder, f"the folder holds more than {MOST_FILES} files", "move data and results out of it")
    for name in names:
        try:
            relative_path(name)
        except InvalidName as error:
            raise _refused(folder / name, str(error), "rename the file") from error
    return names


def is_released(name: str) -> bool:
    """Whether a file or folder of this relative name is released."""
    segments = name.split("/")
    return segments[0] != "tests" and not any(s.startswith(".") or s == "__pycache__" for s in segments)


def content_version(folder: Path) -> str:
    """The version of a definition: the first 12 hex digits of the hash over all released names and bytes.

    Raises DefinitionError as `released_files` does, and where the files are larger than 100 MiB together.
    """
    digest, size = hashlib.sha256(), 0
    for name in released_files(folder):
        body = (folder / name).read_bytes()
        size += len(body)
        if size > MOST_BYTES:
            raise _refused(folder, f"the folder is larger than {MOST_BYTES >> 20} MiB", "move data out of it")
        digest.update(f"{len(name.encode())}:{name}:{len(body)}:".encode() + body)
    return digest.hexdigest()[:12]


def _walk(folder: Path, root: Path) -> Iterator[str]:
    for entry in os.scandir(folder):
        path = Path(entry.path)
        name = path.relative_to(root).as_posix()
        if not is_released(name):
            continue
        if entry.is_symlink():
            raise _refused(path, "symbolic links are not released: they mean another thing elsewhere", "copy the file")
        if entry.is_dir():
            yield from _walk(path, root)
        elif entry.is_file():
            yield name
        else:
            raise _refused(path, f"{shown(entry.name)} is neither a file nor a folder", "remove it")


def _refused(path: Path, rule: str, remedy: str) -> DefinitionError:
    return DefinitionError([Problem(str(path), 1, rule, remedy)])
