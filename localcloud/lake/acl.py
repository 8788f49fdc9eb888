"""POSIX access control lists in the form ADLS Gen2 writes and inherits them; values only, no tree.

Source: "Access control lists (ACLs) in Azure Data Lake Storage"; REST reference, Path - Create and Path - Update.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from localcloud.lake.errors import StorageError

READ, WRITE, EXECUTE = 4, 2, 1
SUPERUSER = "$superuser"
MAXIMUM_ENTRIES = 32
_KINDS = ("user", "group", "mask", "other")


class Entry(NamedTuple):
    """One entry of a list: ``kind`` user, group, mask or other; ``id`` empty for the base entries; rights 0 to 7."""

    kind: str
    id: str
    rights: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}:{_letters(self.rights)}"


@dataclass(frozen=True)
class Acl:
    """The access list of a path and, for a directory, the default list its new children start from."""

    access: tuple[Entry, ...]
    default: tuple[Entry, ...] = ()

    def __str__(self) -> str:
        return ",".join([*map(str, self.access), *(f"default:{entry}" for entry in self.default)])

    def permissions(self, sticky: bool) -> str:
        """Return the nine letters of ``ls``, with the mask in the group's place and ``+`` for an extended list."""
        mask = find(self.access, "mask")
        group = mask if mask is not None else find(self.access, "group")
        text = _letters(find(self.access, "user") or 0) + _letters(group or 0)
        text += _letters(find(self.access, "other") or 0)
        if sticky:
            text = text[:-1] + ("t" if text[-1] == "x" else "T")
        return text + ("+" if mask is not None or self.default else "")


class Permissions(NamedTuple):
    """What ``x-ms-permissions`` says: rights 0 to 7 of each class, and the sticky bit."""

    user: int
    group: int
    other: int
    sticky: bool = False


NEW_DIRECTORY = Permissions(7, 7, 7)
NEW_FILE = Permissions(6, 6, 6)
DEFAULT_UMASK = 0o027


def _letters(rights: int) -> str:
    return "".join(letter if rights & bit else "-" for letter, bit in (("r", READ), ("w", WRITE), ("x", EXECUTE)))


def find(entries: Iterable[Entry], kind: str, id: str = "") -> int | None:  # noqa: A002 - the protocol's own word
    """Return the rights of the entry for ``kind`` and ``id``, or None."""
    return next((entry.rights for entry in entries if entry.kind == kind and entry.id == id), None)


def invalid(text: str, rule: str) -> StorageError:
    """Return the refusal of a list or of permissions that break ``rule``."""
    return StorageError("InvalidInput", f"The access control list or permissions '{text}' are not valid: {rule}.")


@lru_cache(maxsize=4096)
def parse(text: str) -> Acl:
    """Read a complete list; the base entries must be there, a mask is computed where named entries need one."""
    scopes = _entries(text, with_rights=True)
    access = _completed(scopes[False], text)
    default = _completed(_with_base(scopes[True], access), text)
    if not access:
        raise invalid(text, "entries for user::, group:: and other:: are required")
    return Acl(access, default)


def parse_changes(text: str) -> dict[bool, dict[tuple[str, str], int]]:
    """Read entries to be merged into a list, keyed by scope (True = default), then (kind, id)."""
    return _entries(text, with_rights=True)


def parse_removals(text: str) -> dict[bool, dict[tuple[str, str], int]]:
    """Read entries to be removed (``user:ID``, ``mask``, ``default``), keyed as :func:`parse_changes`; no rights."""
    return _entries(text, with_rights=False)


def _entries(text: str, *, with_rights: bool) -> dict[bool, dict[tuple[str, str], int]]:
    scopes: dict[bool, dict[tuple[str, str], int]] = {False: {}, True: {}}
    for part in filter(None, (part.strip() for part in text.split(","))):
        words = part.split(":")
        default = words[0] == "default"
        words = words[1:] if default else words
        if not with_rights and default and not words:
            scopes[True][("", "")] = 0
            continue
        rights = _rights(words.pop(), text) if with_rights and len(words) == 3 else 0
        kind, identity = words[0], words[1] if len(words) > 1 else ""
        if kind not in _KINDS or len(words) > 2 or (with_rights and len(words) != 2):
            raise invalid(text, f"'{part}' is not [default:]user|group|mask|other:[id]:rwx")
        if identity and kind in ("mask", "other"):
            raise invalid(text, f"{kind} has no id")
        if (kind, identity) in scopes[default]:
            raise invalid(text, f"'{part}' is there twice")
        scopes[default][(kind, identity)] = rights
    return scopes


def _rights(letters: str, text: str) -> int:
    if not re.fullmatch("[r-][w-][x-]", letters):
        raise invalid(text, f"rights are written like r-x, not '{letters}'")
    return sum(bit for letter, bit in zip(letters, (READ, WRITE, EXECUTE), strict=True) if letter != "-")


def _completed(scope: dict[tuple[str, str], int], text: str) -> tuple[Entry, ...]:
    if not scope:
        return ()
    if missing := [kind for kind in ("user", "group", "other") if (kind, "") not in scope]:
        raise invalid(text, f"the entry for {missing[0]}:: is missing")
    named = any(identity for _, identity in scope)
    if named and ("mask", "") not in scope:
        scope = {**scope, ("mask", ""): _computed_mask(scope)}
    if len(scope) > MAXIMUM_ENTRIES:
        raise invalid(text, f"it has {len(scope)} entries and {MAXIMUM_ENTRIES} is the most, use groups instead")
    order = sorted(scope, key=lambda key: (_KINDS.index(key[0]), key[1]))
    return tuple(Entry(kind, identity, scope[kind, identity]) for kind, identity in order)


