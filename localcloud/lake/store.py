"""The lake's tree in SQLite: one row a path, found by its parent, so that a rename changes one row.

A filesystem is the row of its root directory, below no parent. Rows in the trash are what a recursive delete cut off in
one step; they are removed piece by piece afterwards.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from localcloud.clock import Clock
from localcloud.database import Database
from localcloud.lake.acl import Acl, parse
from localcloud.lake.leases import Lease
from localcloud.lake.target import Place

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lake_node (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    parent INTEGER NOT NULL,
    name TEXT NOT NULL,
    is_directory INTEGER NOT NULL,
    etag INTEGER NOT NULL,
    modified REAL NOT NULL,
    created REAL NOT NULL,
    owner TEXT NOT NULL,
    "group" TEXT NOT NULL,
    acl TEXT NOT NULL,
    sticky INTEGER NOT NULL DEFAULT 0,
    metadata TEXT NOT NULL DEFAULT '{}',
    headers TEXT NOT NULL DEFAULT '{}',
    content INTEGER,
    length INTEGER NOT NULL DEFAULT 0,
    md5 TEXT,
    surface TEXT NOT NULL DEFAULT 'dfs',
    lease TEXT,
    copy TEXT,
    UNIQUE (parent, name)
);
CREATE INDEX IF NOT EXISTS lake_node_content ON lake_node (content) WHERE content IS NOT NULL;
CREATE TABLE IF NOT EXISTS lake_staged (
    node INTEGER NOT NULL, position INTEGER NOT NULL, content INTEGER NOT NULL, length INTEGER NOT NULL,
    written REAL NOT NULL,
    PRIMARY KEY (node, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lake_block (
    root INTEGER NOT NULL, path TEXT NOT NULL, id TEXT NOT NULL, ordinal INTEGER NOT NULL,
    content INTEGER NOT NULL, length INTEGER NOT NULL, written REAL NOT NULL,
    PRIMARY KEY (root, path, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lake_counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
_NO_PARENT = 0
_TRASH = -1
_TICKS_AT_1970 = 621355968000000000
_PAGE = 500
NAMED_CONTENTS = (
    "SELECT content FROM lake_node WHERE content IS NOT NULL"
    " UNION SELECT content FROM lake_staged UNION SELECT content FROM lake_block"
)


@dataclass(slots=True)
class Node:
    """One file or directory; times in seconds since 1970, ``md5`` in base64, ``surface`` the one that wrote it last."""

    id: int
    parent: int
    name: str
    is_directory: bool
    etag: int
    modified: float
    created: float
    owner: str
    group: str
    acl_text: str
    sticky: bool
    metadata: dict[str, str]
    headers: dict[str, str]
    content: int | None
    length: int
    md5: str | None
    surface: str
    lease: Lease | None
    copy: dict[str, Any] | None

    @property
    def acl(self) -> Acl:
        """The access and default lists."""
        return parse(self.acl_text)

    @property
    def permissions(self) -> str:
        """The mode as ``ls`` shows it."""
        return self.acl.permissions(self.sticky)


@dataclass(slots=True)
class Found:
    """How far a path exists: the nodes from the root on, and the components that are missing."""

    chain: list[Node]
    missing: list[str]

    @property
    def node(self) -> Node | None:
        """The path's own node, or None when it does not exist."""
        return None if self.missing else self.chain[-1]

    @property
    def last(self) -> Node:
        """The deepest node that exists."""
        return self.chain[-1]


