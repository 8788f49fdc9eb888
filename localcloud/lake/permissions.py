"""Reading and changing owners, modes and access lists, of one path or of a whole tree.

Source: REST reference, Path - Update (setAccessControl, setAccessControlRecursive). Neither changes an ETag.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from localcloud.lake import acl as acls
from localcloud.lake import leases, listing
from localcloud.lake.acl import Acl
from localcloud.lake.errors import StorageError, not_authorized
from localcloud.lake.store import Found, Node
from localcloud.lake.target import Place
from localcloud.lake.volume import Act, Volume

MAXIMUM_RECORDS = 2000


@dataclass(frozen=True)
class Wish:
    """What a request asks to be set; what is None stays."""

    owner: str | None = None
    group: str | None = None
    permissions: str | None = None
    acl: str | None = None


def set_access_control(volume: Volume, act: Act, place: Place, wish: Wish) -> Node:
    """Set owner, group, and mode or list of one path."""
    if wish.permissions and wish.acl:
        raise StorageError("InvalidHeaderValue", "x-ms-permissions and x-ms-acl exclude each other; send one of them.")
    if wish == Wish():
        raise StorageError(
            "MissingRequiredHeader", "One of x-ms-owner, x-ms-group, x-ms-permissions, x-ms-acl is needed."
        )
    with volume.store.database.transaction():
        found = volume.find(place)
        volume.access.own(act.rights, found)
        node = volume.existing(found, place)
        _check_owner_change(volume, act, node, wish, place)
        volume.guard(act, node)
        columns: dict[str, Any] = {}
        if wish.owner:
            columns["owner"] = wish.owner
        if wish.group:
            columns["group"] = wish.group
        if wish.permissions:
            permissions = acls.parse_permissions(wish.permissions)
            columns |= {"acl": acls.changed_mode(node.acl, permissions), "sticky": permissions.sticky}
        if wish.acl:
            columns["acl"] = _checked(acls.parse(wish.acl), node)
        return volume.store.update(node, **columns)


def _check_owner_change(volume: Volume, act: Act, node: Node, wish: Wish, place: Place) -> None:
    if volume.access.superuser(act.rights, place.filesystem):
        return
    if wish.owner and wish.owner != node.owner:
        raise not_authorized()
    if wish.group and wish.group != node.group and wish.group not in act.rights.caller.groups:
        raise not_authorized()


def _checked(acl: Acl, node: Node) -> Acl:
    if acl.default and not node.is_directory:
        raise acls.invalid(str(acl), "default entries are for directories")
    return acl


@dataclass
class Progress:
    """How far one recursive call came; ``continuation`` is the last path done, None when nothing is left."""

    directories: int = 0
    files: int = 0
    failed: list[dict[str, str]] = field(default_factory=list)
    continuation: str | None = None


def set_recursively(
    volume: Volume, act: Act, place: Place, *, mode: str, text: str, force: bool, limit: int, after: str | None
) -> Progress:
    """Set, modify or remove entries of a path and of all below it, up to ``limit`` records from after ``after`` on.

    The path itself is the first record. Without ``force`` the first failure ends the call and there is no continuation;
    what was done before stays done.
    """
    _validate(mode, text)
    with volume.store.database.transaction():
        found = volume.find(place)
        node = volume.existing(found, place)
        volume.access.look(act.rights, found)
        leases.check_write(node.lease, act.lease_id, volume.clock.time())
        progress = Progress()
        name = ""
        for number, (name, one) in enumerate(_records(volume, found, place, after)):
            if number == limit:
                return progress
            _set_one(volume, act, place.filesystem, one, name, mode, text, progress)
            if progress.failed and not force:
                progress.continuation = None
                return progress
            progress.continuation = name
        progress.continuation = None
        return progress


def _records(volume: Volume, found: Found, place: Place, after: str | None) -> Iterator[tuple[str, Node]]:
    top = found.last
    if after is None:
        yield place.path, top
    if not top.is_directory:
        return
    base = f"{place.path}/" if place.path else ""
    rest = (after or "").removeprefix(place.path).strip("/")
    yield from listing.depth_first(volume.store, top, base, rest.split("/") if rest else [])


def _set_one(
    volume: Volume, act: Act, filesystem: str, node: Node, name: str, mode: str, text: str, progress: Progress
) -> None:
    try:
        if not volume.access.changing_all(act.rights, filesystem):
            volume.access.own_below(act.rights, node)
        volume.store.update(node, acl=_changed(node, mode, text))
    except StorageError as refusal:
        kind = "DIRECTORY" if node.is_directory else "FILE"
        progress.failed.append({"errorMessage": refusal.message, "name": name, "type": kind})
        return
    if node.is_directory:
        progress.directories += 1
    else:
        progress.files += 1


def _changed(node: Node, mode: str, text: str) -> Acl:
    if mode == "modify":
        return acls.modified(node.acl, text, directory=node.is_directory)
    if mode == "remove":
        return acls.removed(node.acl, text)
    whole = acls.parse(text)
    return whole if node.is_directory else Acl(whole.access)


def _validate(mode: str, text: str) -> None:
    if mode == "set":
        acls.parse(text)
    elif mode == "modify":
        acls.parse_changes(text)
    elif mode == "remove":
        acls.parse_removals(text)
    else:
        raise StorageError("InvalidQueryParameterValue", f"mode is set, modify or remove, not '{mode}'.")
