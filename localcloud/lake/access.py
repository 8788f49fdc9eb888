"""Who may do what to a path: the account key, a signature's letters, roles, and only then the access control lists.

A role or signature that allows an action ends the matter, the lists are not looked at; lists add rights and never take
away what a role gives. Source: "Access control model in Azure Data Lake Storage".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from localcloud.config import RoleAssignment, oid
from localcloud.identity.rules import SUPERUSER, Caller
from localcloud.lake import acl
from localcloud.lake.acl import EXECUTE, READ, WRITE
from localcloud.lake.errors import not_authorized
from localcloud.lake.sas import Kind, SharedAccess
from localcloud.lake.store import Found, Node, Store

OWNER, CONTRIBUTOR, READER = "Storage Blob Data Owner", "Storage Blob Data Contributor", "Storage Blob Data Reader"
_ROLES_FOR = {
    "read": {OWNER, CONTRIBUTOR, READER},
    "write": {OWNER, CONTRIBUTOR},
    "own": {OWNER},
    "manage": set(),
    "queue-read": {"Storage Queue Data Contributor", "Storage Queue Data Reader"},
    "queue-manage": {"Storage Queue Data Contributor"},
    "message-peek": {
        "Storage Queue Data Contributor", "Storage Queue Data Reader", "Storage Queue Data Message Processor",
    },
    "message-add": {"Storage Queue Data Contributor", "Storage Queue Data Message Sender"},
    "message-process": {"Storage Queue Data Contributor", "Storage Queue Data Message Processor"},
    "message-update": {"Storage Queue Data Contributor"},
}  # fmt: skip


@dataclass(frozen=True)
class Rights:
    """Who asks, and what is allowed beforehand: everything by the key, some letters by a signature, else by roles."""

    caller: Caller
    signature: SharedAccess | None = None

    @classmethod
    def of_signature(cls, signature: SharedAccess) -> Rights:
        """Return what the holder of a signature may do; new paths belong to the superuser, as with the key."""
        return cls(replace(SUPERUSER, name="sas"), signature)


class Access:
    """Decides by the role assignments of the account and the lists in the tree; every refusal is a 403."""

    def __init__(self, assignments: Iterable[RoleAssignment], store: Store) -> None:
        self._store = store
        self._roles: dict[tuple[str, str], set[str]] = {}
        for assignment in assignments:
            self._roles.setdefault((oid(assignment.principal), assignment.scope), set()).add(assignment.role)

    def granted(
        self, rights: Rights, action: str, scope: str, letters: Sequence[str], kind: Kind = Kind.OBJECT
    ) -> bool:
        """Tell whether key, signature or roles allow ``action`` on a filesystem or queue, whatever the lists say.

        ``letters`` are alternatives: a signature needs all letters of any one of them, and to be for the ``kind``.
        """
        if rights.signature is not None:
            return rights.signature.allows(kind, letters)
        caller = rights.caller
        if caller.shared_key:
            return True
        identities = (caller.oid, *caller.groups)
        held = (self._roles.get((identity, place), ()) for identity in identities for place in {"", scope})
        return any(_ROLES_FOR[action] & set(roles) for roles in held)

    def require(
        self, rights: Rights, action: str, scope: str, letters: Sequence[str], kind: Kind = Kind.CONTAINER
    ) -> None:
        """Refuse what neither key, signature nor roles allow and no list can: filesystems, queues and their messages.

        No service SAS reaches filesystems themselves. Source: REST reference, "Create a service SAS".
        """
        if not self.granted(rights, action, scope, letters, kind):
            raise not_authorized()

    def superuser(self, rights: Rights, scope: str) -> bool:
        """Tell whether the caller may change owners: the key, or the Owner role."""
        return self.granted(rights, "own", scope, ["o"])

    def look(self, rights: Rights, found: Found) -> None:
        """Check for seeing properties and access lists: x on every directory on the way."""
        if not self.granted(rights, "read", _scope(found), ["r", "e"]):
            self._traverse(rights, found)

    def read(self, rights: Rights, found: Found) -> None:
        """Check for reading a file's bytes: r on it."""
        if not self.granted(rights, "read", _scope(found), ["r"]):
            self._traverse(rights, found)
            self._need(rights, found.last, READ, unless=bool(found.missing))

    def list(self, rights: Rights, found: Found) -> None:
        """Check for listing a directory: r and x on it."""
        if not self.granted(rights, "read", _scope(found), ["l"], Kind.LISTING):
            self._traverse(rights, found)
            self._need(rights, found.last, READ | EXECUTE, unless=bool(found.missing))

    def listing_all(self, rights: Rights, filesystem: str) -> bool:
        """Tell whether every directory of a filesystem may be listed without asking its list."""
        return self.granted(rights, "read", filesystem, ["l"], Kind.LISTING)

    def list_below(self, rights: Rights, directory: Node) -> None:
        """Check a directory that a recursive listing comes to: r and x on it."""
        self._need(rights, directory, READ | EXECUTE)

    def write(self, rights: Rights, found: Found, letters: Sequence[str] = ("w",), *, append: bool = False) -> None:
        """Check for changing a file's bytes or a path's properties: rw to write bytes, w for properties."""
        if not self.granted(rights, "write", _scope(found), ("w", "a") if append else letters):
            self._traverse(rights, found)
            self._need(rights, found.last, READ | WRITE if append else WRITE, unless=bool(found.missing))

    def create(self, rights: Rights, found: Found, letters: Sequence[str] = ("c", "w")) -> None:
        """Check for making or replacing a path: w and x on the deepest directory that exists above it."""
        if found.node is not None:
            letters = [letter for letter in letters if letter != "c"] or ["w"]
        if not self.granted(rights, "write", _scope(found), letters):
            self._traverse(rights, found)
            parent = found.last if found.missing else found.chain[max(0, len(found.chain) - 2)]
            self._need(rights, parent, WRITE | EXECUTE, unless=not parent.is_directory)

    def delete(self, rights: Rights, found: Found, letters: Sequence[str] = ("d",)) -> None:
        """Check for removing or moving a path away: w and x on its parent, and the sticky bit of that."""
        if self.granted(rights, "write", _scope(found), letters):
            return
        self._traverse(rights, found)
        if found.missing:
            return
        parent = found.chain[max(0, len(found.chain) - 2)]
        self._need(rights, parent, WRITE | EXECUTE)
        if parent.sticky and rights.caller.oid not in (found.last.owner, parent.owner):
            raise not_authorized()

    def deleting_all(self, rights: Rights, filesystem: str) -> bool:
        """Tell whether every directory of a filesystem may be deleted without asking the lists in it."""
        return self.granted(rights, "write", filesystem, ["d"])

    def delete_below(self, rights: Rights, directory: Node) -> None:
        """Check a directory that goes with all in it, besides :meth:`delete` of the topmost: rwx on it."""
        self._need(rights, directory, READ | WRITE | EXECUTE)

    def own(self, rights: Rights, found: Found) -> None:
        """Check for changing a path's access list: its owner, or a superuser."""
        if self.granted(rights, "own", _scope(found), ["p"]):
            return
        self._traverse(rights, found)
        if not found.missing:
            self.own_below(rights, found.last)

    def own_below(self, rights: Rights, node: Node) -> None:
        """Check a path that a recursive change comes to: only its owner, once no superuser asks."""
        if rights.signature is not None or node.owner != rights.caller.oid:
            raise not_authorized()

    def changing_all(self, rights: Rights, filesystem: str) -> bool:
        """Tell whether every access list of a filesystem may be changed without being its owner."""
        return self.granted(rights, "own", filesystem, ["p"])

    def _traverse(self, rights: Rights, found: Found) -> None:
        on_the_way = found.chain if found.missing else found.chain[:-1]
        for node in on_the_way:
            if node.is_directory:
                self._need(rights, node, EXECUTE)

    def _need(self, rights: Rights, node: Node, wanted: int, *, unless: bool = False) -> None:
        caller = rights.caller
        if unless:
            return
        if rights.signature is not None or not acl.allows(
            node.acl, node.owner, node.group, caller.oid, caller.groups, wanted
        ):
            raise not_authorized()


def _scope(found: Found) -> str:
    return found.chain[0].name
