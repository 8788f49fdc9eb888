"""A stretch of what a job printed, as lines for people: whole ones, redacted, and where in the log they stand. Pure.

A log may be of any length, so it is read in stretches, from its end or on from where the stretch before ended. Lines
end as terminals end them: with a line feed, or with a carriage return, as bars of progress do.
"""

from __future__ import annotations

from dataclasses import dataclass

from slipway.failure import redact

#: How much of a log is read at a time, in bytes.
STRETCH = 512 * 1024
#: What stands for a line whose beginning was not read, or that is longer than a stretch: it may hold half a secret,
#: which no pattern knows.
UNREAD = "[data]"


@dataclass(frozen=True)
class Stretch:
    """Some lines of a log. `begins`, `ends` and `length`, of all the log, are in bytes.

    `unfinished` is the last line of a job that still prints, which may be half a line: what goes on from `ends` has it
    again.
    """

    lines: tuple[str, ...]
    unfinished: str | None
    begins: int
    ends: int
    length: int


NOTHING = Stretch((), None, 0, 0, 0)


def stretch(data: bytes, begin: int, length: int, most: int, *, newest: bool, over: bool) -> Stretch:
    """At most `most` lines, the first or the `newest`, of what was read of a log of `length` bytes from `begin` on.

    Unless that is 0, `data` has the byte before it, too, which tells whether a line begins there. `over` says that the
    job prints no more.
    """
    midway = begin > 0 and data[:1] not in (b"\n", b"\r")
    data = data[1:] if begin > 0 else data
    pieces = data.splitlines(keepends=True)
    if midway and len(pieces) > 1:
        begin += len(pieces.pop(0))
        midway = False
    end = begin + sum(map(len, pieces))
    all_of_it, unfinished = end >= length, None
    if pieces and not pieces[-1].endswith(b"\n") and not (over and all_of_it):
        if len(pieces) == 1 and not all_of_it:
            midway = True
        else:
            last = pieces.pop()
            end -= len(last)
            unfinished = _text(last, midway=midway) if all_of_it else None
    if newest:
        gone, shown, left = pieces[:-most], pieces[-most:], []
    else:
        gone, shown, left = [], pieces[:most], pieces[most:]
    return Stretch(
        tuple(_text(piece, midway=midway) for piece in shown),
        None if left else unfinished,
        begin + sum(map(len, gone)),
        end - sum(map(len, left)),
        length,
    )


def _text(piece: bytes, *, midway: bool) -> str:
    return UNREAD if midway else redact(piece.decode(errors="replace").rstrip("\r\n"))