class Store:
    """Rows of the tree, of staged data and of the counters; knows no rights and no conditions."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self._clock = clock
        database.script(_SCHEMA)
        for table in ("lake_staged", "lake_block"):  # a state of before they were dated
            if "written" not in {row["name"] for row in database.all(f"PRAGMA table_info({table})")}:
                database.script(f"ALTER TABLE {table} ADD COLUMN written REAL NOT NULL DEFAULT {clock.time()}")

    def root(self, filesystem: str) -> Node | None:
        """Return the root directory of a filesystem, or None."""
        return self.child(_NO_PARENT, filesystem)

    def filesystems(self, prefix: str, after: str) -> Iterator[Node]:
        """Yield the filesystems whose names begin with ``prefix`` and come after ``after``, by name."""
        return self.children(_NO_PARENT, prefix, after)

    def child(self, parent: int, name: str) -> Node | None:
        """Return one child by its name."""
        row = self.database.one("SELECT * FROM lake_node WHERE parent = ? AND name = ?", parent, name)
        return None if row is None else _node(row)

    def find(self, place: Place) -> Found | None:
        """Walk from the root along the path as far as it exists; None when the filesystem does not exist."""
        root = self.root(place.filesystem)
        if root is None:
            return None
        chain, parts = [root], place.parts
        for index, name in enumerate(parts):
            child = self.child(chain[-1].id, name) if chain[-1].is_directory else None
            if child is None:
                return Found(chain, parts[index:])
            chain.append(child)
        return Found(chain, [])

    def children(self, parent: int, prefix: str = "", after: str = "") -> Iterator[Node]:
        """Yield the children whose names begin with ``prefix`` and come after ``after``, by name; memory is flat."""
        low, operator = (after, ">") if after >= prefix else (prefix, ">=")
        while True:
            rows = self.database.all(
                f"SELECT * FROM lake_node WHERE parent = ? AND name {operator} ? ORDER BY name LIMIT ?",  # noqa: S608
                parent, low, _PAGE,
            )  # fmt: skip
            for row in rows:
                if not row["name"].startswith(prefix):
                    return
                yield _node(row)
            if len(rows) < _PAGE:
                return
            low, operator = rows[-1]["name"], ">"

    def directories_named(self, parent: int, names: list[str]) -> list[str]:
        """Return those of ``names`` that are child directories of ``parent``."""
        marks = ",".join("?" * len(names))
        rows = self.database.all(
            f"SELECT name FROM lake_node WHERE parent = ? AND is_directory AND name IN ({marks})",  # noqa: S608
            parent, *names,
        )  # fmt: skip
        return [row["name"] for row in rows]

    def has_children(self, node: Node) -> bool:
        """Tell whether anything lies in a directory."""
        return self.database.one("SELECT 1 FROM lake_node WHERE parent = ? LIMIT 1", node.id) is not None

    def insert(self, parent: Node | None, name: str, **columns: Any) -> Node:
        """Add a node with a new ETag; ``columns`` are those of the table, plain values."""
        now = self._clock.time()
        values = {
            "parent": parent.id if parent else _NO_PARENT, "name": name, "modified": now, "created": now,
            "etag": self.next_etag(), **_encoded(columns),
        }  # fmt: skip
        names = ",".join(f'"{column}"' for column in values)
        marks = ",".join("?" * len(values))
        statement = f"INSERT INTO lake_node ({names}) VALUES ({marks}) RETURNING *"  # noqa: S608
        row = self.database.one(statement, *values.values())
        assert row is not None
        return _node(row)

    def update(self, node: Node, **columns: Any) -> Node:
        """Change columns of a node and nothing else: neither ETag nor time."""
        values = _encoded(columns)
        sets = ",".join(f'"{column}" = ?' for column in values)
        row = self.database.one(f"UPDATE lake_node SET {sets} WHERE id = ? RETURNING *", *values.values(), node.id)  # noqa: S608
        assert row is not None
        return _node(row)

    def change(self, node: Node, **columns: Any) -> Node:
        """Change columns of a node as a new version: new ETag and Last-Modified."""
        return self.update(node, etag=self.next_etag(), modified=self._clock.time(), **columns)

    def move(self, node: Node, parent: Node, name: str) -> None:
        """Make a node, and all below it, the child ``name`` of ``parent``."""
        self.database.run("UPDATE lake_node SET parent = ?, name = ? WHERE id = ?", parent.id, name, node.id)

    def discard(self, node: Node) -> None:
        """Cut a node and all below it off the tree, in one step."""
        self.database.run("UPDATE lake_node SET parent = ?, name = ? WHERE id = ?", _TRASH, uuid.uuid4().hex, node.id)

    def trash(self, limit: int) -> list[Node]:
        """Return some of the nodes that were cut off and have not been removed."""
        return [
            _node(row) for row in self.database.all("SELECT * FROM lake_node WHERE parent = ? LIMIT ?", _TRASH, limit)
        ]

    def empty(self, node: Node, limit: int) -> int:
        """Take up to ``limit`` of a discarded node's children into the trash, remove its row after the last of them.

        Returns how many rows that changed.
        """
        moved = self.database.run(
            "UPDATE lake_node SET parent = ?, name = 'trash-' || id"
            " WHERE id IN (SELECT id FROM lake_node WHERE parent = ? LIMIT ?)",
            _TRASH, node.id, limit,
        ).rowcount  # fmt: skip
        if moved == limit:
            return moved
        self.database.run("DELETE FROM lake_node WHERE id = ?", node.id)
        return moved + 1

    def pending_copies(self) -> list[Node]:
        """Return the files whose bytes a copy still owes."""
        rows = self.database.all("SELECT * FROM lake_node WHERE copy IS NOT NULL AND copy ->> 'status' = 'pending'")
        return [_node(row) for row in rows]

    def names_content(self, content: int) -> bool:
        """Tell whether any path, staged append or block names a content."""
        return any(
            self.database.one(f"SELECT 1 FROM {table} WHERE content = ? LIMIT 1", content)  # noqa: S608
            for table in ("lake_node", "lake_staged", "lake_block")
        )

    def next_etag(self) -> int:
        """Return an ETag no path ever had: the clock in ticks of 100 ns, or the last one plus one."""
        ticks = int(self._clock.time() * 10_000_000) + _TICKS_AT_1970
        return self._count("etag", ticks)

    def next_sequence(self) -> int:
        """Return the next number of the events' sequencer; it never goes back."""
        return self._count("sequence", 1)

    def _count(self, name: str, least: int) -> int:
        row = self.database.one(
            "INSERT INTO lake_counter VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = max(value + 1, excluded.value) RETURNING value",
            name, least,
        )  # fmt: skip
        assert row is not None
        return int(row["value"])


def _encoded(columns: dict[str, Any]) -> dict[str, Any]:
    encoded = dict(columns)
    for name in ("metadata", "headers"):
        if name in encoded:
            encoded[name] = json.dumps(encoded[name])
    if encoded.get("lease") is not None:
        encoded["lease"] = json.dumps(encoded["lease"].document())
    if encoded.get("copy") is not None:
        encoded["copy"] = json.dumps(encoded["copy"])
    if "acl" in encoded:
        encoded["acl"] = str(encoded["acl"])
    return encoded


def _node(row: sqlite3.Row) -> Node:
    values = list(row)
    values[3], values[10] = bool(values[3]), bool(values[10])
    values[11] = {} if values[11] == "{}" else json.loads(values[11])
    values[12] = {} if values[12] == "{}" else json.loads(values[12])
    values[17] = Lease(**json.loads(values[17])) if values[17] else None
    values[18] = json.loads(values[18]) if values[18] else None
    return Node(*values)
