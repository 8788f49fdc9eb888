"""Ports for the servers of tests: none that the system gives to a connection between a server's end and its next start.

Each process of the tests has a range of its own, below the one that Linux and macOS take connections' ports from.
"""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator

_FIRST, _RANGES, _SIZE = 20_000, 100, 120


def free_ports(number: int) -> list[int]:
    """Return so many ports that nobody listens on now and that this process was not given lately."""
    return list(itertools.islice(filter(_is_free, _ours), number))


def _round() -> Iterator[int]:
    """This process's ports, one after the other, for ever."""
    first = _FIRST + os.getpid() % _RANGES * _SIZE
    return itertools.cycle(range(first, first + _SIZE))


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


_ours = _round()