def _computed_mask(scope: dict[tuple[str, str], int]) -> int:
    rights = 0
    for (kind, identity), value in scope.items():
        if kind == "group" or (kind == "user" and identity):
            rights |= value
    return rights


def _as_scope(entries: tuple[Entry, ...]) -> dict[tuple[str, str], int]:
    return {(entry.kind, entry.id): entry.rights for entry in entries}


def modified(acl: Acl, text: str, *, directory: bool) -> Acl:
    """Merge the entries of ``text`` into ``acl``; a mask not given is computed anew, files have no defaults."""
    changes = parse_changes(text)
    access = _merged(acl.access, changes[False], text)
    default = _merged(acl.default, _with_base(changes[True], acl.default or access), text) if directory else ()
    return Acl(access, default)


def _with_base(scope: dict[tuple[str, str], int], base: tuple[Entry, ...]) -> dict[tuple[str, str], int]:
    """Complete a default scope that begins without base entries by those of the access list."""
    if not scope:
        return scope
    return {**{(one.kind, ""): one.rights for one in base if not one.id and one.kind != "mask"}, **scope}


def _merged(entries: tuple[Entry, ...], changes: dict[tuple[str, str], int], text: str) -> tuple[Entry, ...]:
    if not changes:
        return entries
    scope = {**_as_scope(entries), **changes}
    if ("mask", "") not in changes:
        scope.pop(("mask", ""), None)
    return _completed(scope, text)


def removed(acl: Acl, text: str) -> Acl:
    """Take the entries of ``text`` away; what is not there has no effect, and the access list's base entries stay."""
    removals = parse_removals(text)
    access = _without(acl.access, set(removals[False]), text)
    if ("", "") in removals[True]:
        return Acl(access)
    default = _without(acl.default, set(removals[True]), text)
    bare = not any(entry.id for entry in default)
    return Acl(access, () if bare and ("user", "") in removals[True] else default)


def _without(entries: tuple[Entry, ...], keys: set[tuple[str, str]], text: str) -> tuple[Entry, ...]:
    scope = _as_scope(entries)
    for key in keys & set(scope):
        if key[1] or key[0] == "mask":
            del scope[key]
    return _completed(scope, text)


def parse_permissions(text: str) -> Permissions:
    """Read ``x-ms-permissions``: four octal digits (``0640``) or nine letters (``rw-r-----``; last ``t``, ``T``)."""
    if re.fullmatch("[01]?[0-7]{3}", text):
        number = int(text, 8)
        return Permissions(number >> 6 & 7, number >> 3 & 7, number & 7, bool(number & 0o1000))
    if not re.fullmatch("([r-][w-][x-]){2}[r-][w-][xtT-]", text):
        raise invalid(text, "permissions are written like 0750 or rwxr-x---")
    sticky = text[-1] in "tT"
    plain = text[:-1] + {"t": "x", "T": "-"}.get(text[-1], text[-1])
    user, group, other = (_rights(plain[start : start + 3], text) for start in (0, 3, 6))
    return Permissions(user, group, other, sticky)


def parse_umask(text: str) -> int:
    """Read ``x-ms-umask``, four octal digits."""
    if not re.fullmatch("[0-7]{3,4}", text):
        raise StorageError("InvalidHeaderValue", f"x-ms-umask is four octal digits, not '{text}'.")
    return int(text, 8)


def changed_mode(acl: Acl, permissions: Permissions) -> Acl:
    """Apply permissions as chmod does: the group class changes the mask where there is one."""
    scope = _as_scope(acl.access)
    scope["user", ""], scope["other", ""] = permissions.user, permissions.other
    scope["mask" if ("mask", "") in scope else "group", ""] = permissions.group
    return replace(acl, access=_completed(scope, str(acl)))


def inherited(parent: Acl, *, directory: bool, permissions: Permissions | None, umask: int | None) -> Acl:
    """Return the list of a new child.

    A parent's default list is cut by the requested permissions, and the umask plays no part; without one the requested
    permissions are cut by the umask. A directory hands the default list on.
    """
    wanted = permissions or (NEW_DIRECTORY if directory else NEW_FILE)
    if not parent.default:
        mask = DEFAULT_UMASK if umask is None else umask
        rights = (wanted.user & ~(mask >> 6), wanted.group & ~(mask >> 3), wanted.other & ~mask)
        return Acl(
            tuple(Entry(kind, "", right & 7) for kind, right in zip(("user", "group", "other"), rights, strict=True))
        )
    scope = _as_scope(parent.default)
    group_class = ("mask" if ("mask", "") in scope else "group", "")
    for key, right in ((("user", ""), wanted.user), (group_class, wanted.group), (("other", ""), wanted.other)):
        scope[key] &= right
    return Acl(_completed(scope, str(parent)), parent.default if directory else ())


def allows(acl: Acl, owner: str, group: str, oid: str, groups: Collection[str], wanted: int) -> bool:
    """Tell whether ``oid``, in ``groups``, holds every right of ``wanted``; the first class that fits decides."""
    entries = acl.access
    mask = find(entries, "mask")
    mask = 7 if mask is None else mask
    if oid == owner:
        return (find(entries, "user") or 0) & wanted == wanted
    named = find(entries, "user", oid)
    if named is not None:
        return named & mask & wanted == wanted
    matching = [entry.rights for entry in entries if entry.kind == "group" and (entry.id or group) in groups]
    if matching:
        union = 0
        for rights in matching:
            union |= rights
        return union & mask & wanted == wanted
    # The documented algorithm masks the other class too, stricter than POSIX; what passes here passes either way.
    return (find(entries, "other") or 0) & mask & wanted == wanted
