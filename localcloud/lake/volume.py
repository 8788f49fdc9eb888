"""What every operation on the lake stands on: finding a path, its conditions and lease, making children, versions.

The modules of operations (paths, writing, blobs, copies, permissions) are functions over a :class:`Volume`; each does
its checks and its change in one transaction.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any, Literal

from localcloud.clock import Clock
from localcloud.lake import leases
from localcloud.lake.access import Access, Rights
from localcloud.lake.acl import SUPERUSER, Acl, Permissions, inherited
from localcloud.lake.conditions import NONE, Conditions
from localcloud.lake.content import Contents
from localcloud.lake.errors import StorageError
from localcloud.lake.notices import Notices
from localcloud.lake.store import Found, Node, Store
from localcloud.lake.target import Place

#: How long unflushed and uncommitted data are kept, in seconds.
_WEEK = 7 * 24 * 3600


@dataclass(frozen=True)
class Act:
    """One request to the lake: who asks, under which conditions and lease, and the ids its events carry."""

    rights: Rights
    conditions: Conditions = NONE
    lease_id: str | None = None
    client_request_id: str | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True)
class Making:
    """What a request says about a path it makes: its mode and list, its properties."""

    permissions: Permissions | None = None
    umask: int | None = None
    acl: Acl | None = None
    owner: str | None = None
    group: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Volume:
    """The parts of one account's lake."""

    store: Store
    contents: Contents
    access: Access
    clock: Clock
    notices: Notices

    def find(self, place: Place) -> Found:
        """Return how far a path exists; raises FilesystemNotFound."""
        found = self.store.find(place)
        if found is None:
            raise StorageError("FilesystemNotFound", "The specified filesystem does not exist.")
        return found

    def existing(self, found: Found, place: Place, code: str = "PathNotFound") -> Node:
        """Return the node of a path that has to exist."""
        if found.node is None:
            raise StorageError(code, f"The specified path '{place}' does not exist.")
        return found.node

    def file(self, found: Found, place: Place) -> Node:
        """Return the node of a path that has to be a file."""
        node = self.existing(found, place)
        if node.is_directory:
            raise StorageError("PathConflict", f"The path '{place}' is a directory, not a file.")
        return node

    def guard(self, act: Act, node: Node | None) -> None:
        """Check the conditions and the lease of a write to a path, which may not exist."""
        if node is None:
            act.conditions.check_write(None)
            return
        act.conditions.check_write(node.etag, node.modified)
        leases.check_write(node.lease, act.lease_id, self.clock.time())

    def guard_new(self, act: Act, node: Node | None, place: Place) -> None:
        """Check a request that makes or replaces a path; if it insists on making, an existing one is a 409."""
        if node is not None and act.conditions.create_only:
            raise StorageError("PathAlreadyExists", f"The specified path '{place}' already exists.")
        self.guard(act, node)

    def make_parents(self, act: Act, found: Found, place: Place) -> Node:
        """Make the missing directories above a path and return the last one."""
        parent = found.last
        for name in found.missing[:-1]:
            parent = self.make_child(act, parent, name, place, directory=True)
        return parent

    def make_child(
        self, act: Act, parent: Node, name: str, place: Place, *, directory: bool, making: Making | None = None,
        **columns: Any,
    ) -> Node:  # fmt: skip
        """Add a child with the list it inherits; the caller owns it, its group is the parent's."""
        if not parent.is_directory:
            raise StorageError("PathConflict", f"'{place}' lies below a path that is a file.")
        wish = making or Making()
        acl = inherited(parent.acl, directory=directory, permissions=wish.permissions, umask=wish.umask)
        if wish.acl is not None:
            default = (wish.acl.default or acl.default) if directory else ()
            acl = Acl(wish.acl.access, default)
        return self.store.insert(
            parent,
            name,
            is_directory=directory,
            acl=acl,
            sticky=bool(wish.permissions and wish.permissions.sticky),
            owner=wish.owner or self.owner_of_new(act),
            group=wish.group or parent.group,
            metadata=wish.metadata,
            headers=wish.headers,
            **columns,
        )

    def owner_of_new(self, act: Act) -> str:
        """Return who owns what the request makes."""
        return SUPERUSER if act.rights.caller.shared_key else act.rights.caller.oid

    def change(self, node: Node, **columns: Any) -> Node:
        """Make a new version of a path; a lease that had expired is gone with that."""
        if node.lease is not None and node.lease.state(self.clock.time()) == "expired":
            columns.setdefault("lease", None)
        return self.store.change(node, **columns)

    def replace_content(self, node: Node, content: int | None, **columns: Any) -> Node:
        """Make a new version of a file with other bytes; unflushed data are dropped, and the old bytes when unused."""
        changed = self.change(node, content=content, **columns)
        self.drop_staged(node)
        if node.content != content:
            self.release(node.content)
        return changed

    def release(self, content: int | None) -> None:
        """Forget a content unless something still names it."""
        if content is not None and not self.store.names_content(content):
            self.contents.drop(content)

    def drop_staged(self, node: Node, below: int | None = None) -> None:
        """Drop the unflushed appends of a file, or only those at positions before ``below``."""
        where, values = "node = ?", [node.id]
        if below is not None:
            where, values = "node = ? AND position < ?", [node.id, below]
        rows = self.store.database.all(f"DELETE FROM lake_staged WHERE {where} RETURNING content", *values)  # noqa: S608
        for row in rows:
            self.release(row["content"])

    def drop_blocks(self, root: int, path: str | None = None) -> None:
        """Drop the uncommitted blocks of one path, or of a whole filesystem."""
        where, values = ("root = ?", [root]) if path is None else ("root = ? AND path = ?", [root, path])
        rows = self.store.database.all(f"DELETE FROM lake_block WHERE {where} RETURNING content", *values)  # noqa: S608
        for row in rows:
            self.release(row["content"])

    def abandon(self, table: Literal["lake_staged", "lake_block"], **key: Any) -> None:
        """Drop the unflushed appends of a ``node``, or the blocks of a ``path``, a week after the newest of them.

        Source: REST reference, Put Block, of uncommitted blocks; that it holds for appends is assumed.
        """
        database, where = self.store.database, " AND ".join(f"{name} = ?" for name in key)
        row = database.one(f"SELECT max(written) AS newest FROM {table} WHERE {where}", *key.values())  # noqa: S608
        if row is None or row["newest"] is None or row["newest"] > self.clock.time() - _WEEK:
            return
        with database.transaction():
            for row in database.all(f"DELETE FROM {table} WHERE {where} RETURNING content", *key.values()):  # noqa: S608
                self.release(row["content"])

    def abandon_all(self) -> None:
        """Do so for all paths."""
        for row in self.store.database.all("SELECT DISTINCT node FROM lake_staged"):
            self.abandon("lake_staged", node=row["node"])
        for row in self.store.database.all("SELECT DISTINCT root, path FROM lake_block"):
            self.abandon("lake_block", root=row["root"], path=row["path"])

    def discard_file(self, node: Node) -> None:
        """Remove a file's row, its unflushed data, and its bytes when nothing else names them."""
        self.store.database.run("DELETE FROM lake_node WHERE id = ?", node.id)
        self.drop_staged(node)
        self.release(node.content)

    def blob_created(self, act: Act, api: str, place: Place, node: Node) -> None:
        """Emit BlobCreated for ``act``."""
        self.notices.blob_created(api, place, node, act.request_id, act.client_request_id, self.clock.now())
