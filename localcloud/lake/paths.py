"""Paths as such: making, renaming and deleting files and directories, their properties and leases.

Source: REST reference, Path - Create, Path - Delete, Path - Update (setProperties), Lease Blob.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from localcloud.lake import leases, listing
from localcloud.lake.acl import Acl, inherited
from localcloud.lake.conditions import Conditions
from localcloud.lake.errors import StorageError
from localcloud.lake.leases import Lease
from localcloud.lake.store import Found, Node
from localcloud.lake.target import Place
from localcloud.lake.volume import Act, Making, Volume

_SWEEP = 500


def create(volume: Volume, act: Act, place: Place, making: Making, *, directory: bool, lease: Lease | None) -> Node:
    """Make a file (empty, replacing one that exists) or a directory (which keeps its children if it exists)."""
    with volume.store.database.transaction():
        found = volume.find(place)
        volume.access.create(act.rights, found)
        if not place.path:
            raise StorageError("PathConflict", "The root directory cannot be created.")
        node = found.node
        volume.guard_new(act, node, place)
        if node is not None and node.is_directory != directory:
            raise StorageError("ResourceTypeMismatch", f"'{place}' exists and is not a {_kind(directory)}.")
        if node is None:
            parent = volume.make_parents(act, found, place)
            node = volume.make_child(act, parent, found.missing[-1], place, directory=directory, making=making)
        else:
            node = _made_again(volume, found, making)
        if lease is not None:
            node = volume.store.update(node, lease=lease)
        _tell_created(volume, act, place, node)
        return node


def _made_again(volume: Volume, found: Found, making: Making) -> Node:
    """Make a path that exists as if it were new; a file keeps its mode, list and owners unless the request names them.

    That a named mode counts: azure-storage-file-datalake, test_upload_data_to_existing_file_with_permission_and_umask.
    """
    node, parent = found.chain[-1], found.chain[-2]
    columns: dict[str, Any] = {"metadata": making.metadata, "headers": making.headers}
    if making.acl is not None:
        columns["acl"] = making.acl
    if node.is_directory:
        return volume.change(node, **columns)
    if making.permissions is not None:
        columns["acl"] = inherited(parent.acl, directory=False, permissions=making.permissions, umask=making.umask)
    columns |= {name: value for name, value in (("owner", making.owner), ("group", making.group)) if value}
    return volume.replace_content(node, None, length=0, md5=None, surface="dfs", copy=None, **columns)


def _tell_created(volume: Volume, act: Act, place: Place, node: Node) -> None:
    if node.is_directory:
        volume.notices.directory_created(place, act.request_id, act.client_request_id, volume.clock.now())
    else:
        volume.blob_created(act, "CreateFile", place, node)


def _kind(directory: bool) -> str:
    return "directory" if directory else "file"


def rename(
    volume: Volume, act: Act, source_act: Act, source: Place, place: Place, *, into: bool, headers: dict[str, str]
) -> Node:
    """Move a path and all below it, atomically; ETag, times, metadata and lists go along unchanged.

    ``source_act`` holds the conditions and lease of the source. ``into``: a directory renamed onto a directory is moved
    into it, as POSIX has it; otherwise it replaces an empty one.
    """
    with volume.store.database.transaction():
        origin = volume.find(source)
        volume.access.delete(source_act.rights, origin, ("m", "wd"))
        node = volume.existing(origin, source, "SourcePathNotFound")
        _check_movable(node, source, place)
        found, place = _destination(volume, node, source, place, into=into)
        volume.access.create(act.rights, found)
        volume.guard(source_act, node)
        target = found.node
        volume.guard_new(act, target, place)
        if len(found.missing) > 1 or not (found.chain[-1] if found.missing else found.chain[-2]).is_directory:
            raise StorageError(
                "RenameDestinationParentPathNotFound", f"The parent directory of '{place}' does not exist."
            )
        if target is not None:
            _make_way(volume, node, target, place)
        parent = found.last if found.missing else found.chain[-2]
        volume.store.move(node, parent, place.parts[-1])
        if headers:
            node = volume.store.update(node, headers={**node.headers, **headers})
        when = volume.clock.now()
        volume.notices.renamed(source, place, node, act.request_id, act.client_request_id, when)
        return node


def _check_movable(node: Node, source: Place, place: Place) -> None:
    if not source.path or not place.path:
        raise StorageError("InvalidRenameSourcePath", "The root directory cannot be renamed or replaced.")
    if source == place or (source.filesystem == place.filesystem and f"{place.path}/".startswith(f"{source.path}/")):
        raise StorageError("InvalidRenameSourcePath", f"'{place}' is '{source}' itself or lies in it.")
    if node.copy and node.copy["status"] == "pending":
        raise StorageError("PendingCopyOperation", f"A copy to '{source}' is still under way.")


def _destination(volume: Volume, node: Node, source: Place, place: Place, *, into: bool) -> tuple[Found, Place]:
    found = volume.find(place)
    if into and node.is_directory and found.node is not None and found.node.is_directory:
        place = Place(place.filesystem, f"{place.path}/{source.parts[-1]}")
        found = volume.find(place)
    return found, place


def _make_way(volume: Volume, node: Node, target: Node, place: Place) -> None:
    if node.is_directory != target.is_directory:
        raise StorageError(
            "InvalidSourceOrDestinationResourceType", f"'{place}' exists and is not of the source's type."
        )
    if target.is_directory and volume.store.has_children(target):
        raise StorageError("DirectoryNotEmpty", f"The directory '{place}' is not empty.")
    volume.discard_file(target)


def delete(
    volume: Volume, act: Act, place: Place, *, recursive: bool, api: tuple[str, str], limit: int | None = None,
    after: str | None = None,
) -> str | None:  # fmt: skip
    """Delete a file, or a directory with ``recursive`` or when empty; ``api`` names the call for file and directory.

    A directory goes at once, but the rights on what is in it may be checked in several calls: ``limit`` paths in each.
    Then the path to go on ``after`` is returned, and nothing is deleted yet.
    """
    with volume.store.database.transaction():
        found = volume.find(place)
        volume.access.delete(act.rights, found)
        node = volume.existing(found, place)
        if not place.path:
            raise StorageError("PathConflict", "The root directory cannot be deleted.")
        volume.guard(act, node)
        if not node.is_directory:
            volume.discard_file(node)
            volume.drop_blocks(found.chain[0].id, place.path)
        elif not volume.store.has_children(node):
            volume.store.discard(node)
        elif recursive:
            if following := _check_below(volume, act, place.filesystem, node, limit, after):
                return following
            volume.store.discard(node)
        else:
            raise StorageError(
                "DirectoryNotEmpty", f"The directory '{place}' is not empty; delete it with recursive=true."
            )
        name = api[1] if node.is_directory else api[0]
        when = volume.clock.now()
        volume.notices.deleted(name, place, node, act.request_id, act.client_request_id, when)
        return None


def _check_below(
    volume: Volume, act: Act, filesystem: str, directory: Node, limit: int | None, after: str | None
) -> str | None:
    if volume.access.deleting_all(act.rights, filesystem):
        return None
    check = partial(volume.access.delete_below, act.rights)
    check(directory)
    last, parts = None, after.split("/") if after else []
    for number, (path, _) in enumerate(listing.depth_first(volume.store, directory, "", parts, check=check)):
        if number == limit:
            return last
        last = path
    return None


def sweep(volume: Volume) -> bool:
    """Remove some of what recursive deletes cut off; returns whether more is left."""
    with volume.store.database.transaction():
        nodes, left = volume.store.trash(_SWEEP), _SWEEP
        for node in nodes:
            if node.is_directory:
                left -= volume.store.empty(node, left)
            else:
                volume.discard_file(node)
                left -= 1
            if left <= 0:
                break
    return bool(nodes)


def properties(volume: Volume, act: Act, place: Place) -> Node:
    """Return a path for its properties to be read."""
    found = volume.find(place)
    volume.access.look(act.rights, found)
    node = volume.existing(found, place)
    act.conditions.check_read(node.etag, node.modified)
    leases.check_read(node.lease, act.lease_id, volume.clock.time())
    return node


def readable(volume: Volume, act: Act, place: Place, conditions: Conditions | None = None) -> Node:
    """Return a file for its bytes to be read; the content its node names stays as it is."""
    found = volume.find(place)
    volume.access.read(act.rights, found)
    node = volume.existing(found, place)
    (conditions or act.conditions).check_read(node.etag, node.modified)
    leases.check_read(node.lease, act.lease_id, volume.clock.time())
    return node


def set_properties(
    volume: Volume, act: Act, place: Place, *, metadata: dict[str, str] | None = None,
    headers: dict[str, str] | None = None, keep: bool = False,
) -> Node:  # fmt: skip
    """Replace the metadata, the stored headers, or both; with ``keep`` headers not named stay."""
    with volume.store.database.transaction():
        found = volume.find(place)
        volume.access.write(act.rights, found)
        node = volume.existing(found, place)
        volume.guard(act, node)
        columns: dict[str, Any] = {}
        if metadata is not None:
            columns["metadata"] = metadata
        if headers is not None:
            named = {name: value for name, value in headers.items() if name != "content-md5"}
            columns["headers"] = {**node.headers, **named} if keep else named
            if "content-md5" in headers or not keep:
                columns["md5"] = headers.get("content-md5")
        return volume.change(node, **columns)


def set_lease(volume: Volume, act: Act, place: Place, action: str, wish: leases.Wish) -> tuple[Node, Lease | None, int]:
    """Do a lease ``action`` on a path; returns the path, its lease, and the seconds until a broken one ends.

    A signature that may delete may break too. Source: REST reference, "Create a service SAS", permission d.
    """
    with volume.store.database.transaction():
        found = volume.find(place)
        letters = ("w", "d") if action == "break" else ("w",)
        if place.path:
            volume.access.write(act.rights, found, letters)
        else:
            volume.access.require(act.rights, "write", place.filesystem, letters)
        node = volume.existing(found, place)
        act.conditions.check_write(node.etag, node.modified)
        lease, left = leases.act(node.lease, action, wish, volume.clock.time())
        return volume.store.update(node, lease=lease), lease, left


def new_filesystem(volume: Volume, act: Act, name: str, metadata: dict[str, str], acl: Acl) -> Node:
    """Make a filesystem with its root directory; raises FilesystemAlreadyExists."""
    with volume.store.database.transaction():
        if volume.store.root(name) is not None:
            raise StorageError("FilesystemAlreadyExists", f"The specified filesystem '{name}' already exists.")
        owner = volume.owner_of_new(act)
        return volume.store.insert(
            None, name, is_directory=True, acl=acl, owner=owner, group=owner, metadata=metadata, headers={}
        )


def delete_filesystem(volume: Volume, act: Act, name: str) -> None:
    """Delete a filesystem and all in it; the name is free again at once."""
    with volume.store.database.transaction():
        root = volume.find(Place(name)).last
        volume.guard(act, root)
        volume.drop_blocks(root.id)
        volume.store.discard(root)
