"""A folder's one owner: a lock that dies with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Seconds between two tries for a lock that may soon be free.
_AGAIN = 0.1


class InUseError(Exception):
    """Another process owns the folder; the text says which, and what to do."""


@contextmanager
def owned(folder: Path, lock: str = "lock", patience: float = 0.0) -> Iterator[None]:
    """Own ``folder`` through the file ``lock`` in it for the length of a block.

    Somebody who is about to let go is waited for, ``patience`` seconds; then raises :class:`InUseError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / lock).open("a+") as file:
        until = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() < until:
                    time.sleep(_AGAIN)
                    continue
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise InUseError(
                    f"the state folder {folder} belongs to a running cloud (process {owner}).\n"
                    "Stop that one, or choose another folder with --state."
                ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
