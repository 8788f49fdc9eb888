"""What a job leaves beside its declared outputs, kept in a datastore of its own: the log, ``./outputs``, ``./logs``.

Source: azure-ai-ml, ``jobs.download``, for the place; "Where to save and write files for training", for the folders.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from localcloud.aml.staging import Carrier, files_below
from localcloud.aml.uris import Place
from localcloud.aml.workplace import LOG, Workplace

log = logging.getLogger(__name__)
_FOLDERS = ("outputs", "logs")


def place_of(job: str, filesystem: str) -> Place:
    """Return where a job's artifacts lie; the workspace itself writes them, whatever the job's identity may do."""
    return Place(filesystem, f"ExperimentRun/dcid.{job}", credentialed=True)


async def keep(carrier: Carrier, workplace: Workplace, target: Place, most: int, note: Callable[[Place], None]) -> None:
    """Bring a job's artifacts to ``target``, up to ``most`` bytes; ``note`` hears of each before it is written.

    Links are left out. Raises ``DataError`` when the lake refuses one.
    """
    for name, local in _artifacts(workplace):
        most -= local.stat().st_size
        if most < 0:
            log.warning("%s and what follows of the job's artifacts are not kept: too many bytes", name)
            return
        await carrier.upload_file(f"artifact {name}", local, target.below(name), note)


def _artifacts(workplace: Workplace) -> Iterator[tuple[str, Path]]:
    if told := workplace.log_if_own():
        yield LOG, told
    for folder in _FOLDERS:
        top = workplace.code / folder
        if top.is_dir() and not top.is_symlink():
            for local in files_below(top):
                if local.is_file() and not local.is_symlink():
                    yield local.relative_to(workplace.code).as_posix(), local
