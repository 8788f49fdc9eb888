"""Who may do what in the models filesystem, as the texts of access control lists. Pure.

Readers and jobs hold no data role, so these lists alone decide. What a job needs is given by name, folder by folder;
readers are granted below a closed top, and the top is the gate. Texts are in the order the service gives them back.
Source: "Access control lists (ACLs) in Azure Data Lake Storage"; REST reference, Path - Update.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

#: A list holds so many entries, access and default counted apart. Source: as above, limits.
MOST_ENTRIES = 32

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def way() -> str:
    """A folder on the way (model, period, run): everyone may pass through, nobody may look; nothing is inherited."""
    return "user::rwx,group::r-x,other::--x"


def published(readers: Iterable[str]) -> str:
    """The folder of pointers: readers list it and read every pointer that is ever written into it."""
    grants = _grants("group", readers, "r-x")
    return _both(_list("rwx", grants))


def inputs(job: str) -> str:
    """A run's staged inputs: the job reads them and all that is staged below; nobody else."""
    return _both(_list("rwx", _grants("user", [job], "r-x")))


def closed_outputs(job: str) -> str:
    """The top of an attempt's outputs while the job runs: the job may pass through it, nobody else."""
    return _list("rwx", _grants("user", [job], "--x"))


def output(job: str) -> str:
    """The folder of one output, made before the job starts: the job reads and writes in it, and all it makes there."""
    return _both(_list("rwx", _grants("user", [job], "rwx")))


def sealed() -> str:
    """A top that nobody passes: not the job that has ended, no reader yet, no reader any more."""
    return _list("rwx", [])


def reader_grant(readers: Iterable[str]) -> str:
    """The entries to add below the top: readers read, and the mask keeps everybody named from writing."""
    return ",".join([*_checked(_grants("group", readers, "r-x")), "mask::r-x"])


def readable_file(readers: Iterable[str]) -> str:
    """A file beside the outputs, such as the manifest: readers read it."""
    return _list("rw-", _grants("group", readers, "r--"))


def open_outputs(readers: Iterable[str]) -> str:
    """The top of a published output set: the gate is open, readers pass and list."""
    return _list("rwx", _grants("group", readers, "r-x"))


def _grants(kind: str, ids: Iterable[str], rights: str) -> list[str]:
    """One entry for each id, lower case, each once, sorted: equal rights are equal texts."""
    wanted = sorted({one.lower() for one in ids})
    for one in wanted:
        if not _ID.fullmatch(one):
            raise ValueError(f"{one[:40]!a} is no object id: write 00000000-0000-0000-0000-000000000000")
    return [f"{kind}:{one}:{rights}" for one in wanted]


def _list(owner: str, grants: list[str]) -> str:
    """A complete list: the owner, the named ones, nothing for the owning group and the rest.

    The mask is the widest of the named entries, so that none of them is narrowed and nothing else comes in.
    """
    users = [grant for grant in grants if grant.startswith("user:")]
    groups = [grant for grant in grants if grant.startswith("group:")]
    mask = [f"mask::{grants[0].rpartition(':')[2]}"] if grants else []
    return ",".join(_checked([f"user::{owner}", *users, "group::---", *groups, *mask, "other::---"]))


def _both(entries: str) -> str:
    """The same list for the folder itself and, as default, for all that is made in it."""
    return ",".join([entries, *(f"default:{entry}" for entry in entries.split(","))])


def _checked(entries: list[str]) -> list[str]:
    if len(entries) > MOST_ENTRIES:
        raise ValueError(f"an access control list holds {MOST_ENTRIES} entries, not {len(entries)}: name fewer readers")
    return entries
