"""What a job has with it: its code and inputs when it starts, its outputs when it ends."""

from __future__ import annotations

import logging
import sqlite3
from functools import partial
from pathlib import Path

from localcloud.aml import artifacts, staging
from localcloud.aml.catalog import Catalog
from localcloud.aml.rules import Job
from localcloud.aml.staging import Carrier, DataError
from localcloud.aml.store import JobStore
from localcloud.aml.workplace import Workplace

log = logging.getLogger(__name__)


class Baggage:
    """Brings it to the job's folder, and from there to the lake; ``store`` remembers what was written there.

    ``filesystem`` keeps what a job leaves beside its outputs, up to ``most`` bytes.
    """

    def __init__(self, catalog: Catalog, carrier: Carrier, store: JobStore, filesystem: str, most: int) -> None:
        self._filesystem = filesystem
        self._most = most
        self._catalog = catalog
        self._carrier = carrier
        self._store = store

    async def load(self, job: Job, place: Workplace) -> dict[str, str]:
        """Bring code and inputs to the job's folder; return what stands for each input in the command.

        Raises DataError and UriError.
        """
        place.make(job)
        if code := job.sent.get("codeId"):
            await self._carrier.download_folder("code", code, self._catalog.code(code), place.code)
        else:
            place.code.mkdir()
        texts = {}
        for name, one in job.sent["inputs"].items():
            if one["jobInputType"] == "literal":
                texts[name] = one["value"]
            elif one["mode"] == "Direct":
                texts[name] = one["uri"]
            else:
                texts[name] = await self._load_input(name, one, place)
        return texts

    async def _load_input(self, name: str, one: dict[str, str], place: Workplace) -> str:
        source, target = self._catalog.input(one["uri"]), place.input(name)
        if one["jobInputType"] == "uri_folder":
            await self._carrier.download_folder(name, one["uri"], source, target)
            staging.make_read_only(target)
            return str(target)
        target.mkdir()
        file = target / Path(source.path).name
        await self._carrier.download_file(name, one["uri"], source, file)
        return str(file)

    async def unload(self, job: Job, place: Workplace, modes: set[str]) -> None:
        """Write the outputs of these modes to the lake. Raises DataError and UriError."""
        for name, one in job.sent["outputs"].items():
            if one["mode"] in modes:
                target = self._catalog.output(one["uri"])
                note = partial(self._store.note_upload, job.name)
                await self._carrier.upload_folder(name, place.output(name), target, note)

    async def keep(self, job: Job, place: Workplace) -> None:
        """Write what a job leaves beside its outputs to the lake; what cannot be written is told of and missing."""
        target, note = artifacts.place_of(job.name, self._filesystem), partial(self._store.note_upload, job.name)
        try:
            await artifacts.keep(self._carrier, place, target, self._most, note)
        except (DataError, OSError, sqlite3.OperationalError) as problem:
            log.warning("artifacts of job %s are missing: %s", job.name, problem)
