"""What the workspace remembers, in the tables ``aml_*`` of the cloud's database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from sqlite3 import Row
from typing import Any

from localcloud.aml.rules import ENDED, Job, Status
from localcloud.aml.uris import Place
from localcloud.database import Database

_TABLES = """
CREATE TABLE IF NOT EXISTS aml_jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, sent TEXT NOT NULL,
    display_name TEXT NOT NULL, description TEXT, tags TEXT NOT NULL, properties TEXT NOT NULL,
    archived INTEGER NOT NULL, created REAL NOT NULL, created_by TEXT NOT NULL, status TEXT NOT NULL,
    started REAL, ended REAL, error TEXT, warning TEXT,
    cpu_seconds REAL NOT NULL, peak_memory INTEGER NOT NULL, processes TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS aml_jobs_status ON aml_jobs (status);
CREATE TABLE IF NOT EXISTS aml_uploads (
    job TEXT NOT NULL, filesystem TEXT NOT NULL, path TEXT NOT NULL, credentialed INTEGER NOT NULL,
    PRIMARY KEY (job, filesystem, path)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS aml_samples (
    job TEXT NOT NULL, minute INTEGER NOT NULL, count INTEGER NOT NULL, cpu_sum REAL NOT NULL, cpu_max REAL NOT NULL,
    memory_sum REAL NOT NULL, memory_max REAL NOT NULL, PRIMARY KEY (job, minute)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS aml_assets (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
    properties TEXT NOT NULL, created REAL NOT NULL, created_by TEXT NOT NULL, UNIQUE (kind, name, version));
CREATE TABLE IF NOT EXISTS aml_containers (
    kind TEXT NOT NULL, name TEXT NOT NULL, properties TEXT NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Version:
    """One version of an asset; ``properties`` as it was PUT."""

    kind: str
    name: str
    version: str
    properties: dict[str, Any]
    created: datetime
    created_by: str


@dataclass(frozen=True)
class Minute:
    """What was measured within one minute: processor use in millicores, memory in bytes."""

    begin: datetime
    count: int
    cpu_sum: float
    cpu_max: float
    memory_sum: float
    memory_max: float


class JobStore:
    """The jobs, what they wrote and what they used."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.script(_TABLES)

    def add(self, job: Job) -> None:
        """Store a new job; its name must be free."""
        fields = _columns(job)
        names, marks = ", ".join(fields), ", ".join("?" * len(fields))
        self._database.run(f"INSERT INTO aml_jobs ({names}) VALUES ({marks})", *fields.values())  # noqa: S608 (own names)

    def save(self, job: Job) -> None:
        """Store a job as it stands now."""
        fields = _columns(job)
        pairs = ", ".join(f"{field} = ?" for field in fields)
        self._database.run(f"UPDATE aml_jobs SET {pairs} WHERE name = ?", *fields.values(), job.name)  # noqa: S608

    def get(self, name: str) -> Job | None:
        """Return a job that was not deleted."""
        row = self._database.one("SELECT * FROM aml_jobs WHERE name = ? AND NOT deleted", name)
        return _job(row) if row else None

    def was_deleted(self, name: str) -> bool:
        """Say whether ``name`` belonged to a job that was deleted; such a name stays taken."""
        return self._database.one("SELECT 1 FROM aml_jobs WHERE name = ? AND deleted", name) is not None

    def delete(self, name: str) -> None:
        """Forget a job, but not its name."""
        self._database.run("UPDATE aml_jobs SET deleted = 1 WHERE name = ?", name)
        self._database.run("DELETE FROM aml_samples WHERE job = ?", name)
        self.forget_uploads(name)

    def newest_first(self) -> Iterator[Job]:
        """Yield every job, the newest first."""
        for row in self._database.all("SELECT * FROM aml_jobs WHERE NOT deleted ORDER BY number DESC"):
            yield _job(row)

    def unfinished(self) -> list[Job]:
        """Return the jobs that have not ended, the oldest first."""
        ended = ", ".join(f"'{status}'" for status in ENDED)
        rows = self._database.all(f"SELECT * FROM aml_jobs WHERE status NOT IN ({ended}) ORDER BY number")  # noqa: S608
        return [_job(row) for row in rows]

    def note_upload(self, job: str, place: Place) -> None:
        """Remember, before it is written, a file that a job puts into the lake."""
        values = (job, place.filesystem, place.path, place.credentialed)
        self._database.run("INSERT OR IGNORE INTO aml_uploads VALUES (?, ?, ?, ?)", *values)

    def uploads(self, job: str) -> list[Place]:
        """Return what a job put into the lake, or was about to."""
        rows = self._database.all("SELECT * FROM aml_uploads WHERE job = ?", job)
        return [Place(row["filesystem"], row["path"], bool(row["credentialed"])) for row in rows]

    def forget_uploads(self, job: str) -> None:
        """Forget what a job put into the lake; the files stay."""
        self._database.run("DELETE FROM aml_uploads WHERE job = ?", job)

    def add_sample(self, job: str, when: datetime, millicores: float, memory: float) -> None:
        """Add one measurement (processor use in millicores, memory in bytes) to its minute."""
        self._database.run(
            "INSERT INTO aml_samples VALUES (?, ?, 1, ?, ?, ?, ?) ON CONFLICT (job, minute) DO UPDATE SET "
            "count = count + 1, cpu_sum = cpu_sum + excluded.cpu_sum, cpu_max = max(cpu_max, excluded.cpu_max), "
            "memory_sum = memory_sum + excluded.memory_sum, memory_max = max(memory_max, excluded.memory_max)",
            job, int(when.timestamp()) // 60, millicores, millicores, memory, memory,
        )  # fmt: skip

    def minutes(self, job: str) -> list[Minute]:
        """Return what was measured of a job, minute by minute."""
        rows = self._database.all("SELECT * FROM aml_samples WHERE job = ? ORDER BY minute", job)
        return [Minute(_moment(row["minute"] * 60), *tuple(row)[2:]) for row in rows]


class AssetStore:
    """Versioned assets of all kinds, and their containers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.script(_TABLES)

    def get(self, kind: str, name: str, version: str) -> Version | None:
        """Return one version."""
        row = self._database.one(
            "SELECT * FROM aml_assets WHERE kind = ? AND name = ? AND version = ?", kind, name, version
        )
        return _version(row) if row else None

    def versions(self, kind: str, name: str | None = None) -> list[Version]:
        """Return the versions of an asset (of every asset of the kind when ``name`` is None), the newest first."""
        rows = self._database.all(
            "SELECT * FROM aml_assets WHERE kind = ? AND name = ifnull(?, name) ORDER BY number DESC", kind, name
        )
        return [_version(row) for row in rows]

    def put(self, version: Version) -> None:
        """Store a version, new or changed."""
        self._database.run(
            "INSERT INTO aml_assets (kind, name, version, properties, created, created_by) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (kind, name, version) DO UPDATE SET properties = excluded.properties",
            version.kind, version.name, version.version, json.dumps(version.properties),
            version.created.timestamp(), version.created_by,
        )  # fmt: skip

    def container(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return what was PUT to an asset's container."""
        row = self._database.one("SELECT properties FROM aml_containers WHERE kind = ? AND name = ?", kind, name)
        return json.loads(row["properties"]) if row else None

    def put_container(self, kind: str, name: str, properties: dict[str, Any]) -> None:
        """Store what was PUT to an asset's container."""
        self._database.run("INSERT OR REPLACE INTO aml_containers VALUES (?, ?, ?)", kind, name, json.dumps(properties))

    def containers(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the containers of a kind that were PUT themselves, by name."""
        rows = self._database.all("SELECT name, properties FROM aml_containers WHERE kind = ?", kind)
        return {row["name"]: json.loads(row["properties"]) for row in rows}


def _columns(job: Job) -> dict[str, Any]:
    return {
        "name": job.name,
        "sent": json.dumps(job.sent),
        "display_name": job.display_name,
        "description": job.description,
        "tags": json.dumps(job.tags),
        "properties": json.dumps(job.properties),
        "archived": job.archived,
        "created": job.created.timestamp(),
        "created_by": job.created_by,
        "status": job.status,
        "started": job.started and job.started.timestamp(),
        "ended": job.ended and job.ended.timestamp(),
        "error": json.dumps(job.error),
        "warning": job.warning,
        "cpu_seconds": job.cpu_seconds,
        "peak_memory": job.peak_memory,
        "processes": json.dumps(job.processes),
    }


def _job(row: Row) -> Job:
    return Job(
        name=row["name"],
        sent=json.loads(row["sent"]),
        display_name=row["display_name"],
        description=row["description"],
        tags=json.loads(row["tags"]),
        properties=json.loads(row["properties"]),
        archived=bool(row["archived"]),
        created=_moment(row["created"]),
        created_by=row["created_by"],
        status=Status(row["status"]),
        started=None if row["started"] is None else _moment(row["started"]),
        ended=None if row["ended"] is None else _moment(row["ended"]),
        error=json.loads(row["error"]),
        warning=row["warning"],
        cpu_seconds=row["cpu_seconds"],
        peak_memory=row["peak_memory"],
        processes=json.loads(row["processes"]),
    )


def _version(row: Row) -> Version:
    created = _moment(row["created"])
    return Version(row["kind"], row["name"], row["version"], json.loads(row["properties"]), created, row["created_by"])


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
