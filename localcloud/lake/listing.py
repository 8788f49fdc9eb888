"""Walks through the tree in the two orders the surfaces have; memory stays flat, and a walk can go on from any name.

DFS lists depth first, a directory before its children (``a``, ``a/x``, ``a-b``). Blob lists in the ordinal order of
full names (``a``, ``a-b``, ``a/x``): a directory's children come after siblings whose names sort before its slash.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from localcloud.lake.store import Node, Store
from localcloud.lake.target import Place
from localcloud.lake.volume import Act, Volume

Check = Callable[[Node], None]


def _allow(directory: Node) -> None:
    """Let a walk enter every directory."""


def depth_first(
    store: Store, directory: Node, base: str, after: list[str], *, recursive: bool = True, check: Check = _allow,
    inclusive: bool = False,
) -> Iterator[tuple[str, Node]]:  # fmt: skip
    """Yield (path, node) below ``directory``, whose own path with a slash is ``base``.

    ``after`` are the components, below ``directory``, of the last path seen; ``inclusive`` begins with that one itself.
    ``check`` is asked before a directory is entered.
    """
    if after:
        child = store.child(directory.id, after[0])
        if child is not None:
            if inclusive and len(after) == 1:
                yield base + child.name, child
            if child.is_directory and recursive:
                check(child)
                yield from depth_first(
                    store, child, f"{base}{child.name}/", after[1:], check=check, inclusive=inclusive
                )
    for child in store.children(directory.id, after=after[0] if after else ""):
        yield base + child.name, child
        if child.is_directory and recursive:
            check(child)
            yield from depth_first(store, child, f"{base}{child.name}/", [], check=check)


def ordinal(
    store: Store, directory: Node, base: str, prefix: str, after: str, *, deep: bool, check: Check = _allow
) -> Iterator[tuple[str, Node]]:
    """Yield (key, node) of children whose names begin with ``prefix``, in the order of their keys.

    A directory's key is its path, and its children follow in place of its path with a slash. Unless ``deep`` it has
    only the one key with the slash. ``after`` is the last key seen, relative to ``directory``.
    """
    waiting: list[tuple[str, str]] = []
    if after:
        waiting += _begun(store, directory, prefix, after, deep=deep)
        heapq.heapify(waiting)
    for child in store.children(directory.id, prefix, after):
        while waiting and waiting[0][0] < child.name:
            yield from _enter(store, directory, base, heapq.heappop(waiting)[1], after, deep=deep, check=check)
        if deep or not child.is_directory:
            yield base + child.name, child
        if child.is_directory:
            heapq.heappush(waiting, (child.name + "/", child.name))
    while waiting:
        yield from _enter(store, directory, base, heapq.heappop(waiting)[1], after, deep=deep, check=check)


def _begun(store: Store, directory: Node, prefix: str, after: str, *, deep: bool) -> Iterator[tuple[str, str]]:
    """Yield the directories that come before ``after`` themselves, while what is in them may come behind it."""
    first = after.split("/", 1)[0]
    names = [first[:length] for length in range(1, len(first) + 1)]
    for name in store.directories_named(directory.id, [name for name in names if name.startswith(prefix)]):
        key = name + "/"
        if key > after or (deep and after.startswith(key)):
            yield key, name


def _enter(
    store: Store, parent: Node, base: str, name: str, after: str, *, deep: bool, check: Check
) -> Iterator[tuple[str, Node]]:
    directory = store.child(parent.id, name)
    if directory is None:
        return
    key = name + "/"
    if not deep:
        yield base + key, directory
        return
    check(directory)
    rest = after.removeprefix(key) if after.startswith(key) else ""
    yield from ordinal(store, directory, base + key, "", rest, deep=True, check=check)


@dataclass(frozen=True)
class Page:
    """Some entries, by path or key, and where the next page goes on (None: nowhere)."""

    entries: list[tuple[str, Node]]
    following: str | None


def _page(entries: Iterator[tuple[str, Node]], limit: int) -> Page:
    taken: list[tuple[str, Node]] = []
    for entry in entries:
        if len(taken) == limit:
            return Page(taken, taken[-1][0])
        taken.append(entry)
    return Page(taken, None)


def _check(volume: Volume, act: Act, filesystem: str) -> Check:
    if volume.access.listing_all(act.rights, filesystem):
        return _allow
    return lambda directory: volume.access.list_below(act.rights, directory)


def list_paths(
    volume: Volume, act: Act, place: Place, *, recursive: bool, limit: int, after: str | None, begin: str | None = None
) -> Page:
    """Return a page of what lies in a directory; ``after`` is a full path, ``begin`` a name within the directory."""
    found = volume.find(place)
    volume.access.list(act.rights, found)
    directory = volume.existing(found, place)
    if not directory.is_directory:
        return Page([(place.path, directory)] if after is None else [], None)
    base = f"{place.path}/" if place.path else ""
    from_ = after.removeprefix(base).split("/") if after else begin.strip("/").split("/") if begin else []
    inclusive = after is None and bool(from_)
    check = _check(volume, act, place.filesystem)
    walk = depth_first(volume.store, directory, base, from_, recursive=recursive, check=check, inclusive=inclusive)
    return _page(walk, limit)


def list_blobs(
    volume: Volume, act: Act, filesystem: str, *, prefix: str, hierarchical: bool, limit: int, after: str
) -> Page:
    """Return a page of blobs whose names begin with ``prefix``; ``hierarchical`` stops at directories."""
    directory_path, _, name_prefix = prefix.rpartition("/")
    place = Place(filesystem, directory_path.strip("/"))
    found = volume.find(place)
    volume.access.list(act.rights, found)
    if found.node is None or not found.node.is_directory or place.path != directory_path:
        return Page([], None)
    base = f"{place.path}/" if place.path else ""
    if after > base and not after.startswith(base):
        return Page([], None)
    rest = after.removeprefix(base) if after.startswith(base) else ""
    check = _check(volume, act, filesystem)
    walk = ordinal(volume.store, found.node, base, name_prefix, rest, deep=not hierarchical, check=check)
    return _page(walk, limit)


def before(key: str) -> str:
    """Return what a walk goes on behind to begin with ``key``: a text before it, with no name in between.

    No name has U+10FFFF, which is no character, or U+0000; no text has the surrogates, U+D800 to U+DFFF.
    """
    head, last = key[:-1], key[-1]
    if last == "\0":
        return head
    previous = 0xD7FF if last == "\ue000" else ord(last) - 1
    return f"{head}{chr(previous)}\U0010ffff"


def list_filesystems(volume: Volume, prefix: str, after: str, limit: int) -> Page:
    """Return a page of the filesystems whose names begin with ``prefix``."""
    return _page(((root.name, root) for root in volume.store.filesystems(prefix, after)), limit)
