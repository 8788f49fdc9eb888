"""The lake as the other services of the process use it, and as its routes are built on.

Every method checks the caller's rights; changes and the events they emit commit together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from localcloud.clock import Clock
from localcloud.config import ACCOUNT, ACCOUNT_KEY, Resources
from localcloud.database import Database
from localcloud.faults.disk import Disk
from localcloud.identity.rules import SUPERUSER, Caller
from localcloud.lake import listing, paths, sas, writing
from localcloud.lake.access import Access, Rights
from localcloud.lake.acl import parse
from localcloud.lake.conditions import etag_text
from localcloud.lake.content import Contents, Written
from localcloud.lake.copies import Copies
from localcloud.lake.errors import StorageError
from localcloud.lake.notices import Events, Notices
from localcloud.lake.queues.rules import Queues
from localcloud.lake.store import NAMED_CONTENTS, Node, Store
from localcloud.lake.target import Place, check_filesystem_name, clean
from localcloud.lake.volume import Act, Making, Volume

#: The list a new filesystem's root has on the service.
ROOT_ACL = "user::rwx,group::r-x,other::---"


@dataclass(frozen=True)
class FileView:
    """One version of a file: length in bytes, ETag without quotes, time aware in UTC, MD5 in base64 or None."""

    length: int
    etag: str
    modified: datetime
    content_type: str
    md5: str | None
    metadata: dict[str, str]
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class Entry:
    """One path of a walk, in full within its filesystem."""

    path: str
    is_directory: bool
    length: int
    etag: str
    modified: datetime


class Lake:
    """ADLS Gen2 and storage queues of one account.

    ``state`` is the folder that holds the contents; rows live in ``database``, which the services of a process share.
    ``base`` is the account's address in events, e.g. ``http://127.0.0.1:10000/devstoreaccount1``; ``disk`` is what
    the contents are written to.
    """

    def __init__(
        self,
        database: Database,
        state: Path,
        clock: Clock,
        events: Events,
        resources: Resources,
        base: str,
        disk: Disk | None = None,
    ) -> None:
        store = Store(database, clock)
        contents = Contents(database, state / "content", disk)
        workspace = resources.aml
        topic = (
            f"/subscriptions/{workspace.subscription}/resourceGroups/{workspace.resource_group}"
            f"/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}"
        )
        access = Access(resources.storage.roles, store)
        self.volume = Volume(store, contents, access, clock, Notices(events, store, topic, base))
        self.volume.abandon_all()
        contents.collect(NAMED_CONTENTS)
        self.queue = Queues(database, clock)
        self.copies = Copies(self.volume)
        self._sweeper: asyncio.Task[None] | None = None

    def read_file(self, caller: Caller, filesystem: str, path: str) -> FileView:
        """Return a file for reading; its ``open`` gives this version's bytes as long as the version is held."""
        place = Place(filesystem, clean(path))
        node = paths.readable(self.volume, Act(Rights(caller)), place)
        if node.is_directory:
            raise StorageError("PathConflict", f"The path '{place}' is a directory, not a file.")
        return FileView(
            node.length,
            etag_text(node.etag),
            self._moment(node),
            node.headers.get("content-type", "application/octet-stream"),
            node.md5,
            dict(node.metadata),
            lambda: self.volume.contents.open(node.content, node.length),
        )

    def walk(self, caller: Caller, filesystem: str, directory: str) -> Iterator[Entry]:
        """Yield all that lies in a directory, depth first; a file in its place is yielded alone."""
        place, after, act = Place(filesystem, clean(directory)), None, Act(Rights(caller))
        while True:
            page = listing.list_paths(self.volume, act, place, recursive=True, limit=5000, after=after)
            for path, node in page.entries:
                yield Entry(path, node.is_directory, node.length, etag_text(node.etag), self._moment(node))
            after = page.following
            if after is None:
                return

    def put_file(self, caller: Caller, filesystem: str, path: str, source: Path) -> None:
        """Make or replace a file by a local one, parents included; to the world a create and a flush with close."""
        act, place = self._act_of_put(caller, filesystem, path)
        self._put(act, place, self.volume.contents.take(source))

    async def upload_file(self, caller: Caller, filesystem: str, path: str, source: Path) -> None:
        """Do as :meth:`put_file` with a file that may be large: others are served while its bytes are copied."""
        act, place = self._act_of_put(caller, filesystem, path)
        self._put(act, place, await asyncio.to_thread(self.volume.contents.take, source))

    def _act_of_put(self, caller: Caller, filesystem: str, path: str) -> tuple[Act, Place]:
        """Return who puts what where, refused before its bytes are copied if it may not be."""
        act, place = Act(Rights(caller)), Place(filesystem, clean(path))
        self.volume.access.create(act.rights, self.volume.find(place))
        return act, place

    def _put(self, act: Act, place: Place, written: Written) -> None:
        try:
            with self.volume.store.database.transaction():
                paths.create(self.volume, act, place, Making(), directory=False, lease=None)
                if written.length:
                    writing.append(self.volume, act, place, 0, written, None)
                writing.flush(self.volume, act, place, written.length, close=True)
        finally:
            if not self.volume.contents.names_part(written):
                self.volume.contents.discard(written)

    def make_directory(self, caller: Caller, filesystem: str, path: str) -> None:
        """Make a directory and its parents; one that exists stays as it is."""
        act, place = Act(Rights(caller)), Place(filesystem, clean(path))
        found = self.volume.find(place)
        if found.node is not None and found.node.is_directory:
            self.volume.access.look(act.rights, found)
            return
        paths.create(self.volume, act, place, Making(), directory=True, lease=None)

    def container_sas(self, filesystem: str, permissions: str, expiry: datetime) -> str:
        """Return a query that gives ``permissions`` letters on a filesystem until ``expiry`` (aware)."""
        return sas.container(ACCOUNT, ACCOUNT_KEY, filesystem, permissions, expiry)

    def ensure_filesystem(self, name: str, acl: str | None = None) -> None:
        """Make a filesystem unless it exists; ``acl`` is its root's list then."""
        check_filesystem_name(name)
        if self.volume.store.root(name) is None:
            paths.new_filesystem(self.volume, Act(Rights(SUPERUSER)), name, {}, parse(acl or ROOT_ACL))

    def ensure_queue(self, name: str) -> None:
        """Make a queue unless it exists."""
        if not self.queue.exists(name):
            self.queue.create(name, {})

    def sweep_soon(self) -> None:
        """Remove, bit by bit and between requests, what recursive deletes cut off."""
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = asyncio.get_running_loop().create_task(self._sweep())

    def rest(self) -> None:
        """Stop sweeping; the next start goes on."""
        if self._sweeper is not None:
            self._sweeper.cancel()

    async def _sweep(self) -> None:
        more = True
        while more:
            more = paths.sweep(self.volume)
            await asyncio.sleep(0)  # lets requests in between two pieces of work

    def _moment(self, node: Node) -> datetime:
        return datetime.fromtimestamp(node.modified, self.volume.clock.now().tzinfo)
