"""A job's data on its way: from the lake into the job's folder, and back, with the rights of the job's identity."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

from localcloud.aml.uris import Place
from localcloud.faults.disk import Disk
from localcloud.identity.rules import SUPERUSER, Caller
from localcloud.lake import paths
from localcloud.lake.access import Rights
from localcloud.lake.errors import StorageError
from localcloud.lake.rules import Lake
from localcloud.lake.target import Place as Target
from localcloud.lake.volume import Act

Result = TypeVar("Result")
_CHUNK = 2**20


class DataError(Exception):
    """Data could not be read or written; the text is what the service tells of it."""


class Carrier:
    """Moves files between the lake and folders as ``caller``, the identity of the compute.

    A place that the workspace holds a credential for is reached with that instead, as the service does it. ``disk`` is
    where the folders are.
    """

    def __init__(self, lake: Lake, caller: Caller, disk: Disk) -> None:
        self._lake = lake
        self._disk = disk
        self._caller = caller

    async def download_file(self, name: str, uri: str, place: Place, target: Path) -> None:
        """Copy one file; raises :class:`DataError` if it is missing or refused."""
        await self._fetch(name, uri, place, target)
        target.chmod(0o444)  # noqa: ASYNC240 (one call)

    async def download_folder(self, name: str, uri: str, place: Place, target: Path) -> None:
        """Copy a folder with all that is in it; raises :class:`DataError` if it is missing or refused."""
        target.mkdir(parents=True)  # noqa: ASYNC240 (one call)
        try:
            entries = list(self._lake.walk(self._as(place), place.filesystem, place.path))
        except StorageError as refusal:
            raise _unreadable(name, uri, refusal) from refusal
        for entry in entries:
            if entry.path == place.path:
                raise DataError(f"input {name}: {uri} is a file, not a folder; the input's type would be uri_file.")
            local = _below(target, entry.path.removeprefix(place.path).lstrip("/"))
            if entry.is_directory:
                local.mkdir(parents=True, exist_ok=True)
            else:
                local.parent.mkdir(parents=True, exist_ok=True)
                await self._fetch(name, uri, Place(place.filesystem, entry.path, place.credentialed), local)

    async def upload_folder(self, name: str, source: Path, place: Place, note: Callable[[Place], None]) -> None:
        """Write what lies in ``source`` below ``place``; raises :class:`DataError`.

        ``note`` hears of each file before it is written.
        """
        if source.is_symlink() or not source.is_dir():  # noqa: ASYNC240 (two calls)
            raise DataError(f"output {name}: the command removed its folder, or put something else in its place.")
        for local in files_below(source):
            relative = local.relative_to(source).as_posix()
            if local.is_symlink() or not local.is_file():
                raise DataError(f"output {name}: {relative} is no ordinary file; links and devices cannot be uploaded.")
            await self.upload_file(f"output {name}", local, place.below(relative), note)
            await asyncio.sleep(0)  # other requests are served between two files

    async def upload_file(self, name: str, local: Path, target: Place, note: Callable[[Place], None]) -> None:
        """Write one file, told of by ``name``; raises :class:`DataError`. ``note`` hears of it before."""
        note(target)
        try:
            await self._lake.upload_file(self._as(target), target.filesystem, target.path, local)
        except StorageError as refusal:
            raise DataError(_told(f"{name}: writing {target.path} failed", refusal)) from refusal

    def remove(self, place: Place) -> None:
        """Delete a file if it is there."""
        try:
            act, target = Act(Rights(self._as(place))), Target(place.filesystem, place.path)
            paths.delete(self._lake.volume, act, target, recursive=False, api=("DeleteFile", "DeleteDirectory"))
        except StorageError as refusal:
            if refusal.status != 404:
                raise DataError(_told(f"deleting {place.path} failed", refusal)) from refusal

    async def _fetch(self, name: str, uri: str, place: Place, target: Path) -> None:
        try:
            view = self._lake.read_file(self._as(place), place.filesystem, place.path)
        except StorageError as refusal:
            raise _unreadable(name, uri, refusal) from refusal
        try:
            with view.open() as source, target.open("xb") as copy:
                while chunk := source.read(_CHUNK):
                    self._disk.write(len(chunk))
                    copy.write(chunk)
                    await asyncio.sleep(0)  # other requests are served between two chunks
        except OSError as problem:
            raise DataError(f"input {name}: {uri} does not fit on the job's disk: {problem.strerror}.") from problem

    def _as(self, place: Place) -> Caller:
        return SUPERUSER if place.credentialed else self._caller


async def whole(work: Coroutine[Any, Any, Result]) -> Result:
    """Await work to its end even when canceled, so that nothing goes on behind the back of who cleans up."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def remove_folder(folder: Path) -> None:
    """Delete a folder with its read-only copies; nothing happens if it is not there."""
    if not folder.exists():
        return
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(folder)


def files_below(folder: Path) -> Iterator[Path]:
    """Yield what is not a directory, in the order of the names; links to directories are not followed."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            yield from files_below(path)
        else:
            yield path


def make_read_only(folder: Path) -> None:
    """Take the right to write from a folder and all that is in it."""
    for path in folder.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    folder.chmod(0o555)


def _below(folder: Path, relative: str) -> Path:
    """Return the path of ``relative`` in ``folder``; raises when it would lead out of it."""
    parts = relative.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise DataError(f"the lake's path {relative!r} cannot be a path of files")
    return folder.joinpath(*parts)


def _unreadable(name: str, uri: str, refusal: StorageError) -> DataError:
    kind = "NotFound" if refusal.status == 404 else "Authentication" if refusal.status in (401, 403) else "Unexpected"
    return DataError(
        _told(
            f"Failed to access input {name} at {uri}: ScriptExecutionException was caused by StreamAccessException. "
            f"Error code: ScriptExecution.StreamAccess.{kind}",
            refusal,
        )
    )


def _told(what: str, refusal: StorageError) -> str:
    return f"{what}. The storage service answered {refusal.status} {refusal.code}: {refusal}"
